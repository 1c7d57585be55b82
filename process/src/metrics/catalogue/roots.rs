//! Metrics of roots and their trees.

super::metrics! {
    "Roots",
    "Spouts have them, and bolts that emit in `finish`. The identity above holds with the sum \
     of all causes.";

    ROOTS_EMITTED = Counter("egret_roots_emitted_total", ["component", "task"], "roots",
        "Roots emitted; a replay is a new root."),
        "__emit-count", "emitted";
    ROOTS_ACKED = Counter("egret_roots_acked_total", ["component", "task"], "roots",
        "Roots whose tree was acked whole."),
        "__ack-count", "acked";
    ROOTS_FAILED = Counter("egret_roots_failed_total", ["component", "task", "cause"], "roots",
        "Roots failed, by cause: `bolt` (a bolt failed a tuple of the tree), `loss` (a task or \
         link that the tree may have gone through was lost), `restart` (pending when the life \
         of their own task ended)."),
        "__fail-count", "failed";
    ROOTS_TIMED_OUT = Counter("egret_roots_timed_out_total", ["component", "task"], "roots",
        "Roots whose tree was not complete within the message timeout."),
        "__timeout-count", "failed";
    ROOTS_REPLAYED = Counter("egret_roots_replayed_total", ["component", "task"], "roots",
        "Of the emitted, those that repeat a failed one."), "", "";
    DEAD_LETTERS = Counter("egret_dead_letters_total", ["component", "task"], "roots",
        "Roots that have failed `maxTries` times and left on the stream of dead letters; each is \
         counted once in a life of its task."), "", "";
    ROOTS_PENDING = Gauge("egret_roots_pending", ["component", "task"], "roots",
        "Roots in flight."),
        "__pending-acked-count", "";
    COMPLETE_LATENCY = Histogram("egret_complete_latency_seconds", ["component"], "seconds",
        "From a root's emit (or when it should have been emitted, if the spout has a rate) to \
         the last ack of its tree. Buckets from 100 µs to 60 s; its count equals the roots \
         acked, but for what was under way to a stream manager that was killed. AtMostOnce has \
         none."),
        "__complete-latency", "complete latency";
}
