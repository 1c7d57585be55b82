//! What is begun and nobody ends, because the operator is silent, is ended here.
//!
//! Tasks of a pod that is asked to end work on for as long as the operator knows of them. One that
//! is parted from this pod puts another in its place before long, and then nothing may go on here.
//! Spouts that hold back while somebody else is replaced go on after a while.

use crate::{limits, manager::Manager};
use egret_topology::{
    id::PodId,
    plan::{PhysicalPlan, PlanIndex},
};
use egret_wire::control::ToInstance;
use std::{rc::Rc, time::Instant};
use tokio::time;

/// Releases tasks that were asked to end when no operator has been linked for a while, and lets
/// spouts go on after a longer one.
pub(crate) async fn watch(manager: Rc<Manager>) {
    let mut ticks = time::interval(limits::TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut alone: Option<Instant> = None;
    let mut orphaned: Option<Instant> = None;
    loop {
        ticks.tick().await;
        if *manager.operators.borrow() > 0 {
            orphaned = None;
        } else if orphaned.get_or_insert_with(Instant::now).elapsed() >= limits::ORPHANED {
            // Again if it takes as long again: a plan may have come from a peer meanwhile.
            orphaned = None;
            resume(&manager);
        }
        let leaving = manager.totals.borrow().values().any(|task| task.is_leaving());
        if !leaving || *manager.operators.borrow() > 0 {
            alone = None;
        } else if alone.get_or_insert_with(Instant::now).elapsed() >= limits::FORSAKEN {
            alone = None;
            release(&manager);
        }
    }
}

fn release(manager: &Manager) {
    let Some(plan) = manager.plan() else { return };
    tracing::warn!("no operator is linked: tasks that were asked to end are released");
    tell(manager, &released(plan.plan(), manager.options.pod));
}

/// Spouts hold no input that waits: whoever is replaced meanwhile is lost like one that crashes.
fn resume(manager: &Manager) {
    let Some(index) = manager.plan() else { return };
    let plan = resumed(&index);
    if plan.rolling != index.plan().rolling {
        tracing::warn!("no operator is linked: spouts that were to hold back go on");
        tell(manager, &plan);
    }
}

fn tell(manager: &Manager, plan: &PhysicalPlan) {
    for task in manager.links.instances() {
        manager.send_to_instance(task, ToInstance::Plan(Box::new(plan.clone())));
    }
}

/// The plan in force, but for spouts that hold back.
fn resumed(index: &PlanIndex) -> PhysicalPlan {
    let mut plan = index.plan().clone();
    plan.rolling.draining.retain(|task| !index.is_spout(*task));
    plan
}

/// The plan in force, but for what it says of a pod that goes.
fn released(plan: &PhysicalPlan, pod: PodId) -> PhysicalPlan {
    let mut plan = plan.clone();
    plan.rolling.leaving.retain(|leaving| *leaving != pod);
    plan.rolling.released.push(pod);
    plan
}
