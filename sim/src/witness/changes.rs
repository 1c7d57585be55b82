//! What planned changes must not do: have anything emitted again, or read twice at a time.

use super::Witness;
use crate::invariant::Invariant;

impl Witness {
    /// A drain has been cut short: what it left may be replayed from now on.
    pub(crate) fn excuse(&mut self) {
        self.quiet = false;
    }

    /// Whether nothing may be replayed.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// User code of a spout has read a piece.
    pub(super) fn reads(&mut self, piece: u32) {
        let life = self.current;
        let (task, incarnation) = (self.lives[life].task, self.lives[life].incarnation);
        let newest = *self.reading.entry(task).or_insert(life);
        let newer = self.lives[newest].incarnation;
        if newer < incarnation {
            self.reading.insert(task, life);
        }
        let orderly = self.orderly && self.tracked;
        self.expect(!orderly || newer <= incarnation, Invariant::OneReader, || {
            format!("life {incarnation} of task {task} reads on beside life {newer}")
        });
        let again = self.emitted[piece as usize].replace(life);
        let beside = again.filter(|other| *other != life && self.lives[*other].killed.is_none());
        self.expect(!orderly || beside.is_none(), Invariant::OneReader, || {
            format!("life {incarnation} of task {task} reads piece {piece} beside another life")
        });
        let again = again.is_some();
        self.expect(!self.quiet || !again, Invariant::NoReplay, || {
            format!("task {task} emits piece {piece} again, and nothing went wrong")
        });
    }
}
