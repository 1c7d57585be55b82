//! Names of all metrics. `docs/metrics.md` has a row for each.

use crate::metrics::{Name, counter, gauge, histogram};

macro_rules! names {
    ($($id:ident = $kind:ident($name:literal, $help:literal);)*) => {
        $(pub(super) const $id: Name = $kind($name, $help);)*
        /// All of them.
        #[cfg(test)]
        pub(super) const ALL: &[Name] = &[$($id),*];
    };
}

names! {
    INFO = gauge("egret_stream_manager_info", "Always 1; the version is a label.");
    READY = gauge("egret_pod_ready", "1 if plan, instances and peers are all there.");
    PLAN_REVISION = gauge("egret_plan_revision", "Revision of the plan in force, 0 if none.");
    PLAN_EPOCH = gauge("egret_plan_epoch", "Epoch of the plan in force.");
    PLANS_REFUSED = counter("egret_plans_refused_total", "Plans that were refused.");

    TASK_CONNECTED = gauge("egret_task_connected", "1 if the task's instance is linked.");
    TASK_RESTARTS = counter("egret_task_restarts_total", "Lives of the task after its first.");
    TASK_PHASE = gauge("egret_task_phase", "1 for the phase that the task is in, else 0.");
    LIVES_WITH_ERROR = gauge("egret_task_broken", "1 if the task's last life ended in an error.");

    ROOTS_EMITTED = counter("egret_roots_emitted_total", "Roots emitted, replays included.");
    ROOTS_ACKED = counter("egret_roots_acked_total", "Roots whose tree was acked whole.");
    ROOTS_FAILED = counter("egret_roots_failed_total", "Roots failed with a cause.");
    ROOTS_TIMED_OUT = counter("egret_roots_timed_out_total", "Roots not complete in time.");
    ROOTS_REPLAYED = counter("egret_roots_replayed_total", "Roots that repeat a failed one.");
    ROOTS_PENDING = gauge("egret_roots_pending", "Roots in flight.");
    COMPLETE_LATENCY = histogram("egret_complete_latency_seconds",
        "Time from a root's emit to the last ack of its tree.");

    EMITTED = counter("egret_tuples_emitted_total", "Tuples emitted, once each.");
    EXECUTED = counter("egret_tuples_executed_total", "Tuples that execute was called with.");
    ACKED = counter("egret_tuples_acked_total", "Input tuples acked; of spouts roots acked.");
    FAILED = counter("egret_tuples_failed_total",
        "Input tuples failed; of spouts roots failed or timed out.");
    UNFINISHED = gauge("egret_task_unfinished",
        "Tuples that keep a finishing bolt from its end.");
    TASK_DISCARDED = counter("egret_task_frames_discarded_total",
        "Frames that the instance discarded.");
    BACKPRESSURE = counter("egret_task_backpressure_seconds_total",
        "Time in which the task could not emit.");
    BUSY = counter("egret_task_busy_seconds_total", "Time in user code, sampled.");
    CALL = gauge("egret_task_call_seconds", "For how long a call of user code has not returned.");
    USER_TOTAL = counter("egret_user_total", "A counter of user code.");
    USER_GAUGE = gauge("egret_user_value", "A gauge of user code.");

    STALLED_SECONDS = counter("egret_stream_stalled_seconds_total",
        "Time for which streams on the way to the task stood still with bytes waiting.");
    STALLED_BYTES = gauge("egret_stream_stalled_bytes",
        "Bytes that wait in streams to the task that stand still.");
    QUEUED = gauge("egret_queued_bytes", "Bytes queued in all streams.");
    DISCARDED = counter("egret_frames_discarded_total",
        "Frames that broke no rule but could not be delivered.");
    LOSSES = counter("egret_losses_announced_total",
        "Losses announced in this life of the stream manager.");

    LINK_UP = gauge("egret_link_up", "1 if the link is up.");
    LINK_CONNECTS = counter("egret_link_connects_total", "How often the link came up.");
    LINK_FRAMES = counter("egret_link_frames_total", "Frames over the link.");
    LINK_ENTRIES = counter("egret_link_entries_total", "Tuples or acks over the link.");
    LINK_BYTES = counter("egret_link_bytes_total", "Bytes of frames over the link.");
    LINKS_CLOSED = counter("egret_links_closed_total",
        "Links closed for a reason of the other end.");
    CONTROL_OVERFLOWS = counter("egret_control_overflows_total",
        "Links closed because they did not take their control messages.");
    QUIC_RTT = gauge("egret_quic_rtt_seconds", "Smoothed round trip of the link.");
    QUIC_MTU = gauge("egret_quic_mtu_bytes", "UDP payload in use.");
    QUIC_WINDOW = gauge("egret_quic_congestion_window_bytes", "Congestion window of the link.");
    QUIC_LOST = counter("egret_quic_lost_packets_total", "Packets lost on all links.");
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_metric_is_explained_and_named_as_prometheus_advises() {
        let docs = include_str!("../../../docs/metrics.md");
        let documented = docs.lines().filter(|line| line.starts_with("| `egret_")).count();
        for name in ALL {
            assert!(docs.contains(&format!("| `{}` |", name.name)), "{} is missing", name.name);
            assert!(name.help.ends_with('.'));
        }
        assert_eq!(documented, ALL.len(), "docs/metrics.md explains what does not exist");
    }
}
