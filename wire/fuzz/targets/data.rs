//! Any bytes, as the payload of a data frame.
#![no_main]

#[allow(dead_code, reason = "each target uses one of them")]
#[path = "../decoders.rs"]
mod decoders;

libfuzzer_sys::fuzz_target!(|input: &[u8]| decoders::data(input));
