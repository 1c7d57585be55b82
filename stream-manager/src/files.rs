//! What one life leaves to the next: plan, positions, totals.
//!
//! All of it can be had again, so a file that does not parse is a warning and not an end: without a
//! plan the operator or a peer brings one, without positions the operator does.

use crate::{limits, manager::Manager, options::Options, totals::TaskTotals};
use egret_process::write_atomically;
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::{PhysicalPlan, PlanIndex},
    positions::Positions,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{task::spawn_blocking, time::MissedTickBehavior};

const PLAN: &str = "plan.json";
const POSITIONS: &str = "positions.json";
const TOTALS: &str = "totals.json";

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Totals {
    incarnation: Incarnation,
    tasks: BTreeMap<TaskId, TaskTotals>,
}

/// What the last life left.
pub(crate) struct Left {
    pub(crate) reborn: bool,
    pub(crate) plan: Option<PlanIndex>,
    /// None: nobody has told them yet.
    pub(crate) positions: Option<Positions>,
    pub(crate) totals: BTreeMap<TaskId, TaskTotals>,
    last: Option<Incarnation>,
}

impl Left {
    /// Greater than that of the last life, and than those of pods before, whatever the wall clock
    /// did.
    pub(crate) fn next_incarnation(&self, birth: u32) -> Incarnation {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Incarnation::beginning(birth, wall_ms, self.last)
    }
}

pub(crate) fn load(options: &Options) -> Left {
    let plan: Option<PhysicalPlan> = read(&options.dir.join(PLAN));
    let plan = plan.filter(|plan| plan.uid == options.uid).map(PlanIndex::new);
    let plan = plan.and_then(|plan| plan.map_err(|error| tracing::warn!("{error}")).ok());
    let totals: Option<Totals> = read(&options.dir.join(TOTALS));
    let reborn = totals.is_some() || plan.is_some();
    let last = totals.as_ref().map(|totals| totals.incarnation);
    let totals = totals.unwrap_or_default();
    let positions = read(&options.dir.join(POSITIONS));
    Left { reborn, plan, positions, totals: totals.tasks, last }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("cannot read {}: {error}", path.display());
            return None;
        }
    };
    serde_json::from_slice(&bytes)
        .inspect_err(|error| tracing::warn!("{} is of no use: {error}", path.display()))
        .ok()
}

/// Writes a plan before it is in force.
pub(crate) async fn save_plan(options: &Options, plan: &PhysicalPlan) -> Result<(), String> {
    let json = serde_json::to_vec(plan).map_err(|error| error.to_string())?;
    write(vec![(options.dir.join(PLAN), json)]).await
}

/// Writes positions and totals if they have changed.
pub(crate) async fn save(manager: &Manager) {
    // The last save must not meet one that is under way: both write the same files.
    let _one_at_a_time = manager.saving.lock().await;
    if !manager.dirty.take() {
        return;
    }
    let positions = manager.positions.borrow().as_ref().map(serde_json::to_vec).transpose();
    let tasks = std::mem::take(&mut *manager.totals.borrow_mut());
    let lives = lives(&tasks);
    let totals = Totals { incarnation: manager.incarnation, tasks };
    let json = serde_json::to_vec(&totals);
    *manager.totals.borrow_mut() = totals.tasks;
    let (Ok(positions), Ok(totals)) = (positions, json) else {
        return tracing::error!("state cannot be encoded");
    };
    let dir = &manager.options.dir;
    let mut files = vec![(dir.join(TOTALS), totals)];
    files.extend(positions.map(|positions| (dir.join(POSITIONS), positions)));
    match write(files).await {
        Ok(()) => {
            manager.written.send_replace(lives);
        }
        Err(error) => {
            tracing::warn!("state was not written, and will be tried again: {error}");
            manager.dirty.set(true);
        }
    }
}

/// The newest life of each task.
pub(crate) fn lives(tasks: &BTreeMap<TaskId, TaskTotals>) -> BTreeMap<TaskId, Incarnation> {
    tasks.iter().filter_map(|(task, totals)| Some((*task, totals.newest()?))).collect()
}

/// Waits for the disk on another thread: frames do not.
async fn write(files: Vec<(PathBuf, Vec<u8>)>) -> Result<(), String> {
    let writing = spawn_blocking(move || {
        files.into_iter().try_for_each(|(path, bytes)| {
            write_atomically(&path, &bytes)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))
        })
    });
    writing.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Writes state once a second, and at once when asked.
pub(crate) async fn keep_state(manager: Rc<Manager>) {
    let mut ticks = tokio::time::interval(limits::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => manager.tick(),
            () = manager.save.notified() => {}
        }
        save(&manager).await;
    }
}
