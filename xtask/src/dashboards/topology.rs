//! One topology: how fast, how long, who waits for whom, what fails.

use super::grafana::{
    Annotation, Dashboard,
    Kind::{Heat, Lines, Numbers, Table},
    Panel, Row, Variable,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "topology",
        title: "Egret / Topology",
        description: "One topology: how fast, how long, who waits for whom, what fails.",
        variables: vec![
            Variable { name: "namespace", of: "egret_pod_ready", many: true },
            Variable { name: "topology", of: "egret_pod_ready{n}", many: false },
            Variable { name: "component", of: "egret_task_connected{*}", many: true },
        ],
        annotations: vec![
            Annotation {
                name: "Deploy",
                query: "max(changes(egret_plan_revision{*}[1m])) > 0",
                text: "a new plan is in force",
                colour: "blue",
            },
            Annotation {
                name: "Scale",
                query: "max(changes(egret_plan_epoch{*}[1m])) > 0",
                text: "tasks or groupings have changed",
                colour: "purple",
            },
        ],
        rows: vec![now(), rates(), latency(), backpressure(), failures(), edges(), processes()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Numbers,
                "Roots acked",
                "ops",
                "Trees completed per second.",
                &[("sum(rate(egret_roots_acked_total{*}[r]))", "")],
            ),
            Panel::new(
                Numbers,
                "Roots pending",
                "short",
                "Trees in flight, bounded by maxPending per spout task.",
                &[("sum(egret_roots_pending{*})", "")],
            ),
            Panel::new(
                Numbers,
                "Pods ready",
                "percentunit",
                "Pods with plan, tasks and peers, of all.",
                &[("avg(egret_pod_ready{*})", "")],
            ),
            Panel::new(
                Numbers,
                "Plan",
                "short",
                "Revision and epoch in force. Two values of one for long: a pod misses a \
                 push.",
                &[
                    ("max(egret_plan_revision{*})", "revision"),
                    ("max(egret_plan_epoch{*})", "epoch"),
                ],
            ),
            Panel::new(
                Table,
                "Phases",
                "short",
                "In which phase how many tasks are.",
                &[("sum by (component, phase) (egret_task_phase{c}) > 0", "")],
            ),
        ],
    }
}

fn rates() -> Row {
    Row {
        title: "Rates",
        panels: vec![
            Panel::new(
                Lines,
                "Emitted",
                "ops",
                "Tuples emitted per second, once each.",
                &[("sum by (component) (rate(egret_tuples_emitted_total{c}[r]))", "{{component}}")],
            ),
            Panel::new(
                Lines,
                "Executed",
                "ops",
                "Calls of `execute` per second.",
                &[(
                    "sum by (component) (rate(egret_tuples_executed_total{c}[r]))",
                    "{{component}}",
                )],
            ),
            Panel::new(
                Lines,
                "Acked and failed",
                "ops",
                "Input settled per second; of spouts roots.",
                &[
                    (
                        "sum by (component) (rate(egret_tuples_acked_total{c}[r]))",
                        "{{component}} acked",
                    ),
                    (
                        "sum by (component) (rate(egret_tuples_failed_total{c}[r]))",
                        "{{component}} failed",
                    ),
                ],
            ),
        ],
    }
}

fn latency() -> Row {
    Row {
        title: "Latency",
        panels: vec![
            Panel::new(
                Heat,
                "Complete latency",
                "s",
                "From a root's emit to the last ack of its tree: a bright band that splits is \
                 two kinds of journeys.",
                &[("sum by (le) (rate(egret_complete_latency_seconds_bucket{*}[r]))", "{{le}}")],
            ),
            Panel::new(
                Lines,
                "Complete latency, percentiles",
                "s",
                "Half, one in twenty, one in a hundred take longer.",
                &[
                    (
                        "histogram_quantile(0.5, sum by (le) \
                         (rate(egret_complete_latency_seconds_bucket{*}[r])))",
                        "50%",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) \
                         (rate(egret_complete_latency_seconds_bucket{*}[r])))",
                        "95%",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) \
                         (rate(egret_complete_latency_seconds_bucket{*}[r])))",
                        "99%",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "Execute and process latency, 95%",
                "s",
                "How long `execute` takes, and how long until its tuple is acked. Far apart: \
                 the bolt holds tuples back.",
                &[
                    (
                        "histogram_quantile(0.95, sum by (component, le) \
                         (rate(egret_execute_latency_seconds_bucket{c}[r])))",
                        "{{component}} execute",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (component, le) \
                         (rate(egret_process_latency_seconds_bucket{c}[r])))",
                        "{{component}} process",
                    ),
                ],
            ),
        ],
    }
}

fn backpressure() -> Row {
    Row {
        title: "Who waits for whom",
        panels: vec![
            Panel::new(
                Lines,
                "Backpressure by edge",
                "percentunit",
                "Time per second for which tasks of the first wait to emit to the second. The \
                 last edge of a chain that waits leads to the cause.",
                &[(
                    "sum by (from, to) (rate(egret_edge_backpressure_seconds_total{*}[r]))",
                    "{{from}} → {{to}}",
                )],
            ),
            Panel::new(
                Table,
                "Tasks that others wait for",
                "percentunit",
                "The cause of backpressure: the task to make faster, or to have more of.",
                &[(
                    "topk(10, sum by (to, task) \
                     (rate(egret_edge_backpressure_seconds_total{*}[r])))",
                    "",
                )],
            ),
            Panel::new(
                Table,
                "Slowest tasks",
                "s",
                "Time in user code per tuple, without that in which it waits to emit. One task \
                 alone: skewed keys or a bad node; all of a component: slow code.",
                &[(
                    "topk(10, clamp_min(rate(egret_task_busy_seconds_total{c}[r]) - \
                     rate(egret_task_backpressure_seconds_total{c}[r]), 0) / \
                     (rate(egret_tuples_executed_total{c}[r]) > 0))",
                    "",
                )],
            ),
            Panel::new(
                Lines,
                "Tasks that wait, and are busy",
                "percentunit",
                "Share of the time in which a task waits to emit, and in which it works. Busy \
                 near 100%: the bottleneck.",
                &[
                    (
                        "max by (component) \
                         (rate(egret_task_backpressure_seconds_total{c}[r]))",
                        "{{component}} waits",
                    ),
                    (
                        "max by (component) (clamp_min(rate(egret_task_busy_seconds_total{c}[r]) \
                         - rate(egret_task_backpressure_seconds_total{c}[r]), 0))",
                        "{{component}} busy",
                    ),
                ],
            ),
        ],
    }
}

fn failures() -> Row {
    Row {
        title: "Failures and restarts",
        panels: vec![
            Panel::new(
                Lines,
                "Roots not acked, by cause",
                "ops",
                "Trees that a bolt failed, that were lost with a task or link, that were \
                 pending at a restart, or that took too long; those emitted again, and of these \
                 those that have failed too often.",
                &[
                    ("sum by (cause) (rate(egret_roots_failed_total{*}[r]))", "{{cause}}"),
                    ("sum(rate(egret_roots_timed_out_total{*}[r]))", "timed out"),
                    ("sum(rate(egret_roots_replayed_total{*}[r]))", "replayed"),
                    ("sum(rate(egret_dead_letters_total{*}[r]))", "dead letters"),
                ],
            ),
            Panel::new(
                Lines,
                "Restarts by cause",
                "short",
                "Lives of tasks after their first.",
                &[(
                    "sum by (component, cause) (increase(egret_task_restarts_total{c}[r]))",
                    "{{component}} {{cause}}",
                )],
            ),
            Panel::new(
                Lines,
                "Calls that do not return",
                "s",
                "For how long a call of user code has not returned.",
                &[("max by (component) (egret_task_call_seconds{c})", "{{component}}")],
            ),
            Panel::new(
                Lines,
                "Broken",
                "short",
                "Tasks whose last life ended in an error.",
                &[("sum by (component) (egret_task_broken{c})", "{{component}}")],
            ),
            Panel::new(
                Lines,
                "Frames discarded",
                "ops",
                "Frames that could not be delivered, in stream managers by reason and in \
                 instances. Each is made up for by a replay.",
                &[
                    ("sum by (reason) (rate(egret_frames_discarded_total{*}[r]))", "{{reason}}"),
                    ("sum(rate(egret_task_frames_discarded_total{*}[r]))", "in instances"),
                ],
            ),
        ],
    }
}

fn edges() -> Row {
    Row {
        title: "Edges",
        panels: vec![
            Panel::new(
                Lines,
                "Tuples sent and received",
                "ops",
                "By edge. What is sent and not received waits, or was lost.",
                &[
                    (
                        "sum by (from, stream, to) (rate(egret_edge_sent_tuples_total{*}[r]))",
                        "{{from}} → {{to}} {{stream}} sent",
                    ),
                    (
                        "sum by (from, stream, to) \
                         (rate(egret_edge_received_tuples_total{*}[r]))",
                        "{{from}} → {{to}} {{stream}} received",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "Tuples per frame",
                "short",
                "Large frames are cheap; small ones come of low rates, many tasks, or waits.",
                &[
                    (
                        "sum by (from, to) (rate(egret_edge_sent_tuples_total{*}[r])) / sum by \
                         (from, to) (rate(egret_edge_sent_frames_total{*}[r]))",
                        "{{from}} → {{to}} sent",
                    ),
                    (
                        "sum by (from, to) (rate(egret_edge_received_tuples_total{*}[r])) / \
                         sum by (from, to) (rate(egret_edge_received_frames_total{*}[r]))",
                        "{{from}} → {{to}} received",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "Bytes",
                "Bps",
                "Bytes of frames by edge, headers included.",
                &[
                    (
                        "sum by (from, to) (rate(egret_edge_sent_bytes_total{*}[r]))",
                        "{{from}} → {{to}} sent",
                    ),
                    (
                        "sum by (from, to) (rate(egret_edge_received_bytes_total{*}[r]))",
                        "{{from}} → {{to}} received",
                    ),
                ],
            ),
            bytes_that_wait(),
        ],
    }
}

fn bytes_that_wait() -> Panel {
    Panel::new(
        Lines,
        "Bytes that wait",
        "bytes",
        "In instances before and after `execute`, in stream managers, and in QUIC, by \
                 the component that they are for or of.",
        &[
            ("sum by (component) (egret_task_inbox_bytes{c})", "{{component}} inbox"),
            ("sum by (component) (egret_task_outbox_bytes{c})", "{{component}} outbox"),
            ("sum by (component) (egret_queued_bytes{c})", "{{component}} queued"),
            ("sum by (component) (egret_in_flight_bytes{c})", "{{component}} in flight"),
        ],
    )
}

fn processes() -> Row {
    Row {
        title: "Processes and user code",
        panels: vec![
            Panel::new(
                Lines,
                "CPU",
                "short",
                "CPUs in use.",
                &[(
                    "sum by (process, component) (rate(process_cpu_seconds_total{*}[r]))",
                    "{{process}} {{component}}",
                )],
            ),
            Panel::new(
                Lines,
                "Memory",
                "bytes",
                "Resident memory.",
                &[(
                    "sum by (process, component) (process_resident_memory_bytes{*})",
                    "{{process}} {{component}}",
                )],
            ),
            Panel::new(
                Lines,
                "Counters of user code",
                "ops",
                "Per second.",
                &[(
                    "sum by (component, name) (rate(egret_user_total{c}[r]))",
                    "{{component}} {{name}}",
                )],
            ),
            Panel::new(
                Lines,
                "Gauges of user code",
                "short",
                "Sums over tasks.",
                &[("sum by (component, name) (egret_user_value{c})", "{{component}} {{name}}")],
            ),
        ],
    }
}
