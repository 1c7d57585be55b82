//! Times on the command line, written as in topologies: `30s`, `5m`.

use std::time::Duration;

/// Reads a time that is longer than none.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    match egret_topology::duration::Duration::new(text).millis() {
        Ok(0) => Err("it must be longer than no time at all".to_owned()),
        Ok(millis) => Ok(Duration::from_millis(millis)),
        Err(error) => Err(error.to_string()),
    }
}
