//! The heart of a stream manager under decoded but hostile frames, handshakes and losses.

use crate::{plans, recipe::Recipe};
use egret_flow::{Effect, Flow, InId, Limits, LinkId, OutId};
use egret_topology::id::{Incarnation, PodId};
use egret_wire::{
    control::LossScope,
    preamble::{Class, StreamKey},
};

/// Bytes queued from one stream above which it is not read any more.
const STREAM_BYTES: usize = 4096;
/// More than a frame of a recipe has, and more streams than the plan has a use for.
const FRAME: usize = 64 << 10;
const STREAMS: usize = 64;
/// Handles that are kept, old ones too.
const HANDLES: usize = 64;

struct Rig {
    flow: Flow,
    now: u64,
    links: Vec<LinkId>,
    ins: Vec<InId>,
    outs: Vec<OutId>,
}

/// A recipe for what happens to the stream manager of pod 0.
pub(crate) fn flow(input: &[u8]) {
    let mut recipe = Recipe::near(input);
    let limits = Limits { stream_bytes: STREAM_BYTES, ..Limits::default() };
    let mut rig = Rig {
        flow: Flow::new(PodId(0), Incarnation(1), recipe.byte() & 1 == 1, limits),
        now: 0,
        links: Vec::new(),
        ins: Vec::new(),
        outs: Vec::new(),
    };
    rig.flow.set_plan(0, plans::plan(1, 0)).expect("the first plan is taken");
    while !recipe.is_over() {
        rig.happen(&mut recipe);
        rig.take_effects();
        rig.judge();
    }
    rig.drain();
}

impl Rig {
    fn happen(&mut self, recipe: &mut Recipe<'_>) {
        match recipe.byte() % 16 {
            0 => {
                let plan = plans::plan(recipe.byte().into(), recipe.byte());
                let _ = self.flow.set_plan(self.now, plan);
            }
            1 | 2 => {
                let up = self.flow.instance_up(self.now, recipe.task(), recipe.life());
                keep(&mut self.links, up.ok().map(|up| up.link));
            }
            3 => {
                let (pod, losses) = (PodId(u32::from(recipe.byte() % 3)), recipe.number());
                let up = self.flow.peer_up(self.now, pod, recipe.life(), losses);
                keep(&mut self.links, up.ok().map(|up| up.link));
            }
            4 => {
                if let Some(link) = pick(&self.links, recipe) {
                    self.flow.link_down(self.now, link);
                }
            }
            5 | 6 => {
                if let Some(link) = pick(&self.links, recipe) {
                    keep(&mut self.ins, self.flow.open_in(link, key(recipe)).ok());
                }
            }
            7 => {
                if let Some(stream) = pick(&self.ins, recipe) {
                    self.flow.close_in(stream);
                }
            }
            8 => self.transmit(recipe),
            9 => {
                if let Some(out) = pick(&self.outs, recipe) {
                    self.flow.blocked(self.now, out, recipe.byte() & 1 == 1);
                }
            }
            10 => {
                self.now += recipe.number() >> 24;
                self.flow.handle_timeout(self.now);
            }
            11 => {
                if let Some(link) = pick(&self.links, recipe) {
                    self.flow.peer_loss(link, recipe.byte().into(), scope(recipe));
                }
            }
            12 => self.flow.remember(recipe.task(), recipe.life()),
            _ => self.frame(recipe),
        }
    }

    fn frame(&mut self, recipe: &mut Recipe<'_>) {
        let Some(stream) = pick(&self.ins, recipe) else { return };
        let dest = self.flow.in_stream(stream).map(|stream| stream.key.dest);
        let frame = recipe.frame_for(dest.unwrap_or_default());
        if self.flow.may_read(stream) {
            let _ = self.flow.handle_frame(self.now, stream, frame);
        }
    }

    fn transmit(&mut self, recipe: &mut Recipe<'_>) {
        let Some(out) = pick(&self.outs, recipe) else { return };
        let (most, mut frames) = (recipe.number() as usize, Vec::new());
        let taken = self.flow.poll_transmit(self.now, out, most, &mut frames);
        let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
        assert_eq!(taken, bytes, "bytes are counted wrongly");
        assert!(bytes <= most || frames.len() == 1, "{bytes} bytes of {most}");
    }

    fn take_effects(&mut self) {
        let mut effects = 0;
        while let Some(effect) = self.flow.poll_effect() {
            effects += 1;
            assert!(effects < 10_000, "there is no end to the effects");
            if let Effect::Wake(out) = effect
                && !self.outs.contains(&out)
            {
                keep(&mut self.outs, Some(out));
            }
        }
    }

    fn judge(&self) {
        let queued = self.flow.queued_bytes();
        let waiting: usize = self.flow.queues().map(|(_, queued, _)| queued).sum();
        assert_eq!(queued, waiting, "queues do not add up");
        assert!(queued <= STREAMS * (STREAM_BYTES + FRAME), "{queued} bytes are queued");
        assert!(self.flow.link_counts().count() <= STREAMS);
    }

    /// What waits for a link that is up can be taken out to the last byte.
    fn drain(&mut self) {
        for out in std::mem::take(&mut self.outs) {
            let mut frames = Vec::new();
            while self.flow.poll_transmit(self.now, out, usize::MAX, &mut frames) > 0 {}
            let left = self.flow.out_stream(out).and_then(|stream| {
                let mut queues = self.flow.queues();
                queues.find(|(other, queued, _)| *other == stream && *queued > 0)
            });
            assert_eq!(left, None, "a stream that is polled is never empty");
        }
        self.take_effects();
        self.judge();
    }
}

fn keep<T>(handles: &mut Vec<T>, new: Option<T>) {
    if handles.len() == HANDLES {
        handles.remove(0);
    }
    handles.extend(new);
}

/// Mostly one of the newest.
fn pick<T: Copy>(handles: &[T], recipe: &mut Recipe<'_>) -> Option<T> {
    let back = usize::from(recipe.byte()) % handles.len().max(1);
    handles.iter().rev().nth(back).copied()
}

fn key(recipe: &mut Recipe<'_>) -> StreamKey {
    let kind = recipe.byte();
    let class = if kind & 1 == 0 { Class::Data } else { Class::Ack };
    let source = (kind & 2 == 0).then(|| recipe.task());
    StreamKey { class, source, dest: recipe.task() }
}

pub(super) fn scope(recipe: &mut Recipe<'_>) -> LossScope {
    let pod = |recipe: &mut Recipe<'_>| PodId(u32::from(recipe.byte() % 3));
    match recipe.byte() % 3 {
        0 => LossScope::Task { task: recipe.task() },
        1 => LossScope::Link { a: pod(recipe), b: pod(recipe) },
        _ => LossScope::Pod { pod: pod(recipe) },
    }
}
