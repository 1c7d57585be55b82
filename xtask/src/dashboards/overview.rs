//! All topologies: which one needs a look.

use super::grafana::{
    Dashboard,
    Kind::{Lines, Numbers, Table},
    Panel, Row, Variable,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "overview",
        title: "Egret / Topologies",
        description: "All topologies side by side: which one needs a look.",
        variables: vec![Variable { name: "namespace", of: "egret_pod_ready", many: true }],
        annotations: Vec::new(),
        rows: vec![now(), by_topology(), cost(), versions()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Numbers,
                "Topologies",
                "short",
                "Topologies whose pods are scraped.",
                &[("count(count by (namespace, topology) (egret_pod_ready{n}))", "")],
            ),
            Panel::new(
                Numbers,
                "Pods not ready",
                "short",
                "Pods without a plan, a task or a peer: look at the topology's \
                         conditions.",
                &[("count(egret_pod_ready{n}) - sum(egret_pod_ready{n})", "")],
            ),
            Panel::new(
                Numbers,
                "Tasks",
                "short",
                "Tasks whose instances are linked.",
                &[("sum(egret_task_connected{n})", "")],
            ),
            Panel::new(
                Numbers,
                "Broken tasks",
                "short",
                "Tasks whose last life ended in an error of user code: read their \
                         log.",
                &[("sum(egret_task_broken{n})", "")],
            ),
            Panel::new(
                Numbers,
                "Roots acked",
                "ops",
                "Trees completed per second.",
                &[("sum(rate(egret_roots_acked_total{n}[r]))", "")],
            ),
        ],
    }
}

fn by_topology() -> Row {
    Row {
        title: "By topology",
        panels: vec![
            Panel::new(
                Lines,
                "Roots emitted and acked",
                "ops",
                "Trees begun and completed per second. Apart for long: failures, or a stall.",
                &[
                    (
                        "sum by (namespace, topology) (rate(egret_roots_emitted_total{n}[r]))",
                        "{{topology}} emitted",
                    ),
                    (
                        "sum by (namespace, topology) (rate(egret_roots_acked_total{n}[r]))",
                        "{{topology}} acked",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "Complete latency, 99%",
                "s",
                "From a root's emit to the last ack of its tree; one in a hundred \
                         takes longer.",
                &[(
                    "histogram_quantile(0.99, sum by (namespace, topology, le) \
                             (rate(egret_complete_latency_seconds_bucket{n}[r])))",
                    "{{topology}}",
                )],
            ),
            Panel::new(
                Lines,
                "Roots failed and timed out",
                "ops",
                "Trees that have to be emitted again. The topology's dashboard shows \
                         causes.",
                &[(
                    "sum by (namespace, topology) \
                             (rate(egret_roots_failed_total{n}[r])) + sum by (namespace, \
                             topology) (rate(egret_roots_timed_out_total{n}[r]))",
                    "{{topology}}",
                )],
            ),
        ],
    }
}

fn cost() -> Row {
    Row {
        title: "What they cost and who waits",
        panels: vec![
            Panel::new(
                Lines,
                "CPU",
                "short",
                "CPUs in use, of instances and stream managers.",
                &[(
                    "sum by (namespace, topology, process) \
                             (rate(process_cpu_seconds_total{n, topology!=\"\"}[r]))",
                    "{{topology}} {{process}}",
                )],
            ),
            Panel::new(
                Lines,
                "Memory",
                "bytes",
                "Resident memory, of instances and stream managers.",
                &[(
                    "sum by (namespace, topology, process) \
                             (process_resident_memory_bytes{n, topology!=\"\"})",
                    "{{topology}} {{process}}",
                )],
            ),
            Panel::new(
                Table,
                "Tasks that others wait for",
                "percentunit",
                "Share of the time for which tasks waited to emit to this one, summed \
                         over those who wait.",
                &[(
                    "topk(10, sum by (namespace, topology, to, task) \
                             (rate(egret_edge_backpressure_seconds_total{n}[r])))",
                    "",
                )],
            ),
        ],
    }
}

fn versions() -> Row {
    Row {
        title: "Versions",
        panels: vec![
            Panel::new(
                Lines,
                "Stream managers by version",
                "short",
                "More than one for long is a rollout that does not end.",
                &[("count by (version) (egret_stream_manager_info{n})", "{{version}}")],
            ),
            Panel::new(
                Lines,
                "Age of stream managers",
                "s",
                "A fall to zero is a restart.",
                &[(
                    r#"time() - process_start_time_seconds{n, process="stream-manager"}"#,
                    "{{topology}} {{pod}}",
                )],
            ),
        ],
    }
}
