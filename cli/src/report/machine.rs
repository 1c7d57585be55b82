//! The machine that the report is made on, and the program that makes it.

use serde_json::{Value, json};
use std::{env, fs, thread};

/// Limits of the kernel that decide how fast QUIC can be, and how many processes there can be.
const LIMITS: [&str; 5] = [
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/core/rmem_default",
    "kernel/threads-max",
    "fs/file-max",
];

/// What is known of it.
pub(super) fn facts() -> Value {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let limits = LIMITS.iter().map(|name| {
        let read = fs::read_to_string(format!("/proc/sys/{name}"));
        (name.replace('/', "."), read.map_or(Value::Null, |text| text.trim().into()))
    });
    json!({
        "egret": env!("CARGO_PKG_VERSION"),
        "system": text(uname.sysname()),
        "release": text(uname.release()),
        "architecture": env::consts::ARCH,
        "cpus": thread::available_parallelism().map_or(Value::Null, |count| count.get().into()),
        "limits": limits.collect::<serde_json::Map<_, _>>(),
    })
}
