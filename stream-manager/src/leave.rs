//! A pod that is asked to end, and an operator that is silent: its tasks are released here.
//!
//! They work on for as long as the operator knows of them. One that is parted from this pod puts
//! another in its place before long, and then nothing may go on here.

use crate::{limits, manager::Manager};
use egret_topology::{id::PodId, plan::PhysicalPlan};
use egret_wire::control::ToInstance;
use std::{rc::Rc, time::Instant};
use tokio::time;

/// Releases tasks that were asked to end when no operator has been linked for a while.
pub(crate) async fn watch(manager: Rc<Manager>) {
    let mut ticks = time::interval(limits::TICK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut alone: Option<Instant> = None;
    loop {
        ticks.tick().await;
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
    let plan = released(plan.plan(), manager.options.pod);
    for task in manager.links.instances() {
        manager.send_to_instance(task, ToInstance::Plan(Box::new(plan.clone())));
    }
}

/// The plan in force, but for what it says of a pod that goes.
fn released(plan: &PhysicalPlan, pod: PodId) -> PhysicalPlan {
    let mut plan = plan.clone();
    plan.rolling.leaving.retain(|leaving| *leaving != pod);
    plan.rolling.released.push(pod);
    plan
}
