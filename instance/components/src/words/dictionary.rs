//! Random words, and the numbers that they are made and chosen with.

/// Words of equal length, one after the other.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    letters: String,
    words: u64,
    length: usize,
}

impl Dictionary {
    /// This many random words of this length.
    pub(super) fn new(words: u32, length: u32, seed: u64) -> Dictionary {
        let total = words as usize * length as usize;
        let mut letters = String::with_capacity(total);
        // A number of 64 bits holds 13 letters; 12 keep them uniform enough.
        for chunk in 0..total.div_ceil(12) as u64 {
            let mut number = mix(seed, chunk);
            for _ in 0..12.min(total - letters.len()) {
                letters.push(char::from(b'a' + (number % 26) as u8));
                number /= 26;
            }
        }
        Dictionary { letters, words: u64::from(words), length: length as usize }
    }

    /// The word that a random number stands for.
    #[inline]
    pub(super) fn word(&self, random: u64) -> &str {
        &self.letters[self.start(random)..][..self.length]
    }

    /// Brings the words of these random numbers near. A word of a large dictionary is waited for;
    /// of reads in one short loop the processor has several under way at once. The letter behind a
    /// word is often in another cache line, and is looked at when the word is cut out.
    pub(super) fn fetch(&self, randoms: impl Iterator<Item = u64>) {
        let bytes = self.letters.as_bytes();
        let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
        let read = randoms.map(|random| {
            let start = self.start(random);
            at(start) ^ at(start + self.length)
        });
        std::hint::black_box(read.fold(0, |sum: u8, byte| sum ^ byte));
    }

    #[inline]
    fn start(&self, random: u64) -> usize {
        // The high half of the product is uniform below `words`, without a division.
        ((u128::from(random) * u128::from(self.words)) >> 64) as usize * self.length
    }
}

/// The `n`th random number of a sequence (SplitMix64): any one can be had again without those
/// before.
#[inline]
pub(super) fn mix(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn words_have_their_length_and_are_lower_case() {
        let dictionary = Dictionary::new(1000, 7, 3);
        for n in 0..5000 {
            let word = dictionary.word(mix(9, n));
            assert!(word.len() == 7 && word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
        }
        assert_eq!(dictionary.word(0), &dictionary.letters[..7]);
        assert_eq!(dictionary.word(u64::MAX), &dictionary.letters[6993..]);
    }

    #[test]
    fn words_are_chosen_uniformly() {
        let dictionary = Dictionary::new(100, 20, 1);
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for n in 0..100_000 {
            *counts.entry(dictionary.word(mix(1, n))).or_default() += 1;
        }
        assert_eq!(counts.len(), 100);
        // 1000 expected each, with a standard deviation of 32.
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }
}
