//! Where the input of a topology stands, as far as its stream managers have told.

use egret_topology::positions::Positions;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Positions that all links of a topology share. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    positions: Positions,
    /// Counts how often any has moved.
    version: u64,
}

impl Shared {
    /// Somebody has told positions.
    pub fn take(&self, told: Positions) {
        let mut state = self.lock();
        let beyond = told.beyond(&state.positions);
        if beyond.is_empty() {
            return;
        }
        let refused = state.positions.merge(beyond);
        if refused > 0 {
            tracing::warn!(refused, "too many splits: positions are not kept");
        }
        state.version += 1;
    }

    /// All positions, and how often any has moved.
    pub fn read(&self) -> (u64, Positions) {
        let state = self.lock();
        (state.version, state.positions.clone())
    }

    /// How often any has moved.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// What is known of some components, and not there.
    pub(crate) fn beyond(&self, there: &Positions, wanted: impl Fn(&str) -> bool) -> Positions {
        self.lock().positions.only(wanted).beyond(there)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
