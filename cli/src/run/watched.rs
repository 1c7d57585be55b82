//! What `egret ui` and `egret top` see of a run: a socket in the run directory always, and the page
//! if that is asked for.
//!
//! It lives on a thread of its own, so that whoever looks never holds up the run, and it asks
//! nobody anything while nobody looks.

use super::{children, directory::Directory, logs::Entry};
use crate::ui;
use egret_process::Line;
use egret_topology::{
    id::PodId,
    packing_plan::{PackedTask, PackingPlan},
    plan::PhysicalPlan,
};
use egret_ui::{
    live::{Live, now_ms},
    pods::{Dial, Pods},
    seen::{Seen, SeenPod},
    server::{self, Listener},
    snapshot::LogLine,
    source::{LOG_LINES, Source, TaskName},
};
use egret_wire::inspect::{EdgeKey, Look, Sample};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};
use tokio::net::{UnixListener, UnixStream};

/// Bytes of a line that are kept.
const LINE: usize = 2 << 10;

/// What the loop of the run tells those who look. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    state: &'static str,
    /// Last lines of each child.
    logs: BTreeMap<String, VecDeque<LogLine>>,
}

impl Watched {
    /// What the run is doing, in one word.
    pub(crate) fn state(&self, word: &'static str) {
        self.told().state = word;
    }

    /// A child wrote a line.
    pub(crate) fn line(&self, line: &Line) {
        let Entry { level, mut text } = Entry::parse(&line.text);
        text.truncate(text.floor_char_boundary(LINE));
        let mut told = self.told();
        let log = match told.logs.get_mut(&line.name) {
            Some(log) => log,
            None => told.logs.entry(line.name.clone()).or_default(),
        };
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(LogLine { at_ms: Some(now_ms()), level: level.word().to_owned(), text });
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets others look, from a thread that ends with the process. Returns where the page is, if one is
/// asked for; that it cannot be served is an error.
pub(crate) fn serve(
    watched: &Watched,
    topology: &str,
    packing: &PackingPlan,
    directory: &Directory,
    page: Option<Option<SocketAddr>>,
) -> Result<Option<SocketAddr>, String> {
    let pods: Vec<PodId> = packing.pods.iter().map(|pod| pod.id).collect();
    let sockets = pods.iter().map(|pod| (pod.to_string(), directory.inspect(*pod))).collect();
    let run = Run {
        watched: watched.clone(),
        topology: topology.to_owned(),
        pods,
        inspect: Pods::new(Sockets(sockets)),
    };
    let socket = directory.watch_socket();
    let (opened, is_open) = mpsc::sync_channel(1);
    let cannot = |error: std::io::Error| format!("cannot let others look at the run: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(cannot)?;
    let thread = thread::Builder::new().name("watched".into());
    let spawned = thread.spawn(move || {
        runtime.block_on(async move {
            let live = Arc::new(Live::new(run));
            // Where the path is too long for a socket, the run goes on without.
            if let Ok(listener) = UnixListener::bind(socket) {
                tokio::spawn(server::serve(Listener::Unix(listener), live.clone()));
            }
            let page = match page {
                Some(asked) => ui::open(asked).await.map(Some),
                None => Ok(None),
            };
            let (listener, address) = match page {
                Ok(Some((listener, address))) => (Some(listener), Ok(Some(address))),
                Ok(None) => (None, Ok(None)),
                Err(why) => (None, Err(why)),
            };
            // Whoever waits for it is there.
            let _ = opened.send(address);
            match listener {
                Some(listener) => server::serve(listener, live).await,
                None => std::future::pending().await,
            }
        });
    });
    spawned.map_err(cannot)?;
    is_open.recv().unwrap_or(Ok(None))
}

/// The run as somebody who looks sees it.
struct Run {
    watched: Watched,
    topology: String,
    pods: Vec<PodId>,
    inspect: Pods<Sockets>,
}

impl Source for Run {
    async fn see(&self) -> Result<Seen, String> {
        let names: Vec<String> = self.pods.iter().map(PodId::to_string).collect();
        let looks: Vec<Option<Look>> =
            self.inspect.look(&names).await.into_iter().map(Result::ok).collect();
        let answered = names.into_iter().zip(&looks);
        let answered: Vec<(String, Look)> =
            answered.filter_map(|(name, look)| Some((name, look.clone()?))).collect();
        let plan = self.inspect.plan(&answered).await;
        let pod = |(id, look): (&PodId, Option<Look>)| SeenPod {
            id: *id,
            name: children::pod_name(*id),
            node: None,
            state: if look.is_some() { "up" } else { "down" }.to_owned(),
            look,
        };
        Ok(Seen {
            at_ms: now_ms(),
            topology: self.topology.clone(),
            place: "this machine".to_owned(),
            state: self.watched.told().state.to_owned(),
            plan,
            pods: self.pods.iter().zip(looks).map(pod).collect(),
            troubles: Vec::new(),
        })
    }

    async fn log(&self, task: &TaskName) -> Result<Vec<LogLine>, String> {
        let packed =
            PackedTask { task: task.id, component: task.component.clone(), index: task.index };
        let told = self.watched.told();
        let log = told.logs.get(&children::task_name(&packed));
        Ok(log.into_iter().flatten().cloned().collect())
    }

    async fn samples(&self, plan: &PhysicalPlan, edge: EdgeKey) -> Result<Vec<Sample>, String> {
        // A tuple is seen where it is emitted.
        let sources = plan.tasks.iter().filter(|task| task.component == edge.from);
        let pods: BTreeSet<String> = sources.map(|task| task.pod.to_string()).collect();
        let pods: Vec<String> = pods.into_iter().collect();
        self.inspect.samples(&pods, edge).await
    }
}

/// The sockets of stream managers in the run directory.
struct Sockets(BTreeMap<String, PathBuf>);

impl Dial for Sockets {
    type Stream = UnixStream;

    async fn dial(&self, pod: &str) -> Result<UnixStream, String> {
        let socket = self.0.get(pod).ok_or_else(|| format!("there is no pod {pod}"))?;
        UnixStream::connect(socket).await.map_err(|error| format!("pod {pod}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_each_child_are_kept_and_no_more() {
        let watched = Watched::default();
        let line = |name: &str, text: &str| Line {
            name: name.to_owned(),
            stderr: true,
            text: text.to_owned(),
        };
        for number in 0..2 * LOG_LINES {
            watched.line(&line("count[0]", &number.to_string()));
        }
        watched.line(&line("count[1]", &"ä".repeat(LINE)));
        let told = watched.told();
        assert_eq!(told.logs["count[0]"].len(), LOG_LINES);
        assert_eq!(told.logs["count[0]"][0].text, LOG_LINES.to_string());
        assert!(told.logs["count[1]"][0].text.len() <= LINE);
    }
}
