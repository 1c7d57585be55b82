//! The ack tracker: knows of each root whether its tuple tree is complete.
//!
//! Per root one 64-bit XOR of edge ids (Storm's acker; docs/protocol.md section 6), and when it
//! began: 16 bytes, since every root is written and read once while 10,000 others are, and what
//! does not stay in the cache is waited for. Whatever else belongs to a root stays with the task.

use crate::{
    deadlines::Deadlines,
    dense::{DenseMap, Vacant},
};

/// A root as it is registered, before its first frame leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// XOR of the ids of its first tuples.
    pub xor: u64,
    /// What its complete latency counts from.
    pub since: u64,
}

impl Vacant for Root {
    const VACANT: Root = Root { xor: 0, since: 0 };

    /// A tree without an edge is complete.
    #[inline]
    fn is_vacant(&self) -> bool {
        self.xor == 0
    }
}

/// Tracks the roots of one incarnation of one task.
#[derive(Debug)]
pub struct Tracker {
    timeout: u64,
    roots: DenseMap<Root>,
    deadlines: Deadlines,
}

impl Tracker {
    /// A tracker of about `max_pending` roots with this timeout.
    pub fn new(max_pending: usize, timeout_ns: u64) -> Tracker {
        Tracker {
            timeout: timeout_ns,
            roots: DenseMap::new(max_pending),
            deadlines: Deadlines::default(),
        }
    }

    /// Registers the next root; its number is one more than the last. One without an edge is
    /// complete at once: `true`, and not pending.
    #[inline]
    pub fn register(&mut self, now: u64, seq: u64, root: Root) -> bool {
        let deadlines = &mut self.deadlines;
        deadlines.register(seq, now + self.timeout);
        self.roots.insert(seq, root, |straggler| deadlines.keep(straggler));
        root.is_vacant()
    }

    /// XORs into a root; returns what its latency counts from if its tree is complete now. Unknown
    /// roots are ignored.
    #[inline]
    pub fn ack(&mut self, seq: u64, xor: u64) -> Option<u64> {
        let (root, complete) = self.roots.change(seq, |root| root.xor ^= xor)?;
        if !complete {
            return None;
        }
        self.deadlines.settle(seq);
        Some(root.since)
    }

    /// Takes a root out, whatever its state; whether it was pending.
    pub fn remove(&mut self, seq: u64) -> bool {
        let pending = self.roots.remove(seq).is_some();
        if pending {
            self.deadlines.settle(seq);
        }
        pending
    }

    /// Starts a root's timeout anew.
    pub fn reset(&mut self, now: u64, seq: u64) {
        if self.roots.get(seq).is_some() {
            self.deadlines.set(seq, now + self.timeout);
        }
    }

    /// Takes out every root, oldest first.
    pub fn drain(&mut self) -> Vec<u64> {
        self.deadlines.clear();
        self.roots.drain()
    }

    /// Takes out the next root whose time is up.
    pub fn expire(&mut self, now: u64) -> Option<u64> {
        let (_, seq) = self.first().filter(|(deadline, _)| *deadline <= now)?;
        self.remove(seq);
        Some(seq)
    }

    /// When the next root times out.
    pub fn next_timeout(&mut self) -> Option<u64> {
        self.first().map(|(deadline, _)| deadline)
    }

    /// Changes the timeout of roots registered from now on.
    pub fn set_timeout(&mut self, timeout_ns: u64) {
        self.timeout = timeout_ns;
    }

    /// Roots whose trees are not complete.
    pub fn pending(&self) -> usize {
        self.roots.len()
    }

    /// The XOR of a pending root, for those who check.
    pub fn xor_of(&self, seq: u64) -> Option<u64> {
        self.roots.get(seq).map(|root| root.xor)
    }

    fn first(&mut self) -> Option<(u64, u64)> {
        let roots = &self.roots;
        self.deadlines.first(roots.next(), |seq| roots.get(seq).is_some())
    }
}

#[cfg(test)]
mod tests;
