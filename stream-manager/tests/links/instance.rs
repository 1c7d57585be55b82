//! An instance made of its link alone: it sends and reads what a test tells it to.

use crate::pods::{PATIENCE, Pods, UID};
use bytes::Bytes;
use egret_link::{
    ControlReceiver, ControlSender, Endpoint, Identity, control,
    quinn::{Connection, RecvStream, SendStream},
    version_of,
};
use egret_topology::{
    id::{Epoch, Incarnation, TaskId},
    plan::PhysicalPlan,
};
use egret_wire::{
    control::{ALPN_INSTANCE, FromInstance, ToInstance},
    cut::{Cutter, Frame},
    header::{HEADER, Header, Kind},
    limits::VERSIONS,
    preamble::{Class, PREAMBLE, StreamKey},
    version::Versions,
};
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

pub struct Instance {
    _endpoint: Endpoint,
    pub connection: Connection,
    pub control: ControlSender<FromInstance>,
    messages: ControlReceiver<ToInstance>,
    pub task: u32,
    pub life: u64,
    streams: HashMap<StreamKey, SendStream>,
    frames: mpsc::UnboundedReceiver<Frame>,
    /// Whether it reads its streams.
    pub reads: watch::Sender<bool>,
}

/// What the stream manager has assigned.
#[derive(Debug)]
pub struct Assigned {
    pub plan: PhysicalPlan,
    pub positions: BTreeMap<String, u64>,
    pub restarts: u32,
}

impl Instance {
    /// Says hello and returns the answer.
    pub async fn greet(pods: &Pods, task: u32, said: u32, life: u64) -> (Instance, ToInstance) {
        Instance::greet_as(VERSIONS, pods, task, life, |version| {
            let (uid, task, incarnation) = (UID.to_owned(), TaskId(said), Incarnation(life));
            FromInstance::Hello { version, uid, task, incarnation, died_of: None }
        })
        .await
    }

    /// Says a hello that follows from the version of the link, as a build of these versions.
    pub async fn greet_as(
        versions: Versions,
        pods: &Pods,
        task: u32,
        life: u64,
        hello: impl FnOnce(u8) -> FromInstance,
    ) -> (Instance, ToInstance) {
        let pod = pods.plan.tasks[task as usize].pod.0 as usize;
        let identity = Identity::Task { uid: UID.into(), task: TaskId(task) };
        let dialed = pods.dial_as(versions, pod, &identity, ALPN_INSTANCE).await;
        let (endpoint, connection) = dialed.unwrap();
        let (mut control, mut messages) = control::open(&connection).await.unwrap();
        control.send(&hello(version_of(&connection))).await.unwrap();
        let answer = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap().unwrap();
        let (sender, frames) = mpsc::unbounded_channel();
        let (reads, may_read) = watch::channel(true);
        tokio::spawn(accept(versions, connection.clone(), sender, may_read));
        let instance = Instance {
            _endpoint: endpoint,
            connection,
            control,
            messages,
            task,
            life,
            streams: HashMap::new(),
            frames,
            reads,
        };
        (instance, answer)
    }

    /// An instance that is let in.
    pub async fn start(pods: &Pods, task: u32, life: u64) -> (Instance, Assigned) {
        let_in(Instance::greet(pods, task, task, life).await)
    }

    /// One of a build that speaks these versions.
    pub async fn start_as(versions: Versions, pods: &Pods, task: u32) -> Instance {
        let hello = |version| {
            let (uid, task, incarnation) = (UID.to_owned(), TaskId(task), Incarnation(1));
            FromInstance::Hello { version, uid, task, incarnation, died_of: None }
        };
        let_in(Instance::greet_as(versions, pods, task, 1, hello).await).0
    }

    pub fn frame(&self, kind: Kind, to: u32, n: u64, size: usize) -> Vec<u8> {
        let (source, dest) = (TaskId(self.task), TaskId(to));
        let mut header = Header::new(kind, Epoch(1), source, Incarnation(self.life), dest);
        header.base = n;
        header.count = 1;
        header.len = (size - HEADER) as u32;
        let mut bytes = header.encode().to_vec();
        bytes.resize(size, n as u8);
        bytes
    }

    pub async fn stream(&mut self, class: Class, to: u32) -> &mut SendStream {
        let key = StreamKey { class, source: Some(TaskId(self.task)), dest: TaskId(to) };
        if !self.streams.contains_key(&key) {
            let mut stream = self.connection.open_uni().await.unwrap();
            stream.write_all(&key.encode()).await.unwrap();
            self.streams.insert(key, stream);
        }
        self.streams.get_mut(&key).unwrap()
    }

    pub async fn send(&mut self, kind: Kind, to: u32, n: u64, size: usize) {
        let class = if kind == Kind::Ack { Class::Ack } else { Class::Data };
        let bytes = Bytes::from(self.frame(kind, to, n, size));
        self.stream(class, to).await.write_chunk(bytes).await.unwrap();
    }

    /// Sends data frames numbered from `first` until the stream takes no more for a while; returns
    /// how many it took, the last of them perhaps in part.
    pub async fn fill(&mut self, to: u32, first: u64, size: usize) -> u64 {
        for n in 0.. {
            let bytes = Bytes::from(self.frame(Kind::Data, to, first + n, size));
            let stream = self.stream(Class::Data, to).await;
            let patience = Duration::from_millis(300);
            if timeout(patience, stream.write_chunk(bytes)).await.is_err() {
                return n;
            }
        }
        unreachable!()
    }

    /// The bytes of the next frame.
    pub async fn read_bytes(&mut self) -> Vec<u8> {
        let frame = timeout(PATIENCE, self.frames.recv()).await.unwrap().unwrap();
        frame.parts.concat()
    }

    /// The next frame.
    pub async fn read(&mut self) -> Header {
        let frame = timeout(PATIENCE, self.frames.recv()).await.unwrap().unwrap();
        let payload = frame.payload();
        assert!(payload.iter().all(|byte| *byte == frame.header.base as u8));
        frame.header
    }

    /// Numbers of the next frames, by source.
    pub async fn read_numbers(&mut self, frames: usize) -> BTreeMap<u32, Vec<u64>> {
        let mut numbers = BTreeMap::<u32, Vec<u64>>::new();
        for _ in 0..frames {
            let header = self.read().await;
            numbers.entry(header.source.0).or_default().push(header.base);
        }
        numbers
    }

    /// Messages until one that fits, and how long that took.
    pub async fn hear<T>(&mut self, fits: impl Fn(&ToInstance) -> Option<T>) -> (T, Duration) {
        let started = Instant::now();
        loop {
            let message = timeout(PATIENCE, self.messages.recv()).await.unwrap().unwrap().unwrap();
            if let Some(found) = fits(&message) {
                return (found, started.elapsed());
            }
        }
    }

    /// From now on every stream is stopped at the next frame that it brings.
    pub fn stop_streams(&mut self) {
        self.frames.close();
    }

    /// Whether the link is closed, by whatever cause, within some time.
    pub async fn closed(&self) -> String {
        timeout(PATIENCE, self.connection.closed()).await.unwrap().to_string()
    }
}

fn let_in(greeted: (Instance, ToInstance)) -> (Instance, Assigned) {
    match greeted {
        (instance, ToInstance::Assign { plan, positions, restarts }) => {
            (instance, Assigned { plan: *plan, positions, restarts })
        }
        (_, other) => panic!("{other:?}"),
    }
}

async fn accept(
    versions: Versions,
    connection: Connection,
    frames: mpsc::UnboundedSender<Frame>,
    reads: watch::Receiver<bool>,
) {
    while let Ok(stream) = connection.accept_uni().await {
        tokio::spawn(read(versions, stream, frames.clone(), reads.clone()));
    }
}

async fn read(
    versions: Versions,
    mut stream: RecvStream,
    frames: mpsc::UnboundedSender<Frame>,
    mut reads: watch::Receiver<bool>,
) {
    let mut preamble = [0; PREAMBLE];
    if stream.read_exact(&mut preamble).await.is_err() {
        return;
    }
    let key = StreamKey::decode(&preamble).unwrap();
    let mut cutter = Cutter::speaking(versions);
    while reads.wait_for(|reads| *reads).await.is_ok() {
        let Ok(Some(chunk)) = stream.read_chunk(65_536, true).await else { return };
        cutter.push(chunk.bytes);
        while let Some(frame) = cutter.next().unwrap() {
            assert_eq!(frame.header.dest, key.dest);
            assert!(key.source.is_none_or(|source| source == frame.header.source));
            if frames.send(frame).is_err() {
                return;
            }
        }
    }
}
