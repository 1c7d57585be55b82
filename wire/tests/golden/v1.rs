//! The bytes of version 1. They stay as they are for as long as a build reads them: a later version
//! has a folder of its own beside this one.

mod control;
mod edges;
mod frames;
mod poisoned;
mod values;

use crate::{hex, listing};
use egret_wire::limits::VERSIONS;

/// A frame of these bytes is what this build writes, if it makes frames in this version.
#[track_caller]
fn written(frame: &[u8], text: &str) {
    if VERSIONS.of_frames() == 1 {
        assert_eq!(hex(frame), listing(text));
    }
}

/// The bytes of a listing, whoever has written them.
fn bytes(text: &str) -> Vec<u8> {
    let listing = listing(text);
    listing.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
