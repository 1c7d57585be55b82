//! Metrics of streams, links and QUIC.

super::metrics! {
    "Streams, links and QUIC",
    "`peer` is the index of the other pod for `link=\"peer\"`, and `component/task` for \
     `link=\"instance\"`. `direction` is `in` (towards the stream manager) or `out`; `class` \
     is `data` or `ack`.";

    STREAM_STALLED_SECONDS = Counter("egret_stream_stalled_seconds_total", ["component", "task"],
        "seconds",
        "Time for which streams on the way to the task stood still with bytes waiting. Several \
         streams to one task add up."),
        "__server/__time_spent_back_pressure_initiated", "";
    STREAM_STALLED_BYTES = Gauge("egret_stream_stalled_bytes", ["component", "task"], "bytes",
        "Bytes that wait now in streams to the task that stand still."),
        "__connection_buffer_by_instanceid/<id>/bytes", "queue overflow";
    LINK_UP = Gauge("egret_link_up", ["link", "peer"], "0 or 1", "1 if the link is up."), "", "";
    LINK_CONNECTS = Counter("egret_link_connects_total", ["link", "peer"], "links",
        "How often the link came up; what grows after the first is reconnects."),
        "__stmgr_new_connections", "";
    LINK_FRAMES = Counter("egret_link_frames_total", ["link", "peer", "direction", "class"],
        "frames", "Frames over the link."), "", "";
    LINK_ENTRIES = Counter("egret_link_entries_total", ["link", "peer", "direction", "class"],
        "tuples, acks", "Tuples or acks in those frames."),
        "__{tuples,ack_tuples,fail_tuples}_{to,from}_stmgrs", "";
    LINK_BYTES = Counter("egret_link_bytes_total", ["link", "peer", "direction", "class"],
        "bytes", "Bytes of those frames, headers included, QUIC's own not."),
        "__bytes_{to,from}_stmgrs", "";
    QUIC_RTT = Gauge("egret_quic_rtt_seconds", ["link", "peer"], "seconds",
        "Smoothed round trip, acknowledgement delay included."), "", "";
    QUIC_MTU = Gauge("egret_quic_mtu_bytes", ["link", "peer"], "bytes",
        "UDP payload in use: 6500 on loopback, up to 1452 elsewhere."), "", "";
    QUIC_WINDOW = Gauge("egret_quic_congestion_window_bytes", ["link", "peer"], "bytes",
        "Congestion window."), "", "";
    QUIC_CONGESTION = Counter("egret_quic_congestion_events_total", ["link", "peer"], "events",
        "How often loss has made the congestion window smaller."), "", "";
    QUIC_SENT = Counter("egret_quic_sent_packets_total", ["link", "peer"], "packets",
        "Packets sent."), "", "";
    QUIC_LOST = Counter("egret_quic_lost_packets_total", ["link", "peer"], "packets",
        "Packets lost. On loopback they mean that socket buffers are too small."), "", "";
}
