//! Asks a binary for its components: `BIN describe`, with limits on what it may print and how long.

use egret_topology::declaration::Description;
use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// A binary answers at once, unless it does more than describe.
const TIME: Duration = Duration::from_secs(10);

/// Bytes of the answer: hundreds of components.
const MAX_ANSWER: u64 = 1 << 20;

/// Why a binary could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It cannot be started.
    #[error("cannot start it: {0}")]
    Start(#[source] io::Error),
    /// It takes too long.
    #[error("`describe` did not end within {} seconds", TIME.as_secs())]
    Slow,
    /// It failed.
    #[error("`describe` ended with {status}{said}")]
    Failed { status: String, said: String },
    /// It printed something else.
    #[error("`describe` printed no description of components: {0}")]
    Malformed(String),
}

/// What the binary registers.
pub(super) fn describe(binary: &Path) -> Result<Description, Error> {
    let mut child = Command::new(binary)
        .arg("describe")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::Start)?;
    let answered = answer(&mut child);
    if answered.is_err() {
        // It is dead or about to die; what it would still say is not wanted.
        let _ = child.kill();
    }
    let status = child.wait().map_err(Error::Start)?;
    let (stdout, stderr) = answered?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let said = said.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
        return Err(Error::Failed { status: status.to_string(), said });
    }
    if stdout.len() as u64 > MAX_ANSWER {
        return Err(Error::Malformed(format!("more than {MAX_ANSWER} bytes")));
    }
    serde_json::from_slice(&stdout).map_err(|error| Error::Malformed(error.to_string()))
}

/// Both outputs to their ends.
fn answer(child: &mut Child) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (sender, receiver) = mpsc::sync_channel(2);
    let pipes: [(bool, Option<Box<dyn Read + Send>>); 2] = [
        (true, child.stdout.take().map(|pipe| Box::new(pipe) as _)),
        (false, child.stderr.take().map(|pipe| Box::new(pipe) as _)),
    ];
    for (is_stdout, pipe) in pipes {
        let sender = sender.clone();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = pipe.map(|mut pipe| {
                pipe.by_ref().take(MAX_ANSWER + 1).read_to_end(&mut bytes)?;
                // Beyond the limit it is read, so that the binary can end, and forgotten.
                io::copy(&mut pipe, &mut io::sink())
            });
            // Whoever asked may have given up.
            let _ = sender.send((is_stdout, read.transpose().map(|_| bytes)));
        });
    }
    let deadline = std::time::Instant::now() + TIME;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        let (is_stdout, bytes) = receiver.recv_timeout(left).map_err(|_| Error::Slow)?;
        *(if is_stdout { &mut stdout } else { &mut stderr }) = bytes.map_err(Error::Start)?;
    }
    Ok((stdout, stderr))
}
