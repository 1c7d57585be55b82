//! Rolling changes: whether there is one, how far it is, and what tasks run meanwhile.

use super::{Error, Seen, Turn};
use crate::{
    digest,
    observe::ObservedPod,
    record::{Record, Rejected, Stage},
    rollout::{Pull, Rollout, Rules, TaskSeen, Verdict, definitions},
};
use egret_topology::{
    id::TaskId,
    logical::{Logical, LogicalComponent},
    packing_plan::{PackedTask, PackingPlan},
    plan,
};
use egret_wire::control::{Phase, TaskStatus};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bytes of a record that has room for a rolling change: a ConfigMap ends at 1 MiB.
pub(super) const MAX_RECORD: usize = 1_000_000;

/// Who has not looked for so long does not know what has happened meanwhile.
pub(super) const AWAY_MS: u64 = 15_000;
/// For how long input waits at least: a process begins within seconds where nobody hurries.
const HOLD_AT_LEAST_MS: u64 = 10_000;

/// What runs instead, by task.
pub(super) type Others = BTreeMap<TaskId, LogicalComponent>;

impl Turn<'_> {
    /// The spec as it is taken now. While tasks change, and after a change that did not work, it
    /// has the definitions that were accepted last.
    pub(super) fn taken(&self, before: Option<&Record>) -> Result<Value, Error> {
        let spec = serde_json::to_value(&self.topology.spec)?;
        let Some((before, accepted)) = before.and_then(|it| Some((it, it.accepted.as_ref()?)))
        else {
            return Ok(spec);
        };
        let rejected = before.rejected.as_ref().map(|rejected| &rejected.definitions);
        let failed = rejected.is_some() && rejected == self.wanted(before).as_ref();
        let busy = before.rollout.is_some() || before.upgrade.is_some() || before.edit.is_some();
        let keeps = busy || failed;
        Ok(if keeps { definitions::with(&spec, &definitions::of(accepted)) } else { spec })
    }

    /// The topology with another spec, if it can run here.
    fn with(&self, spec: &Value, definitions: &Value) -> Option<Logical> {
        let mut topology = self.topology.clone();
        topology.spec = serde_json::from_value(definitions::with(spec, definitions)).ok()?;
        self.judge(&topology).ok()
    }

    /// Begins a rolling change, or takes its next steps. What tasks shall run from now on.
    pub(super) fn roll(
        &self,
        record: &mut Record,
        before: &Record,
        logical: &Arc<Logical>,
        seen: &Seen,
    ) -> Arc<Logical> {
        if record.stage != Stage::Live {
            record.rollout = None;
        }
        self.forgive(record);
        self.begin(record, before, logical);
        let Some(mut rollout) = record.rollout.take() else { return logical.clone() };
        let (accepted, tasks) = (record.accepted.clone(), tasks_of(&record.packing));
        let Some(ran) = accepted.as_ref().and_then(|spec| self.with(spec, &rollout.from)) else {
            // What ran before cannot be told any more: what still runs it begins anew.
            let left = rollout.others();
            record.renew(|task| left.contains(&task));
            return logical.clone();
        };
        rollout.keep(|task| tasks.contains_key(&task));
        let rules = self.rules(record, logical);
        let statuses = statuses(seen);
        let as_it_is = record.clone();
        let pods: BTreeMap<_, &ObservedPod> = seen
            .pods
            .iter()
            .filter(|pod| self.is_current(record, pod))
            .map(|pod| (pod.id, pod))
            .collect();
        let look = |task: TaskId| {
            let packed = tasks.get(&task);
            let pod = packed.and_then(|(_, pod)| pods.get(pod).copied());
            let image = packed
                .and_then(|(packed, _)| self.image(&as_it_is, logical, &ran, packed, pod, seen));
            let container = packed
                .zip(pod)
                .filter(|_| image.is_some())
                .and_then(|(it, pod)| pod.ids.get(&crate::names::container(&it.0)).cloned());
            let image = image.unwrap_or_default();
            let gone = pod.is_none_or(|pod| {
                let goes = pod.ip.is_none() || pod.terminating;
                goes || self.hands_over(&as_it_is, pod.id, seen)
            });
            let of = |packed: &PackedTask| {
                logical.components.iter().position(|it| it.name == packed.component)
            };
            let component = packed.and_then(|(packed, _)| of(packed)).unwrap_or(usize::MAX);
            TaskSeen {
                image,
                container,
                gone,
                component,
                ..task_seen(task, statuses.get(&task).copied(), pod, seen)
            }
        };
        if self.now.saturating_sub(self.run.looked) > AWAY_MS {
            rollout.resume(self.now);
        }
        let given_up = self.is_given_up(record, logical, &mut rollout);
        match if given_up { Verdict::Back } else { rollout.advance(&rules, &look) } {
            Verdict::Done => logical.clone(),
            Verdict::Goes => {
                record.rollout = Some(rollout);
                logical.clone()
            }
            Verdict::Back => self.go_back(record, &rollout, logical, ran.clone(), &look),
        }
    }

    fn rules(&self, record: &Record, logical: &Logical) -> Rules {
        let mut update = logical.on_cluster.update;
        // A task in a pod that goes begins anew anyway, and spouts that wait look like drained.
        update.paused |= !record.leaves.is_empty();
        Rules { now: self.now, update, hold_ms: hold_ms(logical) }
    }

    /// Whether somebody wants something else than a change that stands still.
    fn is_given_up(&self, record: &Record, logical: &Logical, rollout: &mut Rollout) -> bool {
        // Other tasks and components wait until the change has come to rest.
        let wants_other = self.judge(self.topology).is_ok_and(|asked| {
            logical.components.iter().any(|here| {
                let there = asked.component(&here.name);
                there.is_some_and(|there| {
                    (&there.image, definition(there)) != (&here.image, definition(here))
                })
            })
        });
        let other = record.rejected.is_none() && wants_other;
        if other && rollout.back {
            // First to the end of the way back.
            rollout.held = false;
        }
        let waits = logical.on_cluster.update.paused && rollout.moving.is_empty();
        other && !rollout.back && (rollout.held || waits)
    }

    /// Digest of what tasks shall run by the spec as it is, if that can run here.
    fn wanted(&self, record: &Record) -> Option<String> {
        let asked = self.judge(self.topology).ok()?;
        Some(digest::definitions(&asked, &record.images))
    }

    /// A failure counts for as long as the spec asks for what has failed.
    fn forgive(&self, record: &mut Record) {
        if record.rejected.is_some()
            && let Some(wanted) = self.wanted(record)
        {
            record.rejected.take_if(|rejected| rejected.definitions != wanted);
        }
    }

    fn begin(&self, record: &mut Record, before: &Record, logical: &Logical) {
        let accepted = record.accepted.as_ref().zip(before.accepted.as_ref());
        let anew = accepted.is_some_and(|(now, was)| now["restartedAt"] != was["restartedAt"]);
        if anew && record.stage == Stage::Live && record.rollout.is_none() {
            // What a newer operator brings comes when somebody asks for new processes.
            record.images.instance.clone_from(&self.context.settings.images.instance);
        }
        let now = digest::definitions(logical, &record.images);
        let was = std::mem::replace(&mut record.definitions, now.clone());
        if was == now || was.is_empty() || record.rollout.is_some() {
            return;
        }
        let accepted = record.accepted.as_ref().zip(before.accepted.as_ref());
        let ran = accepted.and_then(|(accepted, spec)| {
            // By its name, since it may not be what the operator brings now.
            let from = definitions::named(definitions::of(spec), &before.images.instance);
            Some((self.with(accepted, &from)?, from))
        });
        let Some((ran, from)) = ran else {
            // What ran is not known: there is nothing to go back to.
            return record.renew(|_| true);
        };
        let tasks = differing(record, &ran, logical);
        let rollout = Some(Rollout::new(from, tasks.clone())).filter(|_| !tasks.is_empty());
        let next = Record { rollout, ..record.clone() };
        let live = record.stage == Stage::Live && before.stage == Stage::Live;
        if live && next.write().len() <= MAX_RECORD {
            *record = next;
        } else {
            // Nothing flows yet.
            record.renew(|task| tasks.contains(&task));
        }
    }

    fn go_back(
        &self,
        record: &mut Record,
        rollout: &Rollout,
        logical: &Logical,
        ran: Logical,
        look: &dyn Fn(TaskId) -> TaskSeen,
    ) -> Arc<Logical> {
        let Some(accepted) = record.accepted.take() else { return Arc::new(ran) };
        let failed = definitions::of(&accepted);
        let why = rollout.why.clone().unwrap_or_default();
        let target = digest::definitions(logical, &record.images);
        record.rejected = Some(Rejected { definitions: target, why });
        record.accepted = Some(definitions::with(&accepted, &rollout.from));
        record.definitions = digest::definitions(&ran, &record.images);
        let all = differing(record, &ran, logical);
        record.rollout = Some(rollout.reversed(failed, &all, self.now, look));
        Arc::new(ran)
    }

    /// What tasks run that a rolling change has not reached.
    pub(super) fn others(&self, record: &Record) -> Others {
        let ran = record.rollout.as_ref().zip(record.accepted.as_ref());
        let ran = ran.and_then(|(rollout, spec)| Some((rollout, self.with(spec, &rollout.from)?)));
        let Some((rollout, ran)) = ran else { return Others::new() };
        let tasks = tasks_of(&record.packing);
        let other = |task: TaskId| {
            let (packed, _) = tasks.get(&task)?;
            Some((task, ran.component(&packed.component)?.clone()))
        };
        rollout.others().into_iter().filter_map(other).collect()
    }

    /// Whether the node of a task has the image that it is to run, if that is another.
    fn image(
        &self,
        record: &Record,
        logical: &Logical,
        ran: &Logical,
        packed: &PackedTask,
        pod: Option<&ObservedPod>,
        seen: &Seen,
    ) -> Option<Pull> {
        let image = |of: &Logical| Some(record.images.of(of.component(&packed.component)?));
        let (now, before) = (image(logical), image(ran));
        let now = now.filter(|now| before.as_ref() != Some(now))?;
        Some(pod.map_or(Pull::There, |pod| self.pulled(pod, &now, seen)))
    }
}

/// What a plan says of a rolling change.
pub(super) fn planned(record: &Record, logical: &Logical, others: &Others) -> plan::Rolling {
    let mut rolling = plan::Rolling {
        draining: record.rollout.iter().flat_map(Rollout::draining).collect(),
        ..plan::Rolling::default()
    };
    let mut of = BTreeMap::<&str, Vec<TaskId>>::new();
    for (task, component) in others {
        of.entry(&component.name).or_default().push(*task);
    }
    for (name, tasks) in of {
        let definition = tasks.first().and_then(|task| others.get(task)).map(definition);
        if let Some(definition) = definition
            && logical.component(name).map(self::definition) != Some(definition.clone())
        {
            rolling.others.push(plan::Other { tasks, definition });
        }
    }
    rolling
}

fn definition(component: &LogicalComponent) -> plan::Definition {
    let LogicalComponent { component, config, tick_ms, restarted_at, .. } = component.clone();
    plan::Definition { component, config, tick_ms, restarted_at }
}

/// Tasks of components that run something else there than here.
fn differing(record: &Record, there: &Logical, here: &Logical) -> BTreeSet<TaskId> {
    let of = |logical: &Logical, name: &str| {
        let component = logical.component(name)?;
        Some((record.images.of(component), definition(component)))
    };
    let differs = |name: &str| of(there, name) != of(here, name);
    let tasks = record.packing.tasks().filter(|(task, _)| differs(&task.component));
    tasks.map(|(task, _)| task.task).collect()
}

/// For how long the input of a task may wait: no longer than half of the time of a tree, unless
/// that is too short for anything to begin, and no longer than the user waits for a version.
pub(super) fn hold_ms(logical: &Logical) -> u64 {
    let most = logical.on_cluster.update.progress_deadline_ms.max(HOLD_AT_LEAST_MS);
    (logical.message_timeout_ms / 2).clamp(HOLD_AT_LEAST_MS, most)
}

fn tasks_of(packing: &PackingPlan) -> BTreeMap<TaskId, (PackedTask, egret_topology::id::PodId)> {
    packing.tasks().map(|(task, pod)| (task.task, (task.clone(), pod))).collect()
}

pub(super) fn statuses(seen: &Seen) -> BTreeMap<TaskId, &TaskStatus> {
    seen.answers.pods.iter().flat_map(|pod| &pod.tasks).map(|task| (task.task, task)).collect()
}

fn task_seen(
    task: TaskId,
    status: Option<&TaskStatus>,
    pod: Option<&ObservedPod>,
    seen: &Seen,
) -> TaskSeen {
    let Some(status) = status else {
        // Nobody works where no stream manager has ever been.
        let known = pod.is_none_or(|pod| pod.ip.is_none());
        return TaskSeen { known, ..TaskSeen::default() };
    };
    let phase = status.total.phase;
    let stalled = seen.answers.pods.iter().flat_map(|pod| &pod.stalled);
    TaskSeen {
        known: true,
        works: status.connected && phase != Phase::Starting,
        away: !status.connected,
        drained: status.connected && phase == Phase::Drained,
        life: status.incarnation,
        error: status.error.clone(),
        stalled_ms: stalled.filter(|it| it.dest == task).map(|it| it.for_ms).max().unwrap_or(0),
        ..TaskSeen::default()
    }
}
