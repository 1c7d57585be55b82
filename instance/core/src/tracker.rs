//! The ack tracker: knows of each root whether its tuple tree is complete.
//!
//! Per root one 64-bit XOR of edge ids (Storm's acker; docs/protocol.md section 6). Sequence
//! numbers are dense, so a root lives in a ring at its number modulo the ring's size: no hashing. A
//! root that is still pending when its place is needed again, or whose timeout was reset, moves to
//! the stragglers, so that one slow tree stops nothing. Memory is bounded by the number of pending
//! roots.
//!
//! Deadlines in the ring grow with the sequence number, so the oldest pending one there is the next
//! to time out: timeouts are exact and cost nothing while nothing times out.

use std::collections::{BTreeMap, BTreeSet};

/// A root as it is registered, before its first frame leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootEntry {
    /// Its sequence number; each is one more than the last.
    pub seq: u64,
    /// XOR of the ids of its first tuples.
    pub xor: u64,
    /// What its complete latency counts from.
    pub since: u64,
    /// The user's id.
    pub id: u64,
    /// Number of its split plus one; 0 for none.
    pub split: u32,
    /// Its position in the split.
    pub position: u64,
    /// Whether it repeats one that failed.
    pub replay: bool,
}

/// How a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every tuple was acked.
    Acked,
    /// A bolt failed a tuple, or it was lost.
    Failed,
    /// Not complete in time.
    TimedOut,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    root: RootEntry,
    deadline: u64,
    live: bool,
}

/// Tracks the roots of one incarnation of one task.
#[derive(Debug)]
pub struct Tracker {
    timeout: u64,
    max_ring: usize,
    ring: Vec<Slot>,
    /// Every live slot of the ring has a sequence number in `oldest..next`.
    oldest: u64,
    next: u64,
    stragglers: BTreeMap<u64, Slot>,
    straggler_deadlines: BTreeSet<(u64, u64)>,
    pending: usize,
}

const FIRST_RING: usize = 1024;

impl Tracker {
    /// A tracker of about `max_pending` roots with this timeout.
    pub fn new(max_pending: usize, timeout_ns: u64) -> Tracker {
        Tracker {
            timeout: timeout_ns,
            max_ring: (2 * max_pending).next_power_of_two().max(FIRST_RING),
            ring: vec![Slot::default(); FIRST_RING],
            oldest: 0,
            next: 0,
            stragglers: BTreeMap::new(),
            straggler_deadlines: BTreeSet::new(),
            pending: 0,
        }
    }

    /// Registers the next root. One without an edge is complete at once: `true`, and not pending.
    pub fn register(&mut self, now: u64, root: RootEntry) -> bool {
        debug_assert!(root.seq >= self.next, "sequence numbers only grow");
        self.next = root.seq + 1;
        if root.xor == 0 {
            return true;
        }
        self.make_room(root.seq);
        let at = self.place(root.seq);
        self.ring[at] = Slot { root, deadline: now + self.timeout, live: true };
        self.pending += 1;
        false
    }

    /// XORs into a root; returns it if its tree is complete now. Unknown roots are ignored.
    #[inline]
    pub fn ack(&mut self, seq: u64, xor: u64) -> Option<RootEntry> {
        let slot = self.slot(seq)?;
        slot.root.xor ^= xor;
        if slot.root.xor != 0 {
            return None;
        }
        let root = slot.root;
        self.forget(seq);
        Some(root)
    }

    /// Takes a root out, whatever its state.
    pub fn remove(&mut self, seq: u64) -> Option<RootEntry> {
        let root = self.slot(seq)?.root;
        self.forget(seq);
        Some(root)
    }

    /// Starts a root's timeout anew.
    pub fn reset(&mut self, now: u64, seq: u64) {
        let Some(slot) = self.slot(seq) else { return };
        let mut slot = *slot;
        self.forget(seq);
        slot.deadline = now + self.timeout;
        self.insert_straggler(slot);
        self.pending += 1;
    }

    /// Takes out every root, oldest first.
    pub fn drain(&mut self) -> Vec<RootEntry> {
        let mut roots: Vec<RootEntry> = self.stragglers.values().map(|slot| slot.root).collect();
        for seq in self.oldest..self.next {
            let at = self.place(seq);
            let slot = &mut self.ring[at];
            if slot.live && slot.root.seq == seq {
                slot.live = false;
                roots.push(slot.root);
            }
        }
        roots.sort_unstable_by_key(|root| root.seq);
        self.oldest = self.next;
        self.stragglers.clear();
        self.straggler_deadlines.clear();
        self.pending = 0;
        roots
    }

    /// Takes out the roots whose time is up.
    pub fn expire(&mut self, now: u64, expired: &mut Vec<RootEntry>) {
        while let Some(slot) = self.oldest_live()
            && slot.deadline <= now
        {
            expired.push(slot.root);
            self.forget(slot.root.seq);
        }
        while let Some(&(deadline, seq)) = self.straggler_deadlines.first()
            && deadline <= now
        {
            expired.extend(self.remove(seq));
        }
    }

    /// When the next root times out.
    pub fn next_timeout(&mut self) -> Option<u64> {
        let straggler = self.straggler_deadlines.first().map(|(deadline, _)| *deadline);
        let ring = self.oldest_live().map(|slot| slot.deadline);
        [straggler, ring].into_iter().flatten().min()
    }

    /// Changes the timeout of roots registered from now on.
    pub fn set_timeout(&mut self, timeout_ns: u64) {
        self.timeout = timeout_ns;
    }

    /// Roots whose trees are not complete.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// The XOR of a pending root, for those who check.
    pub fn xor_of(&self, seq: u64) -> Option<u64> {
        let slot = &self.ring[self.place(seq)];
        if slot.live && slot.root.seq == seq {
            return Some(slot.root.xor);
        }
        self.stragglers.get(&seq).map(|slot| slot.root.xor)
    }

    #[inline]
    fn place(&self, seq: u64) -> usize {
        seq as usize & (self.ring.len() - 1)
    }

    #[inline]
    fn slot(&mut self, seq: u64) -> Option<&mut Slot> {
        let at = self.place(seq);
        if self.ring[at].live && self.ring[at].root.seq == seq {
            return Some(&mut self.ring[at]);
        }
        self.stragglers.get_mut(&seq)
    }

    #[inline]
    fn forget(&mut self, seq: u64) {
        self.pending -= 1;
        let at = self.place(seq);
        if self.ring[at].live && self.ring[at].root.seq == seq {
            self.ring[at].live = false;
            // Most trees end in the order in which they began: then nobody has to look for the
            // oldest one.
            self.oldest += u64::from(seq == self.oldest);
        } else if let Some(slot) = self.stragglers.remove(&seq) {
            self.straggler_deadlines.remove(&(slot.deadline, seq));
        }
    }

    /// The pending root of the ring with the lowest number; moves `oldest` up to it.
    fn oldest_live(&mut self) -> Option<Slot> {
        while self.oldest < self.next {
            let slot = &self.ring[self.place(self.oldest)];
            if slot.live && slot.root.seq == self.oldest {
                return Some(*slot);
            }
            self.oldest += 1;
        }
        None
    }

    /// Frees the place of `seq`: grows the ring while that helps, then moves who lives there.
    fn make_room(&mut self, seq: u64) {
        let at = self.place(seq);
        if !self.ring[at].live {
            return;
        }
        if self.ring.len() < self.max_ring {
            let slots = std::mem::take(&mut self.ring);
            self.ring = vec![Slot::default(); slots.len() * 2];
            for slot in slots.into_iter().filter(|slot| slot.live) {
                let at = self.place(slot.root.seq);
                self.ring[at] = slot;
            }
            return self.make_room(seq);
        }
        let slot = std::mem::take(&mut self.ring[at]);
        self.insert_straggler(slot);
    }

    fn insert_straggler(&mut self, slot: Slot) {
        self.straggler_deadlines.insert((slot.deadline, slot.root.seq));
        self.stragglers.insert(slot.root.seq, slot);
    }
}

#[cfg(test)]
mod tests;
