//! Metrics of edges: from a component, by a stream, to a component.

super::metrics! {
    "Edges",
    "An edge leads from component `from` by `stream` to component `to`. It is measured once \
     where it begins, per emitting task, and once where it ends, per receiving task, never \
     task by task: the series grow with the tasks and not with their square. `task` is the one \
     that is measured. A tuple that goes to several tasks counts once for each. Tuples per \
     frame is the quotient of two rates. What is sent and not received is under way, or was \
     lost. Tuples, frames and bytes count since the start of the stream manager.";

    EDGE_SENT_TUPLES = Counter("egret_edge_sent_tuples_total", ["from", "stream", "to", "task"],
        "tuples", "Tuples that the stream manager took from the task for the edge."),
        "__tuples_from_workers", "transferred";
    EDGE_SENT_FRAMES = Counter("egret_edge_sent_frames_total", ["from", "stream", "to", "task"],
        "frames", "Frames that these tuples came in."),
        "__gateway-sent-packets-count", "";
    EDGE_SENT_BYTES = Counter("egret_edge_sent_bytes_total", ["from", "stream", "to", "task"],
        "bytes", "Bytes of these frames, headers included."),
        "__gateway-sent-packets-size", "";
    EDGE_RECEIVED_TUPLES = Counter("egret_edge_received_tuples_total",
        ["from", "stream", "to", "task"],
        "tuples", "Tuples of the edge that the stream manager handed to the task."),
        "__execute-count/<comp>/<stream>", "executed";
    EDGE_RECEIVED_FRAMES = Counter("egret_edge_received_frames_total",
        ["from", "stream", "to", "task"],
        "frames", "Frames that these tuples went in."),
        "__gateway-received-packets-count", "";
    EDGE_RECEIVED_BYTES = Counter("egret_edge_received_bytes_total",
        ["from", "stream", "to", "task"],
        "bytes", "Bytes of these frames, headers included."),
        "__gateway-received-packets-size", "";
    EDGE_BACKPRESSURE = Counter("egret_edge_backpressure_seconds_total", ["from", "to", "task"],
        "seconds",
        "Time for which tasks of `from` in this pod waited to emit because this task of `to` \
         took nothing: who causes backpressure, and to whom. The sum over a component's edges \
         is that of its tasks' `egret_task_backpressure_seconds_total`. Tasks that nobody \
         waited for have none."),
        "__time_spent_back_pressure_by_compid/<instance>", "";
}
