//! The channel to the stream managers of one topology: plans go out, answers are kept.
//!
//! Nobody waits for a stream manager: answers are asked for in the background, and whoever
//! reconciles looks at the last ones.

use crate::{
    flow::{Answers, Flow},
    sockets::Sockets,
};
use egret_control::{Error, Fleet, positions::Shared as Positions};
use egret_link::{Authority, Credentials, Identity};
use egret_topology::{
    id::PodId,
    plan::{PhysicalPlan, PlanIndex},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::Notify, task::JoinHandle, time};

/// A stream manager that is alive answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Time to take a plan over. Who is silent gets it when the link is back.
const PUSH_WITHIN: Duration = Duration::from_secs(10);
/// Between two pushes of a plan that is refused.
const PUSH_AGAIN: Duration = Duration::from_secs(5);
/// Validity of the operator's own certificate: as long as the CA's. Its key lives beside that of
/// the CA, in memory only, and is gone with this process.
const VALID_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Time between questions while things move.
pub const SOON: Duration = Duration::from_millis(250);
/// The same while a topology runs.
pub const STEADY: Duration = Duration::from_secs(2);

/// The channel to the stream managers of one topology.
pub struct Channel {
    fleet: Fleet,
    addresses: BTreeMap<PodId, SocketAddr>,
    shared: Arc<Shared>,
    pushed: u64,
    asking: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    kept: Mutex<Kept>,
    /// Ask now, and again after another pause.
    hurry: Notify,
}

#[derive(Default)]
struct Kept {
    plan: Option<PlanIndex>,
    every: Duration,
    answers: Option<Answers>,
    refused: Option<String>,
    /// What was told last: only what differs wakes the controller.
    told: Option<Flow>,
}

impl Channel {
    /// Opens the channel to stream managers of a topology; `wake` is called when something of note
    /// has changed. Needs a tokio runtime.
    pub fn open(
        authority: &Authority,
        uid: &str,
        sockets: &Sockets,
        toward: SocketAddr,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Result<Channel, egret_link::Error> {
        let pem = authority.issue(&Identity::Operator { uid: uid.to_owned() }, VALID_FOR)?;
        let credentials = Credentials::from_pem(&pem)?;
        let endpoint = sockets.dialing_to(toward, &credentials)?;
        let fleet = Fleet::new(endpoint, uid);
        let shared = Arc::new(Shared::default());
        shared.lock().every = SOON;
        let asking = tokio::spawn(ask(fleet.clone(), shared.clone(), wake));
        Ok(Channel { fleet, addresses: BTreeMap::new(), shared, pushed: 0, asking })
    }

    /// Where the stream managers are.
    pub fn set_addresses(&mut self, addresses: BTreeMap<PodId, SocketAddr>) {
        for pod in self.addresses.keys().filter(|pod| !addresses.contains_key(pod)) {
            self.fleet.remove(*pod);
        }
        for (pod, address) in &addresses {
            self.fleet.set_address(*pod, *address);
        }
        self.addresses = addresses;
    }

    /// Pushes a plan, unless it was pushed before.
    pub fn push(&mut self, plan: &PlanIndex) {
        let revision = plan.plan().revision;
        if self.pushed >= revision {
            return;
        }
        self.pushed = revision;
        let pushed: Arc<PhysicalPlan> = Arc::new(plan.plan().clone());
        let mut kept = self.shared.lock();
        kept.plan = Some(plan.clone());
        kept.refused = None;
        // Whoever pushes has told that it is not in force yet: the next answers are news, also if
        // they say what was said of the plan before.
        kept.told = None;
        drop(kept);
        let (fleet, shared) = (self.fleet.clone(), Arc::downgrade(&self.shared));
        tokio::spawn(push(fleet, shared, pushed, PUSH_AGAIN));
    }

    /// How often to ask.
    pub fn ask_every(&self, every: Duration) {
        let mut kept = self.shared.lock();
        if kept.every > every {
            self.shared.hurry.notify_one();
        }
        kept.every = every;
    }

    /// The last answers; none if nobody was asked yet.
    pub fn answers(&self) -> Option<Answers> {
        let kept = self.shared.lock();
        let mut answers = kept.answers.clone()?;
        answers.refused.clone_from(&kept.refused);
        Some(answers)
    }

    /// Where the input stands, as the stream managers tell.
    pub fn positions(&self) -> &Positions {
        self.fleet.positions()
    }

    /// Whether the stream manager of a pod is linked.
    pub fn is_linked(&self, pod: PodId) -> bool {
        self.fleet.manager(pod).is_some_and(|manager| manager.connected())
    }

    /// The plan that was pushed last.
    pub fn plan(&self) -> Option<PlanIndex> {
        self.shared.lock().plan.clone()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was said of a plan. False: it is not the newest any more, of which an answer that
    /// comes late says nothing.
    fn answered(&self, revision: u64, refused: Option<String>) -> bool {
        let mut kept = self.lock();
        if kept.plan.as_ref().is_none_or(|newest| newest.plan().revision != revision) {
            return false;
        }
        kept.refused = refused;
        self.hurry.notify_one();
        true
    }

    /// Keeps answers. True if they say something new.
    fn keep(&self, answers: Answers) -> bool {
        let mut kept = self.lock();
        // Counts change all the time; what they add up to is looked at anyway.
        let flow = kept.plan.as_ref().map(|plan| {
            let flow = Flow::of(plan, &answers);
            let pending = u64::from(flow.pending > 0);
            Flow { moved: 0, queued: 0, pending, ..flow }
        });
        kept.answers = Some(answers);
        let new = kept.told != flow;
        kept.told = flow;
        new
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// Pushes a plan, and again while somebody refuses it: a disk may be full for a while only.
async fn push(fleet: Fleet, shared: Weak<Shared>, plan: Arc<PhysicalPlan>, again_in: Duration) {
    loop {
        let outcome = fleet.push(&plan, PUSH_WITHIN).await;
        let refused = outcome.failed.iter().find_map(|(pod, error)| match error {
            Error::Refused { why, .. } => Some(format!("pod {pod}: {why}")),
            _ => None,
        });
        let again = refused.is_some();
        {
            let Some(shared) = shared.upgrade() else { return };
            if !shared.answered(plan.revision, refused) || !again {
                return;
            }
        }
        // Whoever closes the channel meanwhile does not wait for this.
        time::sleep(again_in).await;
    }
}

async fn ask(fleet: Fleet, shared: Arc<Shared>, wake: impl Fn()) {
    loop {
        let asked = now_ms();
        let statuses = fleet.statuses(ANSWER_WITHIN).await;
        let silent = statuses.failed.iter().map(|(pod, error)| (*pod, error.to_string()));
        let (silent, at) = (silent.collect(), now_ms());
        let answers = Answers { at, asked, silent, pods: statuses.pods, refused: None };
        if shared.keep(answers) {
            wake();
        }
        let every = shared.lock().every;
        tokio::select! {
            () = time::sleep(every) => {}
            () = shared.hurry.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
