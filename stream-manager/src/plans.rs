//! Newer plans: checked, written, put in force, passed on.

use crate::{
    files, links,
    manager::{Manager, bump},
    peer_link,
};
use egret_link::transport;
use egret_process::logging;
use egret_topology::{
    id::PodId,
    log_level::Level,
    plan::{PhysicalPlan, PlanIndex},
};
use egret_wire::control::ToInstance;
use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
use tokio::task::spawn_local;

impl Manager {
    /// Takes over a plan from the operator or a peer. `Ok` also if it is in force already.
    pub(crate) async fn take_plan(self: &Rc<Self>, plan: PhysicalPlan) -> Result<(), String> {
        let revision = plan.revision;
        let taken = self.try_plan(plan).await;
        if let Err(why) = &taken {
            bump(&self.tally.plans_refused);
            tracing::warn!(revision, "plan refused: {why}");
        }
        taken
    }

    async fn try_plan(self: &Rc<Self>, plan: PhysicalPlan) -> Result<(), String> {
        let _one_at_a_time = self.taking.lock().await;
        let ours = *self.revision.borrow();
        if plan.uid != self.options.uid {
            return Err(format!(
                "it is for topology uid `{}`, this stream manager serves `{}`",
                plan.uid, self.options.uid
            ));
        }
        if plan.revision < ours {
            return Err(format!("revision {ours} is in force already"));
        }
        if plan.revision == ours {
            return Ok(());
        }
        let index = PlanIndex::new(plan).map_err(|error| error.to_string())?;
        // One that is refused must not come back with the next life.
        self.flow.borrow().check_plan(&index).map_err(|error| error.to_string())?;
        // Only a plan that survives a restart may be in force: frames depend on it.
        files::save_plan(&self.options, index.plan()).await?;
        let now = self.now();
        self.flow.borrow_mut().set_plan(now, index.clone()).map_err(|error| error.to_string())?;
        let plan = index.plan();
        follow_log_level(plan);
        tracing::info!(
            revision = plan.revision,
            epoch = plan.epoch.0,
            state = ?plan.state,
            "a plan is in force"
        );
        for (link, connection) in self.links.connections() {
            transport::widen(&connection, links::streams(&index, link));
        }
        for task in self.links.instances() {
            self.send_to_instance(task, ToInstance::Plan(Box::new(plan.clone())));
        }
        self.revision.send_replace(plan.revision);
        self.act();
        dial_new_peers(self);
        Ok(())
    }
}

/// Takes over the log level that a plan asks for.
pub(crate) fn follow_log_level(plan: &PhysicalPlan) {
    let level = plan.log_levels.everywhere().map(Level::as_str);
    if let Err(error) = logging::set_level(level) {
        tracing::warn!("{error}");
    }
}

/// Of two pods the one with the lower index dials.
pub(crate) fn dial_new_peers(manager: &Rc<Manager>) {
    let Some(plan) = manager.plan() else { return };
    for pod in &plan.plan().pods {
        if pod.id > manager.options.pod && manager.dialed.borrow_mut().insert(pod.id) {
            spawn_local(peer_link::dial(manager.clone(), pod.id));
        }
    }
}

/// Peers that somebody dials.
pub(crate) type Dialed = RefCell<BTreeSet<PodId>>;
