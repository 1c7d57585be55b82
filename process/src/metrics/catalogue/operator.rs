//! Metrics of the operator.

super::metrics! {
    "Operator",
    "Served by the operator at its own port 8080. `namespace` and `topology` are those of the \
     resource. Conditions, stages and certificates are told by the operator that leads.";

    OPERATOR_INFO = Gauge("egret_operator_info", ["version"], "",
        "Always 1; the version of the operator is a label."), "", "";
    OPERATOR_LEADER = Gauge("egret_operator_leader", [], "0 or 1",
        "1 if this operator holds the lease, and works."), "", "";
    OPERATOR_RECONCILES = Counter("egret_operator_reconciles_total", ["outcome"], "reconciliations",
        "Reconciliations, by how they ended: `ok`, `refused` (the resource is not accepted), \
         `error` (tried again)."), "", "";
    OPERATOR_RECONCILE_SECONDS = Histogram("egret_operator_reconcile_seconds", ["outcome"],
        "seconds", "Duration of a reconciliation, waiting for the API server included."), "", "";
    OPERATOR_ERRORS = Counter("egret_operator_errors_total", ["reason"], "errors",
        "Reconciliations that failed and are tried again, by what failed: `fetch`, `apply`, \
         `link`, `plan`, `spec`, `late`."), "", "";
    OPERATOR_WATCH_ERRORS = Counter("egret_operator_watch_errors_total", ["kind"], "errors",
        "Errors of watches, by what is watched."), "", "";
    OPERATOR_TOPOLOGIES = Gauge("egret_operator_topologies", ["stage"], "topologies",
        "Topologies, by the stage that they are in."), "", "";
    TOPOLOGY_CONDITION = Gauge("egret_topology_condition",
        ["namespace", "topology", "condition", "status"], "0 or 1",
        "1 for the status that the condition of the topology has: `true`, `false`, `unknown`."),
        "", "";
    TOPOLOGY_BLOCKED = Gauge("egret_topology_blocked", ["namespace", "topology", "reason"],
        "0 or 1",
        "1 for the reason why the topology does not come to work until somebody does something: \
         `ConfigMissing`, `Crashing`, `ImageUnavailable`, `PlanRefused`, `PodsUnschedulable`."),
        "", "";
    AUTOSCALE_WANTED = Gauge("egret_autoscale_wanted_tasks",
        ["namespace", "topology", "component"], "tasks",
        "Tasks that an autoscaled component shall have, and with `dryRun` would have. The status \
         of the topology says why."),
        "", "";
    AUTOSCALE_UTILIZATION = Gauge("egret_autoscale_utilization_ratio",
        ["namespace", "topology", "component"], "0 to 1",
        "Share of the last half minute in which its tasks worked, waiting to emit left out: what \
         that number is made of. None while nothing is decided."),
        "", "";
    CERTIFICATE_EXPIRY = Gauge("egret_certificate_expiry_timestamp_seconds",
        ["namespace", "topology"], "seconds",
        "When the first certificate of the topology's pods ends, since 1970. They are renewed \
         30 days before."),
        "", "";
}
