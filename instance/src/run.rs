//! Composes an instance: link to the stream manager, gateway half here, task half on a thread of
//! its own.

use crate::{
    bridge::Bridge,
    control::Outgoing,
    gateway_loop::{self, GOODBYE, Shared},
    leave::{self, Terminate},
    options::RunOptions,
    task_thread::{self, Clock, TaskEnded},
};
use egret_core::{
    bolt_task::BoltTask, context::context, gateway::Gateway, spout_task::SpoutTask, stats::Stats,
    task::Task,
};
use egret_link::{
    Backoff, Credentials, Endpoint, Identity, Windows, control as link_control, quinn, version_of,
};
use egret_sdk::{Metrics, Registry, Waker};
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    plan::PlanIndex,
};
use egret_wire::{
    control::{ALPN_INSTANCE, FromInstance, ToInstance},
    version::Versions,
};
use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::oneshot, task::LocalSet, time::timeout};

/// The error of a panic, whose text the panic has written itself.
pub(crate) const PANICKED: &str = "the component panicked; its log shows where";

/// How an instance ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// To begin anew.
    Again,
    /// As planned.
    Closed,
    /// By the fault of user code.
    User(String),
    /// By something else.
    Failed(String),
}

/// An accepted registration.
pub(crate) struct Registration {
    pub(crate) connection: quinn::Connection,
    pub(crate) sender: egret_link::ControlSender<FromInstance>,
    pub(crate) receiver: egret_link::ControlReceiver<ToInstance>,
    pub(crate) plan: PlanIndex,
    positions: BTreeMap<String, u64>,
    restarts: u32,
}

impl Registration {
    /// Tells why this life cannot begin.
    async fn broken(mut self, error: String) {
        let mut outgoing = Outgoing::default();
        outgoing.broken(error, None);
        if let Some(message) = outgoing.next()
            && self.sender.send(&message).await.is_ok()
        {
            self.sender.finish();
            // The stream manager closes the link when it has read to the end.
            let _ = timeout(GOODBYE, self.connection.closed()).await;
        }
    }
}

/// Who this instance is and whom it talks to.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    manager: std::net::SocketAddr,
    pod: Identity,
    uid: String,
    task: TaskId,
    pub(crate) incarnation: Incarnation,
    died_of: Option<String>,
}

/// Runs one task to its end.
pub(crate) fn run(
    runtime: &tokio::runtime::Runtime,
    registry: Registry,
    options: &RunOptions,
) -> Ended {
    LocalSet::new().block_on(runtime, async {
        match Box::pin(compose(registry, options)).await {
            Ok(ended) => ended,
            Err(error) => Ended::Failed(error),
        }
    })
}

async fn compose(registry: Registry, options: &RunOptions) -> Result<Ended, String> {
    let credentials =
        Credentials::load(&options.identity).map_err(|error| format!("credentials: {error}"))?;
    let credentials = credentials.speaking(options.versions);
    let endpoint = Endpoint::dialing_to(options.manager, &credentials, Windows::default())
        .map_err(|error| error.to_string())?;
    tokio::task::spawn_local(endpoint.clone().keep_renewed(options.identity.clone()));
    let mut dialer = Dialer {
        endpoint,
        manager: options.manager,
        pod: Identity::Pod { uid: options.uid.clone(), pod: PodId(options.pod) },
        uid: options.uid.clone(),
        task: TaskId(options.task),
        incarnation: Incarnation::beginning(options.birth, wall_ms(), None),
        died_of: options.died_of.clone(),
    };
    let grace = options.grace.map(|seconds| Terminate::listen(Duration::from_secs(seconds)));
    let mut terminate = grace.transpose().map_err(|error| format!("SIGTERM: {error}"))?;
    let asked = async {
        match &mut terminate {
            Some(terminate) => terminate.asked().await,
            None => std::future::pending().await,
        }
    };
    let first = tokio::select! {
        first = first_registration(&mut dialer) => first?,
        // It has done nothing yet.
        () = asked => return Ok(Ended::Closed),
    };
    let version = version_of(&first.connection);
    tracing::info!(incarnation = %dialer.incarnation, version, "registered");
    start(registry, dialer, first, terminate.map(|it| (it, PodId(options.pod)))).await
}

/// Tries until the stream manager takes it.
async fn first_registration(dialer: &mut Dialer) -> Result<Registration, String> {
    let mut backoff = Backoff::new(dialer.incarnation.0);
    loop {
        match dialer.register().await {
            Ok(registration) => return Ok(registration),
            Err(Unregistered::Outdated(newest)) => {
                dialer.incarnation = Incarnation(newest.0.saturating_add(1));
            }
            Err(Unregistered::Refused(why)) => return Err(why),
            Err(Unregistered::Unreachable(why)) => {
                tracing::debug!(why, "the stream manager cannot be reached yet");
                tokio::time::sleep(backoff.delay()).await;
            }
        }
    }
}

/// Starts the user's thread and runs the gateway until the task has ended.
async fn start(
    registry: Registry,
    dialer: Dialer,
    registration: Registration,
    terminate: Option<(Terminate, PodId)>,
) -> Result<Ended, String> {
    let (task, incarnation) = (dialer.task, dialer.incarnation);
    let plan = registration.plan.clone();
    let bridge = Arc::new(Bridge::default());
    let clock = Clock::start();
    let metrics = Metrics::default();
    let stats = Stats::default();
    let waker = bridge.clone();
    let context = context(
        &plan,
        task,
        registration.restarts,
        registration.positions.clone(),
        &metrics,
        Waker::new(move || waker.wake_task()),
    )
    .map_err(|error| error.to_string())?;
    let (ended, task_ended) = oneshot::channel();
    let (built, task_built) = oneshot::channel();
    let thread = {
        let (bridge, stats, plan) = (bridge.clone(), stats.clone(), plan.clone());
        std::thread::Builder::new().name(context.component.chars().take(15).collect()).spawn(
            move || {
                let make = || {
                    let task = if plan.is_spout(task) {
                        SpoutTask::new(&plan, task, incarnation, &registry, stats)
                            .map(|spout| Task::Spout(Box::new(spout)))
                    } else {
                        BoltTask::new(&plan, task, incarnation, &registry, stats)
                            .map(|bolt| Task::Bolt(Box::new(bolt)))
                    };
                    task.map_err(|error| error.to_string())
                };
                // The gateway half shares the budget that the emitter was made with.
                let outcome = match make() {
                    Ok(task) => {
                        let budget = task.budget().clone();
                        let _ = built.send(budget.clone());
                        task_thread::run(|| Ok(task), context, bridge, budget, clock)
                    }
                    Err(error) => TaskEnded::Error(error),
                };
                let _ = ended.send(outcome);
            },
        )
    };
    thread.map_err(|error| format!("cannot start the task's thread: {error}"))?;
    let Ok(budget) = task_built.await else {
        let ended = user(task_ended.await);
        if let Ended::User(error) = &ended {
            registration.broken(error.clone()).await;
        }
        return Ok(ended);
    };
    let gateway = Gateway::new(&plan, task, incarnation, budget, stats, metrics);
    let shared = Rc::new(Shared::new(task, gateway, bridge, clock, plan, dialer.versions()));
    if let Some((terminate, pod)) = terminate {
        tokio::task::spawn_local(leave::follow(shared.clone(), terminate, pod));
    }
    Ok(match gateway_loop::run(shared.clone(), dialer, registration, task_ended).await {
        Some(TaskEnded::Closed) if shared.again.get() => Ended::Again,
        Some(outcome) => user(Ok(outcome)),
        None => Ended::Failed("the stream manager refused this instance".to_owned()),
    })
}

fn user(outcome: Result<TaskEnded, oneshot::error::RecvError>) -> Ended {
    match outcome {
        Ok(TaskEnded::Closed) => Ended::Closed,
        Ok(TaskEnded::Error(error)) => Ended::User(error),
        Ok(TaskEnded::Panicked(_)) | Err(_) => Ended::User(PANICKED.to_owned()),
    }
}

/// Lives of a pod are named by when they began: a later one is greater without anybody keeping
/// count. Should a clock run backwards, the stream manager says which life it knows and the next
/// one is taken.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Why a registration did not come about.
pub(crate) enum Unregistered {
    /// The stream manager knows a newer life.
    Outdated(Incarnation),
    /// For good.
    Refused(String),
    /// It may work later.
    Unreachable(String),
}

impl Dialer {
    /// The versions of the protocol that are spoken here.
    pub(crate) fn versions(&self) -> Versions {
        self.endpoint.versions()
    }

    /// The task that runs here.
    pub(crate) fn task(&self) -> TaskId {
        self.task
    }

    /// Waits until the stream manager has been told that its links are closed.
    pub(crate) async fn told(&self) {
        self.endpoint.wait_idle().await;
    }

    /// Connects and registers.
    pub(crate) async fn register(&self) -> Result<Registration, Unregistered> {
        let unreachable = |error: egret_link::Error| {
            if matches!(error, egret_link::Error::Versions { .. }) {
                // The stream manager may get the build before back; this task keeps what it knows.
                tracing::warn!("link refused: {error}");
            }
            Unregistered::Unreachable(error.to_string())
        };
        let connecting = self.endpoint.connect(self.manager, &self.pod, ALPN_INSTANCE);
        let connection = connecting.await.map_err(unreachable)?;
        let (mut sender, mut receiver) =
            link_control::open(&connection).await.map_err(unreachable)?;
        let hello = FromInstance::Hello {
            version: version_of(&connection),
            uid: self.uid.clone(),
            task: self.task,
            incarnation: self.incarnation,
            died_of: self.died_of.clone(),
        };
        sender.send(&hello).await.map_err(unreachable)?;
        match receiver.recv().await.map_err(unreachable)? {
            Some(ToInstance::Assign { plan, positions, restarts }) => {
                let plan = PlanIndex::new(*plan)
                    .map_err(|error| Unregistered::Refused(error.to_string()))?;
                Ok(Registration { connection, sender, receiver, plan, positions, restarts })
            }
            Some(ToInstance::Refused { newest: Some(newest), .. }) => {
                Err(Unregistered::Outdated(newest))
            }
            Some(ToInstance::Refused { why, newest: None }) => Err(Unregistered::Refused(format!(
                "the stream manager refused this instance: {why}"
            ))),
            Some(_) | None => {
                Err(Unregistered::Unreachable("the stream manager closed the link".to_owned()))
            }
        }
    }
}
