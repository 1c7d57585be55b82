//! How often roots have failed, and which of them are dead letters.
//!
//! A try that failed is one for which somebody answers: user code has failed the tuple, or has
//! panicked at it. What was lost or has timed out may have been next to such a tuple by chance.

use super::collector::Emitted;
use crate::limits::MAX_TRIED;
use egret_sdk::{Encoded, TaskId};
use egret_topology::plan::PlanIndex;
use egret_wire::{
    limits::{MAX_CAUSE, MAX_TUPLE},
    value,
};
use std::collections::HashMap;

/// The roots that have failed in this life of a spout and were not acked since.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// After so many a root is a dead letter.
    most: Option<u32>,
    roots: HashMap<Emitted, Tried>,
}

/// How often a root has failed, and why the last time.
#[derive(Debug)]
pub(super) struct Tried {
    tries: u32,
    by: Option<TaskId>,
    cause: String,
    dead: bool,
    told: bool,
}

/// A dead letter to be emitted.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) stream: String,
    /// The fields of the root and why it failed; empty if that is more than a tuple can hold.
    pub(super) bytes: Vec<u8>,
    pub(super) at: Vec<u32>,
    pub(super) tries: u32,
    pub(super) cause: String,
}

/// Bytes of an encoded text besides its own, and of a number, at most.
const FIELD: usize = 10;
/// What a root takes of a tuple.
const ROOT: usize = 30;

impl Tries {
    /// As the plan has it for a spout.
    pub(super) fn follow(&mut self, plan: &PlanIndex, component: &str) {
        self.most = plan.plan().max_tries.get(component).copied();
        if self.most.is_none() {
            self.roots.clear();
        }
    }

    /// A root has failed, and it is known by whom.
    pub(super) fn failed(&mut self, root: Emitted, by: Option<TaskId>, cause: &str) {
        let Some(most) = self.most else { return };
        if self.roots.len() >= MAX_TRIED && !self.roots.contains_key(&root) {
            return;
        }
        let tried = self.roots.entry(root).or_insert_with(Tried::none);
        // That a dead letter fails where it is received says nothing of the root.
        if tried.dead {
            return;
        }
        tried.tries += 1;
        tried.by = by;
        tried.cause = cause[..cause.floor_char_boundary(MAX_CAUSE)].to_owned();
        tried.dead = tried.tries >= most;
    }

    /// The tree of a root is complete.
    #[inline]
    pub(super) fn acked(&mut self, root: &Emitted) {
        if !self.roots.is_empty() {
            self.roots.remove(root);
        }
    }

    /// A root that is a dead letter.
    pub(super) fn dead(&self, root: &Emitted) -> Option<&Tried> {
        self.roots.get(root).filter(|tried| tried.dead)
    }

    /// It is emitted as one; whether that is for the first time.
    pub(super) fn told(&mut self, root: &Emitted) -> bool {
        self.roots.get_mut(root).is_some_and(|tried| !std::mem::replace(&mut tried.told, true))
    }
}

impl Tried {
    fn none() -> Tried {
        Tried { tries: 0, by: None, cause: String::new(), dead: false, told: false }
    }

    /// The dead letter of a root with these fields, on this stream.
    pub(super) fn letter(&self, stream: String, root: Encoded<'_>, plan: &PlanIndex) -> Letter {
        let component = self.by.and_then(|task| plan.component_of(task));
        let component = component.map_or("", |component| component.name.as_str());
        self.letter_of(stream, root, component)
    }

    fn letter_of(&self, stream: String, root: Encoded<'_>, component: &str) -> Letter {
        let (mut bytes, mut at) = (Vec::new(), Vec::new());
        let needed = root.bytes.len() + ROOT + 4 * FIELD + component.len();
        if let Some(room) = MAX_TUPLE.checked_sub(needed) {
            bytes.extend_from_slice(root.bytes);
            at.extend_from_slice(root.at);
            let error = &self.cause[..self.cause.floor_char_boundary(room)];
            at.push(bytes.len() as u32);
            value::put_str(&mut bytes, error);
            at.push(bytes.len() as u32);
            value::put_str(&mut bytes, component);
            at.push(bytes.len() as u32);
            match self.by {
                Some(task) => value::put_int(&mut bytes, i64::from(task.0)),
                None => value::put_null(&mut bytes),
            }
            at.push(bytes.len() as u32);
            value::put_int(&mut bytes, i64::from(self.tries));
        }
        Letter { stream, bytes, at, tries: self.tries, cause: self.cause.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_sdk::Root;

    fn emitted(id: u64) -> Emitted {
        Emitted::new(&Root::id(id))
    }

    fn after(most: u32) -> Tries {
        Tries { most: Some(most), ..Tries::default() }
    }

    #[test]
    fn a_root_is_dead_once_it_has_failed_so_often_in_a_row() {
        let mut tries = after(2);
        tries.failed(emitted(1), None, "a");
        tries.acked(&emitted(1));
        tries.failed(emitted(1), None, "b");
        assert!(tries.dead(&emitted(1)).is_none());
        tries.failed(emitted(1), Some(TaskId(4)), "c");
        tries.failed(emitted(1), None, "where it is received");
        let dead = tries.dead(&emitted(1)).unwrap();
        assert_eq!((dead.tries, dead.by, dead.cause.as_str()), (2, Some(TaskId(4)), "c"));
        assert!(tries.told(&emitted(1)) && !tries.told(&emitted(1)));
    }

    #[test]
    fn no_more_roots_are_counted_than_there_is_room_for() {
        let mut tries = after(1);
        for id in 0..MAX_TRIED as u64 + 1 {
            tries.failed(emitted(id), None, "");
        }
        let last = emitted(MAX_TRIED as u64);
        assert!(tries.dead(&last).is_none() && tries.dead(&emitted(0)).is_some());
        tries.acked(&emitted(0));
        tries.failed(last, None, "");
        assert!(tries.dead(&last).is_some());
    }

    #[test]
    fn a_dead_letter_fits_a_tuple_or_is_not_emitted() {
        let cause = "é".repeat(MAX_CAUSE);
        let mut tries = after(1);
        tries.failed(emitted(1), Some(TaskId(u32::MAX)), &cause);
        let tried = tries.dead(&emitted(1)).unwrap();
        assert_eq!(tried.cause.len(), MAX_CAUSE);
        let letter = |len: usize| {
            let bytes = vec![0; len];
            let root = Encoded { bytes: &bytes, at: &[0] };
            tried.letter_of("dead-letters".to_owned(), root, &"c".repeat(40))
        };
        for len in [0, MAX_TUPLE - 700, MAX_TUPLE - 111, MAX_TUPLE - 110] {
            let letter = letter(len);
            assert_eq!(letter.at.len(), 5);
            assert!(letter.bytes.len() > len && letter.bytes.len() + ROOT <= MAX_TUPLE, "{len}");
        }
        assert!(letter(MAX_TUPLE - 109).bytes.is_empty());
        assert!(letter(MAX_TUPLE).bytes.is_empty());
    }
}
