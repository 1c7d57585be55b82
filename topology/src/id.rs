//! Identifiers that every part of Egret shares: tasks, pods, incarnations, epochs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One parallel copy of a component. Stable for the life of the topology, never reused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TaskId(pub u32);

/// The index of a pod: one stream manager and its instances.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PodId(pub u32);

/// One life of a task or a stream manager; a later life has a greater number, none is reused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// When a wall clock of incarnations begins: 2020, in milliseconds since 1970.
const CLOCK_BEGINS_MS: u64 = 1_577_836_800_000;
/// Bits of an incarnation that such a clock has: 34 years of milliseconds.
const CLOCK_BITS: u32 = 40;

impl Incarnation {
    /// The life that begins now: greater than `known`, and than any that began in a pod of a lesser
    /// `birth`, whatever the wall clock of its node says (in milliseconds since 1970).
    pub fn beginning(birth: u32, wall_ms: u64, known: Option<Incarnation>) -> Incarnation {
        // 24 bits: a pod a minute for 30 years.
        let birth = u64::from(birth).min((1 << (64 - CLOCK_BITS)) - 1) << CLOCK_BITS;
        let clock = wall_ms.saturating_sub(CLOCK_BEGINS_MS).min((1 << CLOCK_BITS) - 1);
        let next = known.map_or(0, |known| known.0.saturating_add(1));
        Incarnation((birth | clock).max(next))
    }

    /// Whether it began in the pod of this birth.
    pub fn is_of(self, birth: u32) -> bool {
        self.0 >> CLOCK_BITS == u64::from(birth).min((1 << (64 - CLOCK_BITS)) - 1)
    }
}

/// The version of tasks and groupings. Frames of one epoch are never delivered in another.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 1_800_000_000_000;

    #[test]
    fn a_life_of_a_later_pod_is_greater_whatever_the_clock_says() {
        let before = Incarnation::beginning(7, NOW_MS + HOUR_MS, None);
        assert!(Incarnation::beginning(8, NOW_MS - HOUR_MS, None) > before);
        assert!(Incarnation::beginning(8, 0, None) > before);
        assert!(Incarnation::beginning(u32::MAX, u64::MAX, None) > before);
    }

    #[test]
    fn a_later_life_in_the_same_pod_is_greater_if_the_clock_is_or_the_last_one_is_known() {
        let before = Incarnation::beginning(7, NOW_MS, None);
        assert!(Incarnation::beginning(7, NOW_MS + 1, None) > before);
        assert!(Incarnation::beginning(7, NOW_MS - HOUR_MS, Some(before)) > before);
        assert!(before.is_of(7) && !before.is_of(8) && !before.is_of(0));
        let last = Incarnation(u64::MAX);
        assert_eq!(Incarnation::beginning(7, NOW_MS, Some(last)), last, "and nothing panics");
    }
}
