//! A whole topology in one thread: the real flow and task cores, a virtual clock, modelled windows,
//! seeded faults.
//!
//! One 64-bit seed decides the topology, where its tasks run, how links behave and what goes wrong.
//! While it runs, the invariants of `docs/simulation.md` are checked all the time; after the faults
//! everything must come to its end. A seed that fails fails again the same way, which is what makes
//! it useful.
//!
//! ```
//! let outcome = egret_sim::run(7);
//! assert_eq!(outcome.violation, None);
//! assert_eq!(outcome.digest, egret_sim::run(7).digest);
//! ```

mod bug;
mod components;
mod invariant;
mod rng;
mod scenario;
mod situation;
mod trace;
mod witness;
mod world;

pub use bug::Bug;
pub use invariant::{Invariant, Violation};
pub use situation::{Met, Situation};

use scenario::Scenario;
use world::World;

/// What a seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// Hash of everything that happened.
    pub digest: u64,
    /// Events of the run.
    pub events: u64,
    /// Virtual nanoseconds that passed.
    pub virtual_ns: u64,
    /// Rare situations that it came across.
    pub met: Met,
    /// The last things that happened, if the run was verbose.
    pub last: Vec<String>,
}

impl Outcome {
    /// Another run of the same seed must have come to the same, event by event.
    pub fn compare(&mut self, again: &Outcome) {
        let (first, second) = ((self.digest, self.events), (again.digest, again.events));
        if first != second && self.violation.is_none() {
            let what = format!("two runs differ: {first:x?} and {second:x?} (trace, events)");
            self.violation =
                Some(Violation { invariant: Invariant::SameTrace, at: self.virtual_ns, what });
        }
    }
}

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Build in this bug.
    pub bug: Option<Bug>,
    /// Keep what happened last.
    pub verbose: bool,
    /// Instead of the seed's own scenario: no faults, but one consumer that stalls for long.
    pub stall: bool,
}

/// Runs a seed.
pub fn run(seed: u64) -> Outcome {
    run_with(seed, Options::default())
}

/// Runs a seed like this.
pub fn run_with(seed: u64, options: Options) -> Outcome {
    let ending = World::new(scenario(seed, options), options.verbose).run();
    Outcome {
        seed,
        violation: ending.violation,
        digest: ending.digest,
        events: ending.events,
        virtual_ns: ending.now,
        met: ending.met,
        last: ending.last,
    }
}

/// The scenario of a seed in words.
pub fn describe(seed: u64, options: Options) -> String {
    scenario(seed, options).describe()
}

fn scenario(seed: u64, options: Options) -> Scenario {
    let mut scenario = if options.stall { Scenario::of_stall(seed) } else { Scenario::of(seed) };
    scenario.bug = options.bug;
    scenario
}
