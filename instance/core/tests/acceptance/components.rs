//! Components whose behaviour tests can steer.

use egret_sdk::{
    Acking, Anchor, Bolt, BoltOutput, Context, Declared, EmitOptions, Failure, Next, Registry,
    Result, Root, Spout, SpoutOutput, Stream, Tuple,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

/// What spouts were told, in order.
pub(crate) type Told = Arc<Mutex<Vec<(u64, Option<Failure>)>>>;

/// Emits `limit` tuples (`key` = n % `keys`), each at position n + 1; replays what fails.
pub(crate) struct Numbers {
    next: u64,
    limit: u64,
    keys: u64,
    replay: VecDeque<u64>,
    replays: bool,
    told: Told,
}

impl Spout for Numbers {
    fn open(&mut self, context: &mut Context) -> Result<()> {
        let number = |name: &str| context.config[name].as_u64();
        self.limit = number("limit").unwrap_or(10);
        self.keys = number("keys").unwrap_or(3);
        self.replays = context.config["replay"].as_bool().unwrap_or(true);
        self.next = context.positions.get("numbers").copied().unwrap_or(0);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOutput<'_>) -> Result<Next> {
        let (n, again) = match self.replay.pop_front() {
            Some(n) => (n, true),
            None if self.next < self.limit => {
                self.next += 1;
                (self.next - 1, false)
            }
            None => return Ok(Next::Exhausted),
        };
        let split = out.split("numbers");
        let mut root = Root::id(n).at(split, n + 1);
        if again {
            root = root.replay();
        }
        out.emit((format!("k{}", n % self.keys), n as i64), root)?;
        Ok(Next::Emitted)
    }

    fn ack(&mut self, id: u64) -> Result<()> {
        self.told.lock().unwrap().push((id, None));
        Ok(())
    }

    fn fail(&mut self, id: u64, failure: &Failure) -> Result<()> {
        self.told.lock().unwrap().push((id, Some(failure.clone())));
        if self.replays {
            self.replay.push_back(id);
        }
        Ok(())
    }
}

/// Passes everything on.
pub(crate) struct Identity;

impl Bolt for Identity {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        out.emit(tuple)?;
        Ok(())
    }
}

/// Fails the first tuple of each key.
#[derive(Default)]
pub(crate) struct Picky(BTreeMap<String, u64>);

impl Bolt for Picky {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let seen = self.0.entry(tuple.str("key")?.to_owned()).or_default();
        *seen += 1;
        if *seen == 1 {
            return Err(egret_sdk::Error::msg("not at first"));
        }
        out.emit(tuple)?;
        Ok(())
    }
}

/// Fails the tuple with number 7, however often it comes.
pub(crate) struct Stumble;

impl Bolt for Stumble {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        if tuple.int("n")? == 7 {
            return Err(egret_sdk::Error::msg("not this one"));
        }
        out.emit(tuple)?;
        Ok(())
    }
}

/// Panics at the tuple with number 7, after it has emitted.
pub(crate) struct Explode;

impl Bolt for Explode {
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        out.emit(tuple)?;
        assert_ne!(tuple.int("n")?, 7, "seven");
        Ok(())
    }
}

/// Takes all tuples, or all but the first, and emits nothing.
#[derive(Default)]
pub(crate) struct Takes {
    picky: bool,
}

impl Bolt for Takes {
    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        match std::mem::take(&mut self.picky) {
            true => Err(egret_sdk::Error::msg("not at first")),
            false => Ok(()),
        }
    }
}

/// Holds every tuple until it is flushed; then emits one anchored to all of them, and acks them.
#[derive(Default)]
pub(crate) struct Join {
    held: Vec<Anchor>,
}

impl Bolt for Join {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        self.held.push(tuple.anchor());
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let options = EmitOptions { anchors: Some(&self.held), ..EmitOptions::default() };
        out.emit_with(options, ("joined", self.held.len() as i64))?;
        self.held.drain(..).for_each(|anchor| out.ack(anchor));
        Ok(())
    }
}

/// Takes tuples and never acks them.
pub(crate) struct Hoarder;

impl Bolt for Hoarder {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn execute(&mut self, _: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        Ok(())
    }
}

/// Counts keys and emits the counts when all input has ended.
#[derive(Default)]
pub(crate) struct Count(BTreeMap<String, i64>);

impl Bolt for Count {
    fn execute(&mut self, tuple: &Tuple<'_>, _: &mut BoltOutput<'_>) -> Result<()> {
        *self.0.entry(tuple.str("key")?.to_owned()).or_default() += 1;
        Ok(())
    }

    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        for (key, n) in &self.0 {
            out.emit((key, *n))?;
        }
        Ok(())
    }
}

/// All of them, and what the spouts are told.
pub(crate) fn registry() -> (Registry, Told) {
    let told = Told::default();
    let mut registry = Registry::new();
    let streams = || Declared::fixed([Stream::default_of(["key", "n"])]);
    let tell = told.clone();
    registry
        .spout("numbers", streams(), move || {
            Box::new(Numbers {
                next: 0,
                limit: 0,
                keys: 1,
                replay: VecDeque::new(),
                replays: true,
                told: tell.clone(),
            })
        })
        .bolt("identity", streams(), || Box::new(Identity))
        .bolt("picky", streams(), || Box::new(Picky::default()))
        .bolt("stumble", streams(), || Box::new(Stumble))
        .bolt("explode", streams(), || Box::new(Explode))
        .bolt("takes", streams(), || Box::new(Takes::default()))
        .bolt("hesitates", streams(), || Box::new(Takes { picky: true }))
        .bolt("join", streams(), || Box::new(Join::default()))
        .bolt("hoarder", streams(), || Box::new(Hoarder))
        .bolt("count", streams(), || Box::new(Count::default()));
    (registry, told)
}
