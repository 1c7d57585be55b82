//! All seeds and all that fuzzing has found, through every target: what was found stays found,
//! without a fuzzer.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use egret_fuzz::{TARGETS, corpus};
use proptest::{prelude::*, sample::Index};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every seed, with its file.
static SEEDS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for target in TARGETS {
        let files = fs::read_dir(folder("seeds").join(target.name)).unwrap();
        for file in files.map(|file| file.unwrap().path()) {
            all.push((file.display().to_string(), fs::read(&file).unwrap()));
        }
    }
    all.sort();
    all
});

fn every_target(input: &[u8]) {
    for target in TARGETS {
        (target.run)(input);
    }
}

#[test]
fn every_seed_passes_every_target() {
    assert!(SEEDS.len() > 80, "the seeds are missing");
    for (file, seed) in SEEDS.iter() {
        println!("{file}");
        every_target(seed);
    }
}

#[test]
fn all_that_was_found_passes_its_target() {
    for target in TARGETS {
        let inputs = corpus::read(&folder("corpus").join(target.name)).unwrap();
        assert!(!inputs.is_empty(), "nothing was ever found for {}", target.name);
        for input in inputs {
            println!("{} {}", target.name, input.escape_ascii());
            (target.run)(&input);
        }
    }
}

#[test]
fn seeds_and_corpora_belong_to_targets() {
    for name in ["seeds", "corpus"] {
        let mut found: Vec<String> = fs::read_dir(folder(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, TARGETS.map(|target| target.name), "{name}");
    }
}

#[test]
fn any_bytes_survive_their_escape() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let inputs = vec![Vec::new(), b"\n\"'\\ a".to_vec(), (0..=255).collect()];
    corpus::write(file.path(), inputs.clone()).unwrap();
    assert_eq!(corpus::read(file.path()).unwrap(), inputs);
    assert!(corpus::read(Path::new("no such file")).unwrap().is_empty());
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
    fn every_mutation_of_a_seed_passes_every_target(
        seed in any::<Index>(), changes in prop::collection::vec(change(), 1..6)
    ) {
        let mut bytes = SEEDS[seed.index(SEEDS.len())].1.clone();
        changes.iter().for_each(|change| apply(change, &mut bytes));
        every_target(&bytes);
    }

    #[test]
    fn any_bytes_pass_every_target(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        every_target(&bytes);
    }
}
