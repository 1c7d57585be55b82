//! The emitter: puts each tuple into the open frames of the tasks that it goes to.
//!
//! A lane leads to one destination task and has at most one open frame, so that order holds per
//! (source task, destination task) whatever the stream. Its counter numbers the tuples; with the
//! frame's header the receiver derives the same edge ids.

use crate::{
    batch::OutFrame,
    budget::Budget,
    grouping::{Choice, Chosen, Edge},
};
use egret_sdk::{Emission, EmitError, Groupings, TaskId, Tuple};
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, Incarnation},
    plan::PlanIndex,
    stream::Stream,
};
use egret_wire::{
    cut::Frame,
    data::{DataWriter, RootId, tuple_len},
    edge_id::{EdgeIds, mix},
    header::{Header, Kind},
    limits::{FRAME_TARGET, MAX_DEPTH, MAX_ROOTS, MAX_TUPLE},
    preamble::{Class, StreamKey},
};
use std::collections::{BTreeMap, BTreeSet};

/// Groups and frames what one task emits.
#[derive(Debug)]
pub struct Emitter {
    component: String,
    task: TaskId,
    incarnation: Incarnation,
    epoch: Epoch,
    streams: Vec<OutStream>,
    lanes: Vec<Lane>,
    open: Vec<usize>,
    opened_at: u64,
    /// Stream and lanes of the emit that is under way.
    chosen_stream: usize,
    chosen: Chosen,
    chosen_tasks: Vec<TaskId>,
    closed: Vec<OutFrame>,
    budget: Budget,
    groupings: Groupings,
}

#[derive(Debug)]
struct OutStream {
    declared: Stream,
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Lane {
    dest: TaskId,
    /// The plan in force has an edge to it.
    live: bool,
    ids: EdgeIds,
    counter: u64,
    open: Option<Open>,
    /// Payload of the last frame: the next one will be about as large.
    last_len: usize,
}

#[derive(Debug)]
struct Open {
    writer: DataWriter,
    stream: usize,
    base: u64,
}

/// A topology names a custom grouping that the emitter's binary has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "component `{component}` sends by custom grouping `{grouping}`, which its binary does not \
     register"
)]
pub struct UnknownGrouping {
    /// The emitting component.
    pub component: String,
    /// The grouping.
    pub grouping: String,
}

impl Emitter {
    /// The emitter of a task under a plan.
    pub fn new(
        plan: &PlanIndex,
        task: TaskId,
        incarnation: Incarnation,
        groupings: &Groupings,
    ) -> Result<Emitter, UnknownGrouping> {
        let downstream = plan.task(task).map(|task| plan.downstream(task.component));
        let tasks = downstream.iter().flatten().flat_map(|edge| &edge.tasks);
        let mut emitter = Emitter {
            component: String::new(),
            task,
            incarnation,
            epoch: Epoch(0),
            streams: Vec::new(),
            lanes: Vec::new(),
            open: Vec::new(),
            opened_at: 0,
            chosen_stream: 0,
            chosen: Chosen::new(),
            chosen_tasks: Vec::new(),
            closed: Vec::new(),
            budget: Budget::new(tasks.collect::<BTreeSet<_>>().len()),
            groupings: groupings.clone(),
        };
        emitter.follow(plan)?;
        Ok(emitter)
    }

    /// Takes over the tasks and groupings of a plan. What is open is closed under those before; a
    /// lane to a task that stays goes on where it was.
    pub fn follow(&mut self, plan: &PlanIndex) -> Result<(), UnknownGrouping> {
        self.close_all();
        self.epoch = plan.plan().epoch;
        let component = plan.component_of(self.task);
        if let Some(component) = component {
            self.component.clone_from(&component.name);
        }
        let mut streams: Vec<OutStream> = component
            .map_or(&[][..], |component| &component.streams)
            .iter()
            .map(|stream| OutStream { declared: stream.clone(), edges: Vec::new() })
            .collect();
        let edges = plan.task(self.task).map(|task| plan.downstream(task.component));
        let edges = edges.unwrap_or_default();
        let lane_of = self.lanes_to(plan, edges.iter().flat_map(|edge| &edge.tasks));
        for edge in edges {
            let stream = &mut streams[edge.stream];
            let lanes_of = |tasks: &mut dyn Iterator<Item = &TaskId>| -> Vec<usize> {
                tasks.map(|task| lane_of[task]).collect()
            };
            let all = lanes_of(&mut edge.tasks.iter());
            let pod = plan.pod_of(self.task);
            let here = |dest: &&TaskId| plan.pod_of(**dest) == pod;
            let local = lanes_of(&mut edge.tasks.iter().filter(here));
            // Anywhere, but not everywhere the same: sources must not march in step.
            let start = mix(u64::from(self.task.0) ^ self.incarnation.0);
            let (grouping, declared) = (&edge.grouping, &stream.declared);
            let choice = Choice::of(grouping, declared, &all, local, start, &self.groupings);
            let choice = choice.ok_or_else(|| UnknownGrouping {
                component: self.component.clone(),
                grouping: custom_name(grouping),
            })?;
            stream.edges.push(Edge { lanes: all, tasks: edge.tasks, choice });
        }
        self.streams = streams;
        Ok(())
    }

    /// A lane to each of these tasks: that which it has, or a new one.
    fn lanes_to<'a>(
        &mut self,
        plan: &PlanIndex,
        tasks: impl Iterator<Item = &'a TaskId>,
    ) -> BTreeMap<TaskId, usize> {
        let dests: BTreeSet<TaskId> = tasks.copied().collect();
        let mut lane_of = BTreeMap::new();
        let mut free = Vec::new();
        for (i, lane) in self.lanes.iter_mut().enumerate() {
            lane.live = dests.contains(&lane.dest);
            if lane.live {
                lane_of.insert(lane.dest, i);
            } else if self.budget.queued(i) == 0 {
                free.push(i);
            }
        }
        for dest in dests {
            if lane_of.contains_key(&dest) {
                continue;
            }
            let ids = EdgeIds::new(plan.plan().edge_key, self.task, self.incarnation, dest);
            let lane = Lane { dest, live: true, ids, counter: 0, open: None, last_len: 0 };
            let at = free.pop().unwrap_or(self.lanes.len());
            match self.lanes.get_mut(at) {
                Some(dead) => *dead = lane,
                None => self.lanes.push(lane),
            }
            lane_of.insert(dest, at);
        }
        self.budget.grow(self.lanes.len());
        lane_of
    }

    /// The budget that the gateway half shares.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Checks an emit and chooses its lanes. Nothing is written before [`Emitter::append`].
    #[inline]
    pub fn choose(&mut self, emission: &Emission<'_>, roots: usize) -> Result<(), EmitError> {
        let named = |stream: &OutStream| stream.declared.name == emission.stream;
        let Some(index) = self.streams.iter().position(named) else {
            return Err(self.unknown_stream(emission.stream));
        };
        self.chosen_stream = index;
        let stream = &mut self.streams[index];
        let encoded = emission.encoded;
        if encoded.at.len() != stream.declared.fields.len()
            || emission.depth > MAX_DEPTH
            || roots > MAX_ROOTS
            || stream.declared.direct != emission.direct.is_some()
            || encoded.bytes.len() + roots * 20 + 10 > MAX_TUPLE
        {
            return Err(refusal(&self.component, &stream.declared, emission, roots));
        }
        self.chosen.clear();
        let (name, fields) = (&stream.declared.name, &stream.declared.fields);
        let tuple = Tuple::new(
            &self.component,
            name,
            self.task,
            fields,
            encoded,
            egret_sdk::Anchor::default(),
        );
        for edge in &mut stream.edges {
            edge.choose(&tuple, encoded, emission.direct, &self.budget, &mut self.chosen).map_err(
                |place| EmitError::NoSuchPlace {
                    component: self.component.clone(),
                    stream: name.clone(),
                    place,
                    tasks: edge.tasks.len(),
                },
            )?;
        }
        if let Some(direct) = emission.direct
            && self.chosen.is_empty()
        {
            return Err(EmitError::Direct(format!(
                "task {direct} does not receive direct stream `{name}` of `{}`",
                self.component
            )));
        }
        self.chosen_tasks.clear();
        self.chosen_tasks.extend(self.chosen.iter().map(|lane| self.lanes[*lane].dest));
        Ok(())
    }

    /// The first chosen lane that must become writable before [`Emitter::append`].
    #[inline]
    pub fn unwritable(&self) -> Option<(usize, TaskId)> {
        let lane = self.chosen.iter().find(|lane| !self.budget.is_writable(**lane))?;
        Some((*lane, self.lanes[*lane].dest))
    }

    /// Nothing is sent.
    pub fn choose_none(&mut self) {
        self.chosen.clear();
        self.chosen_tasks.clear();
    }

    /// Whether the component has this stream.
    pub fn has_stream(&self, name: &str) -> bool {
        self.streams.iter().any(|stream| stream.declared.name == name)
    }

    /// The tasks that were chosen.
    pub fn chosen_tasks(&self) -> &[TaskId] {
        &self.chosen_tasks
    }

    /// Appends the tuple to each chosen lane; returns the XOR of its edge ids.
    #[inline]
    pub fn append(&mut self, now: u64, roots: &[RootId], values: &[u8]) -> u64 {
        let stream = self.chosen_stream;
        let mut xor = 0;
        for i in 0..self.chosen.len() {
            let index = self.chosen[i];
            let must_close = self.lanes[index].open.as_ref().is_some_and(|open| {
                open.stream != stream || open.writer.is_full_for(roots, values)
            });
            if must_close {
                self.close(index);
            }
            let lane = &mut self.lanes[index];
            let open = lane.open.get_or_insert_with(|| {
                if self.open.is_empty() {
                    self.opened_at = now;
                }
                self.open.push(index);
                let writer = DataWriter::with_capacity(
                    (lane.last_len + tuple_len(roots, values)).max(256).next_power_of_two(),
                );
                Open { writer, stream, base: lane.counter }
            });
            open.writer.push(roots, values);
            xor ^= lane.ids.id(lane.counter);
            lane.counter += 1;
            if open.writer.payload_len() >= FRAME_TARGET {
                self.close(index);
            }
        }
        xor
    }

    /// Where the tuple went that was appended last: lane, task, and its number in the lane.
    pub(crate) fn last_sent(&self) -> impl Iterator<Item = (usize, TaskId, u64)> + '_ {
        self.chosen
            .iter()
            .map(|lane| (*lane, self.lanes[*lane].dest, self.lanes[*lane].counter - 1))
    }

    /// Index of its stream.
    pub(crate) fn last_stream(&self) -> u16 {
        self.chosen_stream as u16
    }

    /// Whether this tuple of a lane is still in an open frame.
    pub(crate) fn holds(&self, lane: usize, counter: u64) -> bool {
        self.lanes[lane].open.as_ref().is_some_and(|open| open.base <= counter)
    }

    /// When the oldest open frame was opened.
    #[inline]
    pub fn opened_at(&self) -> Option<u64> {
        (!self.open.is_empty()).then_some(self.opened_at)
    }

    /// Closes every open frame.
    pub fn close_all(&mut self) {
        while let Some(lane) = self.open.last() {
            self.close(*lane);
        }
        let edges = self.streams.iter_mut().flat_map(|stream| &mut stream.edges);
        edges.for_each(Edge::frames_closed);
    }

    /// Sends a mark on every lane, behind what was emitted before.
    pub fn mark(&mut self, kind: Kind, base: u64, origin: TaskId) {
        self.close_all();
        for index in 0..self.lanes.len() {
            if !self.lanes[index].live {
                continue;
            }
            let mut header = self.header(kind, self.lanes[index].dest);
            header.base = base;
            header.origin = origin;
            let bytes = Frame::mark(header).parts.remove(0);
            self.push_closed(index, bytes);
        }
    }

    /// Whether closed frames wait to be handed over.
    #[inline]
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Takes the closed frames.
    pub fn take_closed(&mut self, frames: &mut Vec<OutFrame>) {
        frames.append(&mut self.closed);
    }

    /// Whether some lane holds far more than it should: nobody waited where that is not possible.
    pub fn is_over_budget(&self) -> bool {
        (0..self.lanes.len()).any(|lane| self.budget.queued(lane) >= crate::limits::OVERFULL_BYTES)
    }

    fn close(&mut self, index: usize) {
        self.open.retain(|open| *open != index);
        let lane = &mut self.lanes[index];
        let Some(open) = lane.open.take() else { return };
        lane.last_len = open.writer.payload_len();
        let arity = self.streams[open.stream].declared.fields.len() as u16;
        let dest = lane.dest;
        let mut header = self.header(Kind::Data, dest);
        header.stream = open.stream as u16;
        header.base = open.base;
        let bytes = open.writer.finish(header, arity);
        self.push_closed(index, bytes);
    }

    fn push_closed(&mut self, lane: usize, bytes: bytes::Bytes) {
        self.budget.add(lane, bytes.len());
        let dest = self.lanes[lane].dest;
        let key = StreamKey { class: Class::Data, source: Some(self.task), dest };
        self.closed.push(OutFrame { key, lane: Some(lane), bytes });
    }

    fn header(&self, kind: Kind, dest: TaskId) -> Header {
        Header::new(kind, self.epoch, self.task, self.incarnation, dest)
    }

    fn unknown_stream(&self, stream: &str) -> EmitError {
        let names: Vec<&str> = self.streams.iter().map(|s| s.declared.name.as_str()).collect();
        EmitError::UnknownStream {
            component: self.component.clone(),
            stream: stream.to_owned(),
            streams: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        }
    }
}

fn custom_name(grouping: &Grouping) -> String {
    match grouping {
        Grouping::Custom { custom } => custom.clone(),
        other => other.name().to_owned(),
    }
}

/// Why an emit is refused; one of its checks has failed.
#[cold]
fn refusal(component: &str, stream: &Stream, emission: &Emission<'_>, roots: usize) -> EmitError {
    let (component, name) = (component.to_owned(), stream.name.clone());
    let got = emission.encoded.at.len();
    if got != stream.fields.len() {
        return EmitError::Arity { component, stream: name, expected: stream.fields.len(), got };
    }
    if emission.depth > MAX_DEPTH {
        return EmitError::Depth { got: emission.depth, limit: MAX_DEPTH };
    }
    if roots > MAX_ROOTS {
        return EmitError::TooManyRoots { got: roots, limit: MAX_ROOTS };
    }
    if stream.direct != emission.direct.is_some() {
        return EmitError::Direct(if stream.direct {
            format!("stream `{name}` of `{component}` is direct: name the destination task")
        } else {
            format!("stream `{name}` of `{component}` is not direct: name no destination task")
        });
    }
    let got = emission.encoded.bytes.len();
    EmitError::TooLarge { component, stream: name, got, limit: MAX_TUPLE }
}
