//! A guard against slipping: what a tuple costs, beside what bytes cost in the same run.
//!
//! Both are CPU time, which two noisy cores disturb far less than they disturb a rate, and the
//! ceiling is measured before, between and after. A bound is about twice what was measured when it
//! was set, so that it fails when something has become much slower and not when a machine is busy.
//! It says nothing about a few per cent: the results in docs/performance.md are for that.

use crate::report::Measured;
use anyhow::{Context, ensure};

/// A word of 20 letters, tracked, over three links and back, may cost as much as this many bytes
/// that quinn alone moves over three links.
const WORD_IN_BYTES: f64 = 320.0;
/// Of tuples of 1 KiB, a CPU second must move this share of what quinn alone moves.
const SHARE_AT_1_KIB: f64 = 0.3;

/// Whether both bounds are kept; says how far off they are.
pub(crate) fn judge(measured: &Measured) -> anyhow::Result<String> {
    let per_cpu = |name: &str| -> anyhow::Result<f64> {
        let row = measured.row(name).with_context(|| format!("`{name}` has no right answer"))?;
        let spread = row.per_cpu().with_context(|| format!("`{name}` used no CPU time"))?;
        Ok(spread.median)
    };
    let quinn = per_cpu("quinn")?;
    let word = quinn / per_cpu("words")?;
    let share = per_cpu("1 KiB")? * 1024.0 / quinn;
    ensure!(
        word <= WORD_IN_BYTES,
        "a word costs as much CPU time as {word:.0} bytes of raw QUIC, {WORD_IN_BYTES} at most: \
         the cost of a tuple has grown; docs/performance.md says how to find out where"
    );
    ensure!(
        share >= SHARE_AT_1_KIB,
        "of tuples of 1 KiB a CPU second moves {:.0} % of what raw QUIC does, {:.0} % at least: \
         the cost of a byte has grown; docs/performance.md says how to find out where",
        share * 100.0,
        SHARE_AT_1_KIB * 100.0
    );
    Ok(format!(
        "guard: a word costs as much as {word:.0} bytes of raw QUIC ({WORD_IN_BYTES} at most), \
         1 KiB tuples reach {:.0} % of raw QUIC ({:.0} % at least)",
        share * 100.0,
        SHARE_AT_1_KIB * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Row, Run, Window};
    use std::collections::BTreeMap;

    /// Done per second of CPU time.
    fn measured(quinn: u64, words: u64, large: u64) -> Measured {
        let row = |name: &str, done| {
            let cpu = BTreeMap::from([("main".to_owned(), 1.0)]);
            let windows = vec![Window { seconds: 1.0, done, cpu }];
            let runs = vec![Run { windows, ..Run::default() }];
            Row { name: name.to_owned(), runs, ..Row::default() }
        };
        let variants = vec![row("quinn", quinn), row("words", words), row("1 KiB", large)];
        Measured { name: "guard".into(), about: String::new(), variants, drift: None }
    }

    #[test]
    fn a_tuple_that_costs_too_much_is_noticed() {
        judge(&measured(200_000_000, 2_000_000, 100_000)).unwrap();
        let slow = judge(&measured(200_000_000, 400_000, 100_000)).unwrap_err().to_string();
        assert!(slow.contains("500 bytes"), "{slow}");
        let slow = judge(&measured(200_000_000, 2_000_000, 20_000)).unwrap_err().to_string();
        assert!(slow.contains("10 %"), "{slow}");
    }

    #[test]
    fn a_wrong_answer_keeps_no_bound() {
        let mut measured = measured(1, 1, 1);
        measured.variants[1].runs.clear();
        assert!(judge(&measured).is_err());
    }
}
