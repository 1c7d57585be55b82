//! One look for all who ask: however many pages are open, the source is asked once a second at
//! most, and not at all when nobody looks.

use crate::{
    api::{Answer, Api, EdgeName, Query, Refusal, json},
    model::Model,
    source::{LOG_LINES, Log, SAMPLES, Samples, Source, TaskName},
};
use egret_topology::{id::TaskId, plan::PhysicalPlan};
use egret_wire::inspect::EdgeKey;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::{sync::Mutex, time::timeout};

/// Younger looks are shared.
const FRESH: Duration = Duration::from_millis(800);
/// How long a look may take: after that the last one is shown again, and that it is old.
const LOOK_WITHIN: Duration = Duration::from_secs(8);
/// How long a log or samples may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Answers from a source.
pub struct Live<S> {
    source: S,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    model: Model,
    asked: Option<Instant>,
    stale: Option<String>,
}

impl<S: Source> Live<S> {
    /// Nothing is asked of the source before somebody asks here.
    pub fn new(source: S) -> Live<S> {
        Live { source, state: Mutex::default() }
    }

    /// Whom it asks.
    pub fn source(&self) -> &S {
        &self.source
    }

    async fn snapshot(&self) -> Answer {
        let mut state = self.state.lock().await;
        if state.asked.is_none_or(|asked| asked.elapsed() >= FRESH) {
            let seen = timeout(LOOK_WITHIN, self.source.see()).await;
            state.asked = Some(Instant::now());
            let silent = || Err(format!("no answer within {} s", LOOK_WITHIN.as_secs()));
            state.stale = match seen.unwrap_or_else(|_| silent()) {
                Ok(seen) => {
                    state.model.see(seen);
                    None
                }
                Err(why) => Some(why),
            };
        }
        let Some(mut snapshot) = state.model.snapshot() else {
            let why = state.stale.clone();
            return Err(Refusal::Silent(why.unwrap_or_else(|| "nothing was seen yet".into())));
        };
        snapshot.stale.clone_from(&state.stale);
        snapshot.age_seconds = now_ms().saturating_sub(snapshot.at_ms) as f64 / 1e3;
        drop(state);
        json(&snapshot)
    }

    async fn plan(&self) -> Result<Arc<PhysicalPlan>, Refusal> {
        let state = self.state.lock().await;
        let plan = state.model.plan().cloned();
        plan.ok_or_else(|| Refusal::Silent("the plan is not known yet".into()))
    }

    async fn log(&self, id: TaskId) -> Answer {
        let plan = self.plan().await?;
        let task = task(&plan, id)?;
        let mut lines = self.within(self.source.log(&task)).await?;
        let surplus = lines.len().saturating_sub(LOG_LINES);
        json(&Log { task: id, lines: lines.split_off(surplus) })
    }

    async fn samples(&self, edge: &EdgeName) -> Answer {
        let plan = self.plan().await?;
        let key = key(&plan, edge)?;
        let mut samples = self.within(self.source.samples(&plan, key)).await?;
        let surplus = samples.len().saturating_sub(SAMPLES);
        let fields = plan.components[key.from].streams[usize::from(key.stream)].fields.clone();
        json(&Samples { fields, samples: samples.split_off(surplus) })
    }

    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, String>>,
    ) -> Result<T, Refusal> {
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(answer) => answer.map_err(Refusal::Silent),
            Err(_) => {
                let seconds = ANSWER_WITHIN.as_secs();
                Err(Refusal::Silent(format!("no answer within {seconds} s")))
            }
        }
    }
}

impl<S: Source> Api for Live<S> {
    async fn answer(&self, query: Query) -> Answer {
        match query {
            Query::Snapshot => self.snapshot().await,
            Query::Log(task) => self.log(task).await,
            Query::Samples(edge) => self.samples(&edge).await,
        }
    }
}

/// Milliseconds since 1970, as this machine's clock says.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

fn task(plan: &PhysicalPlan, id: TaskId) -> Result<TaskName, Refusal> {
    let found = plan.tasks.iter().find(|task| task.id == id);
    let named = found.and_then(|task| Some((task, plan.components.get(task.component)?)));
    let (task, component) =
        named.ok_or_else(|| Refusal::Unknown(format!("the plan has no task {id}")))?;
    let component = component.name.clone();
    Ok(TaskName { id, component, index: task.index, pod: task.pod })
}

/// The edge by its numbers in the plan. It exists: the source has the stream.
fn key(plan: &PhysicalPlan, edge: &EdgeName) -> Result<EdgeKey, Refusal> {
    let component = |name: &str| plan.components.iter().position(|one| one.name == name);
    let found = || {
        let (from, to) = (component(&edge.from)?, component(&edge.to)?);
        let streams = &plan.components[from].streams;
        let stream = streams.iter().position(|stream| stream.name == edge.stream)?;
        let receives = |input: &egret_topology::plan::PlannedInput| {
            (input.from, input.stream) == (from, stream)
        };
        let exists = plan.components[to].inputs.iter().any(receives);
        exists.then_some(EdgeKey { from, stream: stream.try_into().ok()?, to })
    };
    found().ok_or_else(|| {
        let EdgeName { from, stream, to } = edge;
        Refusal::Unknown(format!("there is no edge from {from} over {stream} to {to}"))
    })
}
