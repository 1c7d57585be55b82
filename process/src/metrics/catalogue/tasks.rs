//! Metrics of tasks.

super::metrics! {
    "Tasks",
    "Execute and process latency are taken for every tuple, with the mean of up to 64 quick \
     ones in a row: their counts are exact. Both include the time in which `execute` waits to \
     emit, and so does `egret_task_busy_seconds_total`. Its rate less that of \
     `egret_task_backpressure_seconds_total` is the share of time that a task works, Storm's \
     capacity; divided by the rate of `egret_tuples_executed_total` what a tuple costs.";

    TASK_CONNECTED = Gauge("egret_task_connected", ["component", "task"], "0 or 1",
        "1 if the task's instance is linked."), "", "";
    TASK_RESTARTS = Counter("egret_task_restarts_total", ["component", "task", "cause"], "lives",
        "Lives of the task after its first, by how the one before ended: `error` (user code \
         failed or panicked), `planned` (closed because the plan said so), `lost` (without a \
         word: killed, out of memory, cut off)."),
        "__task-run-count", "";
    TASK_PHASE = Gauge("egret_task_phase", ["component", "task", "phase"], "0 or 1",
        "1 for the phase that the task is in: `starting`, `active`, `inactive`, `drained`, \
         `exhausted`, `ended`, `closed`."), "", "";
    TASK_BROKEN = Gauge("egret_task_broken", ["component", "task"], "0 or 1",
        "1 if the last life ended in an error of user code, until a life is active again."), "", "";
    TASK_UNFINISHED = Gauge("egret_task_unfinished", ["component", "task"], "tuples",
        "What a finishing bolt has emitted and is not acked yet, and input that it has not acked."),
        "__pending-acked-count", "";
    TASK_BACKPRESSURE = Counter("egret_task_backpressure_seconds_total", ["component", "task"],
        "seconds",
        "Time in which the task could not emit because a destination took nothing: who suffers."),
        "__out-queue-full-count", "backpressure";
    TASK_BUSY = Counter("egret_task_busy_seconds_total", ["component", "task"], "seconds",
        "Time in user code, sampled; that in which it waits to emit included. Without that \
         close to 1 per second: the task is the bottleneck."),
        "__execute-time-ns", "capacity";
    TASK_CALL = Gauge("egret_task_call_seconds", ["component", "task"], "seconds",
        "For how long a call of user code has not returned."), "", "";
    TASK_FRAMES_DISCARDED = Counter("egret_task_frames_discarded_total", ["component", "task"],
        "frames", "Frames that the instance discarded: foreign epoch, duplicate or unknown."),
        "", "";
    TASK_INBOX = Gauge("egret_task_inbox_bytes", ["component", "task"], "bytes",
        "Input that the instance has read and the task has not executed. Bounded by 1 MiB and \
         one read."),
        "__gateway-in-stream-queue-size", "receive population";
    TASK_OUTBOX = Gauge("egret_task_outbox_bytes", ["component", "task"], "bytes",
        "Output that the task has emitted and the instance has not handed to QUIC. Bounded by \
         128 KiB per destination and a tuple."),
        "__gateway-out-stream-queue-size", "transfer population";
    TUPLES_EMITTED = Counter("egret_tuples_emitted_total", ["component", "task"], "tuples",
        "Tuples emitted on any stream, once each however many tasks receive them."),
        "__emit-count", "emitted";
    TUPLES_EXECUTED = Counter("egret_tuples_executed_total", ["component", "task"], "tuples",
        "Tuples that `execute` was called with."),
        "__execute-count", "executed";
    TUPLES_ACKED = Counter("egret_tuples_acked_total", ["component", "task"], "tuples",
        "Input tuples acked; of spouts roots acked."),
        "__ack-count", "acked";
    TUPLES_FAILED = Counter("egret_tuples_failed_total", ["component", "task"], "tuples",
        "Input tuples failed; of spouts roots failed or timed out."),
        "__fail-count", "failed";
    EXECUTE_LATENCY = Histogram("egret_execute_latency_seconds", ["component"], "seconds",
        "How long `execute` took. Buckets from 1 µs to 60 s; its count equals the tuples \
         executed."),
        "__execute-latency", "execute latency";
    PROCESS_LATENCY = Histogram("egret_process_latency_seconds", ["component"], "seconds",
        "From the call of `execute` to the ack of its tuple. Buckets from 1 µs to 60 s; its \
         count equals the input tuples acked."),
        "__process-latency", "process latency";
    USER_TOTAL = Counter("egret_user_total", ["component", "task", "name"], "",
        "A counter of user code, over all lives."), "", "";
    USER_VALUE = Gauge("egret_user_value", ["component", "task", "name"], "",
        "A gauge of user code."), "", "";
}
