//! A spout that reads splits of lines, shows positions, and replays what failed.

use super::{Orders, direct, pack};
use crate::witness::{Kind, Observed, Uid};
use egret_sdk::{Context, Failure, Next, Result, Root, Spout, SpoutOutput};
use std::{collections::VecDeque, sync::Arc, time::Duration};

pub(super) struct Source {
    observed: Arc<Observed>,
    orders: Orders,
    splits: Vec<Split>,
    lines: u32,
    base: u32,
    /// Pieces that failed.
    replay: VecDeque<u32>,
    turn: usize,
    idle: u64,
    emitted: u64,
}

struct Split {
    number: u32,
    next: u32,
}

impl Source {
    pub(super) fn new(observed: Arc<Observed>) -> Source {
        Source {
            observed,
            orders: Orders::default(),
            splits: Vec::new(),
            lines: 0,
            base: 0,
            replay: VecDeque::new(),
            turn: 0,
            idle: 0,
            emitted: 0,
        }
    }

    /// Emits the piece of a line that goes to a stream.
    fn emit(
        &mut self,
        out: &mut SpoutOutput<'_>,
        split: u32,
        line: u32,
        stream: usize,
        replay: bool,
    ) -> Result<()> {
        let streams = self.orders.streams.len() as u32;
        let piece = self.base + (split * self.lines + line) * streams + stream as u32;
        let uid = self.observed.witness().emits(Kind::Root(piece), &[]);
        let id = out.split(&format!("s{split}"));
        let mut root = Root::id(u64::from(uid)).at(id, u64::from(line) + 1);
        if replay {
            root = root.replay();
        }
        let key = i64::from(piece % 17);
        let fields = (i64::from(uid), key, pack(&[piece]), self.orders.pad.as_slice());
        let stream = &self.orders.streams[stream];
        let direct = direct(stream, &self.orders.to, key);
        let tasks = match direct {
            Some(task) => out.emit_direct(task, &stream.name, fields, root)?,
            None => out.emit_to(&stream.name, fields, root)?,
        };
        let tasks = tasks.to_vec();
        self.observed.witness().emitted(uid, (&stream.name, key, direct), &tasks);
        Ok(())
    }

    fn emit_piece_again(&mut self, out: &mut SpoutOutput<'_>, piece: u32) -> Result<()> {
        let streams = self.orders.streams.len() as u32;
        let (line, stream) = ((piece - self.base) / streams, (piece - self.base) % streams);
        self.emit(out, line / self.lines, line % self.lines, stream as usize, true)
    }
}

impl Spout for Source {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        let input = &context.config["input"];
        let number = |name: &str| input[name].as_u64().unwrap_or_default() as u32;
        self.base = number("base");
        self.lines = number("lines");
        self.idle = input["idle"].as_u64().unwrap_or_default();
        let mine = (0..number("splits")).filter(|n| n % context.parallelism == context.index);
        self.splits = mine
            .map(|number| {
                let settled = context.positions.get(&format!("s{number}"));
                Split { number, next: settled.copied().unwrap_or(0) as u32 }
            })
            .collect();
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        self.observed.work(self.orders.cost / 4);
        if let Some(piece) = self.replay.pop_front() {
            self.emit_piece_again(out, piece)?;
            return Ok(Next::Emitted);
        }
        self.emitted += 1;
        if self.idle > 0 && self.emitted.is_multiple_of(8) {
            return Ok(Next::IdleFor(Duration::from_nanos(self.idle)));
        }
        for _ in 0..self.splits.len() {
            self.turn = (self.turn + 1) % self.splits.len();
            let Split { number, next } = self.splits[self.turn];
            if next < self.lines {
                self.splits[self.turn].next += 1;
                for stream in 0..self.orders.streams.len() {
                    self.emit(out, number, next, stream, false)?;
                }
                return Ok(Next::Emitted);
            }
        }
        Ok(Next::Exhausted)
    }

    fn ack(&mut self, id: u64) -> Result<()> {
        for _ in 0..self.observed.told {
            self.observed.witness().root_acked(id as Uid);
        }
        Ok(())
    }

    fn fail(&mut self, id: u64, _: &Failure) -> Result<()> {
        let piece = self.observed.witness().root_failed(id as Uid);
        self.replay.push_back(piece);
        Ok(())
    }
}
