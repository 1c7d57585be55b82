//! Bolts that pass on, split, join, hold and count.

use super::{Draft, Kind, Observed, Orders, Received, emit, receive};
use egret_sdk::{Acking, Bolt, BoltOutput, Context, Result, Tuple};
use egret_wire::edge_id::mix;
use std::{collections::BTreeSet, sync::Arc};

/// Passes each tuple on once, or up to three times; acked by the runtime.
pub(super) struct Pass {
    observed: Arc<Observed>,
    orders: Orders,
    split: bool,
}

impl Pass {
    pub(super) fn new(observed: Arc<Observed>, split: bool) -> Pass {
        Pass { observed, orders: Orders::default(), split }
    }
}

impl Bolt for Pass {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let received = receive(&self.observed, &self.orders, tuple)?;
        let fails = self.orders.fails(self.observed.now(), received.uid);
        if fails && received.uid % 2 == 0 {
            anyhow::bail!("this one fails before it emits");
        }
        let copies = if self.split { 1 + i64::from(received.uid % 2) } else { 1 };
        let from = std::slice::from_ref(&received);
        for copy in 0..copies {
            let key = received.key + copy;
            let (kind, pieces) = (Kind::Derived, received.pieces.as_slice());
            let draft = Draft { kind, from, named: false, key, pieces };
            emit(&self.observed, &self.orders, out, &draft)?;
        }
        if fails {
            anyhow::bail!("this one fails after it has emitted");
        }
        self.observed.witness().acks(received.handle);
        Ok(())
    }
}

/// Joins several tuples into one that is anchored to all of them; acks by hand.
pub(super) struct Join {
    observed: Arc<Observed>,
    orders: Orders,
    waiting: Vec<Received>,
}

impl Join {
    pub(super) fn new(observed: Arc<Observed>) -> Join {
        Join { observed, orders: Orders::default(), waiting: Vec::new() }
    }

    fn join(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let Some(first) = waiting.first().cloned() else { return Ok(()) };
        let mut pieces: Vec<u32> = waiting.iter().flat_map(|w| w.pieces.clone()).collect();
        pieces.sort_unstable();
        pieces.dedup();
        let (kind, from) = (Kind::Derived, waiting.as_slice());
        let draft = Draft { kind, from, named: true, key: first.key, pieces: &pieces };
        emit(&self.observed, &self.orders, out, &draft)?;
        if first.uid % 3 == 0 {
            waiting.reverse();
        }
        for received in waiting {
            if self.orders.fails(self.observed.now(), received.uid) {
                out.fail(received.anchor, "this one fails");
            } else {
                self.observed.witness().acks(received.handle);
                out.ack(received.anchor);
            }
        }
        Ok(())
    }
}

impl Bolt for Join {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let received = receive(&self.observed, &self.orders, tuple)?;
        self.waiting.push(received);
        if self.waiting.len() >= self.orders.hold { self.join(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.join(out)
    }
}

/// Passes tuples on at once and acks them much later.
pub(super) struct Hold {
    observed: Arc<Observed>,
    orders: Orders,
    held: Vec<Received>,
    calls: u64,
}

impl Hold {
    pub(super) fn new(observed: Arc<Observed>) -> Hold {
        Hold { observed, orders: Orders::default(), held: Vec::new(), calls: 0 }
    }

    /// Emits something that descends from no input.
    fn emit_loose(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.calls += 1;
        if mix(self.calls) % 1000 >= self.orders.loose {
            return Ok(());
        }
        let (kind, key) = (Kind::Loose, self.calls as i64);
        let draft = Draft { kind, from: &[], named: false, key, pieces: &[] };
        emit(&self.observed, &self.orders, out, &draft)
    }

    fn let_go(&mut self, out: &mut BoltOutput<'_>) {
        for received in self.held.drain(..) {
            if self.orders.fails(self.observed.now(), received.uid) {
                out.fail(received.anchor, "this one fails late");
                continue;
            }
            self.observed.witness().acks(received.handle);
            out.ack(received.anchor);
            // Acking again does nothing.
            out.ack(received.anchor);
        }
    }
}

impl Bolt for Hold {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let received = receive(&self.observed, &self.orders, tuple)?;
        let (from, pieces) = (std::slice::from_ref(&received), received.pieces.as_slice());
        let draft = Draft { kind: Kind::Derived, from, named: true, key: received.key, pieces };
        emit(&self.observed, &self.orders, out, &draft)?;
        if received.uid % 5 == 0 {
            out.reset_timeout(received.anchor);
        }
        self.held.push(received);
        Ok(())
    }

    fn tick(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.let_go(out);
        self.emit_loose(out)
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        if self.held.len() > self.orders.hold {
            self.let_go(out);
        }
        self.emit_loose(out)
    }
}

/// Keeps what it receives in memory and emits it when all input has ended.
pub(super) struct Count {
    observed: Arc<Observed>,
    orders: Orders,
    pieces: BTreeSet<u32>,
}

impl Count {
    pub(super) fn new(observed: Arc<Observed>) -> Count {
        Count { observed, orders: Orders::default(), pieces: BTreeSet::new() }
    }
}

impl Bolt for Count {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        let received = receive(&self.observed, &self.orders, tuple)?;
        self.pieces.extend(&received.pieces);
        self.observed.witness().acks(received.handle);
        Ok(())
    }

    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let pieces: Vec<u32> = self.pieces.iter().copied().collect();
        for pieces in pieces.chunks(8) {
            let key = i64::from(pieces[0]);
            let draft = Draft { kind: Kind::Finish, from: &[], named: false, key, pieces };
            emit(&self.observed, &self.orders, out, &draft)?;
        }
        Ok(())
    }
}
