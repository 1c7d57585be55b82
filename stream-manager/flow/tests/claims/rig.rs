//! Several flows joined by modelled streams: what is written waits in a pipe of a fixed window
//! until the other end reads it.

use bytes::Bytes;
use egret_flow::{Effect, Flow, InId, Limits, Link, LinkId, OutId, Violation};
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, Incarnation, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
    stream::Stream,
};
use egret_wire::{
    control::LossScope,
    cut::Frame,
    header::{HEADER, Header, Kind},
    preamble::{Class, StreamKey},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a modelled stream holds before its writer is blocked.
pub const WINDOW: usize = 64 << 10;

/// A plan: components in order, each with the indexes of its inputs and the pods of its tasks.
pub fn plan(revision: u64, epoch: u32, components: &[(&[usize], &[u32])]) -> PlanIndex {
    let mut tasks = Vec::new();
    let mut pods = 0;
    for (component, (_, places)) in components.iter().enumerate() {
        for (index, pod) in places.iter().enumerate() {
            let (id, index, pod_id) = (TaskId(tasks.len() as u32), index as u32, PodId(*pod));
            tasks.push(PlannedTask { id, component, index, pod: pod_id });
            pods = pods.max(pod + 1);
        }
    }
    let component = |(i, (inputs, _)): (usize, &(&[usize], &[u32]))| PlannedComponent {
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
    PlanIndex::new(PhysicalPlan {
        topology: "t".into(),
        uid: "u".into(),
        revision,
        epoch: Epoch(epoch),
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
    })
    .unwrap()
}

/// A frame of `size` bytes in all, number `n` of its source.
pub fn frame(kind: Kind, from: u32, to: u32, life: u64, n: u64, size: usize) -> Frame {
    let mut header = Header::new(kind, Epoch(1), TaskId(from), Incarnation(life), TaskId(to));
    header.base = n;
    header.count = 1;
    header.len = (size - HEADER) as u32;
    let mut bytes = header.encode().to_vec();
    bytes.resize(size, 7);
    Frame::whole(Bytes::from(bytes)).unwrap()
}

pub fn key(class: Class, source: Option<u32>, dest: u32) -> StreamKey {
    StreamKey { class, source: source.map(TaskId), dest: TaskId(dest) }
}

/// One stream between a flow and whoever reads it.
#[derive(Default)]
struct Pipe {
    frames: VecDeque<Frame>,
    bytes: usize,
}

pub struct Rig {
    pub flows: Vec<Flow>,
    pub now: u64,
    plan: PlanIndex,
    /// Links of each flow.
    links: BTreeMap<(usize, Link), LinkId>,
    /// Streams that instances opened.
    ins: BTreeMap<(u32, StreamKey), InId>,
    /// Streams that flows opened; the second flow's handle for those between flows.
    pipes: BTreeMap<(usize, Link, StreamKey), (OutId, Pipe)>,
    peer_ins: BTreeMap<(usize, usize, StreamKey), InId>,
    /// Tasks that read nothing.
    pub stalled: BTreeSet<u32>,
    /// What each task has read.
    pub delivered: BTreeMap<u32, Vec<Header>>,
    /// What each task was told.
    pub told: Vec<(u32, LossScope)>,
    /// Who was asked to work off how many frames.
    pub asked: Vec<(u32, u64)>,
    /// What each pod has announced.
    pub announced: Vec<(usize, LossScope)>,
    /// The most that any flow has held.
    pub peak: usize,
}

impl Rig {
    /// All pods, peers and instances up, in their first life.
    pub fn new(components: &[(&[usize], &[u32])]) -> Rig {
        let plan = plan(1, 1, components);
        let pods = plan.plan().pods.len();
        let mut rig = Rig {
            flows: (0..pods)
                .map(|p| Flow::new(PodId(p as u32), Incarnation(1), false, Limits::default()))
                .collect(),
            now: 0,
            plan,
            links: BTreeMap::new(),
            ins: BTreeMap::new(),
            pipes: BTreeMap::new(),
            peer_ins: BTreeMap::new(),
            stalled: BTreeSet::new(),
            delivered: BTreeMap::new(),
            told: Vec::new(),
            asked: Vec::new(),
            announced: Vec::new(),
            peak: 0,
        };
        for flow in &mut rig.flows {
            assert!(flow.set_plan(0, rig.plan.clone()).unwrap());
        }
        for a in 0..pods {
            for b in a + 1..pods {
                rig.join(a, b);
            }
        }
        for task in rig.plan.plan().tasks.clone() {
            rig.connect(task.id.0, 1);
        }
        rig.settle();
        rig
    }

    /// A newer plan, under which these tasks are about to be replaced.
    pub fn replaces(&mut self, tasks: &[u32]) {
        let mut plan = self.plan.plan().clone();
        plan.revision += 1;
        plan.rolling.draining = tasks.iter().copied().map(TaskId).collect();
        self.plan = PlanIndex::new(plan).unwrap();
        for flow in &mut self.flows {
            assert!(flow.set_plan(self.now, self.plan.clone()).unwrap());
        }
        self.settle();
    }

    /// The instance says that it has worked off everything, and has sent so many frames itself.
    pub fn drained(&mut self, task: u32, frames: u64) {
        let (pod, link) = (self.pod(task), Link::Instance(TaskId(task)));
        let id = self.links[&(pod, link)];
        self.flows[pod].drained(id, frames);
    }

    pub fn pod(&self, task: u32) -> usize {
        self.plan.pod_of(TaskId(task)).unwrap().0 as usize
    }

    pub fn join(&mut self, a: usize, b: usize) {
        for (a, b) in [(a, b), (b, a)] {
            let (life, losses) = (self.flows[b].incarnation(), self.flows[b].losses());
            let up = self.flows[a].peer_up(self.now, PodId(b as u32), life, losses).unwrap();
            self.links.insert((a, Link::Peer(PodId(b as u32))), up.link);
        }
    }

    pub fn cut(&mut self, a: usize, b: usize) {
        for (a, b) in [(a, b), (b, a)] {
            let link = Link::Peer(PodId(b as u32));
            let id = self.links.remove(&(a, link)).unwrap();
            self.flows[a].link_down(self.now, id);
            self.pipes.retain(|(pod, l, _), _| (*pod, *l) != (a, link));
            self.peer_ins.retain(|(from, to, _), _| (*from, *to) != (a, b));
        }
    }

    /// A new life of a pod's stream manager: what it held is gone, as are its links.
    pub fn restart(&mut self, pod: usize, life: u64) {
        let id = PodId(pod as u32);
        self.flows[pod] = Flow::new(id, Incarnation(life), true, Limits::default());
        self.flows[pod].set_plan(self.now, self.plan.clone()).unwrap();
        self.links.retain(|(at, _), _| *at != pod);
        self.pipes.retain(|(at, _, _), _| *at != pod);
        self.peer_ins.retain(|(from, to, _), _| *from != pod && *to != pod);
        let plan = self.plan.clone();
        self.ins.retain(|(task, _), _| plan.pod_of(TaskId(*task)) != Some(id));
        for other in (0..self.flows.len()).filter(|other| *other != pod) {
            let link = self.links.remove(&(other, Link::Peer(id))).unwrap();
            self.flows[other].link_down(self.now, link);
            self.pipes.retain(|(at, l, _), _| (*at, *l) != (other, Link::Peer(id)));
            self.join(other, pod);
        }
    }

    pub fn connect(&mut self, task: u32, life: u64) {
        let (pod, link) = (self.pod(task), Link::Instance(TaskId(task)));
        let up = self.flows[pod].instance_up(self.now, TaskId(task), Incarnation(life)).unwrap();
        self.links.insert((pod, link), up.link);
        self.forget_instance(pod, task);
    }

    pub fn disconnect(&mut self, task: u32) {
        let pod = self.pod(task);
        let id = self.links.remove(&(pod, Link::Instance(TaskId(task)))).unwrap();
        self.flows[pod].link_down(self.now, id);
        self.forget_instance(pod, task);
    }

    fn forget_instance(&mut self, pod: usize, task: u32) {
        let link = Link::Instance(TaskId(task));
        self.ins.retain(|(t, _), _| *t != task);
        self.pipes.retain(|(p, l, _), _| (*p, *l) != (pod, link));
    }

    pub fn link(&self, pod: usize, link: Link) -> LinkId {
        self.links[&(pod, link)]
    }

    fn in_of(&mut self, task: u32, key: StreamKey) -> InId {
        let pod = self.pod(task);
        let link = self.links[&(pod, Link::Instance(TaskId(task)))];
        let flow = &mut self.flows[pod];
        *self.ins.entry((task, key)).or_insert_with(|| flow.open_in(link, key).unwrap())
    }

    /// Sends a frame if its stream may be read now.
    pub fn try_send(&mut self, frame: Frame) -> bool {
        let class = if frame.header.kind == Kind::Ack { Class::Ack } else { Class::Data };
        let (from, to) = (frame.header.source.0, frame.header.dest.0);
        let id = self.in_of(from, key(class, Some(from), to));
        let pod = self.pod(from);
        if !self.flows[pod].may_read(id) {
            return false;
        }
        self.flows[pod].handle_frame(self.now, id, frame).unwrap();
        self.settle();
        true
    }

    /// Sends data frames numbered from `first` until one is held back, at most `n`; returns how
    /// many.
    pub fn send(&mut self, from: u32, to: u32, first: u64, n: u64, size: usize) -> u64 {
        (first..first + n)
            .take_while(|n| self.try_send(frame(Kind::Data, from, to, 1, *n, size)))
            .count() as u64
    }

    pub fn handle(&mut self, from: u32, key: StreamKey, frame: Frame) -> Result<(), Violation> {
        let id = self.in_of(from, key);
        let pod = self.pod(from);
        let done = self.flows[pod].handle_frame(self.now, id, frame);
        self.settle();
        done
    }

    pub fn at(&mut self, now: u64) {
        self.now = now;
        for flow in &mut self.flows {
            if flow.next_timeout().is_some_and(|at| at <= now) {
                flow.handle_timeout(now);
            }
        }
        self.settle();
    }

    /// Moves all that can move.
    pub fn settle(&mut self) {
        loop {
            let mut moved = false;
            for pod in 0..self.flows.len() {
                self.peak = self.peak.max(self.flows[pod].queued_bytes());
                while let Some(effect) = self.flows[pod].poll_effect() {
                    self.act(pod, effect);
                    moved = true;
                }
            }
            let names: Vec<_> = self.pipes.keys().copied().collect();
            for name in names {
                moved |= self.drain(name);
                moved |= self.fill(name);
            }
            if !moved {
                return;
            }
        }
    }

    fn act(&mut self, pod: usize, effect: Effect) {
        match effect {
            Effect::Wake(id) => {
                let stream = self.flows[pod].out_stream(id).unwrap();
                let name = (pod, stream.link, stream.key);
                self.pipes.entry(name).or_insert_with(|| (id, Pipe::default()));
                self.fill(name);
            }
            Effect::Announce { number, scope } => {
                self.announced.push((pod, scope));
                let from = Link::Peer(PodId(pod as u32));
                for other in 0..self.flows.len() {
                    let back = (pod, Link::Peer(PodId(other as u32)));
                    let both = self.links.contains_key(&back);
                    if let Some(link) = self.links.get(&(other, from)).filter(|_| both) {
                        self.flows[other].peer_loss(*link, number, scope);
                    }
                }
            }
            Effect::Drain { task, frames } => self.asked.push((task.0, frames)),
            Effect::TellInstance { task, scope } => self.told.push((task.0, scope)),
            Effect::Resume(_) | Effect::Discarded { .. } => {}
        }
    }

    fn fill(&mut self, name: (usize, Link, StreamKey)) -> bool {
        let Some((id, pipe)) = self.pipes.get_mut(&name) else { return false };
        let flow = &mut self.flows[name.0];
        let mut any = false;
        while pipe.bytes < WINDOW {
            let mut frames = Vec::new();
            let taken = flow.poll_transmit(self.now, *id, WINDOW - pipe.bytes, &mut frames);
            if taken == 0 {
                return any;
            }
            any = true;
            pipe.bytes += taken;
            pipe.frames.extend(frames);
        }
        flow.blocked(self.now, *id, true);
        any
    }

    fn drain(&mut self, name: (usize, Link, StreamKey)) -> bool {
        let (pod, link, key) = name;
        let mut any = false;
        while let Some((id, pipe)) = self.pipes.get_mut(&name) {
            let Some(frame) = pipe.frames.front() else { break };
            let len = frame.len();
            match link {
                Link::Instance(task) if self.stalled.contains(&task.0) => break,
                Link::Instance(task) => {
                    self.delivered.entry(task.0).or_default().push(frame.header);
                }
                Link::Peer(peer) => {
                    let to = peer.0 as usize;
                    let back = self.links[&(to, Link::Peer(PodId(pod as u32)))];
                    let input = match self.peer_ins.get(&(pod, to, key)) {
                        Some(input) => *input,
                        None => self.flows[to].open_in(back, key).unwrap(),
                    };
                    self.peer_ins.insert((pod, to, key), input);
                    if !self.flows[to].may_read(input) {
                        break;
                    }
                    self.flows[to].handle_frame(self.now, input, frame.clone()).unwrap();
                }
            }
            pipe.frames.pop_front();
            pipe.bytes -= len;
            self.flows[pod].blocked(self.now, *id, false);
            any = true;
        }
        any
    }

    /// Numbers of the frames that `to` has read from `from`.
    pub fn numbers(&self, from: u32, to: u32) -> Vec<u64> {
        let read = self.delivered.get(&to).into_iter().flatten();
        read.filter(|header| header.source == TaskId(from)).map(|header| header.base).collect()
    }
}
