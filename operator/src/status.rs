//! From what was decided and seen to what is told: state, counts and conditions.

use crate::{
    build::Owner,
    edit::Edit,
    flow::Flow,
    leave::Step,
    names,
    observe::{ObservedPod, TroubleKind},
    reason::Reason,
    record::{Ends, Record, RefusedUpgrade, Stage},
    upgrade::Upgrade,
};
use egret_crd::{
    AutoscaleStatus, Condition, TopologyStatus,
    status::{ACCEPTED, FLOW_HEALTHY, PROGRESSING, READY},
};

/// Everything that the status is made of.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The topology.
    pub owner: Owner<'a>,
    /// Generation of the spec that was looked at.
    pub generation: Option<i64>,
    /// The time, as the API server writes it.
    pub now: String,
    /// What was told before.
    pub before: Option<&'a TopologyStatus>,
    /// Why the resource or its pods were refused, if they were.
    pub refused: Option<(Reason, String)>,
    /// What was decided, or what shall run, is not known: what runs is left alone.
    pub blind: bool,
    /// The user wants spouts to be off.
    pub paused: bool,
    /// The user wants no other task to begin to change.
    pub changes_pause: bool,
    /// What was decided, if anything ever was.
    pub record: Option<&'a Record>,
    /// A pod of the record that ends by itself again and again, and why.
    pub ends_again: Option<&'a Ends>,
    /// The pods of the record in their current lives.
    pub pods: &'a [ObservedPod],
    /// What the stream managers say, if there is a plan.
    pub flow: Option<&'a Flow>,
    /// Why a stream manager does not take the plan.
    pub plan_refused: Option<&'a str>,
    /// Who holds up what is pending without progress.
    pub stuck: Option<String>,
    /// What is told of what is autoscaled.
    pub autoscale: Vec<AutoscaleStatus>,
}

impl Report<'_> {
    /// Something runs, and nobody looks after it.
    fn is_blind(&self, stage: Stage) -> bool {
        let runs = matches!(stage, Stage::Starting | Stage::Live) || !self.pods.is_empty();
        self.blind && runs && stage != Stage::Completed
    }
}

/// One answer: whether, why in a word, and why for people.
type Answer = (&'static str, Reason, String);

const YES: &str = "True";
const NO: &str = "False";
const UNKNOWN: &str = "Unknown";

/// The status of a topology.
pub fn status(report: &Report<'_>) -> TopologyStatus {
    let stage = report.record.map_or(Stage::Down, |record| record.stage);
    // Without a record it is not known how many there shall be.
    let wanted = report.record.map_or(report.pods.len(), |record| match stage {
        Stage::Down => 0,
        _ => record.packing.pods.len(),
    });
    let ready_pods = report.pods.iter().filter(|pod| pod.ready).count();
    let flow = report.flow.cloned().unwrap_or_default();
    let tasks = report.record.map_or(0, |record| match stage {
        Stage::Down => 0,
        _ => record.packing.tasks().count(),
    });
    let condition = |kind: &str, answer| condition(report, kind, answer);
    let ready = ready(report, stage);
    let progressing = progressing(report, stage, &ready);
    let flow_healthy = flow_healthy(report, stage, &ready);
    TopologyStatus {
        observed_generation: report.generation,
        state: Some(state(report, stage).to_owned()),
        pods: Some(format!("{ready_pods}/{wanted}")),
        tasks: Some(format!("{}/{tasks}", flow.registered.min(tasks))),
        replicas: wanted as i32,
        selector: Some(format!("{}={}", names::TOPOLOGY, report.owner.name)),
        revision: report.record.map(|record| whole(record.revision)),
        epoch: report.record.map(|record| record.epoch.0.into()),
        autoscale: report.autoscale.clone(),
        conditions: vec![
            condition(ACCEPTED, accepted(report)),
            condition(READY, ready),
            condition(PROGRESSING, progressing),
            condition(FLOW_HEALTHY, flow_healthy),
        ],
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The state in one word.
fn state(report: &Report<'_>, stage: Stage) -> &'static str {
    match stage {
        Stage::Down if report.refused.is_some() => "Invalid",
        Stage::Down => "Stopped",
        Stage::Starting => "Pending",
        Stage::Live if report.paused => "Paused",
        Stage::Live => "Running",
        Stage::Draining | Stage::Closing => "Draining",
        Stage::Finishing | Stage::Completed => "Completed",
    }
}

fn accepted(report: &Report<'_>) -> Answer {
    match &report.refused {
        Some((reason, message)) => (NO, *reason, message.clone()),
        None => (YES, Reason::Valid, "the topology is valid".to_owned()),
    }
}

fn ready(report: &Report<'_>, stage: Stage) -> Answer {
    let no = |reason, message: &str| (NO, reason, message.to_owned());
    match stage {
        _ if report.is_blind(stage) => {
            let message = "what runs goes on, and nobody looks after it until this is put right";
            (UNKNOWN, Reason::Unknown, message.to_owned())
        }
        Stage::Down if report.refused.is_some() => {
            no(Reason::NotRunning, "the topology was not accepted, and nothing of it runs")
        }
        Stage::Down => no(Reason::Stopped, "there are no pods"),
        Stage::Draining | Stage::Closing => no(Reason::Draining, "spouts are off for good"),
        Stage::Finishing | Stage::Completed => {
            no(Reason::Completed, "all input has ended and every tuple tree is acked")
        }
        Stage::Starting | Stage::Live => running(report, stage),
    }
}

/// What is missing until every task works, the cause before the effect.
fn running(report: &Report<'_>, stage: Stage) -> Answer {
    let wanted = report.record.map_or(0, |record| record.packing.pods.len());
    let addressed = report.pods.iter().filter(|pod| pod.ip.is_some()).count();
    let trouble = report.pods.iter().find_map(|pod| Some((pod, pod.trouble.as_ref()?)));
    if let Some((pod, trouble)) = trouble {
        let reason = match trouble.kind {
            TroubleKind::Config => Reason::ConfigMissing,
            TroubleKind::Crash => Reason::Crashing,
            TroubleKind::Image => Reason::ImageUnavailable,
            TroubleKind::Unschedulable => Reason::PodsUnschedulable,
        };
        return (NO, reason, format!("pod {}: {}", pod.name, trouble.message));
    }
    if let Some(Ends { pod, why, .. }) = report.ends_again
        && report.flow.is_none_or(|flow| flow.registered < flow.tasks)
    {
        let message = format!("pod {pod} ends by itself again and again: {why}");
        return (NO, Reason::Crashing, message);
    }
    if addressed < wanted
        && let Some((reason, why)) = &report.refused
    {
        return (NO, *reason, why.clone());
    }
    if addressed < wanted {
        let message = format!("{addressed} of {wanted} pods have an address");
        return (NO, Reason::PodsPending, message);
    }
    if let Some(why) = report.plan_refused {
        return (NO, Reason::PlanRefused, why.to_owned());
    }
    let Some(flow) = report.flow else {
        return (NO, Reason::Starting, "the stream managers have no plan yet".to_owned());
    };
    if let Some(error) = &flow.crashed {
        return (NO, Reason::Crashing, error.clone());
    }
    if flow.registered < flow.tasks {
        let missing = flow.missing.as_deref().unwrap_or("a task");
        let (registered, tasks) = (flow.registered, flow.tasks);
        let message = format!("{registered} of {tasks} tasks work; {missing} does not yet");
        return (NO, Reason::TasksMissing, message);
    }
    if let Some(link) = &flow.unlinked {
        return (NO, Reason::LinksDown, format!("no link from {link}"));
    }
    if let Some(unheard) = &flow.unheard {
        return (NO, Reason::EdgesSilent, format!("no probe has passed every edge: {unheard}"));
    }
    if !flow.in_force {
        return (NO, Reason::Starting, "the newest plan is on its way".to_owned());
    }
    match stage {
        Stage::Starting => (NO, Reason::Starting, "spouts are about to start".to_owned()),
        _ if report.paused => (YES, Reason::Paused, "spouts are off; all else works".to_owned()),
        _ => (YES, Reason::Running, format!("all {} tasks work", flow.tasks)),
    }
}

/// Whether the operator is on its way. What waits for somebody is not.
fn progressing(report: &Report<'_>, stage: Stage, ready: &Answer) -> Answer {
    let yes = |reason, message: &str| (YES, reason, message.to_owned());
    let (is_ready, reason, why) = ready;
    if let Some(rolling) = rolling(report).filter(|_| stage == Stage::Live) {
        return rolling;
    }
    match stage {
        _ if report.is_blind(stage) => (NO, *reason, why.clone()),
        Stage::Starting | Stage::Live
            if reason.needs_somebody() || report.refused.is_some() && *is_ready == NO =>
        {
            (NO, *reason, format!("this has to be put right first: {why}"))
        }
        Stage::Starting => yes(Reason::Starting, "pods start and link up"),
        Stage::Draining => yes(Reason::Draining, "what is in flight is worked off"),
        Stage::Closing | Stage::Finishing => yes(Reason::Closing, "tasks close and exit"),
        Stage::Live if *is_ready != YES => (YES, *reason, why.clone()),
        Stage::Down if report.refused.is_some() => {
            (NO, Reason::NotRunning, "nothing is done until the topology is accepted".to_owned())
        }
        Stage::Down | Stage::Live | Stage::Completed => {
            (NO, Reason::Settled, "there is nothing left to do".to_owned())
        }
    }
}

/// How a rolling change goes, or how the last one ended if it did not work.
fn rolling(report: &Report<'_>) -> Option<Answer> {
    let record = report.record?;
    if let Some(edit) = &record.edit {
        return Some(editing(edit));
    }
    if let Some(upgrade) = &record.upgrade {
        let Upgrade { pod, image, why, .. } = upgrade;
        return Some(match why {
            None => (YES, Reason::Upgrading, format!("pod {pod} gets stream manager {image}")),
            Some(why) => {
                let message = format!("pod {pod} goes back to stream manager {image}: {why}");
                (YES, Reason::UpgradeFailed, message)
            }
        });
    }
    let Some(rollout) = &record.rollout else {
        if let Some(RefusedUpgrade { image, why }) = &record.refused_upgrade {
            let message = format!("stream manager {image} does not work here: {why}");
            return Some((NO, Reason::UpgradeFailed, message));
        }
        let rejected = record.rejected.as_ref()?;
        let why = &rejected.why;
        let message = format!("what ran before runs again, because {why}; change the spec");
        return Some((NO, Reason::RolledBack, message));
    };
    let why = rollout.why.as_deref().unwrap_or("it was given up");
    if rollout.held {
        return Some((NO, Reason::RolloutHeld, format!("the change has stopped, because {why}")));
    }
    let left = rollout.others().len();
    Some(if rollout.back {
        let message = format!("{left} tasks go back to what ran before, because {why}");
        (YES, Reason::RolledBack, message)
    } else {
        let pause = if report.changes_pause { ", and changes pause" } else { "" };
        (YES, Reason::RollingOut, format!("{left} tasks still run what ran before{pause}"))
    })
}

/// How far other tasks, groupings or pods are.
fn editing(edit: &Edit) -> Answer {
    let pods = edit.pods.len();
    let message = match (edit.step, &edit.why) {
        (Step::Working, Some(why)) => {
            format!("what ran before runs on, because pods that are new do not start: {why}")
        }
        (Step::Working, None) => format!("{pods} pods start before anything changes"),
        (Step::Draining, _) => "what is in flight is worked off".to_owned(),
        (Step::Closing, _) => "tasks close whose pods go".to_owned(),
        (Step::Starting, _) => "spouts wait until all tasks work".to_owned(),
    };
    match edit.late {
        true => (NO, Reason::GraphWaits, message),
        false => (YES, Reason::GraphChanging, message),
    }
}

/// Whether what is in flight moves. Of tasks that do not work nothing is known.
fn flow_healthy(report: &Report<'_>, stage: Stage, (is_ready, reason, why): &Answer) -> Answer {
    match (stage, report.flow) {
        _ if report.is_blind(stage) => (UNKNOWN, *reason, why.clone()),
        (Stage::Down | Stage::Completed, _) => {
            (UNKNOWN, Reason::NotRunning, "nothing flows".to_owned())
        }
        (_, None) => (UNKNOWN, Reason::Unknown, "no stream manager has been asked yet".to_owned()),
        (_, Some(_)) if report.stuck.is_some() => {
            let holder = report.stuck.clone().unwrap_or_default();
            (NO, Reason::Stuck, format!("tuple trees are pending without progress: {holder}"))
        }
        (Stage::Starting | Stage::Live, Some(_)) if *is_ready != YES => {
            (UNKNOWN, *reason, why.clone())
        }
        // How much is pending is no part of the message: it would change all the time.
        (_, Some(_)) => {
            (YES, Reason::Flowing, "no tuple tree is pending without progress".to_owned())
        }
    }
}

fn condition(report: &Report<'_>, kind: &str, (status, reason, message): Answer) -> Condition {
    let before = report.before.into_iter().flat_map(|status| &status.conditions);
    let before = before.into_iter().find(|condition| condition.r#type == kind);
    let since = before
        .filter(|before| before.status == status)
        .map_or_else(|| report.now.clone(), |before| before.last_transition_time.clone());
    Condition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        observed_generation: report.generation,
        last_transition_time: since,
        reason: reason.as_str().to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
