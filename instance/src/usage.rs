//! What this process uses, as it is told to the stream manager.

use egret_wire::control::Usage;
use std::time::UNIX_EPOCH;

/// Now.
pub(crate) fn now() -> Usage {
    let usage = egret_process::usage::now();
    let started = usage.started.duration_since(UNIX_EPOCH).unwrap_or_default();
    Usage {
        cpu_us: usage.cpu.as_micros() as u64,
        resident_bytes: usage.resident_bytes.unwrap_or_default(),
        started_ms: started.as_millis() as u64,
    }
}
