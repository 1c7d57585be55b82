//! Edge ids: the 64-bit values whose XOR tells whether a tuple tree is complete (protocol section
//! 6).
//!
//! An id stands for one tuple on its way to one destination task. It is not on the wire: sender and
//! receiver derive it from the frame's header and the tuple's place in the frame. Raw counters are
//! never XORed, because 4n ^ (4n+1) ^ (4n+2) ^ (4n+3) is zero; each goes through a keyed mix first.

use egret_topology::id::{Incarnation, TaskId};

/// Derives the ids of one lane: one incarnation of a source task to one destination task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeIds(u64);

impl EdgeIds {
    /// The ids of a lane under the plan's `edge_key`.
    pub fn new(edge_key: u64, source: TaskId, incarnation: Incarnation, dest: TaskId) -> EdgeIds {
        let lane = (u64::from(source.0) << 32) | u64::from(dest.0);
        EdgeIds(mix(mix(mix(edge_key) ^ lane) ^ incarnation.0))
    }

    /// The id of the lane's `counter`th tuple. Never zero, so that no single edge is invisible.
    #[inline]
    pub fn id(self, counter: u64) -> u64 {
        mix(self.0.wrapping_add(counter.wrapping_mul(0x9e37_79b9_7f4a_7c15))).max(1)
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014).
#[inline]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_neighbouring_ids_do_not_cancel() {
        let ids = EdgeIds::new(7, TaskId(1), Incarnation(2), TaskId(3));
        for n in 0..1000 {
            assert_ne!((4 * n..4 * n + 4).fold(0, |xor, counter| xor ^ ids.id(counter)), 0);
        }
    }

    #[test]
    fn another_key_source_incarnation_or_destination_gives_other_ids() {
        let base = EdgeIds::new(7, TaskId(1), Incarnation(2), TaskId(3)).id(0);
        assert_ne!(base, EdgeIds::new(8, TaskId(1), Incarnation(2), TaskId(3)).id(0));
        assert_ne!(base, EdgeIds::new(7, TaskId(3), Incarnation(2), TaskId(1)).id(0));
        assert_ne!(base, EdgeIds::new(7, TaskId(1), Incarnation(3), TaskId(3)).id(0));
        assert_ne!(base, EdgeIds::new(7, TaskId(1), Incarnation(2), TaskId(4)).id(0));
    }
}
