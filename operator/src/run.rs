//! From arguments to an exit code: print the definition, or lead and reconcile.

use crate::{
    apply, check,
    context::{Guarded, Runs, Settings},
    controller::{self, Common, Running},
    events::Events,
    metrics::Metrics,
    options::{Command, Options, RetireOptions, RunOptions},
    retire, sweep,
};
use clap::Parser;
use egret_process::{Admin, Exit, Logging, logging};
use kube::{Client, runtime::reflector::Store};
use kube_lease_manager::LeaseManagerBuilder;
use std::{
    ffi::OsString,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time,
};

/// The lease of all replicas.
pub(crate) const LEASE: &str = "egret-operator";
/// How long a lease holds without being renewed, and how long before that it is renewed, in
/// seconds.
const LEASE_SECONDS: u64 = 15;
const LEASE_GRACE_SECONDS: u64 = 5;
/// Time until the lease is asked for again, if it cannot be.
const LEASE_AGAIN: Duration = Duration::from_secs(2);
/// The runtime has not moved for so long: only a restart helps.
const STUCK: Duration = Duration::from_secs(30);
/// Time for what is under way when the operator is asked to end.
const END_WITHIN: Duration = Duration::from_secs(10);

const _: () = assert!(LEASE_GRACE_SECONDS * 2 < LEASE_SECONDS);

/// Why the operator cannot work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Metrics and probes cannot be served, or signals not be heard.
    #[error("cannot serve or listen: {0}")]
    Io(#[from] io::Error),
    /// There is no API server.
    #[error("cannot reach the API server: {0}")]
    Api(#[from] kube::Error),
    /// Another operator works now; going on would mean two.
    #[error("the lease is lost")]
    Lost,
    /// The list of ready-made components is malformed; a mistake of this program.
    #[error("the ready-made components cannot be read: {0}")]
    Catalog(#[from] serde_json::Error),
    /// A controller has ended by itself.
    #[error("a controller has ended by itself")]
    Ended,
}

/// Runs the operator with these arguments, the first of which is the program's name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let options = match Options::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            // Nothing is left to tell if even this fails.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match options.command {
        Command::Check { address } => told(check::check(&address)),
        Command::Crd => crd(),
        Command::Retire(options) => told(retired(&options)),
        Command::Run(options) => serve(&options),
    }
}

fn crd() -> Exit {
    let text = egret_crd::definition()
        .map_err(|error| error.to_string())
        .and_then(|value| serde_yaml::to_string(&value).map_err(|error| error.to_string()));
    match text {
        Ok(text) => {
            print!("{text}");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Failed
        }
    }
}

/// What a command that does one thing has to say.
fn told(said: Result<String, String>) -> Exit {
    match said {
        Ok(words) => {
            println!("{words}");
            Exit::Ok
        }
        Err(error) => {
            eprintln!("error: {error}");
            Exit::Failed
        }
    }
}

fn retired(options: &RetireOptions) -> Result<String, String> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let client = Client::try_default().await.map_err(|error| error.to_string())?;
        let left = retire::retire(&client, options).await?;
        Ok(format!("the operator has ended; {left} finalizers were left behind and are gone"))
    })
}

fn serve(options: &RunOptions) -> Exit {
    let format = if options.log_json { logging::Format::Json } else { logging::Format::Text };
    if let Err(error) = logging::init(Logging { format, ..Logging::default() }) {
        eprintln!("error: {error}");
        return Exit::Usage;
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Io);
    match runtime.and_then(|runtime| runtime.block_on(run(options))) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!("the operator cannot go on: {error}");
            Exit::Failed
        }
    }
}

async fn run(options: &RunOptions) -> Result<(), Error> {
    // One provider for all of TLS; if there is one already it is the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let metrics = Arc::new(Metrics::new());
    let health = Arc::new(Health::new(metrics.clone()));
    let bound = egret_process::admin::serve(options.admin, health.clone())?;
    tracing::info!(address = %bound, "metrics and probes are served");
    tokio::spawn(health.clone().beat());
    let end = end()?;
    let client = Client::try_default().await?;
    // Who leads without a lease leads for ever: nobody sends anything, but somebody could.
    let always = watch::Sender::new(true);
    let (mut leading, lease) = if options.no_leader_election {
        (always.subscribe(), None)
    } else {
        match lease(client.clone(), options, &end).await {
            Some((leading, lease)) => (leading, Some(lease)),
            None => return Ok(()),
        }
    };
    health.is(Ok(()));
    let led = lead(options, client, &mut leading, &health, &end).await;
    // With the last receiver gone the lease is given back.
    drop(leading);
    if let Some(lease) = lease {
        let _ = time::timeout(END_WITHIN, lease).await;
    }
    led?;
    tracing::info!("the operator ends as planned");
    Ok(())
}

type Lease = tokio::task::JoinHandle<
    Result<kube_lease_manager::LeaseManager, kube_lease_manager::LeaseManagerError>,
>;

/// Takes part in the election. Who starts while there is no API server waits for it: a process that
/// ends again and again would be kept waiting for minutes after it is back. None: asked to end.
async fn lease(
    client: Client,
    options: &RunOptions,
    end: &watch::Receiver<bool>,
) -> Option<(watch::Receiver<bool>, Lease)> {
    let mut asked = end.clone();
    loop {
        let manager = LeaseManagerBuilder::new(client.clone(), LEASE)
            .with_namespace(&options.namespace)
            .with_identity(&options.name)
            .with_field_manager(format!("egret-operator-{}", options.name))
            .with_duration(LEASE_SECONDS)
            .with_grace(LEASE_GRACE_SECONDS)
            .build();
        tokio::select! {
            made = manager => match made {
                Ok(manager) => return Some(manager.watch().await),
                Err(error) => tracing::warn!("the lease cannot be used yet: {error}"),
            },
            () = ended(&mut asked) => return None,
        }
        tokio::select! {
            () = time::sleep(LEASE_AGAIN) => {}
            () = ended(&mut asked) => return None,
        }
    }
}

/// Waits for the lease, then reconciles until asked to end or the lease is lost.
async fn lead(
    options: &RunOptions,
    client: Client,
    leading: &mut watch::Receiver<bool>,
    health: &Arc<Health>,
    end: &watch::Receiver<bool>,
) -> Result<(), Error> {
    let metrics = &health.metrics;
    let mut asked = end.clone();
    tokio::select! {
        led = leading.wait_for(|leads| *leads) => drop(led.map_err(|_| Error::Lost)?),
        () = ended(&mut asked) => return Ok(()),
    }
    tracing::info!("this operator leads");
    metrics.leads(true);
    health.is(Err("it leads, but the API server has not shown it the topologies yet"));
    let (gone, goes) = mpsc::channel(sweep::WAITING);
    let common = common(options, client, metrics.clone(), gone);
    let scopes: Vec<Option<&str>> = match &options.watch_namespaces[..] {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    };
    let mut controllers = Vec::new();
    for scope in scopes {
        let mut end = end.clone();
        let end = async move { ended(&mut end).await };
        controllers.push(controller::start(&common, scope, end)?);
    }
    let stores: Vec<_> = controllers.iter().map(|running| running.topologies.clone()).collect();
    let sweeper = Sweeper {
        client: common.client.clone(),
        namespace: options.namespace.clone(),
        stores: stores.clone(),
        listed: controllers.iter().map(|running| running.listed.clone()).collect(),
        runs: common.runs.clone(),
        health: health.clone(),
    };
    let sweeping = tokio::spawn(sweeper.run(goes));
    let outcome = tokio::select! {
        // Controllers that are asked to end do so too, which is no failure.
        biased;
        () = ended(&mut asked) => Ok(()),
        _ = leading.wait_for(|leads| !*leads) => Err(Error::Lost),
        () = any_ends(&mut controllers) => Err(Error::Ended),
    };
    sweeping.abort();
    if outcome.is_ok() {
        for running in controllers {
            let _ = time::timeout(END_WITHIN, running.task).await;
        }
        let _ = time::timeout(END_WITHIN, release(&common.client, &stores)).await;
    }
    metrics.leads(false);
    outcome
}

fn common(
    options: &RunOptions,
    client: Client,
    metrics: Arc<Metrics>,
    gone: mpsc::Sender<String>,
) -> Common {
    Common {
        settings: Settings {
            namespace: options.namespace.clone(),
            images: options.images(),
            metrics_namespace: options.metrics_namespace.clone(),
            allowed: options.allowed(),
        },
        events: Events::new(client.clone(), &options.name),
        client,
        metrics,
        runs: Arc::new(Runs::default()),
        gone,
        sockets: Arc::default(),
        concurrency: options.concurrency,
    }
}

async fn any_ends(controllers: &mut [Running]) {
    let tasks = controllers.iter_mut().map(|running| &mut running.task);
    let _ = futures::future::select_all(tasks).await;
}

/// Forgets what is gone: at once, and what was missed after a while.
struct Sweeper {
    client: Client,
    namespace: String,
    stores: Vec<Store<Guarded>>,
    listed: Vec<watch::Receiver<bool>>,
    runs: Arc<Runs>,
    health: Arc<Health>,
}

impl Sweeper {
    async fn run(self, mut gone: mpsc::Receiver<String>) {
        let Sweeper { client, namespace, stores, mut listed, runs, health } = self;
        for listed in &mut listed {
            // Without its controller nothing is known of what is there.
            if listed.wait_for(|listed| *listed).await.is_err() {
                return;
            }
        }
        health.is(Ok(()));
        let metrics = &health.metrics;
        let mut ticks = time::interval(sweep::EVERY);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let swept = sweep::sweep(&client, &namespace, &stores, &runs, metrics).await;
                    if let Err(error) = swept {
                        tracing::warn!("what topologies left behind was not swept: {error}");
                    }
                }
                Some(uid) = gone.recv() => {
                    let forgotten = sweep::forget(&client, &namespace, &runs, metrics, &uid).await;
                    if let Err(error) = forgotten {
                        tracing::warn!(uid, "{error}");
                    }
                }
            }
        }
    }
}

/// Takes our finalizers away: without an operator nobody would, and a deleted namespace would hang.
/// The next operator puts them back.
async fn release(client: &Client, stores: &[Store<Guarded>]) {
    for topology in stores.iter().flat_map(|store| store.state()) {
        if let Err(error) = apply::release(client, kube::Resource::meta(&*topology)).await {
            tracing::warn!("{error}");
        }
    }
}

/// What tells when somebody asks this process to end.
fn end() -> io::Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (tell, end) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        tell.send_replace(true);
        // Whoever asks again has lost patience.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        std::process::exit(Exit::Interrupted.code().into());
    });
    Ok(end)
}

async fn ended(end: &mut watch::Receiver<bool>) {
    // The sender lives as long as the process.
    let _ = end.wait_for(|ended| *ended).await;
}

/// What the admin endpoint tells.
struct Health {
    metrics: Arc<Metrics>,
    start: Instant,
    beat: AtomicU64,
    /// Why it does not do its work, if it does not.
    ready: Mutex<Result<(), &'static str>>,
}

impl Health {
    fn new(metrics: Arc<Metrics>) -> Health {
        let ready = Mutex::new(Err("it has no lease to wait for yet"));
        Health { metrics, start: Instant::now(), beat: AtomicU64::new(0), ready }
    }

    fn is(&self, ready: Result<(), &'static str>) {
        // Nothing panics while it holds the lock.
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    async fn beat(self: Arc<Self>) {
        let mut ticks = time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            self.beat.store(self.start.elapsed().as_millis() as u64, Relaxed);
        }
    }
}

impl Admin for Health {
    fn metrics(&self) -> Result<String, String> {
        Ok(self.metrics.page())
    }

    fn live(&self) -> bool {
        let beat = Duration::from_millis(self.beat.load(Relaxed));
        self.start.elapsed().saturating_sub(beat) < STUCK
    }

    fn ready(&self) -> Result<(), String> {
        let ready = *self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.map_err(str::to_owned)
    }
}
