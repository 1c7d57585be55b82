//! What the operator's page shows.

use super::*;
use egret_process::metrics::catalogue;
use std::collections::BTreeSet;

const OWNER: Owner<'_> = Owner { name: "words", namespace: "orders", uid: "a" };

fn condition(kind: &str, status: &str) -> Condition {
    Condition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        observed_generation: None,
        last_transition_time: String::new(),
        reason: String::new(),
        message: String::new(),
    }
}

#[track_caller]
fn shows(metrics: &Metrics, line: &str) {
    let page = metrics.page();
    assert!(page.lines().any(|other| other == line), "{line}\n{page}");
}

#[test]
fn topologies_are_counted_by_stage_once_each() {
    let metrics = Metrics::new();
    metrics.staged("a", Some(Stage::Starting));
    metrics.staged("b", Some(Stage::Starting));
    metrics.staged("a", Some(Stage::Live));
    metrics.staged("b", None);
    metrics.staged("c", Some(Stage::Starting));
    metrics.keep(|uid| uid == "a");
    shows(&metrics, "egret_operator_topologies{stage=\"live\"} 1");
    shows(&metrics, "egret_operator_topologies{stage=\"starting\"} 0");
}

#[test]
fn a_reconciliation_is_counted_by_outcome_and_duration_and_an_error_by_its_reason() {
    let metrics = Metrics::new();
    metrics.reconciled(Outcome::Ok, Duration::from_millis(3));
    metrics.reconciled(Outcome::Ok, Duration::from_secs(40));
    metrics.reconciled(Outcome::Error, Duration::from_secs(1));
    metrics.failed(&reconcile::Error::Late);
    shows(&metrics, "egret_operator_reconciles_total{outcome=\"ok\"} 2");
    let bucket = "egret_operator_reconcile_seconds_bucket{outcome=\"ok\",le=";
    shows(&metrics, &format!("{bucket}\"0.0025\"}} 0"));
    shows(&metrics, &format!("{bucket}\"0.005\"}} 1"));
    shows(&metrics, &format!("{bucket}\"30\"}} 1"));
    shows(&metrics, &format!("{bucket}\"+Inf\"}} 2"));
    shows(&metrics, "egret_operator_errors_total{reason=\"late\"} 1");
    shows(&metrics, "egret_operator_errors_total{reason=\"fetch\"} 0");
}

#[test]
fn a_condition_has_one_status_and_goes_with_its_topology() {
    let metrics = Metrics::new();
    metrics.told(&OWNER, &[condition("Ready", "True")]);
    metrics.told(&OWNER, &[condition("Ready", "False")]);
    let of = "egret_topology_condition{namespace=\"orders\",topology=\"words\",condition=\"Ready\"";
    shows(&metrics, &format!("{of},status=\"true\"}} 0"));
    shows(&metrics, &format!("{of},status=\"false\"}} 1"));
    metrics.staged("a", None);
    assert!(!metrics.page().contains(of));
}

#[test]
fn why_a_topology_waits_for_somebody_is_shown_until_it_moves_on() {
    let metrics = Metrics::new();
    let progressing = |status: &str, reason: &str| Condition {
        reason: reason.to_owned(),
        ..condition("Progressing", status)
    };
    let of = "egret_topology_blocked{namespace=\"orders\",topology=\"words\",reason=";
    metrics.told(&OWNER, &[progressing("False", "ImageUnavailable")]);
    shows(&metrics, &format!("{of}\"ImageUnavailable\"}} 1"));
    shows(&metrics, &format!("{of}\"Crashing\"}} 0"));
    for (status, reason) in [("True", "Crashing"), ("False", "Settled")] {
        metrics.told(&OWNER, &[progressing(status, reason)]);
        let page = metrics.page();
        let told = page.lines().filter(|line| line.starts_with(of));
        assert!(told.clone().count() == 5 && told.clone().all(|line| line.ends_with(" 0")));
    }
}

#[test]
fn the_certificate_that_ends_first_is_shown() {
    let metrics = Metrics::new();
    metrics.told(&OWNER, &[]);
    metrics.certified("a", [2_000, 1_000].into_iter());
    let end = identities::ends(1_000);
    let name = "egret_certificate_expiry_timestamp_seconds";
    shows(&metrics, &format!("{name}{{namespace=\"orders\",topology=\"words\"}} {end}"));
}

#[test]
fn what_is_autoscaled_is_shown_with_how_much_it_works_if_that_is_known() {
    let metrics = Metrics::new();
    metrics.told(&OWNER, &[]);
    metrics.autoscaled("a", vec![("count".into(), 3, Some(0.5)), ("split".into(), 1, None)]);
    let of = |name: &str, component: &str| {
        format!("{name}{{namespace=\"orders\",topology=\"words\",component=\"{component}\"}}")
    };
    shows(&metrics, &format!("{} 3", of("egret_autoscale_wanted_tasks", "count")));
    shows(&metrics, &format!("{} 0.5", of("egret_autoscale_utilization_ratio", "count")));
    shows(&metrics, &format!("{} 1", of("egret_autoscale_wanted_tasks", "split")));
    assert!(!metrics.page().contains(&of("egret_autoscale_utilization_ratio", "split")));
    metrics.autoscaled("a", Vec::new());
    assert!(!metrics.page().contains("component=\"count\""));
}

#[test]
fn an_operator_that_does_not_lead_tells_of_no_topology() {
    let metrics = Metrics::new();
    metrics.leads(true);
    metrics.told(&OWNER, &[condition("Ready", "True")]);
    metrics.leads(false);
    shows(&metrics, "egret_operator_leader 0");
    assert!(!metrics.page().contains("orders"));
}

#[test]
fn the_page_has_every_metric_of_the_catalogue_and_no_other() {
    let metrics = Metrics::new();
    metrics.told(&OWNER, &[condition("Ready", "True")]);
    metrics.certified("a", [1].into_iter());
    metrics.autoscaled("a", vec![("count".into(), 1, Some(0.5))]);
    let page = metrics.page();
    let names = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: BTreeSet<&str> = names.filter_map(|rest| rest.split(' ').next()).collect();
    let of_all = catalogue::operator::SECTION.metrics.iter().map(|metric| metric.name);
    let of_processes = ["process_cpu_seconds_total", "process_start_time_seconds"];
    // Where the system tells.
    let resident = names.contains("process_resident_memory_bytes");
    let resident = resident.then_some("process_resident_memory_bytes");
    let expected: BTreeSet<&str> = of_all.chain(of_processes).chain(resident).collect();
    assert_eq!(names, expected);
}
