//! Valid frames made after a recipe of bytes, and the damage that is done to them.

use egret_topology::id::{Epoch, Incarnation, TaskId};
use egret_wire::{
    ack::{AckWriter, Lane, Verdict},
    cut::Frame,
    data::{DataWriter, RootId},
    edge_id::EdgeIds,
    header::{Header, Kind},
    value::{self, Value},
};

/// Bytes that are read as decisions; zeros when they are used up.
pub(crate) struct Recipe<'a>(&'a [u8]);

impl<'a> Recipe<'a> {
    /// A recipe of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Recipe<'a> {
        Recipe(bytes)
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
        let mut writer = AckWriter::new(Incarnation(self.number()));
        for _ in 0..self.byte() % 16 {
            let seq = self.number() >> 3;
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
        let (source, incarnation) = (TaskId(self.byte().into()), Incarnation(self.number()));
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
        let (task, incarnation) = (TaskId(self.byte().into()), Incarnation(self.byte().into()));
        RootId { task, incarnation, seq: self.number() }
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
        let task = |byte: u8| TaskId(byte.into());
        let (source, dest) = (task(self.byte()), task(self.byte()));
        let header = Header::new(kind, Epoch(1), source, Incarnation(self.number()), dest);
        Header { base: self.number() >> 1, stream: self.byte().into(), ..header }
    }

    /// Short, and now and then longer than the short form of strings.
    fn text(&mut self) -> String {
        let len = usize::from(self.byte() % 80);
        (0..len).map(|_| char::from(self.byte())).collect()
    }

    /// Of any magnitude.
    fn number(&mut self) -> u64 {
        let shift = self.byte() % 64;
        let mut number = 0;
        for _ in 0..8 {
            number = number << 8 | u64::from(self.byte());
        }
        number >> shift
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
}
