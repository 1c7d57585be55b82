//! Frames: in by one stream, out by another.

use super::Flow;
use crate::{
    effect::{Discard, Effect},
    incoming::{Incoming, Route},
    outgoing::Outgoing,
    refusal::Violation,
    stream::{InId, Link, LinkId, OutId},
};
use egret_topology::{
    id::{Incarnation, TaskId},
    plan::PlanIndex,
};
use egret_wire::{
    cut::Frame,
    header::{Header, Kind},
    preamble::{Class, StreamKey},
};

impl Flow {
    /// The other end of a link has opened a stream.
    pub fn open_in(&mut self, id: LinkId, key: StreamKey) -> Result<InId, Violation> {
        let link = self.link(id).ok_or(Violation::Closed)?;
        let plan = self.plan.as_ref().ok_or(Violation::NoPlan)?;
        match (link, key.source) {
            (Link::Instance(task), Some(source)) => {
                if task != source {
                    return Err(Violation::ForeignSource(source));
                }
                check_edge(plan, key.class, source, key.dest)?;
            }
            (Link::Peer(_), None) => {
                let pod = plan.pod_of(key.dest).ok_or(Violation::UnknownTask(key.dest))?;
                if pod != self.pod {
                    return Err(Violation::ForeignDest(key.dest));
                }
            }
            _ => return Err(Violation::WrongKey),
        }
        let index = *self.in_index.entry((link, key)).or_insert_with(|| {
            self.ins.push(Incoming::new(link, id.index, key));
            self.ins.len() as u32 - 1
        });
        let stream = &mut self.ins[index as usize];
        if stream.open {
            return Err(Violation::Duplicate);
        }
        stream.open = true;
        stream.life += 1;
        stream.only = match link {
            Link::Instance(_) => self.links[id.index as usize].incarnation,
            Link::Peer(_) => None,
        };
        Ok(InId { index, life: stream.life })
    }

    /// The stream has ended; what it brought is still delivered.
    pub fn close_in(&mut self, id: InId) {
        if let Some(stream) = self.ins.get_mut(id.index as usize)
            && stream.is(id)
        {
            stream.open = false;
        }
    }

    /// Whether more may be read from the stream. If not, [`Effect::Resume`] says when.
    pub fn may_read(&self, id: InId) -> bool {
        self.ins.get(id.index as usize).is_some_and(|stream| stream.is(id) && !stream.paused)
    }

    /// A frame has arrived. A frame that breaks no rule but cannot be delivered is discarded and
    /// announced as lost.
    pub fn handle_frame(&mut self, now: u64, id: InId, frame: Frame) -> Result<(), Violation> {
        let epoch = self.epoch();
        let stream = self.ins.get_mut(id.index as usize).ok_or(Violation::Closed)?;
        if !stream.is(id) {
            return Err(Violation::Closed);
        }
        let header = &frame.header;
        check_header(stream, header)?;
        let counts = &mut self.links[stream.link_index as usize].counts;
        match stream.key.class {
            Class::Data => counts.data_in.add(header),
            Class::Ack => counts.ack_in.add(header),
        }
        if Some(header.epoch) != epoch {
            self.discard(now, header.dest, Discard::Epoch);
            return Ok(());
        }
        let route = match stream.route(header.source) {
            Some(route) => route,
            None => self.find_route(id.index, header)?,
        };
        let stream = &mut self.ins[id.index as usize];
        if !stream.is_newest(header.incarnation) {
            self.discard(now, header.dest, Discard::Incarnation);
            return Ok(());
        }
        if stream.key.source.is_some() {
            self.edges.count(&mut stream.slots, self.plan.as_ref(), true, header);
        }
        stream.enqueued(frame.len(), self.limits.stream_bytes);
        self.enqueue(now, route, frame);
        Ok(())
    }

    /// Takes frames for a stream out of the accounts, up to `max_bytes` or one frame if that is
    /// longer, and returns their bytes. 0: nothing waits, and [`Effect::Wake`] says when something
    /// does.
    pub fn poll_transmit(
        &mut self,
        now: u64,
        id: OutId,
        max_bytes: usize,
        frames: &mut Vec<Frame>,
    ) -> usize {
        if !self.is_current(id) {
            return 0;
        }
        let mut taken = 0;
        loop {
            let out = &mut self.outs[id.index as usize];
            // What was handed out before is written meanwhile.
            if out.held {
                break;
            }
            let room = if taken == 0 { usize::MAX } else { max_bytes.saturating_sub(taken) };
            let Some((input, frame)) = out.pop(room) else {
                break;
            };
            let counts = &mut self.links[out.link_index as usize].counts;
            match out.key.class {
                Class::Data => counts.data_out.add(&frame.header),
                Class::Ack => counts.ack_out.add(&frame.header),
            }
            if out.key.source.is_some() {
                self.edges.count(&mut out.slots, self.plan.as_ref(), false, &frame.header);
            }
            taken += frame.len();
            self.settle_account(input, frame.len());
            frames.push(frame);
        }
        let out = &mut self.outs[id.index as usize];
        out.awake = taken > 0;
        out.in_hand = taken;
        if !out.blocked {
            self.note_moved(now, id.index);
        }
        taken
    }

    /// The transport takes no more of a stream (`true`), or has taken all that was handed out.
    pub fn blocked(&mut self, now: u64, id: OutId, blocked: bool) {
        if !self.is_current(id) {
            return;
        }
        let out = &mut self.outs[id.index as usize];
        out.blocked = blocked;
        if blocked {
            out.still_since.get_or_insert(now);
        } else {
            out.in_hand = 0;
            self.note_moved(now, id.index);
        }
    }

    pub(super) fn is_current(&self, id: OutId) -> bool {
        self.outs.get(id.index as usize).is_some_and(|out| {
            let link = &self.links[out.link_index as usize];
            link.up && link.life == id.life
        })
    }

    pub(super) fn note_moved(&mut self, now: u64, out: u32) {
        let out = &mut self.outs[out as usize];
        let stood = out.moved(now);
        self.tasks[out.dest as usize].counts.stalled_ns += stood;
    }

    pub(super) fn settle_account(&mut self, input: u32, bytes: usize) {
        let stream = &mut self.ins[input as usize];
        if stream.dequeued(bytes, self.limits.stream_bytes) {
            self.effects.push_back(Effect::Resume(InId { index: input, life: stream.life }));
        }
    }

    fn enqueue(&mut self, now: u64, route: Route, frame: Frame) {
        let out = &mut self.outs[route.out as usize];
        out.push(route.lane, frame);
        let link = &self.links[out.link_index as usize];
        if !link.up {
            out.still_since.get_or_insert(now);
        } else if !std::mem::replace(&mut out.awake, true) {
            let id = OutId { index: route.out, life: link.life };
            self.effects.push_back(Effect::Wake(id));
        }
    }

    /// Checks a source that is new on this stream, and finds where its frames go.
    #[cold]
    fn find_route(&mut self, input: u32, header: &Header) -> Result<Route, Violation> {
        let stream = &self.ins[input as usize];
        let plan = self.plan.as_ref().ok_or(Violation::NoPlan)?;
        let (source, dest, class) = (header.source, header.dest, stream.key.class);
        let pod = plan.pod_of(source).ok_or(Violation::UnknownTask(source))?;
        let here = match stream.link {
            Link::Instance(task) => task == source,
            Link::Peer(peer) => peer == pod,
        };
        if !here {
            return Err(Violation::ForeignSource(source));
        }
        check_edge(plan, class, source, dest)?;
        let link = self.link_to(dest).ok_or(Violation::UnknownTask(dest))?;
        let per_source = matches!((link, class), (Link::Instance(_), Class::Data));
        let key = StreamKey { class, source: per_source.then_some(source), dest };
        let (Some(link_index), Some(dest_index)) =
            (self.link_index.get(&link).copied(), self.task_index.get(&dest).copied())
        else {
            return Err(Violation::UnknownTask(dest));
        };
        let out = *self.out_index.entry((link, key)).or_insert_with(|| {
            let held = link == Link::Instance(dest)
                && class == Class::Data
                && self.plan.as_ref().is_some_and(|plan| plan.is_draining(dest));
            self.outs.push(Outgoing::new(link, link_index, key, dest_index, held));
            self.outs.len() as u32 - 1
        });
        let lane = self.outs[out as usize].lane(input);
        let route = Route { source, out, lane, newest: Incarnation(0) };
        self.ins[input as usize].add_route(route);
        Ok(route)
    }
}

/// What can be checked without the plan.
#[inline]
fn check_header(stream: &Incoming, header: &Header) -> Result<(), Violation> {
    let class = match header.kind {
        Kind::Ack => Class::Ack,
        Kind::Data | Kind::End | Kind::Flush => Class::Data,
    };
    if class != stream.key.class {
        return Err(Violation::WrongClass { kind: header.kind, class: stream.key.class });
    }
    if header.dest != stream.key.dest {
        return Err(Violation::ForeignDest(header.dest));
    }
    if stream.key.source.is_some_and(|source| source != header.source) {
        return Err(Violation::ForeignSource(header.source));
    }
    match stream.only {
        Some(registered) if registered != header.incarnation => {
            Err(Violation::ForeignIncarnation { got: header.incarnation, registered })
        }
        _ => Ok(()),
    }
}

/// Data flows along the plan's edges; acks flow from any task back to one whose tuples reach it.
fn check_edge(plan: &PlanIndex, class: Class, from: TaskId, to: TaskId) -> Result<(), Violation> {
    let source = plan.task(from).ok_or(Violation::UnknownTask(from))?;
    let dest = plan.task(to).ok_or(Violation::UnknownTask(to))?;
    let allowed = match class {
        Class::Data => plan.plan().components[dest.component]
            .inputs
            .iter()
            .any(|input| input.from == source.component),
        Class::Ack => plan.reaches(to, from),
    };
    if allowed { Ok(()) } else { Err(Violation::NoEdge { from, to, class }) }
}
