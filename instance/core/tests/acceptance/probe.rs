//! The probe that passes every edge before there is data.

use super::{components::registry, plan::Plan};
use egret_sdk::TaskId;
use egret_topology::{grouping::Grouping::Shuffle, plan::RunState};
use serde_json::json;

#[test]
fn every_bolt_hears_from_all_its_sources_before_there_is_data_and_after_a_loss() {
    let mut kit = Plan::new()
        .spout("numbers1", 2, json!({}))
        .spout("numbers2", 1, json!({}))
        .bolt("identity1", 2, &[("numbers1", Shuffle), ("numbers2", Shuffle)])
        .bolt("identity2", 1, &[("identity1", Shuffle), ("numbers2", Shuffle)])
        .edit(|plan| plan.state = RunState::Paused)
        .kit(registry().0);
    let all = [0, 0, 0, 3, 3, 3];
    kit.settle().unwrap();
    assert!(kit.heard().into_values().eq(all), "{:?}", kit.heard());
    for lost in [TaskId(3), TaskId(5)] {
        kit.kill(lost);
        kit.restart(lost).unwrap();
        assert_eq!(kit.heard()[&lost], 0);
        kit.settle().unwrap();
        assert!(kit.heard().into_values().eq(all), "{:?}", kit.heard());
    }
    assert!(kit.sent().is_empty());
}
