//! All seeds of the fuzz targets, and thousands of mutations of them, through every decoder: what
//! fuzzing has found stays found, without nightly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../fuzz/decoders.rs"]
mod decoders;
#[path = "../fuzz/recipe.rs"]
mod recipe;

use proptest::{prelude::*, sample::Index};
use std::{fs, path::Path, sync::LazyLock};

/// A decoder, by the name of its target.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 7] = [
    ("ack", decoders::ack),
    ("control", decoders::control),
    ("data", decoders::data),
    ("frames", decoders::frames),
    ("mutated", mutated),
    ("preamble", decoders::preamble),
    ("value", decoders::value),
];

/// Every seed, with its file.
static SEEDS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut all = Vec::new();
    for (target, _) in TARGETS {
        let files = fs::read_dir(seeds.join(target)).unwrap();
        for file in files.map(|file| file.unwrap().path()) {
            all.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
    }
    all.sort();
    all
});

fn mutated(input: &[u8]) {
    let mut recipe = recipe::Recipe::new(input);
    let frame = recipe.frame();
    decoders::whole(&frame, true);
    decoders::whole(&recipe.damaged(frame), false);
}

fn every_decoder(input: &[u8]) {
    for (_, decode) in TARGETS {
        decode(input);
    }
}

#[test]
fn every_seed_passes_every_decoder() {
    assert!(SEEDS.len() > 50, "the seeds are missing");
    for (file, seed) in SEEDS.iter() {
        println!("{file}");
        every_decoder(seed);
    }
}

/// One change to a seed.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    /// A part of another seed in place of the rest.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Change::Cut),
        (index(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (index(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), index(), index()).prop_map(|(at, seed, from)| Change::Splice(at, seed, from)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    let place = |at: &Index, len: usize| at.index(len + 1);
    match change {
        Change::Cut(at) => bytes.truncate(place(at, bytes.len())),
        Change::Flip(at, bits) => {
            let at = place(at, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
        Change::Insert(at, new) => {
            let at = place(at, bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Splice(at, seed, from) => {
            let other = &SEEDS[seed.index(SEEDS.len())].1;
            bytes.truncate(place(at, bytes.len()));
            bytes.extend_from_slice(&other[place(from, other.len())..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_mutation_of_a_seed_passes_every_decoder(
        seed in any::<Index>(), changes in prop::collection::vec(change(), 1..6)
    ) {
        let mut bytes = SEEDS[seed.index(SEEDS.len())].1.clone();
        changes.iter().for_each(|change| apply(change, &mut bytes));
        every_decoder(&bytes);
    }

    #[test]
    fn any_bytes_pass_every_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        every_decoder(&bytes);
    }
}
