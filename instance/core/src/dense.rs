//! A map from numbers that are given out in order and mostly come back in order: those of roots.
//!
//! A value lives in a ring at its number modulo the ring's size: no hashing, no keys, and memory
//! that is walked from one end to the other. One that is still there when its place is needed again
//! moves to a tree, so that one slow root stops nothing. Memory is bounded by the number of values.

use std::collections::BTreeMap;

/// A value of which some bit pattern means that there is none.
pub trait Vacant: Copy {
    /// No value.
    const VACANT: Self;

    /// Whether it is none.
    fn is_vacant(&self) -> bool;
}

/// The map.
#[derive(Debug)]
pub struct DenseMap<T> {
    max_ring: usize,
    /// Whoever lives here has one of the last `ring.len()` numbers before `next`.
    ring: Vec<T>,
    next: u64,
    stragglers: BTreeMap<u64, T>,
    len: usize,
}

const FIRST_RING: usize = 1024;

impl<T: Vacant> DenseMap<T> {
    /// A map of about so many values at a time.
    pub fn new(usual: usize) -> DenseMap<T> {
        DenseMap {
            max_ring: (2 * usual).next_power_of_two().max(FIRST_RING),
            ring: vec![T::VACANT; FIRST_RING],
            next: 0,
            stragglers: BTreeMap::new(),
            len: 0,
        }
    }

    /// Inserts a value under a number greater than all before, and tells the numbers of those that
    /// become stragglers by that.
    #[inline]
    pub fn insert(&mut self, number: u64, value: T, displaced: impl FnMut(u64)) {
        // None is left out, and its place is free, as a rule.
        if number != self.next || !self.ring[self.place(number)].is_vacant() {
            self.make_room(number, displaced);
        }
        self.next = number + 1;
        let at = self.place(number);
        self.ring[at] = value;
        self.len += usize::from(!value.is_vacant());
    }

    /// The value of a number.
    #[inline]
    pub fn get(&self, number: u64) -> Option<&T> {
        if self.is_in_ring(number) {
            let value = &self.ring[self.place(number)];
            return if value.is_vacant() { None } else { Some(value) };
        }
        self.stragglers.get(&number)
    }

    /// Changes the value of a number, and takes it out if nothing is left of it then: `true`.
    #[inline]
    pub fn change(&mut self, number: u64, change: impl FnOnce(&mut T)) -> Option<(T, bool)> {
        if !self.is_in_ring(number) {
            return self.change_straggler(number, change);
        }
        let at = self.place(number);
        let value = &mut self.ring[at];
        if value.is_vacant() {
            return None;
        }
        change(value);
        self.len -= usize::from(value.is_vacant());
        Some((*value, value.is_vacant()))
    }

    fn change_straggler(&mut self, number: u64, change: impl FnOnce(&mut T)) -> Option<(T, bool)> {
        let value = self.stragglers.get_mut(&number)?;
        change(value);
        let value = *value;
        if value.is_vacant() {
            self.stragglers.remove(&number);
            self.len -= 1;
        }
        Some((value, value.is_vacant()))
    }

    /// Takes the value of a number out.
    #[inline]
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let mut removed = None;
        self.change(number, |value| removed = Some(std::mem::replace(value, T::VACANT)));
        removed
    }

    /// Takes out the numbers of all values, the lowest first.
    pub fn drain(&mut self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.stragglers.keys().copied().collect();
        self.stragglers.clear();
        for number in self.in_ring() {
            let at = self.place(number);
            if !std::mem::replace(&mut self.ring[at], T::VACANT).is_vacant() {
                numbers.push(number);
            }
        }
        self.len = 0;
        numbers
    }

    /// Values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more than the greatest number so far.
    pub fn next(&self) -> u64 {
        self.next
    }

    #[inline]
    fn place(&self, number: u64) -> usize {
        number as usize & (self.ring.len() - 1)
    }

    #[inline]
    fn is_in_ring(&self, number: u64) -> bool {
        number < self.next && self.next - number <= self.ring.len() as u64
    }

    fn in_ring(&self) -> std::ops::Range<u64> {
        self.next.saturating_sub(self.ring.len() as u64)..self.next
    }

    /// Frees the places of all numbers up to this one.
    #[cold]
    fn make_room(&mut self, number: u64, mut displaced: impl FnMut(u64)) {
        debug_assert!(number >= self.next, "numbers only grow");
        let first = self.next.max(number.saturating_sub(self.max_ring as u64 - 1));
        if first != self.next {
            self.move_out(&mut displaced);
        }
        for skipped in first..=number {
            self.free_place(skipped, &mut displaced);
            self.next = skipped + 1;
        }
    }

    /// Frees the place of the next number: grows the ring while that helps, then moves who lives
    /// there.
    fn free_place(&mut self, number: u64, displaced: &mut impl FnMut(u64)) {
        while self.ring.len() < self.max_ring && !self.ring[self.place(number)].is_vacant() {
            let old = self.in_ring();
            let size = self.ring.len();
            let ring = std::mem::replace(&mut self.ring, vec![T::VACANT; size * 2]);
            for number in old {
                let at = self.place(number);
                self.ring[at] = ring[number as usize & (size - 1)];
            }
        }
        let at = self.place(number);
        let value = std::mem::replace(&mut self.ring[at], T::VACANT);
        if !value.is_vacant() {
            let number = number - self.ring.len() as u64;
            self.stragglers.insert(number, value);
            displaced(number);
        }
    }

    /// Makes everybody a straggler: so many numbers are left out that nobody may stay.
    fn move_out(&mut self, displaced: &mut impl FnMut(u64)) {
        for number in self.in_ring() {
            let at = self.place(number);
            let value = std::mem::replace(&mut self.ring[at], T::VACANT);
            if !value.is_vacant() {
                self.stragglers.insert(number, value);
                displaced(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Vacant for u64 {
        const VACANT: u64 = 0;

        fn is_vacant(&self) -> bool {
            *self == 0
        }
    }

    #[test]
    fn a_usual_number_of_values_stays_in_the_ring() {
        let mut map = DenseMap::new(5_000);
        for number in 0..100_000 {
            map.insert(number, 1, |number| panic!("{number} is displaced"));
            map.remove(number.wrapping_sub(5_000));
        }
        assert_eq!((map.len(), map.ring.len()), (5_000, 8_192));
    }

    #[test]
    fn one_that_stays_costs_one_entry() {
        let mut map = DenseMap::new(4);
        map.insert(0, 9, |_| {});
        let mut displaced = Vec::new();
        for number in 1..1_000_000 {
            map.insert(number, 1, |number| displaced.push(number));
            assert_eq!(map.remove(number), Some(1));
        }
        assert_eq!((map.len(), map.stragglers.len(), map.ring.len()), (1, 1, FIRST_RING));
        assert_eq!((displaced, map.get(0)), (vec![0], Some(&9)));
    }

    proptest! {
        /// Against a plain map, with gaps of all sizes and values that are vacant from the start.
        #[test]
        fn it_agrees_with_a_plain_map(
            ops in prop::collection::vec((0u8..4, any::<u16>()), 1..4000)
        ) {
            let mut map = DenseMap::new(600);
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            let mut displaced = Vec::new();
            for (op, arg) in ops {
                let next = map.next();
                let number = next.wrapping_sub(u64::from(arg) % 3_000);
                match op {
                    0 | 1 => {
                        let gap = if arg % 100 == 0 { u64::from(arg) / 10 } else { 0 };
                        map.insert(next + gap, u64::from(arg % 8), |number| displaced.push(number));
                        if arg % 8 != 0 {
                            model.insert(next + gap, u64::from(arg % 8));
                        }
                    }
                    2 => prop_assert_eq!(map.remove(number), model.remove(&number)),
                    _ => {
                        let bits = u64::from(arg % 8);
                        let changed = map.change(number, |value| *value ^= bits);
                        let expected = model.get_mut(&number).map(|value| {
                            *value ^= bits;
                            (*value, *value == 0)
                        });
                        model.retain(|_, value| *value != 0);
                        prop_assert_eq!(changed, expected);
                    }
                }
                prop_assert_eq!(map.get(number), model.get(&number));
                prop_assert_eq!(map.len(), model.len());
            }
            for number in map.stragglers.keys() {
                prop_assert!(displaced.contains(number));
            }
            prop_assert_eq!(map.drain(), model.into_keys().collect::<Vec<_>>());
            prop_assert!(map.is_empty());
        }
    }
}
