//! Where the splits of each component's input stand.

use crate::limits::MAX_POSITIONS;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Settled prefixes of one component, by split.
pub type Splits = BTreeMap<String, u64>;

/// Settled prefixes, by component and split. A prefix never falls, and there is room for so many
/// bytes of them that they all fit one control message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Positions {
    components: BTreeMap<String, Splits>,
    /// Bytes that all of it takes as JSON, at most.
    #[serde(skip)]
    bytes: usize,
}

/// Bytes of a name as JSON, and of what stands around it and its number.
fn cost(name: &str) -> usize {
    /// Quotes, colon, comma, and twenty digits.
    const AROUND: usize = 24;
    let escaped = |byte: u8| if byte < 0x20 || matches!(byte, b'"' | b'\\') { 6 } else { 1 };
    AROUND + name.bytes().map(escaped).sum::<usize>()
}

impl Positions {
    /// Moves prefixes of a component on. Returns how many splits there was no room for.
    pub fn settle(&mut self, component: &str, splits: Splits) -> usize {
        if splits.is_empty() {
            return 0;
        }
        let mut refused = 0;
        if !self.components.contains_key(component) {
            let bytes = self.bytes + cost(component);
            if bytes > MAX_POSITIONS {
                return splits.len();
            }
            self.bytes = bytes;
        }
        let known = self.components.entry(component.to_owned()).or_default();
        for (split, position) in splits {
            let cost = cost(&split);
            match known.get_mut(&split) {
                Some(at) => *at = position.max(*at),
                None if self.bytes + cost > MAX_POSITIONS => refused += 1,
                None => {
                    self.bytes += cost;
                    known.insert(split, position);
                }
            }
        }
        if known.is_empty() {
            self.components.remove(component);
            self.bytes -= cost(component);
        }
        refused
    }

    /// Moves prefixes of all components on. Returns how many splits there was no room for.
    pub fn merge(&mut self, others: Positions) -> usize {
        let components = others.components.into_iter();
        components.map(|(component, splits)| self.settle(&component, splits)).sum()
    }

    /// The prefixes of a component.
    pub fn of(&self, component: &str) -> Splits {
        self.components.get(component).cloned().unwrap_or_default()
    }

    /// What is further here than there.
    pub fn beyond(&self, there: &Positions) -> Positions {
        let mut beyond = Positions::default();
        for (component, splits) in &self.components {
            let known = there.components.get(component);
            let further = |(split, position): &(&String, &u64)| {
                known.and_then(|known| known.get(*split)).is_none_or(|at| at < position)
            };
            let moved = splits.iter().filter(further);
            let moved = moved.map(|(split, position)| (split.clone(), *position)).collect();
            beyond.settle(component, moved);
        }
        beyond
    }

    /// Those of some components.
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Positions {
        let mut only = Positions::default();
        for (component, splits) in self.components.iter().filter(|(name, _)| wanted(name)) {
            only.settle(component, splits.clone());
        }
        only
    }

    /// As many of them as take no more than so many bytes.
    pub fn within(&self, bytes: usize) -> Positions {
        let mut within = Positions::default();
        for (component, splits) in &self.components {
            let mut left = bytes.saturating_sub(within.bytes + cost(component));
            let fitting = splits.iter().take_while(|(split, _)| {
                let rest = left.checked_sub(cost(split));
                left = rest.unwrap_or(left);
                rest.is_some()
            });
            let fitting = fitting.map(|(split, position)| (split.clone(), *position)).collect();
            within.settle(component, fitting);
        }
        within
    }

    /// How many splits there are.
    pub fn splits(&self) -> usize {
        self.components.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.splits() == 0
    }

    /// Bytes that all of it takes as JSON, at most.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What comes from elsewhere has the same bound.
impl<'de> Deserialize<'de> for Positions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Positions, D::Error> {
        let components: BTreeMap<String, Splits> = BTreeMap::deserialize(deserializer)?;
        let mut positions = Positions::default();
        for (component, splits) in components {
            positions.settle(&component, splits);
        }
        Ok(positions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splits(of: &[(&str, u64)]) -> Splits {
        of.iter().map(|(split, at)| ((*split).to_owned(), *at)).collect()
    }

    fn positions(of: &[(&str, &[(&str, u64)])]) -> Positions {
        let mut positions = Positions::default();
        for (component, of) in of {
            positions.settle(component, splits(of));
        }
        positions
    }

    #[test]
    fn the_higher_position_wins() {
        let mut ours = positions(&[("lines", &[("a", 5), ("b", 1)])]);
        let theirs = positions(&[("lines", &[("a", 3), ("b", 2)]), ("words", &[("a", 1)])]);
        assert_eq!(ours.merge(theirs), 0);
        assert_eq!(ours.of("lines"), splits(&[("a", 5), ("b", 2)]));
        assert_eq!(ours.of("words"), splits(&[("a", 1)]));
        assert_eq!(ours.of("none"), splits(&[]));
    }

    #[test]
    fn only_what_is_further_here_is_told() {
        let ours = positions(&[("lines", &[("a", 5), ("b", 1), ("c", 0)]), ("words", &[("a", 1)])]);
        let theirs = positions(&[("lines", &[("a", 4), ("b", 2)]), ("words", &[("a", 1)])]);
        let beyond = ours.beyond(&theirs);
        assert_eq!(beyond, positions(&[("lines", &[("a", 5), ("c", 0)])]));
        assert!(ours.beyond(&ours).is_empty());
        assert_eq!(ours.only(|name| name == "words"), positions(&[("words", &[("a", 1)])]));
    }

    #[test]
    fn there_is_no_room_for_endless_splits() {
        let mut full = Positions::default();
        let name = |n: usize| format!("{n:0>1000}\"\n");
        let fit = MAX_POSITIONS / cost(&name(0));
        let many = (0..2 * fit).map(|n| (name(n), u64::MAX)).collect();
        assert!(full.settle("lines", many) >= fit);
        let json = serde_json::to_string(&full).unwrap();
        assert!(json.len() <= full.bytes() + 2 && full.bytes() <= MAX_POSITIONS);
        assert_eq!(full.settle("others", splits(&[(&name(0), 1)])), 1);
        assert_eq!(full.settle("lines", splits(&[(&name(0), u64::MAX)])), 0, "it is known");
        assert!(serde_json::from_str::<Positions>(&json).unwrap() == full);
    }
}
