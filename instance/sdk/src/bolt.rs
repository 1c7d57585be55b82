//! Bolts: components that receive tuples.

use crate::{BoltOutput, Context, Result, Tuple};

/// Who acks a bolt's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acking {
    /// The runtime: what `execute` emits is anchored to its tuple, which is acked when `execute`
    /// returns `Ok` and failed when it returns an error.
    #[default]
    Auto,
    /// The bolt, by [`BoltOutput::ack`] and [`BoltOutput::fail`], whenever it likes. Nothing is
    /// anchored unless [`crate::EmitOptions::anchors`] says so.
    Manual,
}

/// A component that receives tuples. One value of it runs one task.
///
/// An error from `execute` fails its tuple (with `Acking::Auto`) and the task goes on. An error
/// from any other call, or a panic anywhere, ends this life of the task; its parent starts another.
pub trait Bolt {
    /// Who acks the input; asked once, before `prepare`.
    fn acking(&self) -> Acking {
        Acking::Auto
    }

    /// Called once, before anything else.
    fn prepare(&mut self, context: &mut Context) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Called with each input tuple.
    fn execute(&mut self, tuple: &Tuple<'_>, out: &mut BoltOutput<'_>) -> Result<()>;

    /// Called at the interval that the topology's `tick` asks for. What it emits is not anchored.
    fn tick(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Called when the input pauses, and while the topology drains: write and ack what is held
    /// back.
    fn flush(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Called when all input has ended and is acked. What it emits is tracked and sent again until
    /// it is acked. Called again if input starts over and ends once more.
    fn finish(&mut self, out: &mut BoltOutput<'_>) -> Result<()> {
        let _ = out;
        Ok(())
    }

    /// Called last, when the task is stopped as planned.
    fn close(&mut self) {}
}
