//! The order of a soak: every fault once in each round, and no two rounds alike.

use egret_e2e::{random::Random, resilience::Fault};

/// Round after round, without an end.
pub(crate) struct Rounds {
    faults: Vec<Fault>,
    /// Where the round is.
    at: usize,
    random: Random,
}

impl Rounds {
    /// All of `faults` again and again; the same seed gives the same order.
    pub(crate) fn new(faults: Vec<Fault>, seed: u64) -> Rounds {
        Rounds { at: faults.len(), faults, random: Random::new(seed) }
    }

    /// Fisher and Yates' shuffle.
    fn shuffle(&mut self) {
        for last in (1..self.faults.len()).rev() {
            let other = self.random.below(last as u64 + 1) as usize;
            self.faults.swap(last, other);
        }
    }
}

impl Iterator for Rounds {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        if self.at >= self.faults.len() {
            self.shuffle();
            self.at = 0;
        }
        self.at += 1;
        self.faults.get(self.at - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_e2e::resilience::FAULTS;
    use std::collections::BTreeSet;

    #[test]
    fn every_round_has_every_fault_and_another_order() {
        let words = |seed| {
            Rounds::new(FAULTS.to_vec(), seed).take(3 * FAULTS.len()).map(|fault| fault.what)
        };
        let all: Vec<&str> = words(7).collect();
        let rounds: Vec<&[&str]> = all.chunks(FAULTS.len()).collect();
        for round in &rounds {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), FAULTS.len());
        }
        assert_ne!(rounds[0], rounds[1]);
        assert_eq!(all, words(7).collect::<Vec<_>>());
        assert_ne!(all, words(8).collect::<Vec<_>>());
    }

    #[test]
    fn no_fault_at_all_is_no_endless_search() {
        assert!(Rounds::new(Vec::new(), 1).next().is_none());
    }
}
