//! The faults that are over soon, each under load: everything flows again in time, and every line
//! arrives. `egret-faults` inflicts all of them, and writes docs/resilience.md.

// Also in the fixtures, which clippy does not take for tests.
#![allow(clippy::unwrap_used)]

use egret_e2e::{
    Cluster,
    resilience::{FAULTS, Fault, Outcome, inflict},
};

#[test]
fn after_every_fault_everything_flows_again_in_time_and_no_line_is_lost() {
    let Some(cluster) = Cluster::own_with_operator_for_test() else { return };
    let short: Vec<Fault> = FAULTS.into_iter().filter(|fault| !fault.long).collect();
    let mut late = Vec::new();
    let account = inflict(&cluster, short, |outcome: &Outcome| {
        let Outcome { fault, back, twice, .. } = outcome;
        eprintln!("{}: late for {back:.2?}, {twice} lines twice", fault.what);
        if *back > fault.within {
            late.push(format!("{}: {back:.2?} instead of {:?}", fault.what, fault.within));
        }
    });
    eprintln!("{:?}", account.unwrap());
    assert_eq!(late, [""; 0]);
}
