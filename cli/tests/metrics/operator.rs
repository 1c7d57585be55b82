//! The metrics of an operator that looks after one topology, served by its own code.
//!
//! A cluster would be needed for a real one; its page is that of the same type.

use egret_crd::Condition;
use egret_operator::{
    build::Owner,
    metrics::{Metrics, Outcome},
    reconcile,
    record::Stage,
};
use egret_process::{Admin, admin};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

struct Page(Metrics);

impl Admin for Page {
    fn metrics(&self) -> Result<String, String> {
        // It looks at its topology again and again, and fails every other time.
        self.0.reconciled(Outcome::Ok, Duration::from_millis(3));
        self.0.reconciled(Outcome::Error, Duration::from_secs(60));
        self.0.failed(&reconcile::Error::Late);
        Ok(self.0.page())
    }

    fn live(&self) -> bool {
        true
    }

    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Serves it until the test ends.
pub(crate) fn serve() -> SocketAddr {
    let metrics = Metrics::new();
    metrics.leads(true);
    metrics.staged("u", Some(Stage::Live));
    let owner = Owner { name: "watched", namespace: "local", uid: "u" };
    let condition = |kind: &str, status: &str| Condition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        observed_generation: None,
        last_transition_time: String::new(),
        reason: String::new(),
        message: String::new(),
    };
    // It changes, and its certificates were not renewed.
    metrics.told(&owner, &[condition("Ready", "False"), condition("Progressing", "True")]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    metrics.certified("u", [now - 20 * 24 * 3600].into_iter());
    metrics.autoscaled("u", vec![("slow".to_owned(), 2, Some(0.9))]);
    admin::serve(([127, 0, 0, 1], 0).into(), Arc::new(Page(metrics))).unwrap()
}
