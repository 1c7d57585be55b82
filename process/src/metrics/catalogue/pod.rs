//! Metrics of a pod and of its processes.

super::metrics! {
    "Pods and processes",
    "`process` is `stream-manager`, `instance` or `operator`; `component` and `task` are those \
     of an instance, and left out of others. Instances report what they use every two seconds. \
     A restart shows as a change of `process_start_time_seconds`.";

    STREAM_MANAGER_INFO = Gauge("egret_stream_manager_info", ["version"], "",
        "Always 1; the version of the stream manager is a label."), "", "";
    POD_READY = Gauge("egret_pod_ready", [], "0 or 1",
        "1 if a plan is in force, every task of the pod has registered and every peer is linked."),
        "", "";
    PLAN_REVISION = Gauge("egret_plan_revision", [], "",
        "Revision of the plan in force, 0 if there is none. Pods that differ for long miss a \
         push."),
        "", "";
    PLAN_EPOCH = Gauge("egret_plan_epoch", [], "",
        "Epoch of the plan in force: it grows when tasks or groupings change."), "", "";
    PLANS_REFUSED = Counter("egret_plans_refused_total", [], "plans",
        "Plans refused: for another topology, older, or unusable. The log says why."), "", "";
    QUEUED_BYTES = Gauge("egret_queued_bytes", ["component", "task", "class"], "bytes",
        "Frames for the task that are queued in the stream manager. Bounded by 256 KiB per \
         stream and one read."),
        "__connection_buffer_by_instanceid/<id>/bytes", "queue population";
    IN_FLIGHT_BYTES = Gauge("egret_in_flight_bytes", ["component", "task", "class"], "bytes",
        "Frames for the task that were handed to QUIC last and that it has not taken whole."),
        "__connection_buffer_length_by_instanceid", "";
    LOSSES_ANNOUNCED = Counter("egret_losses_announced_total", [], "losses",
        "Losses that this life of the stream manager has announced: links and tasks that were \
         cut off, frames discarded."),
        "__tuples_to_workers_lost", "";
    FRAMES_DISCARDED = Counter("egret_frames_discarded_total", ["reason"], "frames",
        "Frames that broke no rule but could not be delivered: `epoch` (made under other tasks \
         or groupings), `incarnation` (by an earlier life of their source), `moved` (their \
         task lives elsewhere now). Each is covered by an announced loss."),
        "__bytes_to_stmgrs_lost", "queue dropped";
    LINKS_CLOSED = Counter("egret_links_closed_total", ["reason"], "links",
        "Links closed for a fault of the other end: `malformed` (bytes or frames that break \
         the protocol), `refused` (wrong identity, outlived, no hello, no version of the \
         protocol in common)."), "", "";
    CONTROL_OVERFLOWS = Counter("egret_control_overflows_total", [], "messages",
        "Control messages that a link did not take; it was closed, and makes up for them when \
         it returns."), "", "";
    SPANS_EXPORTED = Counter("egret_trace_spans_exported_total", [], "spans",
        "Spans of traced tuples that an OpenTelemetry endpoint has taken."), "", "";
    SPANS_DROPPED = Counter("egret_trace_spans_dropped_total", ["reason"], "spans",
        "Spans that no endpoint has: `instance` and `queue` (more than there is room for: lower \
         `sampleRate`), `unreachable` (the endpoint did not take them in several tries), \
         `refused` (it does not want them, or its address is wrong; the log says why)."), "", "";
    UDP_DROPS = Counter("egret_udp_receive_drops_total", ["process", "component", "task"],
        "datagrams",
        "Datagrams that the kernel dropped because the process did not empty its socket in \
         time. QUIC sends them again."), "", "";
    PROCESS_CPU = Counter("process_cpu_seconds_total", ["process", "component", "task"], "seconds",
        "CPU time that the process has used, in user and system."),
        "__jvm-process-cpu-load", "";
    PROCESS_RESIDENT = Gauge("process_resident_memory_bytes", ["process", "component", "task"],
        "bytes", "Resident memory of the process."),
        "__jvm-memory-used-mb", "memory/heap";
    PROCESS_START = Gauge("process_start_time_seconds", ["process", "component", "task"],
        "seconds", "When the process started, since 1970."),
        "__jvm-uptime-secs", "uptimeSecs";
}
