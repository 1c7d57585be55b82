//! What must always hold, numbered as in the catalogue of invariants (docs/simulation.md).

use std::fmt;

/// An invariant that is checked all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No correct process is accused: nobody refuses what another one made by the rules.
    Protocol = 0,
    /// Every root is acked, failed, timed out or pending, and no position settles before its roots.
    NeverForgotten = 1,
    /// A root is acked only if user code acked every tuple of its tree.
    AckedWhole = 2,
    /// The spout hears of every root once.
    OneOutcome = 3,
    /// The tracker's XOR of a root is that of the ids sent and not acked.
    TrackerXor = 4,
    /// An ack frame is applied at most once.
    AckOnce = 5,
    /// No ack leaves a task before the frames that were emitted under it.
    DataBeforeAck = 6,
    /// No spout has more roots in flight than it may.
    MaxPending = 7,
    /// At most once: no tuple is executed twice by a task.
    AtMostOnce = 8,
    /// Tuples arrive in the order of their emission, per source, destination and life.
    InOrder = 11,
    /// A key goes to one task under a plan, or to one of two by PartialKey.
    KeyAtOneTask = 12,
    /// All reaches every task once, Direct the task that is named, Shuffle all alike.
    Grouping = 13,
    /// No frame of another epoch is executed.
    OwnEpoch = 14,
    /// Epoch and revision that a process works under never fall.
    PlansRise = 15,
    /// Bytes in flight stay within credit, bytes that wait within their budget.
    Credit = 21,
    /// A consumer that stalls holds back only what flows to it.
    StallIsLocal = 22,
    /// Accounts equal what is there, after every reconnect: granted = used + in flight + available.
    Conserved = 23,
    /// Once faults heal, everything comes to its end in time, with every line where it belongs.
    Progress = 24,
    /// When all is stopped, nothing is left: no root, no timer, no frame, no stream in use.
    NothingLeft = 25,
    /// No two lives share an identity, and one that was replaced changes nothing that lasts.
    Identity = 26,
    /// Histograms and counters add up.
    Totals = 30,
    /// What is planned replays nothing if nothing goes wrong. From here on not in the catalogue.
    NoReplay = 31,
    /// No two lives of a task read its input at the same time.
    OneReader = 32,
    /// Nobody holds back for ever for an operator that is gone.
    HoldEnds = 33,
    /// Of the simulator itself: the same seed does the same.
    SameTrace = 99,
}

impl Invariant {
    /// Its number in the catalogue.
    pub fn number(self) -> u32 {
        self as u32
    }
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// Virtual time, in nanoseconds.
    pub at: u64,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, name) = (self.invariant.number(), self.invariant);
        let (seconds, micros) = (self.at / 1_000_000_000, self.at / 1000 % 1_000_000);
        write!(
            f,
            "invariant {number} ({name:?}) at {seconds}.{micros:06} s: {what}",
            what = self.what
        )
    }
}
