//! A CPU profile of one process: in which functions it was when its CPU time was sampled.

use serde::{Deserialize, Serialize};

/// Samples per second of CPU time. Not 100: what a process does at regular times would always, or
/// never, be hit.
pub const HZ: u32 = 99;

/// Length of a profile: who waits for it sits before a terminal.
pub const SECONDS: std::ops::RangeInclusive<u32> = 1..=60;

/// Functions that a profile can name; what is beyond is counted as one.
pub const FUNCTIONS: usize = 8192;
/// Text of a function's name: with generics some take kilobytes.
pub const NAME: usize = 200;
/// Different stacks of a profile; what is beyond is counted as one.
pub const STACKS: usize = 4096;
/// Functions of a stack, the innermost ones.
pub const DEPTH: usize = 128;

/// Where the CPU time of a process went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// File name of the program.
    pub program: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub for_ms: u64,
    /// Samples per second of CPU time.
    pub hz: u32,
    /// Samples that found no room.
    pub missed: u64,
    /// Whether the program has a table of symbols. Without one functions have no names.
    pub symbols: bool,
    /// Names of functions.
    pub functions: Vec<String>,
    /// What was seen, the most frequent first.
    pub stacks: Vec<Stack>,
}

/// Functions that called each other, and how often they were seen like this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stack {
    /// Name of the thread.
    pub thread: String,
    /// Indexes into the functions, the outermost first.
    pub functions: Vec<u32>,
    /// How often it was seen.
    pub samples: u64,
}

impl Profile {
    /// All samples.
    pub fn samples(&self) -> u64 {
        // A peer may claim any number.
        self.stacks.iter().fold(0, |all, stack| all.saturating_add(stack.samples))
    }
}

// The largest profile fits a control message, also if each byte of a name takes two in JSON.
const _: () = assert!(
    FUNCTIONS * (2 * NAME + 3) + STACKS * (DEPTH * 5 + 128) < crate::limits::MAX_CONTROL - 65_536,
    "a profile must fit a control message"
);
