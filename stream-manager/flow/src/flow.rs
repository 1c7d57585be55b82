//! [`Flow`]: the state of a stream manager and the order in which it may be called.

mod drain;
mod frames;
mod links;
mod losses;
mod plan;

use crate::{
    counts::{Counts, Discards, EdgeEnd, LinkCounts, TaskCounts},
    edges::Edges,
    effect::Effect,
    incoming::Incoming,
    limits::Limits,
    outgoing::Outgoing,
    stream::{InId, InStream, Link, LinkId, OutId, OutStream},
};
use egret_topology::{
    id::{Incarnation, PodId, TaskId},
    plan::PlanIndex,
};
use losses::Quiet;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Moves frames between the instances of one pod and its peers.
///
/// Time is `now`, nanoseconds of a monotonic clock that never falls. The order of calls:
///
/// 1. [`set_plan`](Flow::set_plan) before anything else is accepted, and with each newer plan.
///    A later life then [`remember`](Flow::remember)s which lives of tasks the last one has seen.
/// 2. [`instance_up`](Flow::instance_up) or [`peer_up`](Flow::peer_up) when a handshake is done. If
///    a link was up already it is replaced; close its connection. The [`LinkId`] is good until
///    [`link_down`](Flow::link_down), which is called once no stream of that link is written any
///    more.
/// 3. [`open_in`](Flow::open_in) for each incoming stream, then
///    [`handle_frame`](Flow::handle_frame) for each of its frames while
///    [`may_read`](Flow::may_read); else wait for [`Effect::Resume`]. Frames that have been read
///    already are handed over in any case, so an account exceeds its limit by what one read
///    returns. [`close_in`](Flow::close_in) when the stream ends.
/// 4. On [`Effect::Wake`] [`poll_transmit`](Flow::poll_transmit) until it returns 0. A frame that
///    was handed out is written whole, or its link is lost. Around a write that has to wait, call
///    [`blocked`](Flow::blocked).
/// 5. [`handle_timeout`](Flow::handle_timeout) when [`next_timeout`](Flow::next_timeout) has come.
/// 6. [`drained`](Flow::drained) when an instance answers [`Effect::Drain`].
/// 7. After any of these [`poll_effect`](Flow::poll_effect) until it returns `None`.
#[derive(Debug)]
pub struct Flow {
    pod: PodId,
    incarnation: Incarnation,
    /// An earlier life of this stream manager has run: instances that connect were connected
    /// before.
    reborn: bool,
    limits: Limits,
    plan: Option<PlanIndex>,
    tasks: Vec<Task>,
    task_index: BTreeMap<TaskId, u32>,
    links: Vec<LinkState>,
    link_index: BTreeMap<Link, u32>,
    ins: Vec<Incoming>,
    in_index: BTreeMap<(Link, egret_wire::preamble::StreamKey), u32>,
    outs: Vec<Outgoing>,
    out_index: BTreeMap<(Link, egret_wire::preamble::StreamKey), u32>,
    effects: VecDeque<Effect>,
    deadlines: BTreeSet<(u64, Deadline)>,
    /// Losses announced in this life.
    losses: u64,
    discards: Discards,
    edges: Edges,
}

/// A task of the plan, of this pod or another.
#[derive(Debug)]
struct Task {
    id: TaskId,
    /// `None` when a newer plan has dropped it.
    pod: Option<PodId>,
    counts: TaskCounts,
    quiet: Quiet,
}

#[derive(Debug)]
struct LinkState {
    link: Link,
    up: bool,
    life: u32,
    /// Of the instance or peer at the other end; `None` before its first handshake.
    incarnation: Option<Incarnation>,
    /// Of a peer: how many of its losses are known here.
    losses: u64,
    /// When the absence of an instance becomes a loss.
    away: Option<u64>,
    /// Data frames out and frames in, when the link came up.
    before: (u64, u64),
    /// Of an instance: it has worked off its input, and has sent so many frames over this link.
    drained: Option<u64>,
    /// It was drained when its link ended: nothing was lost with it.
    left_drained: bool,
    counts: LinkCounts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    /// The instance of this link has been away for too long.
    Away(u32),
    /// Announce what was discarded for this task.
    Discards(u32),
}

/// A link that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkUp {
    /// Its handle.
    pub link: LinkId,
    /// Whether it takes the place of one that was still up, whose connection must be closed.
    pub replaced: bool,
}

/// A stream in which bytes wait and nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The stream.
    pub stream: OutStream,
    /// Bytes that wait.
    pub bytes: usize,
    /// For how long nothing has moved, in nanoseconds.
    pub for_ns: u64,
}

impl Flow {
    /// The flow of one life of a pod's stream manager. `reborn` says that an earlier life has run.
    pub fn new(pod: PodId, incarnation: Incarnation, reborn: bool, limits: Limits) -> Flow {
        Flow {
            pod,
            incarnation,
            reborn,
            limits,
            plan: None,
            tasks: Vec::new(),
            task_index: BTreeMap::new(),
            links: Vec::new(),
            link_index: BTreeMap::new(),
            ins: Vec::new(),
            in_index: BTreeMap::new(),
            outs: Vec::new(),
            out_index: BTreeMap::new(),
            effects: VecDeque::new(),
            deadlines: BTreeSet::new(),
            losses: 0,
            discards: Discards::default(),
            edges: Edges::default(),
        }
    }

    /// The pod.
    pub fn pod(&self) -> PodId {
        self.pod
    }

    /// The life of this stream manager.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The plan in force.
    pub fn plan(&self) -> Option<&PlanIndex> {
        self.plan.as_ref()
    }

    /// How many losses were announced in this life; a peer's hello carries it.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`handle_timeout`](Flow::handle_timeout) wants to be called.
    pub fn next_timeout(&self) -> Option<u64> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Does what was due by `now`.
    pub fn handle_timeout(&mut self, now: u64) {
        while let Some((at, deadline)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            match deadline {
                Deadline::Away(link) => self.instance_stays_away(link),
                Deadline::Discards(task) => self.announce_discards(now, task),
            }
        }
    }

    /// The stream behind a handle.
    pub fn in_stream(&self, id: InId) -> Option<InStream> {
        let stream = self.ins.get(id.index as usize).filter(|stream| stream.is(id))?;
        Some(InStream { link: stream.link, key: stream.key })
    }

    /// The stream behind a handle.
    pub fn out_stream(&self, id: OutId) -> Option<OutStream> {
        let stream = self.outs.get(id.index as usize)?;
        self.is_current(id).then_some(OutStream { link: stream.link, key: stream.key })
    }

    /// The link behind a handle.
    pub fn link(&self, id: LinkId) -> Option<Link> {
        let state = self.links.get(id.index as usize)?;
        (state.up && state.life == id.life).then_some(state.link)
    }

    /// Whether a link is up.
    pub fn is_up(&self, link: Link) -> bool {
        self.link_index.get(&link).is_some_and(|i| self.links[*i as usize].up)
    }

    /// How often a link came up.
    pub fn ups(&self, link: Link) -> u64 {
        self.link_index.get(&link).map_or(0, |i| self.links[*i as usize].counts.ups)
    }

    /// What has passed over each link.
    pub fn link_counts(&self) -> impl Iterator<Item = (Link, &LinkCounts)> {
        self.links.iter().map(|state| (state.link, &state.counts))
    }

    /// Data over the edges that begin or end in this pod, by that end.
    pub fn edge_counts(&self) -> impl Iterator<Item = (&EdgeEnd, &Counts)> {
        self.edges.iter()
    }

    /// What happened to the frames for each task.
    pub fn task_counts(&self) -> impl Iterator<Item = (TaskId, &TaskCounts)> {
        self.tasks.iter().map(|task| (task.id, &task.counts))
    }

    /// Frames discarded.
    pub fn discards(&self) -> Discards {
        self.discards
    }

    /// Streams in which bytes wait, or were handed out last: the stream, its queue, and what is in
    /// hand.
    pub fn queues(&self) -> impl Iterator<Item = (OutStream, usize, usize)> {
        self.outs
            .iter()
            .filter(|out| out.queued + out.in_hand > 0)
            .map(|out| (OutStream { link: out.link, key: out.key }, out.queued, out.in_hand))
    }

    /// Bytes queued in all streams.
    pub fn queued_bytes(&self) -> usize {
        self.outs.iter().map(|out| out.queued).sum()
    }

    /// Bytes queued from one incoming stream.
    pub fn queued_from(&self, id: InId) -> usize {
        self.ins.get(id.index as usize).map_or(0, |stream| stream.queued)
    }

    /// Streams in which bytes wait and nothing moves.
    pub fn stalls(&self, now: u64) -> impl Iterator<Item = Stall> {
        self.outs.iter().filter_map(move |out| {
            Some(Stall {
                stream: OutStream { link: out.link, key: out.key },
                bytes: out.queued + out.in_hand,
                for_ns: now.saturating_sub(out.still_since?),
            })
        })
    }
}
