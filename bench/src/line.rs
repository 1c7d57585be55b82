//! What a measured program prints: its counts at each window's edge, and what came out in the end.
//!
//! `SAMPLE {json}` at the end of the warm-up and of each window, `RESULT {json}` when everything
//! has come to rest. Programs in other languages under `bench/peers` print the same.

use crate::latency::Latency;
use serde::{Deserialize, Serialize};

/// Counts since the start of the program.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// Of the program's own monotonic clock.
    pub(crate) seconds: f64,
    /// Tuples (or bytes, of a program that knows no tuples) that are done: acked, or counted.
    pub(crate) done: u64,
}

/// What came out in the end, to be checked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outcome {
    pub(crate) emitted: u64,
    /// `None` where nothing is acked.
    pub(crate) acked: Option<u64>,
    #[serde(default)]
    pub(crate) failed: u64,
    /// The sum of all counts that the counting tasks hold.
    pub(crate) counted: u64,
    #[serde(default)]
    pub(crate) latency: Option<Latency>,
}

/// One line of a measured program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Line {
    Sample(Sample),
    Result(Outcome),
}

/// Reads a line; `None` if it is neither, as what libraries print.
pub(crate) fn parse(text: &str) -> Option<Result<Line, serde_json::Error>> {
    if let Some(json) = text.strip_prefix("SAMPLE ") {
        return Some(serde_json::from_str(json).map(Line::Sample));
    }
    let json = text.strip_prefix("RESULT ")?;
    Some(serde_json::from_str(json).map(Line::Result))
}

/// Prints a line.
pub(crate) fn print(line: &Line) -> anyhow::Result<()> {
    match line {
        Line::Sample(sample) => println!("SAMPLE {}", serde_json::to_string(sample)?),
        Line::Result(outcome) => println!("RESULT {}", serde_json::to_string(outcome)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_peer_are_understood_and_others_passed_over() {
        let sample = parse("SAMPLE {\"seconds\":1.5,\"done\":7}").unwrap().unwrap();
        assert_eq!(sample, Line::Sample(Sample { seconds: 1.5, done: 7 }));
        let text = "RESULT {\"emitted\":3,\"acked\":null,\"counted\":3}";
        let outcome = Outcome { emitted: 3, counted: 3, ..Outcome::default() };
        assert_eq!(parse(text).unwrap().unwrap(), Line::Result(outcome));
        assert!(parse("WARNING: a library says something").is_none());
        assert!(parse("RESULT {\"emitted\":3}").unwrap().is_err());
    }
}
