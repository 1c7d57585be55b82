//! Where the input of a topology stands, as it is kept beside the record: for spouts of pods that
//! are new, and for a topology that was stopped.
//!
//! Stream managers tell it with every status. It is written now and then, and before anything is
//! decided that may cost a pod; what is lost is read again.

use egret_topology::positions::Positions;
use serde::{Deserialize, Serialize};

/// What moves on is written this often, in milliseconds: so much of the input is read again if a
/// pod and the operator are lost at the same time.
const EVERY_MS: u64 = 30_000;

/// Bytes of positions that are written: a ConfigMap ends at 1 MiB.
pub const MAX_KEPT: usize = 900 << 10;

/// Positions of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The topology; a namesake that came later reads its own input.
    pub uid: String,
    /// Of which run: after all input has ended another run reads it again.
    pub run: u32,
    /// Settled prefixes.
    pub positions: Positions,
}

impl Standing {
    /// Nothing of this run has settled.
    pub fn new(uid: &str, run: u32) -> Standing {
        Standing { uid: uid.to_owned(), run, positions: Positions::default() }
    }

    /// Reads what was written; what a namesake has left counts as nothing.
    pub fn read(text: &str, uid: &str) -> Result<Option<Standing>, serde_json::Error> {
        let kept: Standing = serde_json::from_str(text)?;
        Ok(Some(kept).filter(|kept| kept.uid == uid))
    }

    /// As it is written.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it is from now on, with what stream managers have told; how many splits there is no room
    /// for.
    pub fn with(&self, run: u32, told: Option<Positions>) -> (Standing, usize) {
        let mut positions =
            if self.run == run { self.positions.clone() } else { Default::default() };
        let mut refused = positions.merge(told.unwrap_or_default());
        if positions.bytes() > MAX_KEPT {
            let fits = positions.within(MAX_KEPT);
            refused += positions.splits() - fits.splits();
            positions = fits;
        }
        (Standing { uid: self.uid.clone(), run, positions }, refused)
    }
}

/// Whether it is time to write what has moved.
pub fn is_due(now: u64, written: u64, decided: bool) -> bool {
    decided || now >= written.saturating_add(EVERY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Positions {
        serde_json::from_value(serde_json::json!({"lines": {"a": position}})).unwrap()
    }

    #[test]
    fn what_was_told_is_added_and_another_run_starts_anew() {
        let (kept, _) = Standing::new("u", 1).with(1, Some(at(5)));
        assert_eq!(kept.positions, at(5));
        assert_eq!(kept.with(1, None).0, kept);
        assert_eq!(kept.with(1, Some(at(3))).0, kept);
        assert_eq!(kept.with(2, None).0, Standing::new("u", 2));
        assert_eq!(kept.with(2, Some(at(1))).0.positions, at(1));
    }

    #[test]
    fn it_survives_and_that_of_a_namesake_does_not_count() {
        let (kept, _) = Standing::new("u", 1).with(1, Some(at(5)));
        assert_eq!(Standing::read(&kept.write(), "u").unwrap(), Some(kept.clone()));
        assert_eq!(Standing::read(&kept.write(), "v").unwrap(), None);
        assert!(Standing::read("{", "u").is_err());
    }

    #[test]
    fn what_fits_into_a_config_map_is_kept_and_the_rest_counted() {
        let mut told = Positions::default();
        let splits = (0..30_000).map(|n| (format!("/data/{n:0>40}.txt"), u64::MAX)).collect();
        assert_eq!(told.settle("lines", splits), 0);
        let (kept, refused) = Standing::new("u", 1).with(1, Some(told));
        assert!(refused > 0 && kept.positions.splits() + refused == 30_000);
        assert!(kept.write().len() < 1 << 20);
    }

    #[test]
    fn it_is_written_before_a_decision_and_else_now_and_then() {
        assert!(is_due(5, 5, true));
        assert!(!is_due(EVERY_MS + 4, 5, false) && is_due(EVERY_MS + 5, 5, false));
    }
}
