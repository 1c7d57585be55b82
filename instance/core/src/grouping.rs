//! Groupings at work: which of a destination's tasks a tuple goes to.

use crate::{budget::Budget, limits};
use egret_sdk::{CustomGrouping, Encoded, Groupings, Stream, TaskId, Tuple};
use egret_topology::grouping::{Grouping, KEY_GROUPS, task_of_key_group};
use smallvec::SmallVec;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Seed of the hash that chooses a key's group (protocol section 8; test vectors there).
pub const KEY_SEED: u64 = 0x4567_7265_7400_0001;

/// Seed of the second choice of partial keys.
const SECOND_SEED: u64 = 0x4567_7265_7400_0002;

/// Lanes that an emit goes to.
pub type Chosen = SmallVec<[usize; 4]>;

/// One edge as the emitter sees it.
pub struct Edge {
    /// Lane of each destination task.
    pub lanes: Vec<usize>,
    /// The destination tasks.
    pub tasks: Vec<TaskId>,
    /// How to choose.
    pub choice: Choice,
}

/// How an edge chooses.
pub enum Choice {
    /// All tasks.
    All,
    /// As the user's code says.
    Custom {
        /// The user's code.
        grouping: Box<dyn CustomGrouping>,
        /// Buffer for its answer.
        places: Vec<usize>,
    },
    /// The task that the emitter names.
    Direct,
    /// By key.
    Fields {
        /// Places of the key fields.
        key: Vec<usize>,
    },
    /// The task with the lowest id.
    Global,
    /// The less used of the key's two tasks.
    PartialKey {
        /// Places of the key fields.
        key: Vec<usize>,
        /// Tuples sent to each task.
        sent: Vec<u64>,
    },
    /// Evenly, a run of tuples at a time.
    Shuffle(Shuffle),
}

/// Even over candidates; a candidate is chosen when a frame is opened.
///
/// Frames differ in length, so plain rotation can march in step with whatever closes them
/// (measured: 64 and 36 tuples in turn gave 28 % skew over 4 tasks). The next in rotation among
/// those that got least is chosen instead (docs/decisions/0004).
pub struct Shuffle {
    candidates: Vec<usize>,
    /// Tuples that each candidate got.
    sent: Vec<u64>,
    at: usize,
    left: u32,
}

impl Shuffle {
    /// Over these lanes, starting anywhere.
    pub fn new(candidates: Vec<usize>, start: u64) -> Shuffle {
        let at = if candidates.is_empty() { 0 } else { start as usize % candidates.len() };
        Shuffle { sent: vec![0; candidates.len()], candidates, at, left: 0 }
    }

    #[inline]
    fn choose(&mut self, budget: &Budget) -> Option<usize> {
        if self.left == 0 {
            self.turn(budget);
        }
        self.left -= 1;
        *self.sent.get_mut(self.at)? += 1;
        self.candidates.get(self.at).copied()
    }

    fn turn(&mut self, budget: &Budget) {
        self.left = limits::SHUFFLE_TUPLES;
        let n = self.candidates.len();
        if n == 0 {
            return;
        }
        // Who could not take any for a while is not flooded afterwards.
        let most = self.sent.iter().max().copied().unwrap_or(0);
        let floor = most.saturating_sub(2 * u64::from(limits::SHUFFLE_TUPLES));
        self.sent.iter_mut().for_each(|sent| *sent = (*sent).max(floor));
        let rotation = (1..=n).map(|step| (self.at + step) % n);
        let next = rotation
            .filter(|at| budget.is_writable(self.candidates[*at]))
            .min_by_key(|at| self.sent[*at]);
        // If none is writable the next in turn is final: the emit waits for it.
        self.at = next.unwrap_or((self.at + 1) % n);
    }
}

impl Choice {
    /// How a grouping chooses among lanes; `None` if it is a custom one that is not registered.
    /// `local` are the lanes of the emitter's pod, `start` is where rotation begins.
    pub fn of(
        grouping: &Grouping,
        stream: &Stream,
        lanes: &[usize],
        local: Vec<usize>,
        start: u64,
        groupings: &Groupings,
    ) -> Option<Choice> {
        let key = || grouping.key_fields().iter().filter_map(|name| stream.field(name)).collect();
        Some(match grouping {
            Grouping::All => Choice::All,
            Grouping::Custom { custom } => {
                Choice::Custom { grouping: groupings.make(custom)?, places: Vec::new() }
            }
            Grouping::Direct => Choice::Direct,
            Grouping::Fields { .. } => Choice::Fields { key: key() },
            Grouping::Global => Choice::Global,
            Grouping::LocalOrShuffle if !local.is_empty() => {
                Choice::Shuffle(Shuffle::new(local, start))
            }
            Grouping::LocalOrShuffle | Grouping::Shuffle => {
                Choice::Shuffle(Shuffle::new(lanes.to_vec(), start))
            }
            Grouping::PartialKey { .. } => {
                Choice::PartialKey { key: key(), sent: vec![0; lanes.len()] }
            }
        })
    }
}

impl Edge {
    /// Adds the lanes that the tuple goes to. An error is a place that a custom grouping chose and
    /// that does not exist.
    #[inline]
    pub fn choose(
        &mut self,
        tuple: &Tuple<'_>,
        encoded: Encoded<'_>,
        direct: Option<TaskId>,
        budget: &Budget,
        chosen: &mut Chosen,
    ) -> Result<(), usize> {
        match &mut self.choice {
            Choice::Shuffle(shuffle) => chosen.extend(shuffle.choose(budget)),
            // Whatever the key, it is that of the only task.
            Choice::Fields { .. } if self.lanes.len() == 1 => chosen.push(self.lanes[0]),
            Choice::Fields { key } => {
                let place = place_of(encoded, key, KEY_SEED, self.lanes.len());
                chosen.extend(self.lanes.get(place).copied());
            }
            Choice::All => chosen.extend_from_slice(&self.lanes),
            Choice::Global => chosen.extend(self.lanes.first().copied()),
            Choice::Direct => {
                let place = self.tasks.iter().position(|task| Some(*task) == direct);
                chosen.extend(place.map(|place| self.lanes[place]));
            }
            Choice::PartialKey { key, sent } => {
                let first = place_of(encoded, key, KEY_SEED, self.lanes.len());
                let second = place_of(encoded, key, SECOND_SEED, self.lanes.len());
                let place = if sent[second] < sent[first] { second } else { first };
                sent[place] += 1;
                chosen.extend(self.lanes.get(place).copied());
            }
            Choice::Custom { grouping, places } => {
                places.clear();
                grouping.choose(tuple, &self.tasks, places);
                for place in places {
                    chosen.push(*self.lanes.get(*place).ok_or(*place)?);
                }
            }
        }
        Ok(())
    }

    /// Frames were closed: a shuffled run ends with its frame.
    pub fn frames_closed(&mut self) {
        if let Choice::Shuffle(shuffle) = &mut self.choice {
            shuffle.left = 0;
        }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

/// The place among `tasks` tasks of a key under a seed.
#[inline]
fn place_of(encoded: Encoded<'_>, key: &[usize], seed: u64, tasks: usize) -> usize {
    let group = match key {
        [field] => key_group(encoded.field(*field).unwrap_or_default(), seed),
        fields => {
            let mut bytes: SmallVec<[u8; 128]> = SmallVec::new();
            for field in fields {
                bytes.extend_from_slice(encoded.field(*field).unwrap_or_default());
            }
            key_group(&bytes, seed)
        }
    };
    task_of_key_group(group, tasks)
}

/// The key group of canonical bytes.
#[inline]
pub fn key_group(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed) % KEY_GROUPS
}
