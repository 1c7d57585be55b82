//! Pods as processes, and whoever plays the operator.

use clap::Parser;
use egret_link::{
    Authority, ControlReceiver, ControlSender, Credentials, Endpoint, Error, Identity, Windows,
    authority, control, quinn::Connection, version_of,
};
use egret_stream_manager::Options;
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    positions::Positions,
    stream::Stream,
};
use egret_wire::{
    control::{ALPN_CONTROL, FromOperator, PodStatus, ToOperator},
    limits::VERSIONS,
    version::Versions,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, time::timeout};

pub const UID: &str = "u-1";
/// Everything here takes milliseconds; a test that waits for this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One component: the indexes of its inputs, and the pods of its tasks.
pub type Component<'a> = (&'a [usize], &'a [u32]);

pub struct Pods {
    pub dir: TempDir,
    authority: Authority,
    managers: Vec<Option<Child>>,
    /// Stream managers of this process, which speak what a test tells them to.
    threads: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    speak: Vec<Versions>,
    pub addresses: Vec<SocketAddr>,
    pub plan: PhysicalPlan,
}

impl Pods {
    /// Stream managers for a topology, with its plan in force in all of them.
    pub async fn start(components: &[Component<'_>]) -> Pods {
        Pods::speaking(components, &[]).await
    }

    /// The same, with those of the first pods as if they were of builds that speak these versions.
    pub async fn speaking(components: &[Component<'_>], speak: &[Versions]) -> Pods {
        let authority = Authority::new(UID).unwrap();
        let plan = plan(components);
        let mut pods = Pods {
            dir: tempfile::tempdir().unwrap(),
            authority,
            managers: Vec::new(),
            threads: Vec::new(),
            speak: speak.to_vec(),
            addresses: Vec::new(),
            plan,
        };
        for pod in 0..pods.plan.pods.len() {
            let identity = Identity::Pod { uid: UID.into(), pod: PodId(pod as u32) };
            pods.issue(&identity, &pods.pod_dir(pod).join("identity"));
            pods.managers.push(None);
            match speak.get(pod) {
                Some(versions) => pods.threads.push(run(pod, &pods.pod_dir(pod), *versions)),
                None => pods.spawn(pod),
            }
        }
        for pod in 0..pods.plan.pods.len() {
            let address = wait_for_file(&pods.pod_dir(pod).join("address")).await;
            pods.addresses.push(address.parse().unwrap());
            pods.plan.pods[pod].address = pods.addresses[pod];
        }
        pods.push(pods.plan.clone()).await;
        pods
    }

    pub fn pod_dir(&self, pod: usize) -> PathBuf {
        self.dir.path().join(format!("pod-{pod}"))
    }

    fn issue(&self, identity: &Identity, dir: &Path) {
        let pem = self.authority.issue(identity, Duration::from_secs(3600)).unwrap();
        authority::write(&pem, dir).unwrap();
    }

    pub fn spawn(&mut self, pod: usize) {
        self.managers[pod] = Some(spawn(pod, &self.pod_dir(pod)));
    }

    /// Puts a newer certificate with the same key into the directory of a pod.
    pub fn renew(&self, pod: usize) {
        let dir = self.pod_dir(pod).join("identity");
        let key = std::fs::read_to_string(dir.join("key.pem")).unwrap();
        let identity = Identity::Pod { uid: UID.into(), pod: PodId(pod as u32) };
        let pem = self.authority.renew(&identity, &key, Duration::from_secs(7200)).unwrap();
        authority::write(&pem, &dir).unwrap();
    }

    /// Another pod takes the place of this one, which stays alive, and is in the plan but not yet
    /// pushed.
    pub async fn replace(&mut self, pod: usize) {
        let dir = self.dir.path().join(format!("pod-{pod}-again"));
        let identity = Identity::Pod { uid: UID.into(), pod: PodId(pod as u32) };
        self.issue(&identity, &dir.join("identity"));
        self.managers.push(Some(spawn(pod, &dir)));
        self.addresses[pod] = wait_for_file(&dir.join("address")).await.parse().unwrap();
        self.plan.pods[pod].address = self.addresses[pod];
        self.plan.revision += 1;
    }

    /// SIGKILL, as from outside.
    pub fn kill(&mut self, pod: usize) {
        let mut child = self.managers[pod].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self, pod: usize) -> ExitStatus {
        self.ask_to_end(pod).wait().unwrap()
    }

    /// The same, while links are served.
    pub async fn ends(&mut self, pod: usize) -> ExitStatus {
        let mut child = self.ask_to_end(pod);
        eventually(async || child.try_wait().unwrap().is_some()).await;
        child.wait().unwrap()
    }

    fn ask_to_end(&mut self, pod: usize) -> Child {
        let child = self.managers[pod].take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        child
    }

    pub fn credentials(&self, identity: &Identity) -> Credentials {
        let dir = self.dir.path().join(identity.to_dns());
        self.issue(identity, &dir);
        Credentials::load(&dir).unwrap()
    }

    /// What the stream manager of a pod speaks.
    fn speaks(&self, pod: usize) -> Versions {
        self.speak.get(pod).copied().unwrap_or(VERSIONS)
    }

    /// A link to a pod's stream manager, in a version that it speaks.
    pub async fn dial(
        &self,
        pod: usize,
        identity: &Identity,
        alpn: &[u8],
    ) -> (Endpoint, Connection) {
        let started = Instant::now();
        loop {
            match self.dial_as(self.speaks(pod), pod, identity, alpn).await {
                Ok(linked) => return linked,
                Err(error) => assert!(started.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// One attempt of a build that speaks these versions.
    pub async fn dial_as(
        &self,
        versions: Versions,
        pod: usize,
        identity: &Identity,
        alpn: &[u8],
    ) -> Result<(Endpoint, Connection), Error> {
        let credentials = self.credentials(identity).speaking(versions);
        let address = self.addresses[pod];
        let endpoint = Endpoint::dialing_to(address, &credentials, Windows::default())?;
        let whom = Identity::Pod { uid: UID.into(), pod: PodId(pod as u32) };
        let connection = endpoint.connect(address, &whom, alpn).await?;
        Ok((endpoint, connection))
    }

    pub async fn operator(&self, pod: usize) -> Operator {
        let identity = Identity::Operator { uid: UID.into() };
        let (endpoint, connection) = self.dial(pod, &identity, ALPN_CONTROL).await;
        let (mut sender, mut receiver) = control::open(&connection).await.unwrap();
        let version = version_of(&connection);
        sender.send(&FromOperator::Hello { version, uid: UID.into() }).await.unwrap();
        let hello = receiver.recv().await.unwrap().unwrap();
        assert!(matches!(hello, ToOperator::Hello { .. }), "{hello:?}");
        let told = Positions::default();
        Operator { _endpoint: endpoint, _connection: connection, sender, receiver, told }
    }

    /// Brings a plan to all pods.
    pub async fn push(&self, plan: PhysicalPlan) {
        for pod in 0..self.plan.pods.len() {
            let mut operator = self.operator(pod).await;
            operator.give(Positions::default()).await;
            assert_eq!(operator.push(plan.clone()).await, None);
        }
    }

    /// What a pod's admin endpoint answers: status and body.
    pub fn get(&self, pod: usize, path: &str) -> (u16, String) {
        let address = std::fs::read_to_string(self.pod_dir(pod).join("admin-address")).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Waits until a pod says that it is ready.
    pub async fn ready(&self, pod: usize) {
        eventually(async || self.get(pod, "/ready").0 == 200).await;
    }
}

impl Drop for Pods {
    fn drop(&mut self) {
        for child in self.managers.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (end, thread) in self.threads.drain(..) {
            drop(end);
            let _ = thread.join();
        }
    }
}

pub struct Operator {
    _endpoint: Endpoint,
    _connection: Connection,
    sender: ControlSender<FromOperator>,
    receiver: ControlReceiver<ToOperator>,
    /// Positions that the stream manager has told.
    pub told: Positions,
}

impl Operator {
    /// Pushes a plan and returns why it was refused, if it was.
    pub async fn push(&mut self, plan: PhysicalPlan) -> Option<String> {
        let pushed = plan.revision;
        self.sender.send(&FromOperator::Plan(Box::new(plan))).await.unwrap();
        match self.answer().await {
            Some(ToOperator::Plan { revision, refused }) => {
                assert_eq!(revision, pushed);
                refused
            }
            other => panic!("{other:?}"),
        }
    }

    /// Tells where input stands.
    pub async fn give(&mut self, positions: Positions) {
        self.sender.send(&FromOperator::Positions { positions }).await.unwrap();
    }

    /// The next answer that is none of positions, which are kept; none after the last words.
    pub async fn answer(&mut self) -> Option<ToOperator> {
        loop {
            let answer = timeout(PATIENCE, self.receiver.recv()).await.unwrap().unwrap();
            let Some(ToOperator::Positions { positions }) = answer else { return answer };
            self.told.merge(positions);
        }
    }

    pub async fn status(&mut self) -> PodStatus {
        self.sender.send(&FromOperator::Status).await.unwrap();
        match self.answer().await {
            Some(ToOperator::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }
}

/// Asks again and again until the answer is yes.
pub async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < PATIENCE, "it never came about");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_for_file(path: &Path) -> String {
    eventually(async || path.exists()).await;
    std::fs::read_to_string(path).unwrap()
}

fn spawn(pod: usize, dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_egret-stream-manager"))
        .args(["--topology", "t", "--uid", UID, "--pod", &pod.to_string()])
        .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .args(["--parent-pid", &std::process::id().to_string()])
        .arg("--dir")
        .arg(dir)
        .spawn()
        .unwrap()
}

/// A stream manager of this process, until it is told to end.
fn run(pod: usize, dir: &Path, versions: Versions) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let (pod, any, dir) = (pod.to_string(), any.to_string(), dir.to_str().unwrap());
    let mut args = vec!["egret-stream-manager", "--topology", "t", "--uid", UID, "--pod", &pod];
    args.extend(["--listen", &any, "--admin", &any, "--inspect", "off", "--dir", dir]);
    let options = Options { versions, ..Options::try_parse_from(args).unwrap() };
    let (end, ended) = oneshot::channel::<()>();
    let thread = move || egret_stream_manager::run_until(options, || Ok(ended)).unwrap();
    (end, std::thread::spawn(thread))
}

/// A plan for components; tasks are numbered in their order.
pub fn plan(components: &[Component<'_>]) -> PhysicalPlan {
    let mut tasks = Vec::new();
    let mut pods = 0;
    for (component, (_, places)) in components.iter().enumerate() {
        for (index, pod) in places.iter().enumerate() {
            let (id, index) = (TaskId(tasks.len() as u32), index as u32);
            tasks.push(PlannedTask { id, component, index, pod: PodId(*pod) });
            pods = pods.max(pod + 1);
        }
    }
    let component = |(i, (inputs, _)): (usize, &Component<'_>)| PlannedComponent {
        name: format!("c{i}"),
        kind: if inputs.is_empty() { ComponentKind::Spout } else { ComponentKind::Bolt },
        component: format!("c{i}"),
        config: serde_json::Value::Null,
        tick_ms: None,
        streams: vec![Stream::default_of(["x"])],
        inputs: inputs
            .iter()
            .map(|from| PlannedInput { from: *from, stream: 0, grouping: Grouping::Shuffle })
            .collect(),
    };
    let plan = PhysicalPlan {
        topology: "t".into(),
        uid: UID.into(),
        revision: 1,
        epoch: Epoch(1),
        state: RunState::Running,
        delivery: Delivery::AtLeastOnce,
        max_pending: 1000,
        message_timeout_ms: 30_000,
        edge_key: 1,
        log_levels: Default::default(),
        tracing: None,
        rolling: Default::default(),
        restarted_at: None,
        max_rates: Default::default(),
        max_tries: Default::default(),
        components: components.iter().enumerate().map(component).collect(),
        pods: (0..pods)
            .map(|id| PlannedPod { id: PodId(id), address: ([127, 0, 0, 1], 1).into() })
            .collect(),
        tasks,
    };
    PlanIndex::new(plan.clone()).unwrap();
    plan
}
