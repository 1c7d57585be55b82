//! Profiles of this very process, while it works.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_wire::profile::Profile;
use std::{
    hint::black_box,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

/// One profile at a time, as in a process.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[inline(never)]
fn burns_most(until: &AtomicBool) -> u64 {
    let mut sum = 0u64;
    while !until.load(Relaxed) {
        for number in 0..10_000u64 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
    }
    sum
}

#[inline(never)]
fn calls_it(until: &AtomicBool) -> u64 {
    black_box(burns_most(until)) + 1
}

/// A thread of this name works while `during` runs.
fn while_busy<T>(name: &str, during: impl FnOnce() -> T) -> T {
    let end = Arc::new(AtomicBool::new(false));
    let until = end.clone();
    let busy = thread::Builder::new().name(name.to_owned());
    let busy = busy.spawn(move || calls_it(&until)).unwrap();
    let done = during();
    end.store(true, Relaxed);
    black_box(busy.join().unwrap());
    done
}

/// Samples of stacks in which one function calls another, by thread.
fn calls(profile: &Profile, thread: &str, caller: &str, callee: &str) -> u64 {
    let named = |id: &u32| profile.functions[*id as usize].as_str();
    let matches =
        |pair: &[u32]| named(&pair[0]).ends_with(caller) && named(&pair[1]).ends_with(callee);
    let of = profile.stacks.iter().filter(|stack| stack.thread == thread);
    of.filter(|stack| stack.functions.windows(2).any(matches)).map(|stack| stack.samples).sum()
}

#[test]
fn a_profile_names_the_busy_function_its_caller_and_its_thread() {
    let _alone = alone();
    let profile = while_busy("busy", || egret_profile::record(2)).unwrap();
    let found = calls(&profile, "busy", "busy::calls_it", "busy::burns_most");
    // Two seconds of CPU time are some 200 samples; a loaded machine gives less of them.
    assert!(found >= 20, "{found} samples of {}: {profile:#?}", profile.samples());
    assert!(found * 10 >= profile.samples() * 8, "{found} of {}", profile.samples());
    assert!(profile.symbols && profile.program.starts_with("busy"), "{profile:#?}");
    assert!((2000..20_000).contains(&profile.for_ms), "{}", profile.for_ms);
}

#[test]
fn who_records_already_is_not_disturbed() {
    let _alone = alone();
    while_busy("busy", || {
        let both = [2, 2].map(|seconds| thread::spawn(move || egret_profile::record(seconds)));
        let mut refused = Vec::new();
        for one in both {
            match one.join().unwrap() {
                Ok(profile) => assert!(profile.samples() > 0, "{profile:#?}"),
                Err(why) => refused.push(why),
            }
        }
        assert_eq!(refused, ["a profile of this process is being recorded already"]);
    });
}

#[test]
fn the_deepest_functions_of_an_endless_recursion_are_kept() {
    #[inline(never)]
    fn down(depth: u32, until: &AtomicBool) -> u64 {
        if depth == 0 {
            return burns_most(until);
        }
        black_box(down(black_box(depth - 1), until)) + 1
    }
    let _alone = alone();
    let end = Arc::new(AtomicBool::new(false));
    let until = end.clone();
    let deep = thread::Builder::new().name("deep".into()).stack_size(8 << 20);
    let deep = deep.spawn(move || down(5000, &until)).unwrap();
    let profile = egret_profile::record(1).unwrap();
    end.store(true, Relaxed);
    deep.join().unwrap();
    assert!(calls(&profile, "deep", "::down", "busy::burns_most") > 0, "{profile:#?}");
    let depth = profile.stacks.iter().map(|stack| stack.functions.len()).max();
    assert_eq!(depth, Some(egret_wire::profile::DEPTH));
}
