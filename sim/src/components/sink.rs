//! A sink like a file: it collects, writes when it must, and acks what it has written.

use super::{Observed, Orders, Received, receive};
use egret_sdk::{Acking, Bolt, BoltOutput, Context, Result, Tuple};
use std::sync::Arc;

pub(super) struct Sink {
    observed: Arc<Observed>,
    orders: Orders,
    collected: Vec<Received>,
}

impl Sink {
    pub(super) fn new(observed: Arc<Observed>) -> Sink {
        Sink { observed, orders: Orders::default(), collected: Vec::new() }
    }

    fn write(&mut self, out: &mut BoltOutput<'_>) {
        for received in self.collected.drain(..) {
            if self.orders.fails(self.observed.now(), received.uid) {
                out.fail(received.anchor, "it cannot be written");
                continue;
            }
            let mut witness = self.observed.witness();
            witness.wrote(self.observed.now(), &received.pieces);
            witness.acks(received.handle);
            drop(witness);
            out.ack(received.anchor);
        }
    }
}

impl Bolt for Sink {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.orders = Orders::read(context);
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let received = receive(&self.observed, &self.orders, tuple)?;
        self.collected.push(received);
        if self.collected.len() >= 4 * self.orders.hold {
            self.write(out);
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.write(out);
        Ok(())
    }
}
