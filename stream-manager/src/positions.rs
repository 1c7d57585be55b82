//! Where the splits of each component's input stand.

use crate::limits::SPLITS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settled prefixes, by component and split. A prefix never falls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Positions(BTreeMap<String, BTreeMap<String, u64>>);

impl Positions {
    /// Moves prefixes on. Returns how many splits there was no room for.
    pub(crate) fn settle(&mut self, component: &str, splits: BTreeMap<String, u64>) -> usize {
        let known = self.0.entry(component.to_owned()).or_default();
        let mut refused = 0;
        for (split, position) in splits {
            let full = known.len() >= SPLITS;
            match known.get_mut(&split) {
                Some(at) => *at = position.max(*at),
                None if full => refused += 1,
                None => {
                    known.insert(split, position);
                }
            }
        }
        refused
    }

    /// The prefixes of a component.
    pub(crate) fn of(&self, component: &str) -> BTreeMap<String, u64> {
        self.0.get(component).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(split, at)| ((*split).to_owned(), *at)).collect()
    }

    #[test]
    fn the_higher_position_wins() {
        let mut positions = Positions::default();
        positions.settle("lines", splits(&[("a", 5), ("b", 1)]));
        positions.settle("lines", splits(&[("a", 3), ("b", 2)]));
        positions.settle("words", splits(&[("a", 1)]));
        assert_eq!(positions.of("lines"), splits(&[("a", 5), ("b", 2)]));
        assert_eq!(positions.of("none"), splits(&[]));
    }

    #[test]
    fn there_is_no_room_for_endless_splits() {
        let mut positions = Positions::default();
        let many = (0..SPLITS + 7).map(|n| (n.to_string(), 1)).collect();
        assert_eq!(positions.settle("lines", many), 7);
        assert_eq!(positions.settle("lines", splits(&[("0", 9)])), 0);
        assert_eq!(positions.of("lines")["0"], 9);
    }
}
