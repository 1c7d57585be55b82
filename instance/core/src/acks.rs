//! Acks on their way back: merged per root, collected per spout task.

use crate::batch::OutFrame;
use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    ack::{AckWriter, Lane, Verdict},
    data::RootId,
    header::{Header, Kind},
    preamble::{Class, StreamKey},
};

/// Collects the acks of one task.
#[derive(Debug)]
pub struct AckBatcher {
    task: TaskId,
    incarnation: Incarnation,
    epoch: Epoch,
    spouts: Vec<Spout>,
    current: usize,
    closed: Vec<OutFrame>,
}

#[derive(Debug)]
struct Spout {
    task: TaskId,
    incarnation: Incarnation,
    /// Number of the next frame. Receivers apply each number once.
    number: u64,
    writer: Option<AckWriter>,
    /// The last root and the XOR so far: tuples of one tree tend to come together.
    last: Option<(u64, u64)>,
}

impl AckBatcher {
    /// Of this life of a task.
    pub fn new(task: TaskId, incarnation: Incarnation, epoch: Epoch) -> AckBatcher {
        AckBatcher { task, incarnation, epoch, spouts: Vec::new(), current: 0, closed: Vec::new() }
    }

    /// Another epoch begins: what is open is closed under the one before.
    pub fn follow(&mut self, epoch: Epoch) {
        self.close_all();
        self.epoch = epoch;
    }

    /// XORs into a root at its spout.
    #[inline]
    pub fn ack(&mut self, root: RootId, xor: u64) {
        let at = self.spout(root);
        let spout = &mut self.spouts[at];
        match &mut spout.last {
            Some((seq, sum)) if *seq == root.seq => *sum ^= xor,
            last => {
                let before = last.replace((root.seq, xor));
                if let Some((seq, sum)) = before {
                    self.push(at, seq, Verdict::Ack(sum));
                }
            }
        }
    }

    /// Acks the `counter`th tuple of a lane, from which nothing has grown and whose only root this
    /// is: of such tuples that follow each other neither ids nor numbers need be told.
    #[inline]
    pub fn leaf(&mut self, root: RootId, lane: &Lane, counter: u64) {
        let at = self.spout(root);
        let Spout { writer, last, .. } = &mut self.spouts[at];
        if last.is_none()
            && let Some(writer) = writer
            && writer.extend_run(lane, counter, root.seq)
        {
            if writer.is_full() {
                self.close(at);
            }
            return;
        }
        self.other_leaf(at, root, lane, counter);
    }

    /// A leaf that continues no run.
    fn other_leaf(&mut self, at: usize, root: RootId, lane: &Lane, counter: u64) {
        let spout = &mut self.spouts[at];
        let before = match (&spout.last, &spout.writer) {
            (Some((seq, _)), _) => Some(*seq),
            (None, Some(writer)) => writer.run_ends_with(),
            (None, None) => None,
        };
        if before == Some(root.seq) {
            // Its other tuples are likely to follow, and merge.
            return self.ack(root, lane.ids.id(counter));
        }
        self.push_last(at);
        let spout = &mut self.spouts[at];
        let writer = spout.writer.get_or_insert_with(|| AckWriter::new(spout.incarnation));
        writer.begin_run(lane, counter, root.seq);
        if writer.is_full() {
            self.close(at);
        }
    }

    /// Fails a root at its spout.
    pub fn fail(&mut self, root: RootId, cause: &str) {
        let at = self.spout(root);
        self.push_last(at);
        self.push(at, root.seq, Verdict::Fail(cause));
    }

    /// Starts a root's timeout anew.
    pub fn reset(&mut self, root: RootId) {
        let at = self.spout(root);
        self.push_last(at);
        self.push(at, root.seq, Verdict::Reset);
    }

    /// Closes every open frame.
    pub fn close_all(&mut self) {
        for at in 0..self.spouts.len() {
            self.push_last(at);
            self.close(at);
        }
    }

    /// Whether closed frames wait to be handed over.
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Takes the closed frames.
    pub fn take_closed(&mut self, frames: &mut Vec<OutFrame>) {
        frames.append(&mut self.closed);
    }

    #[inline]
    fn spout(&mut self, root: RootId) -> usize {
        match self.spouts.get(self.current) {
            Some(spout) if spout.task == root.task && spout.incarnation == root.incarnation => {
                self.current
            }
            _ => self.find_spout(root),
        }
    }

    fn find_spout(&mut self, root: RootId) -> usize {
        let at = self.spouts.iter().position(|spout| spout.task == root.task);
        let at = at.unwrap_or_else(|| {
            self.spouts.push(Spout {
                task: root.task,
                incarnation: root.incarnation,
                number: 0,
                writer: None,
                last: None,
            });
            self.spouts.len() - 1
        });
        if self.spouts[at].incarnation != root.incarnation {
            // A frame is about roots of one incarnation.
            self.push_last(at);
            self.close(at);
            self.spouts[at].incarnation = root.incarnation;
        }
        self.current = at;
        at
    }

    #[inline]
    fn push_last(&mut self, at: usize) {
        if let Some((seq, sum)) = self.spouts[at].last.take() {
            self.push(at, seq, Verdict::Ack(sum));
        }
    }

    #[inline]
    fn push(&mut self, at: usize, seq: u64, verdict: Verdict<'_>) {
        let spout = &mut self.spouts[at];
        let writer = spout.writer.get_or_insert_with(|| AckWriter::new(spout.incarnation));
        writer.push(seq, verdict);
        if writer.is_full() {
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        let spout = &mut self.spouts[at];
        let Some(writer) = spout.writer.take() else { return };
        let mut header =
            Header::new(Kind::Ack, self.epoch, self.task, self.incarnation, spout.task);
        header.base = spout.number;
        spout.number += 1;
        let key = StreamKey { class: Class::Ack, source: Some(self.task), dest: spout.task };
        self.closed.push(OutFrame { key, lane: None, bytes: writer.finish(header) });
    }
}
