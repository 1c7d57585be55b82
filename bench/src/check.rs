//! Whether a run's answer is right: without that it has no speed.

use crate::line::Outcome;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Everything that was emitted was acked, if anything is, and counted, once.
pub(crate) fn outcome(outcome: &Outcome) -> anyhow::Result<()> {
    let Outcome { emitted, acked, failed, counted, .. } = *outcome;
    ensure!(emitted > 0, "nothing was emitted");
    ensure!(failed == 0, "{failed} of {emitted} failed");
    ensure!(acked.is_none_or(|acked| acked == emitted), "emitted {emitted}, acked {acked:?}");
    ensure!(counted == emitted, "emitted {emitted}, counted {counted}");
    Ok(())
}

/// The sum of all counts in a file of `{"word": ..., "count": ...}`. A word that stands there twice
/// was counted by two tasks: its grouping is broken.
pub(crate) fn totals(file: &Path) -> anyhow::Result<u64> {
    let opened = File::open(file).with_context(|| format!("no counts: {}", file.display()))?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    for line in BufReader::new(opened).lines() {
        let entry: Value = serde_json::from_str(&line?).context("a count is no JSON")?;
        let word =
            entry["word"].as_str().or(entry["key"].as_str()).context("a count of nothing")?;
        let count = entry["count"].as_u64().context("a word without a count")?;
        let before = counts.insert(word.to_owned(), count);
        ensure!(before.is_none(), "`{word}` was counted by two tasks");
    }
    Ok(counts.values().sum())
}

/// What the summary of `egret run` says of these two components; an error if anything was lost,
/// repeated or restarted.
pub(crate) fn summary(json: &str, spout: &str, sink: &str, acked: bool) -> anyhow::Result<Outcome> {
    let summary: Value = serde_json::from_str(json).context("egret prints no summary")?;
    let of = |component: &str, field: &str| -> anyhow::Result<u64> {
        let all = summary["components"].as_array().map_or(&[][..], Vec::as_slice);
        let found = all.iter().find(|entry| entry["name"] == component);
        let value = found.and_then(|found| found[field].as_u64());
        value.with_context(|| format!("the summary does not know `{field}` of `{component}`"))
    };
    for (part, what) in [
        (&summary["restarts"], "restarts"),
        (&summary["roots"]["pending"], "roots are pending"),
        (&summary["roots"]["failed"], "roots failed"),
        (&summary["roots"]["timed_out"], "roots timed out"),
        (&summary["roots"]["replayed"], "roots were replayed"),
    ] {
        let count =
            part.as_u64().with_context(|| format!("the summary does not say how many {what}"))?;
        ensure!(count == 0, "{count} {what}");
    }
    let executed = of(sink, "executed")?;
    let acks = if acked { Some(of(spout, "acked")?) } else { None };
    let outcome = Outcome {
        emitted: of(spout, "emitted")?,
        acked: acks,
        counted: executed,
        ..Outcome::default()
    };
    self::outcome(&outcome)?;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(outcome: Outcome) -> String {
        super::outcome(&outcome).unwrap_err().to_string()
    }

    #[test]
    fn a_tuple_that_is_missing_anywhere_is_noticed() {
        let right = Outcome { emitted: 5, acked: Some(5), counted: 5, ..Outcome::default() };
        super::outcome(&right).unwrap();
        super::outcome(&Outcome { acked: None, ..right }).unwrap();
        assert!(wrong(Outcome { acked: Some(4), ..right }).contains("acked Some(4)"));
        assert!(wrong(Outcome { counted: 6, ..right }).contains("counted 6"));
        assert!(wrong(Outcome { failed: 1, ..right }).contains("1 of 5 failed"));
        assert!(wrong(Outcome::default()).contains("nothing"));
    }

    #[test]
    fn totals_are_added_up_and_a_word_counted_twice_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("totals");
        std::fs::write(&file, "{\"word\":\"a\",\"count\":3}\n{\"word\":\"b\",\"count\":4}\n")
            .unwrap();
        assert_eq!(totals(&file).unwrap(), 7);
        std::fs::write(&file, "{\"key\":\"a\",\"count\":3}\n{\"key\":\"a\",\"count\":4}\n")
            .unwrap();
        assert!(totals(&file).unwrap_err().to_string().contains("two tasks"));
        assert!(totals(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_summary_with_a_failure_or_a_loss_is_refused() {
        let mut right = json!({
            "restarts": 0,
            "roots": {"pending": 0, "failed": 0, "timed_out": 0, "replayed": 0},
            "components": [
                {"name": "words", "emitted": 9, "acked": 9, "executed": 0},
                {"name": "count", "emitted": 0, "acked": 9, "executed": 9},
            ],
        });
        let read = |json: &Value| summary(&json.to_string(), "words", "count", true);
        assert_eq!(read(&right).unwrap().emitted, 9);
        right["components"][1]["executed"] = json!(8);
        assert!(read(&right).is_err());
        right["components"][1]["executed"] = json!(9);
        right["roots"]["replayed"] = json!(1);
        assert_eq!(read(&right).unwrap_err().to_string(), "1 roots were replayed");
    }
}
