//! One outgoing stream: a queue per incoming stream that feeds it, served round robin by bytes.

use crate::{edges::Slots, limits::QUANTUM, stream::Link};
use egret_wire::{cut::Frame, preamble::StreamKey};
use std::collections::VecDeque;

#[derive(Debug)]
struct Lane {
    /// Index of the incoming stream whose account the frames are on.
    input: u32,
    frames: VecDeque<Frame>,
    /// Bytes that the lane may still send in its turn.
    deficit: usize,
}

#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) link: Link,
    pub(crate) link_index: u32,
    pub(crate) key: StreamKey,
    /// Index of the destination among the tasks.
    pub(crate) dest: u32,
    pub(crate) queued: usize,
    /// Bytes last handed out, which may not be written yet.
    pub(crate) in_hand: usize,
    /// The writer has been woken and has not yet found the stream empty.
    pub(crate) awake: bool,
    pub(crate) blocked: bool,
    /// The destination is drained: what waits for it is for its next life.
    pub(crate) held: bool,
    /// Since when nothing has moved although bytes wait.
    pub(crate) still_since: Option<u64>,
    /// To an instance: where what it receives is counted.
    pub(crate) slots: Slots,
    lanes: Vec<Lane>,
    /// Lanes that hold frames, the next one to serve in front.
    turns: VecDeque<u32>,
}

impl Outgoing {
    pub(crate) fn new(
        link: Link,
        link_index: u32,
        key: StreamKey,
        dest: u32,
        held: bool,
    ) -> Outgoing {
        Outgoing {
            link,
            link_index,
            key,
            dest,
            queued: 0,
            in_hand: 0,
            awake: false,
            blocked: false,
            held,
            still_since: None,
            slots: Slots::default(),
            lanes: Vec::new(),
            turns: VecDeque::new(),
        }
    }

    /// The lane of an incoming stream, made if there is none.
    pub(crate) fn lane(&mut self, input: u32) -> u32 {
        let known = self.lanes.iter().position(|lane| lane.input == input);
        known.unwrap_or_else(|| {
            self.lanes.push(Lane { input, frames: VecDeque::new(), deficit: 0 });
            self.lanes.len() - 1
        }) as u32
    }

    #[inline]
    pub(crate) fn push(&mut self, lane: u32, frame: Frame) {
        self.queued += frame.len();
        let frames = &mut self.lanes[lane as usize].frames;
        if frames.is_empty() {
            self.turns.push_back(lane);
        }
        frames.push_back(frame);
    }

    /// The next frame if it is no longer than `room`, and the incoming stream that it came on.
    #[inline]
    pub(crate) fn pop(&mut self, room: usize) -> Option<(u32, Frame)> {
        loop {
            let turn = *self.turns.front()?;
            let lane = &mut self.lanes[turn as usize];
            let len = lane.frames.front()?.len();
            if len > room {
                return None;
            }
            if self.turns.len() > 1 {
                if lane.deficit < len {
                    // Its turn is over; what it saved up counts in the next one.
                    lane.deficit += QUANTUM;
                    self.turns.rotate_left(1);
                    continue;
                }
                lane.deficit -= len;
            }
            let frame = lane.frames.pop_front()?;
            if lane.frames.is_empty() {
                lane.deficit = 0;
                self.turns.pop_front();
            }
            self.queued -= len;
            return Some((lane.input, frame));
        }
    }

    /// Ends a standstill and returns how long it lasted.
    pub(crate) fn moved(&mut self, now: u64) -> u64 {
        self.still_since.take().map_or(0, |since| now.saturating_sub(since))
    }
}
