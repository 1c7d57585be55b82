//! A binary whose one bolt makes trouble as its config says: what the tests of `egret run` kill
//! with.
//!
//! It passes its input on; a tuple whose field `line` contains `contains` it treats as `does` says,
//! if it is the task `onTask`, and as long as the file `while` is there.

use egret_instance::{
    Acking, Anchor, Bolt, BoltOutput, Context, Counter, Declared, EmitOptions, Registry, Result,
    Tuple,
};
use std::{io, path::PathBuf, process::ExitCode, thread, time::Duration};

fn main() -> ExitCode {
    let mut registry = Registry::new();
    registry.bolt("trouble", Declared::SameAsInput, Box::<Trouble>::default);
    // Holds anchors itself, so it is a bolt of its own.
    registry.bolt("keep-for-good", Declared::SameAsInput, Box::<Keep>::default);
    egret_instance::main(registry)
}

#[derive(Default)]
struct Trouble {
    does: String,
    /// Empty means every tuple.
    contains: String,
    /// Whether another task of the component is to make it.
    is_spared: bool,
    /// Trouble happens while this file is there; without one always.
    during: Option<PathBuf>,
    /// How long `slow` takes.
    pause: Duration,
    /// `panic`, `fail` and `exit` happen only while this file is not there, and make it;
    /// `hang` lasts until it is there.
    once: Option<PathBuf>,
    executed: Counter,
}

impl Trouble {
    /// Whether it is to happen now; then it will not happen again.
    fn is_due(&self) -> Result<bool> {
        let Some(once) = &self.once else { return Ok(true) };
        Ok(!once.exists() && std::fs::write(once, "").map(|()| true)?)
    }

    fn is_meant(&self, tuple: &Tuple<'_>) -> Result<bool> {
        let now = self.during.as_ref().is_none_or(|file| file.exists());
        let this = self.contains.is_empty() || tuple.str("line")?.contains(&self.contains);
        Ok(now && this && !self.is_spared)
    }

    fn make(&self) -> Result<()> {
        match self.does.as_str() {
            "slow" => thread::sleep(self.pause),
            "hang" => {
                while !self.once.as_ref().is_some_and(|file| file.exists()) {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            "panic" if self.is_due()? => panic!("trouble as ordered: {}", self.contains),
            "fail" if self.is_due()? => return Err(wrong("not this one")),
            "exit" if self.is_due()? => std::process::exit(3),
            _ => {}
        }
        Ok(())
    }
}

fn wrong(what: &str) -> egret_instance::Error {
    io::Error::other(format!("trouble as ordered: {what}")).into()
}

fn text(context: &Context, name: &str) -> Option<String> {
    context.config.get(name)?.as_str().map(str::to_owned)
}

fn number(context: &Context, name: &str) -> Option<u64> {
    context.config.get(name)?.as_u64()
}

impl Bolt for Trouble {
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.does = text(context, "does").unwrap_or_default();
        self.contains = text(context, "contains").unwrap_or_default();
        self.once = text(context, "once").map(PathBuf::from);
        self.during = text(context, "while").map(PathBuf::from);
        self.is_spared = number(context, "onTask").is_some_and(|on| on != u64::from(context.index));
        self.pause = Duration::from_millis(number(context, "pauseMs").unwrap_or(0));
        self.executed = context.counter("executed")?;
        context.gauge("pause_seconds")?.set(self.pause.as_secs_f64());
        if self.does == "refuse" {
            return Err(wrong("the database `words` is not there"));
        }
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        if self.is_meant(tuple)? {
            self.make()?;
        }
        self.executed.add(1);
        out.emit(tuple)?;
        Ok(())
    }
}

/// Acks what does not contain `contains`, and that when it is flushed.
#[derive(Default)]
struct Keep {
    contains: String,
    executed: Vec<Anchor>,
}

impl Bolt for Keep {
    fn acking(&self) -> Acking {
        Acking::Manual
    }

    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        self.contains = text(context, "contains").unwrap_or_default();
        Ok(())
    }

    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()> {
        let anchors = [tuple.anchor()];
        out.emit_with(EmitOptions { anchors: Some(&anchors), ..EmitOptions::default() }, tuple)?;
        if !tuple.str("line")?.contains(&self.contains) {
            self.executed.push(tuple.anchor());
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        self.executed.drain(..).for_each(|anchor| out.ack(anchor));
        Ok(())
    }
}
