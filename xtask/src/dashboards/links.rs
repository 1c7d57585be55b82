//! Stream managers and QUIC: links, streams, losses, what the network does.

use super::grafana::{
    Dashboard,
    Kind::{Lines, Numbers},
    Panel, Row, Variable,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "links",
        title: "Egret / Stream managers and QUIC",
        description: "Links, streams, losses, and what the network does.",
        variables: vec![
            Variable { name: "namespace", of: "egret_pod_ready", many: true },
            Variable { name: "topology", of: "egret_pod_ready{n}", many: false },
        ],
        annotations: Vec::new(),
        rows: vec![now(), traffic(), streams(), quic(), traces()],
    }
}

fn now() -> Row {
    Row {
        title: "Now",
        panels: vec![
            Panel::new(
                Numbers,
                "Links down",
                "short",
                "Links of instances and peers that should be there.",
                &[("count(egret_link_up{*}) - sum(egret_link_up{*})", "")],
            ),
            Panel::new(
                Numbers,
                "Links that came up again",
                "short",
                "Reconnects in the last hour.",
                &[("sum(increase(egret_link_connects_total{*}[1h]))", "")],
            ),
            Panel::new(
                Numbers,
                "Losses announced",
                "short",
                "In the last hour: whatever could have been hit was failed, and is emitted again.",
                &[("sum(increase(egret_losses_announced_total{*}[1h]))", "")],
            ),
            Panel::new(
                Numbers,
                "Links and plans refused",
                "short",
                "Links closed for what the other end sent or is, control messages not taken, \
                 plans not taken. The log says why.",
                &[
                    ("sum(egret_links_closed_total{*})", "links"),
                    ("sum(egret_control_overflows_total{*})", "control messages"),
                    ("sum(egret_plans_refused_total{*})", "plans"),
                ],
            ),
        ],
    }
}

fn traffic() -> Row {
    Row {
        title: "Traffic",
        panels: vec![
            Panel::new(
                Lines,
                "Bytes between pods",
                "Bps",
                "What each stream manager sends to its peers.",
                &[(
                    "sum by (pod, class) (rate(egret_link_bytes_total{*, link=\"peer\", \
                     direction=\"out\"}[r]))",
                    "pod {{pod}} {{class}}",
                )],
            ),
            Panel::new(
                Lines,
                "Frames",
                "ops",
                "Over all links, by direction and class.",
                &[(
                    "sum by (link, direction, class) (rate(egret_link_frames_total{*}[r]))",
                    "{{link}} {{direction}} {{class}}",
                )],
            ),
            Panel::new(
                Lines,
                "Tuples or acks per frame",
                "short",
                "Large frames are cheap.",
                &[(
                    "sum by (link, direction, class) (rate(egret_link_entries_total{*}[r])) / \
                     sum by (link, direction, class) (rate(egret_link_frames_total{*}[r]))",
                    "{{link}} {{direction}} {{class}}",
                )],
            ),
        ],
    }
}

fn streams() -> Row {
    Row {
        title: "Streams",
        panels: vec![
            Panel::new(
                Lines,
                "Streams that stand still",
                "percentunit",
                "Time per second for which streams to tasks of the component stood still with \
                 bytes waiting; several streams add up.",
                &[(
                    "sum by (component) (rate(egret_stream_stalled_seconds_total{*}[r]))",
                    "{{component}}",
                )],
            ),
            Panel::new(
                Lines,
                "Bytes that stand still",
                "bytes",
                "By the component that they are for.",
                &[("sum by (component) (egret_stream_stalled_bytes{*})", "{{component}}")],
            ),
            Panel::new(
                Lines,
                "Bytes queued",
                "bytes",
                "In the stream managers.",
                &[("sum by (pod) (egret_queued_bytes{*})", "pod {{pod}}")],
            ),
        ],
    }
}

fn quic() -> Row {
    Row {
        title: "QUIC",
        panels: vec![
            Panel::new(
                Lines,
                "Round trip",
                "s",
                "Smoothed; of instances the worst of a pod.",
                &[
                    ("egret_quic_rtt_seconds{*, link=\"peer\"}", "pod {{pod}} to {{peer}}"),
                    (
                        "max by (pod) (egret_quic_rtt_seconds{*, link=\"instance\"})",
                        "pod {{pod}} to instances",
                    ),
                ],
            ),
            Panel::new(
                Lines,
                "Packets lost",
                "percentunit",
                "Of those sent. Between nodes: the network; within a pod: socket buffers.",
                &[(
                    "sum by (pod, link) (rate(egret_quic_lost_packets_total{*}[r])) / sum by \
                     (pod, link) (rate(egret_quic_sent_packets_total{*}[r]))",
                    "pod {{pod}} {{link}}",
                )],
            ),
            Panel::new(
                Lines,
                "Congestion",
                "ops",
                "Events that made a window smaller.",
                &[("sum by (pod) (rate(egret_quic_congestion_events_total{*}[r]))", "pod {{pod}}")],
            ),
            Panel::new(
                Lines,
                "Smallest window",
                "bytes",
                "What may be on its way to a peer.",
                &[(
                    "min by (pod) (egret_quic_congestion_window_bytes{*, link=\"peer\"})",
                    "pod {{pod}}",
                )],
            ),
            Panel::new(
                Lines,
                "UDP drops",
                "ops",
                "Datagrams that the kernel dropped because a process was late: give it CPU, or \
                 raise net.core.rmem_max.",
                &[(
                    "sum by (pod, process) (rate(egret_udp_receive_drops_total{*}[r]))",
                    "pod {{pod}} {{process}}",
                )],
            ),
            Panel::new(
                Lines,
                "Smallest datagrams",
                "bytes",
                "The payload in use.",
                &[("min by (pod) (egret_quic_mtu_bytes{*})", "pod {{pod}}")],
            ),
        ],
    }
}

fn traces() -> Row {
    Row {
        title: "Traces",
        panels: vec![
            Panel::new(
                Lines,
                "Spans exported",
                "short",
                "Per second, of traced tuples. None unless the topology asks for tracing.",
                &[("sum by (pod) (rate(egret_trace_spans_exported_total{*}[r]))", "pod {{pod}}")],
            ),
            Panel::new(
                Lines,
                "Spans dropped",
                "short",
                "Per second: more than there is room for, or an endpoint that does not take them. \
                 Traces have holes then; tuples do not notice.",
                &[(
                    "sum by (pod, reason) (rate(egret_trace_spans_dropped_total{*}[r]))",
                    "pod {{pod}} {{reason}}",
                )],
            ),
        ],
    }
}
