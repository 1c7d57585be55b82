//! The files of a report: bounded, and without secrets.

use super::redact::Redactor;
use serde_json::Value;

/// Bytes of one file; of a longer one the end is kept, which is the newest of a log.
const MAX_PART: usize = 2 << 20;
/// Bytes of all files. Larger ones nobody can attach to anything.
const MAX_ALL: usize = 64 << 20;

/// What was collected so far.
#[derive(Default)]
pub(crate) struct Parts {
    redactor: Redactor,
    files: Vec<(String, String)>,
    missing: Vec<String>,
    bytes: usize,
}

impl Parts {
    /// An object, as YAML. What is secret in it is looked for in all texts too.
    pub(crate) fn object(&mut self, path: &str, mut value: Value) {
        self.redactor.object(&mut value);
        match serde_yaml::to_string(&value) {
            Ok(yaml) => self.text(path, yaml),
            Err(error) => self.missing(path, &error.to_string()),
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, path: &str, mut text: String) {
        let surplus = text.len().saturating_sub(MAX_PART);
        if surplus > 0 {
            let from = text.ceil_char_boundary(surplus);
            text = format!("[{from} bytes before this are left out]\n{}", &text[from..]);
        }
        if self.bytes + text.len() > MAX_ALL {
            return self.missing(path, "the report is as large as one may be");
        }
        self.bytes += text.len();
        self.files.push((path.to_owned(), text));
    }

    /// A text, or why there is none.
    pub(crate) fn text_or_why(&mut self, path: &str, text: Result<String, String>) {
        match text {
            Ok(text) => self.text(path, text),
            Err(why) => self.missing(path, &why),
        }
    }

    /// An object, or why there is none.
    #[cfg(feature = "cluster")]
    pub(crate) fn object_or_why(&mut self, path: &str, value: Result<Value, String>) {
        match value {
            Ok(value) => self.object(path, value),
            Err(why) => self.missing(path, &why),
        }
    }

    /// What is not in the report, and why.
    pub(crate) fn missing(&mut self, what: &str, why: &str) {
        self.missing.push(format!("{what}: {why}"));
    }

    /// All files, the first of which tells of the others.
    pub(super) fn finish(self) -> Vec<(String, String)> {
        let Parts { redactor, files, missing, .. } = self;
        let redacted = |text: &str| redactor.text(text);
        let mut files: Vec<(String, String)> =
            files.iter().map(|(path, text)| (path.clone(), redacted(text))).collect();
        let mut readme = format!(
            "A report of egret {}. What looks like a secret was replaced by {}; look through it \
             all the same before you send it to anybody.\n\nFiles:\n",
            env!("CARGO_PKG_VERSION"),
            super::redact::REPLACED,
        );
        readme
            .extend(files.iter().map(|(path, text)| format!("  {path} ({} bytes)\n", text.len())));
        if !missing.is_empty() {
            readme.push_str("\nWhat could not be had:\n");
            readme.extend(missing.iter().map(|why| format!("  {}\n", redacted(why))));
        }
        files.insert(0, ("README.txt".to_owned(), readme));
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn find<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
        &files.iter().find(|(name, _)| name == path).unwrap().1
    }

    #[test]
    fn a_secret_of_an_object_is_found_in_logs_that_came_before_it() {
        let mut parts = Parts::default();
        parts.text("a.log", "connecting with tr0ub4dor".to_owned());
        parts.object("topology.yaml", json!({"config": {"password": "tr0ub4dor"}}));
        parts.missing("events.yaml", "the server said tr0ub4dor");
        let files = parts.finish();
        assert!(files.iter().all(|(_, text)| !text.contains("tr0ub4dor")), "{files:?}");
        assert!(find(&files, "a.log").contains("connecting with"));
    }

    #[test]
    fn the_first_file_tells_of_all_others_and_of_what_is_missing() {
        let mut parts = Parts::default();
        parts.text("a.log", "x".to_owned());
        parts.text_or_why("b.log", Err("you may not get pods/log".to_owned()));
        let files = parts.finish();
        assert_eq!(files[0].0, "README.txt");
        assert!(files[0].1.contains("a.log (1 bytes)"), "{}", files[0].1);
        assert!(files[0].1.contains("b.log: you may not get pods/log"), "{}", files[0].1);
    }

    #[test]
    fn the_newest_of_a_long_log_is_kept_and_a_report_ends_somewhere() {
        let mut parts = Parts::default();
        let long = format!("{}the end", "ü".repeat(MAX_PART));
        for i in 0..=MAX_ALL / MAX_PART {
            parts.text(&format!("{i}.log"), long.clone());
        }
        let files = parts.finish();
        let all: usize = files.iter().map(|(_, text)| text.len()).sum();
        assert!(all < MAX_ALL + MAX_PART, "{all} bytes");
        assert!(find(&files, "0.log").ends_with("the end"));
        assert!(find(&files, "0.log").starts_with("[2"));
        assert!(files[0].1.contains("as large as one may be"));
    }
}
