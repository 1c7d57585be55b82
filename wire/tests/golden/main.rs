//! The bytes of the protocol as they are written in `docs/protocol.md`, by version. A change that
//! breaks one of these tests breaks every peer that is not upgraded at the same moment: begin a new
//! version, as section 12 there says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod v1;
mod versions;

/// Bytes in hex, as the document writes them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The specification.
const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// `docs/protocol.md` shows this text, whatever its indents.
#[track_caller]
fn documented(text: &str) {
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let text = lines(text);
    assert!(lines(DOCUMENT).contains(text.trim()), "docs/protocol.md does not show:\n{text}");
}

/// The lines of a listing without their remarks, as one line.
fn listing(text: &str) -> String {
    let bytes = text.lines().map(|line| line.split('|').next().unwrap_or_default().trim());
    bytes.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
