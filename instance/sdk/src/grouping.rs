//! Groupings of a user's own.

use crate::{TaskId, Tuple};

/// Chooses the destination tasks of each tuple on an edge whose grouping is `Custom`.
///
/// Registered by name in the binary of the component that emits.
pub trait CustomGrouping {
    /// Pushes to `chosen` the places in `tasks` of those that shall receive the tuple: none, one or
    /// many.
    fn choose(&mut self, tuple: &Tuple<'_>, tasks: &[TaskId], chosen: &mut Vec<usize>);
}
