//! Each invariant fails on a bug that was built in for it, and only then.

use egret_sim::{Bug, Invariant, Options, run_with};

/// Seeds among which one must meet the bug.
const SEEDS: u64 = 80;

/// The bug must break its invariant in some seed, which holds without it.
fn is_noticed(bug: Bug, stall: bool) {
    is_noticed_from(0, bug, stall);
}

/// The same among later seeds, for what few of them meet.
fn is_noticed_from(first: u64, bug: Bug, stall: bool) {
    let options = Options { bug: Some(bug), stall, ..Options::default() };
    let breaks = |seed: &u64| {
        let found = run_with(*seed, options).violation;
        found.is_some_and(|violation| violation.invariant == bug.breaks())
    };
    let seed = (first..first + SEEDS).find(breaks);
    let seed = seed.unwrap_or_else(|| panic!("{bug:?} never breaks {:?}", bug.breaks()));
    let without = run_with(seed, Options { bug: None, ..options });
    assert_eq!(without.violation, None, "seed {seed} fails without {bug:?}");
}

#[test]
fn a_root_that_the_tracker_never_saw_is_noticed() {
    is_noticed(Bug::ForgetRoot, false);
}

#[test]
fn a_position_ahead_of_its_acks_is_noticed() {
    is_noticed(Bug::PositionAhead, false);
}

#[test]
fn a_root_acked_before_its_tree_is_noticed() {
    is_noticed(Bug::AckEarly, false);
}

#[test]
fn an_outcome_told_twice_is_noticed() {
    is_noticed(Bug::OutcomeTwice, false);
}

#[test]
fn a_changed_ack_is_noticed() {
    is_noticed(Bug::TamperAck, false);
}

#[test]
fn an_ack_frame_applied_twice_is_noticed() {
    is_noticed(Bug::AckTwice, false);
}

#[test]
fn an_ack_that_leaves_before_its_data_is_noticed() {
    is_noticed(Bug::AckBeforeData, false);
}

#[test]
fn a_spout_with_too_much_in_flight_is_noticed() {
    is_noticed(Bug::LooseLimit, false);
}

#[test]
fn a_tuple_delivered_twice_at_most_once_is_noticed() {
    is_noticed(Bug::DeliverTwice, false);
}

#[test]
fn frames_out_of_order_are_noticed() {
    is_noticed(Bug::Swap, false);
}

#[test]
fn a_key_at_two_tasks_is_noticed() {
    is_noticed(Bug::ScatterKeys, false);
}

#[test]
fn a_task_that_all_does_not_reach_is_noticed() {
    is_noticed(Bug::SkipSome, false);
}

#[test]
fn a_frame_of_another_epoch_that_is_executed_is_noticed() {
    is_noticed(Bug::Disguise, false);
}

#[test]
fn a_plan_older_than_the_last_is_noticed() {
    is_noticed(Bug::OldPlan, false);
}

#[test]
fn what_is_left_when_all_is_stopped_is_noticed() {
    is_noticed(Bug::Leftover, false);
}

#[test]
fn bytes_beyond_credit_are_noticed() {
    is_noticed(Bug::IgnoreWindow, false);
}

#[test]
fn a_stall_that_spreads_is_noticed() {
    is_noticed(Bug::SharedWindow, true);
}

#[test]
fn a_wrong_account_is_noticed() {
    is_noticed(Bug::Miscount, false);
}

#[test]
fn a_lost_end_mark_is_noticed() {
    is_noticed(Bug::LoseEnds, false);
}

#[test]
fn a_loss_that_is_not_told_is_noticed() {
    is_noticed(Bug::SilentLoss, false);
}

#[test]
fn two_lives_of_one_identity_are_noticed() {
    is_noticed(Bug::ReuseLife, false);
}

#[test]
fn a_write_of_a_life_that_was_replaced_is_noticed() {
    is_noticed(Bug::FencedWrites, false);
}

#[test]
fn a_pod_on_a_node_whose_clock_is_behind_is_noticed_if_lives_go_by_the_clock() {
    is_noticed(Bug::ForgetBirth, false);
}

#[test]
fn a_latency_missing_from_the_histogram_is_noticed() {
    is_noticed(Bug::LoseLatency, false);
}

#[test]
fn a_task_that_is_replaced_before_it_has_drained_is_noticed() {
    is_noticed(Bug::DrainEarly, false);
}

#[test]
fn a_pod_that_is_not_told_where_the_input_stands_is_noticed() {
    is_noticed(Bug::ForgetHandOver, false);
}

#[test]
fn a_task_that_reads_on_beside_its_successor_is_noticed() {
    is_noticed(Bug::TakeOverEarly, false);
}

#[test]
fn spouts_that_nobody_lets_go_on_are_noticed() {
    is_noticed(Bug::KeepHolding, false);
}

#[test]
fn spouts_that_hold_back_for_an_operator_that_is_gone_are_noticed() {
    is_noticed_from(215, Bug::HoldForEver, false);
}

#[test]
fn every_invariant_has_a_bug_that_breaks_it() {
    use Invariant::*;
    let expected = [
        NeverForgotten,
        AckedWhole,
        OneOutcome,
        TrackerXor,
        AckOnce,
        DataBeforeAck,
        MaxPending,
        AtMostOnce,
        InOrder,
        KeyAtOneTask,
        Grouping,
        OwnEpoch,
        PlansRise,
        Credit,
        StallIsLocal,
        Conserved,
        Progress,
        NothingLeft,
        Identity,
        Totals,
        NoReplay,
        OneReader,
        HoldEnds,
    ];
    for invariant in expected {
        assert!(Bug::ALL.iter().any(|bug| bug.breaks() == invariant), "{invariant:?}");
    }
}
