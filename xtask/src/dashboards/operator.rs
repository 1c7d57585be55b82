//! The operator: does it work, how fast, what does it think of topologies.

use super::grafana::{
    Dashboard,
    Kind::{Heat, Lines, Numbers, Table},
    Panel, Row, Variable,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "operator",
        title: "Egret / Operator",
        description: "Does it work, how fast, and what does it think of topologies.",
        variables: vec![Variable { name: "namespace", of: "egret_topology_condition", many: true }],
        annotations: Vec::new(),
        rows: vec![now(), work(), topologies()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Numbers,
                "Leaders",
                "short",
                "One, or nobody looks after topologies; they flow on.",
                &[("sum(egret_operator_leader)", "")],
            ),
            Panel::new(
                Numbers,
                "Topologies",
                "short",
                "By the stage that they are in.",
                &[("sum by (stage) (egret_operator_topologies)", "{{stage}}")],
            ),
            Panel::new(
                Numbers,
                "First certificate ends in",
                "s",
                "Renewed 30 days before. Less than that for long: it is not.",
                &[("min(egret_certificate_expiry_timestamp_seconds{n}) - time()", "")],
            ),
            Panel::new(
                Numbers,
                "Versions",
                "short",
                "Operators by version.",
                &[("count by (version) (egret_operator_info)", "{{version}}")],
            ),
        ],
    }
}

fn work() -> Row {
    Row {
        title: "Work",
        panels: vec![
            Panel::new(
                Lines,
                "Reconciliations",
                "ops",
                "Looks at topologies, by how they ended.",
                &[("sum by (outcome) (rate(egret_operator_reconciles_total[r]))", "{{outcome}}")],
            ),
            Panel::new(
                Heat,
                "Duration",
                "s",
                "Waiting for the API server included.",
                &[("sum by (le) (rate(egret_operator_reconcile_seconds_bucket[r]))", "{{le}}")],
            ),
            Panel::new(
                Lines,
                "Errors",
                "ops",
                "Reconciliations that failed, by what failed, and watches. The log says more.",
                &[
                    ("sum by (reason) (rate(egret_operator_errors_total[r]))", "{{reason}}"),
                    (
                        "sum by (kind) (rate(egret_operator_watch_errors_total[r]))",
                        "watch {{kind}}",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "CPU",
                "short",
                "CPUs in use.",
                &[("sum(rate(process_cpu_seconds_total{process=\"operator\"}[r]))", "CPUs")],
            ),
            Panel::new(
                Lines,
                "Memory",
                "bytes",
                "Resident.",
                &[("sum(process_resident_memory_bytes{process=\"operator\"})", "bytes")],
            ),
        ],
    }
}

fn topologies() -> Row {
    Row {
        title: "Topologies",
        panels: vec![
            Panel::new(
                Table,
                "Conditions",
                "short",
                "Each condition's status. `kubectl describe topology` says why.",
                &[(
                    "sum by (namespace, topology, condition, status) \
                     (egret_topology_condition{n} == 1)",
                    "",
                )],
            ),
            Panel::new(
                Lines,
                "Conditions that are false",
                "short",
                "How many topologies are not accepted, not ready, or do not flow.",
                &[(
                    "sum by (condition) (egret_topology_condition{n, status=\"false\", \
                     condition!=\"Progressing\"})",
                    "{{condition}}",
                )],
            ),
            Panel::new(
                Lines,
                "Waiting for somebody",
                "short",
                "How many topologies do not come to work until somebody does something, by what.",
                &[("sum by (reason) (egret_topology_blocked{n})", "{{reason}}")],
            ),
            Panel::new(
                Lines,
                "Autoscaled: tasks",
                "short",
                "Tasks that autoscaled components shall have, and with dryRun would have.",
                &[(
                    "sum by (namespace, topology, component) (egret_autoscale_wanted_tasks{n})",
                    "{{namespace}}/{{topology}} {{component}}",
                )],
            ),
            Panel::new(
                Lines,
                "Autoscaled: work",
                "percentunit",
                "Share of the time in which their tasks work, of which that number is made.",
                &[(
                    "sum by (namespace, topology, component) \
                     (egret_autoscale_utilization_ratio{n})",
                    "{{namespace}}/{{topology}} {{component}}",
                )],
            ),
        ],
    }
}
