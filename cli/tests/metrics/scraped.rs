//! What a Prometheus makes of a running topology.

use crate::{
    http,
    prometheus::{self, Prometheus, promtool},
    run::{LINES, Run},
};

#[test]
fn prometheus_reads_every_pod_and_names_the_task_that_causes_backpressure() {
    if !prometheus::is_installed() {
        return;
    }
    let run = Run::start();
    let addresses = run.addresses();
    let prometheus = Prometheus::start(&addresses, None);
    prometheus.until("count(up == 1)", |found| found.first().is_some_and(|(_, up)| *up == 2.0));
    prometheus.until("sum(rate(egret_tuples_executed_total[10s])) > 0", |found| !found.is_empty());
    let worst = "topk(1, sum by (from, to) (rate(egret_edge_backpressure_seconds_total[10s])))";
    prometheus.until(worst, |found| found.first().is_some_and(|(edge, _)| edge["to"] == "slow"));
    prometheus.until("sum(egret_complete_latency_seconds_count)", |found| {
        found.first().is_some_and(|(_, count)| *count == LINES as f64)
    });
    prometheus.until("sum(egret_roots_acked_total)", |found| {
        found.first().is_some_and(|(_, count)| *count == LINES as f64)
    });
    for address in addresses {
        let (_, page) = http::get(address, "/metrics").unwrap();
        promtool(&["check", "metrics"], &page);
    }
}
