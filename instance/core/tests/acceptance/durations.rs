//! How long `execute` takes is told for every tuple, and how long until its ack.

use super::{components::registry, plan::Plan};
use egret_core::kit::Kit;
use egret_sdk::TaskId;
use egret_topology::grouping::Grouping::Shuffle;
use egret_wire::control::TaskReport;
use serde_json::json;

const LONG: u64 = 1_000_000_000_000;

/// What the bolt of this component, task 1, tells when all has ended.
fn report_of(bolt: &str, numbers: u64) -> TaskReport {
    let (registry, _) = registry();
    let mut kit: Kit = Plan::new()
        .spout("numbers", 1, json!({"limit": numbers}))
        .bolt(bolt, 1, &[("numbers", Shuffle)])
        .kit(registry);
    kit.run(LONG).unwrap();
    kit.report(TaskId(1)).unwrap()
}

#[test]
fn every_execution_and_every_ack_is_timed_under_automatic_acking() {
    let report = report_of("identity1", 1000);
    assert_eq!((report.executed, report.acked), (1000, 1000));
    assert_eq!((report.execute.count(), report.process.count()), (1000, 1000));
}

#[test]
fn a_tuple_that_is_failed_is_executed_and_not_acked() {
    let report = report_of("picky", 50);
    assert!(report.failed > 0, "{report:?}");
    assert_eq!(report.execute.count(), report.executed);
    assert_eq!(report.process.count(), report.acked);
}

#[test]
fn every_ack_is_timed_under_manual_acking() {
    let report = report_of("join1", 1000);
    assert_eq!((report.executed, report.acked), (1000, 1000));
    assert_eq!((report.execute.count(), report.process.count()), (1000, 1000));
}
