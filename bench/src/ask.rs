//! A question over HTTP to a process on this machine, and the body of its answer.

use anyhow::{Context, ensure};
use std::io::{Read, Write};

/// Asks; an answer that is no success is an error.
pub(crate) fn get(mut stream: impl Read + Write, target: &str) -> anyhow::Result<String> {
    stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "{target} is answered with `{status}`");
    Ok(body.to_owned())
}
