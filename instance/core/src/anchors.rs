//! Input tuples that are not acked yet, and what their trees grew by.

use egret_sdk::Anchor;
use egret_wire::{
    control::Root,
    data::{RootId, Roots},
};
use smallvec::SmallVec;

/// The anchor of the tuple that is being executed under automatic acking.
pub const CURRENT: Anchor = Anchor(u64::MAX);

/// An input tuple that is neither acked nor failed.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Its own edge id; of the tuple that is being executed it is derived when somebody needs it.
    pub edge: u64,
    /// Its distinct roots.
    pub roots: Roots,
    /// Per root the XOR of the edge ids that were emitted under it.
    pub grown: SmallVec<[u64; 2]>,
    /// When it was executed.
    pub since: u64,
}

impl Held {
    /// Makes it another tuple, whose roots are there already, without allocating.
    #[inline]
    pub fn become_tuple(&mut self) {
        if let ([_], [grown]) = (&self.roots[..], &mut self.grown[..]) {
            *grown = 0;
            return;
        }
        self.grown.clear();
        self.grown.resize(self.roots.len(), 0);
    }

    /// Per root what an ack XORs in.
    #[inline]
    pub fn acks(&self) -> impl Iterator<Item = (RootId, u64)> + '_ {
        self.roots.iter().zip(&self.grown).map(|(root, grown)| (*root, self.edge ^ grown))
    }
}

/// The held tuples of a bolt: one under automatic acking, any number under manual acking.
#[derive(Debug, Default)]
pub struct Anchors {
    /// The tuple that is being executed, under automatic acking.
    pub current: Held,
    slots: Vec<Slot>,
    free: Vec<u32>,
    held: usize,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    held: Option<Held>,
}

/// Which held tuple is charged for which of an emit's roots.
pub type Charges = SmallVec<[(Anchor, usize); 2]>;

impl Anchors {
    /// Holds a tuple until it is acked or failed.
    pub fn hold(&mut self, held: Held) -> Anchor {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.held = Some(held);
        self.held += 1;
        Anchor(u64::from(slot.generation) << 32 | u64::from(index))
    }

    /// Takes a held tuple out; `None` if it was acked or failed before.
    pub fn release(&mut self, anchor: Anchor) -> Option<Held> {
        let index = anchor.0 as u32;
        let slot = self.slots.get_mut(index as usize)?;
        if u64::from(slot.generation) != anchor.0 >> 32 {
            return None;
        }
        let held = slot.held.take()?;
        self.held -= 1;
        // A generation ends before it wraps: the place is then not used again.
        if let Some(next) = slot.generation.checked_add(1).filter(|next| *next < u32::MAX) {
            slot.generation = next;
            self.free.push(index);
        }
        Some(held)
    }

    /// A held tuple.
    pub fn get(&mut self, anchor: Anchor) -> Option<&mut Held> {
        if anchor == CURRENT {
            return Some(&mut self.current);
        }
        let slot = self.slots.get_mut(anchor.0 as u32 as usize)?;
        if u64::from(slot.generation) == anchor.0 >> 32 { slot.held.as_mut() } else { None }
    }

    /// The distinct roots of these anchors, each with the first anchor that carries it.
    /// `None` if an anchor was acked or failed before.
    pub fn union(&mut self, anchors: &[Anchor]) -> Option<(Roots, Charges)> {
        let (mut roots, mut charges) = (Roots::new(), Charges::new());
        for anchor in anchors {
            for (i, root) in self.get(*anchor)?.roots.iter().enumerate() {
                if !roots.contains(root) {
                    roots.push(*root);
                    charges.push((*anchor, i));
                }
            }
        }
        Some((roots, charges))
    }

    /// Charges an emit's edge ids.
    pub fn charge(&mut self, charges: &Charges, xor: u64) {
        for (anchor, i) in charges {
            if let Some(held) = self.get(*anchor) {
                held.grown[*i] ^= xor;
            }
        }
    }

    /// Number of held tuples under manual acking.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Since when a tuple of this root's tree is held, if one is.
    pub fn holds(&self, root: Root) -> Option<u64> {
        let held = self.slots.iter().filter_map(|slot| slot.held.as_ref());
        held.filter(|held| held.roots.iter().any(|r| Root::from(*r) == root))
            .map(|held| held.since)
            .min()
    }
}
