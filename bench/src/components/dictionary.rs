//! Random words, and the random numbers that they are made and chosen with.

/// Words of equal length, one after the other.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    letters: String,
    length: usize,
}

impl Dictionary {
    pub(super) fn new(words: usize, length: usize) -> Dictionary {
        let letter = |n: usize| char::from(b'a' + (random(n as u64) % 26) as u8);
        Dictionary { letters: (0..words * length).map(letter).collect(), length }
    }

    pub(super) fn word(&self, index: usize) -> &str {
        &self.letters[index * self.length..][..self.length]
    }
}

/// The `n`th random number of the only sequence that there is (SplitMix64).
pub(super) fn random(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
