//! What a stream manager keeps: its files of an earlier life, and what instances report.

use crate::{errors::Told, inside::totals::TaskTotals};
use egret_topology::{
    id::{Incarnation, TaskId},
    positions::Positions,
};
use egret_wire::control::TaskReport;
use std::collections::BTreeMap;

/// Positions as JSON; or totals in the first line and a report in each that follows.
pub(crate) fn state(input: &[u8]) {
    if let Ok(mut positions) = serde_json::from_slice::<Positions>(input) {
        let splits = BTreeMap::from([("a".to_owned(), 7)]);
        positions.settle("lines", splits);
        assert!(positions.of("lines")["a"] >= 7, "a position falls");
        rewritten(&positions);
    }
    let mut lines = input.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut totals: TaskTotals = serde_json::from_slice(first).unwrap_or_default();
    let (mut life, mut now) = (totals.newest().map_or(0, |life| life.0), 0u64);
    for line in lines.take(50) {
        match serde_json::from_slice::<TaskReport>(line) {
            Ok(report) => {
                totals.reported(report);
            }
            Err(_) => {
                life = life.saturating_add(1);
                totals.registers(Incarnation(life));
                totals.registered(Incarnation(life));
            }
        }
        if line.len() % 2 == 1 {
            totals.disconnected();
            totals.crashed(Told::ByParent, now, String::from_utf8_lossy(line).into_owned());
        }
        now += 1_000_000_000;
        totals.tick(now, 2_000_000_000);
        let _ = (totals.total(), totals.status(TaskId(1)), totals.latency().len());
    }
    rewritten(&totals);
}

fn rewritten<T: serde::Serialize + serde::de::DeserializeOwned>(state: &T) {
    let json = serde_json::to_vec(state).expect("state that was read is written");
    let again: T = serde_json::from_slice(&json).expect("state that was written is read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(json), "state changes on the way");
}
