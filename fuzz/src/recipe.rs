//! Valid frames made after a recipe of bytes, and the damage that is done to them.

use crate::plans;
use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    ack::{AckWriter, Lane, Verdict},
    cut::Frame,
    data::{DataWriter, RootId},
    edge_id::EdgeIds,
    header::{HEADER, Header, Kind},
    value::{self, Value},
};

/// Bytes that are read as decisions; zeros when they are used up.
pub(crate) struct Recipe<'a> {
    bytes: &'a [u8],
    /// Tasks, lives and numbers are such as there are.
    near: bool,
}

impl<'a> Recipe<'a> {
    /// A recipe of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Recipe<'a> {
        Recipe { bytes, near: false }
    }

    /// A recipe whose frames name tasks, lives and numbers such as there are in [`plans`].
    pub(crate) fn near(bytes: &'a [u8]) -> Recipe<'a> {
        Recipe { bytes, near: true }
    }

    /// Whether all bytes are used up.
    pub(crate) fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A frame that decodes, whatever its payload says. Mostly for this task.
    pub(crate) fn frame_for(&mut self, dest: TaskId) -> Frame {
        let mut bytes = self.frame();
        let (head, payload) = bytes.split_first_chunk_mut().expect("a frame has a header");
        let mut header = Header::decode(head).expect("it was written");
        if !self.byte().is_multiple_of(8) {
            header.dest = dest;
        }
        match self.byte() {
            0 => header.count = self.number() as u16,
            1 => header.epoch = Epoch(self.byte().into()),
            2 if !payload.is_empty() => {
                let at = self.number() as usize % payload.len();
                payload[at] = self.byte();
            }
            _ => {}
        }
        bytes[..HEADER].copy_from_slice(&header.encode());
        Frame::whole(bytes.into()).unwrap_or_else(|_| Frame::mark(self.header(Kind::End)))
    }

    /// A frame of any kind.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        match self.byte() % 8 {
            0 => self.mark(Kind::End),
            1 => self.mark(Kind::Flush),
            2 | 3 => self.acks(),
            _ => self.tuples(),
        }
    }

    /// The frame with a few bytes changed, cut off or repeated.
    pub(crate) fn damaged(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        for _ in 0..1 + self.byte() % 4 {
            let at = self.number() as usize % frame.len().max(1);
            match self.byte() % 4 {
                0 => frame.truncate(at.max(1)),
                1 => frame.insert(at, self.byte()),
                2 => {
                    frame.remove(at);
                    frame.resize(frame.len().max(1), 0);
                }
                _ => frame[at] = self.byte(),
            }
        }
        frame
    }

    fn mark(&mut self, kind: Kind) -> Vec<u8> {
        let base = self.number();
        Frame::mark(Header { base, ..self.header(kind) }).parts.concat()
    }

    fn acks(&mut self) -> Vec<u8> {
        let mut writer = AckWriter::new(self.life());
        for _ in 0..self.byte() % 16 {
            let seq = if self.near { self.byte().into() } else { self.number() >> 3 };
            match self.byte() % 4 {
                0 => writer.push(seq, Verdict::Ack(self.number())),
                1 => writer.push(seq, Verdict::Fail(&self.text())),
                2 => writer.push(seq, Verdict::Reset),
                _ => self.run(&mut writer, seq),
            }
        }
        let header = self.header(Kind::Ack);
        writer.finish(header).to_vec()
    }

    fn run(&mut self, writer: &mut AckWriter, mut seq: u64) {
        let (source, incarnation) = (self.task(), self.life());
        let ids = EdgeIds::new(7, source, incarnation, TaskId(1));
        let (lane, first) = (Lane { source, incarnation, ids }, self.number());
        writer.begin_run(&lane, first, seq);
        for n in 1..u64::from(self.byte() % 8) {
            seq = seq.wrapping_add(1 + u64::from(self.byte() % 3));
            writer.extend_run(&lane, first.wrapping_add(n), seq);
        }
    }

    fn tuples(&mut self) -> Vec<u8> {
        let arity = u16::from(self.byte() % 4);
        let mut writer = DataWriter::with_capacity(256);
        for _ in 0..self.byte() % 16 {
            let roots: Vec<RootId> = (0..self.byte() % 4).map(|_| self.root()).collect();
            let mut values = Vec::new();
            for _ in 0..arity {
                value::put(&mut values, &self.value(0));
            }
            writer.push(&roots, &values);
        }
        let header = self.header(Kind::Data);
        writer.finish(header, arity).to_vec()
    }

    fn root(&mut self) -> RootId {
        let (task, incarnation) = (self.task(), self.life());
        let seq = if self.near { self.byte().into() } else { self.number() };
        RootId { task, incarnation, seq }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.byte() % 9 {
            0 => Value::Null,
            1 => Value::Bool(self.byte() % 2 == 1),
            2 => Value::Int(self.number() as i64),
            3 => Value::Float(f64::from_bits(self.number())),
            4 => Value::String(self.text()),
            5 => Value::Bytes(self.text().into_bytes()),
            6 => Value::Timestamp(self.number() as i64),
            _ if depth == 4 => Value::Null,
            7 => Value::List((0..self.byte() % 4).map(|_| self.value(depth + 1)).collect()),
            _ => {
                let pairs = (0..self.byte() % 4).map(|_| (self.text(), self.value(depth + 1)));
                Value::Map(pairs.collect())
            }
        }
    }

    fn header(&mut self, kind: Kind) -> Header {
        let (source, dest) = (self.task(), self.task());
        let header = Header::new(kind, Epoch(1), source, self.life(), dest);
        if self.near {
            return Header { base: self.byte().into(), ..header };
        }
        Header { base: self.number() >> 1, stream: self.byte().into(), ..header }
    }

    /// A task.
    pub(crate) fn task(&mut self) -> TaskId {
        let task = u32::from(self.byte());
        TaskId(if self.near { task % plans::TASKS } else { task })
    }

    /// A life.
    pub(crate) fn life(&mut self) -> Incarnation {
        Incarnation(if self.near { 1 + u64::from(self.byte() % 3) } else { self.number() })
    }

    /// Short, and now and then longer than the short form of strings.
    fn text(&mut self) -> String {
        let len = usize::from(self.byte() % 80);
        (0..len).map(|_| char::from(self.byte())).collect()
    }

    /// Of any magnitude.
    pub(crate) fn number(&mut self) -> u64 {
        let shift = self.byte() % 64;
        let mut number = 0;
        for _ in 0..8 {
            number = number << 8 | u64::from(self.byte());
        }
        number >> shift
    }

    /// The next decision.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }
}
