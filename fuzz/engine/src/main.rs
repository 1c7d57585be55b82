//! One program for all targets: EGRET_FUZZ_TARGET says which.

#![no_main]

use egret_fuzz::Target;
use std::sync::OnceLock;

static TARGET: OnceLock<&Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("EGRET_FUZZ_TARGET").unwrap_or_default();
        let target = egret_fuzz::target(&name).expect("EGRET_FUZZ_TARGET names a target");
        let _ = TARGET.set(target);
    },
    |input: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(input);
        }
    }
);
