//! Groupings: how the tuples of a stream are shared among the tasks of a destination component.

use serde::{Deserialize, Serialize};

/// Number of key groups that keys are hashed into; contiguous ranges of them belong to tasks.
pub const KEY_GROUPS: u64 = 32_768;

/// How a destination's tasks are chosen for each tuple.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "grouping", rename_all_fields = "camelCase")]
pub enum Grouping {
    /// Every tuple to every task.
    All,
    /// A grouping registered by name in the emitter's binary.
    Custom {
        /// The registered name.
        custom: String,
    },
    /// To the task that the emitter names.
    Direct,
    /// Equal key values to the same task.
    Fields {
        /// Names of the key fields.
        fields: Vec<String>,
    },
    /// Every tuple to the task with the lowest id.
    Global,
    /// Like `Shuffle` among the tasks of the emitter's pod; elsewhere only if it has none.
    LocalOrShuffle,
    /// Each key is split over two tasks.
    PartialKey {
        /// Names of the key fields.
        fields: Vec<String>,
    },
    /// Evenly over all tasks.
    Shuffle,
}

impl Grouping {
    /// The key fields, empty unless keyed.
    pub fn key_fields(&self) -> &[String] {
        match self {
            Grouping::Fields { fields } | Grouping::PartialKey { fields } => fields,
            _ => &[],
        }
    }

    /// The grouping's name as it is written in a topology.
    pub fn name(&self) -> &'static str {
        match self {
            Grouping::All => "All",
            Grouping::Custom { .. } => "Custom",
            Grouping::Direct => "Direct",
            Grouping::Fields { .. } => "Fields",
            Grouping::Global => "Global",
            Grouping::LocalOrShuffle => "LocalOrShuffle",
            Grouping::PartialKey { .. } => "PartialKey",
            Grouping::Shuffle => "Shuffle",
        }
    }
}

/// The task, of `tasks` in all, that owns a key group.
///
/// Key groups are dealt out in contiguous ranges, so that a change of `tasks` moves the fewest
/// keys.
pub fn task_of_key_group(key_group: u64, tasks: usize) -> usize {
    (key_group * tasks as u64 / KEY_GROUPS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_groups_are_dealt_out_in_contiguous_even_ranges() {
        for tasks in [1, 2, 3, 7, 12, 100] {
            let owners: Vec<usize> =
                (0..KEY_GROUPS).map(|group| task_of_key_group(group, tasks)).collect();
            assert!(owners.is_sorted());
            assert_eq!(owners[0], 0);
            assert_eq!(owners[KEY_GROUPS as usize - 1], tasks - 1);
            for task in 0..tasks {
                let share = owners.iter().filter(|owner| **owner == task).count();
                assert!(share.abs_diff(KEY_GROUPS as usize / tasks) <= 1, "{share} of {tasks}");
            }
        }
    }
}
