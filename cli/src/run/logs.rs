//! What children write to stderr: JSON lines of ours, and whatever user code writes.

use serde_json::{Map, Value};

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Of interest to whoever looks for it.
    Info,
    /// Not as it should be.
    Warn,
    /// Wrong.
    Error,
    /// What user code writes, or what concerns it: shown, whatever it is.
    User,
}

impl Level {
    /// As those who look are told.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::User => "user",
        }
    }
}

/// A line of a child.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    /// The message, with the fields that it carries.
    pub(crate) text: String,
}

/// Target of warnings that concern user code: tuples that fail, trees that time out.
const COMPONENT: &str = "egret::component";

/// Fields that say whose line it is, which is shown otherwise.
const WHOSE: [&str; 8] =
    ["timestamp", "level", "target", "topology", "pod", "component", "task", "message"];

impl Entry {
    pub(crate) fn parse(line: &str) -> Entry {
        let json = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
        let Some(Value::Object(fields)) = json else {
            return Entry { level: Level::User, text: plain(line) };
        };
        let level = match fields.get("level").and_then(Value::as_str) {
            Some("ERROR") => Level::Error,
            Some("WARN") if fields.get("target").is_some_and(|t| t == COMPONENT) => Level::User,
            Some("WARN") => Level::Warn,
            Some("INFO" | "DEBUG" | "TRACE") => Level::Info,
            _ => return Entry { level: Level::User, text: plain(line) },
        };
        Entry { level, text: message(&fields) }
    }
}

fn message(fields: &Map<String, Value>) -> String {
    let mut text = fields.get("message").and_then(Value::as_str).map(plain).unwrap_or_default();
    for (name, value) in fields.iter().filter(|(name, _)| !WHOSE.contains(&name.as_str())) {
        text.push_str(&match value {
            Value::String(value) => format!(" {name}={}", plain(value)),
            value => format!(" {name}={value}"),
        });
    }
    text
}

/// Text that cannot move the cursor or change colours of the terminal it is shown in.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ours_is_its_message_with_its_fields() {
        let line = r#"{"level":"WARN","pod":1,"message":"a link\nbroke","peer":"pod 2","n":3}"#;
        let expected = Entry { level: Level::Warn, text: "a link broke n=3 peer=pod 2".to_owned() };
        assert_eq!(Entry::parse(line), expected);
    }

    #[test]
    fn a_warning_that_concerns_user_code_is_shown_as_what_it_writes() {
        let line = r#"{"level":"WARN","target":"egret::component","message":"`a` failed","n":3}"#;
        let expected = Entry { level: Level::User, text: "`a` failed n=3".to_owned() };
        assert_eq!(Entry::parse(line), expected);
    }

    #[test]
    fn a_line_of_user_code_is_itself() {
        for line in ["hello", "{not json", r#"{"json":"but not ours"}"#] {
            let expected = Entry { level: Level::User, text: line.to_owned() };
            assert_eq!(Entry::parse(line), expected);
        }
        assert_eq!(Entry::parse("\u{1b}[2Jx").text, " [2Jx");
    }
}
