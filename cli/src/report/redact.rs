//! Replaces what looks like a secret, in objects by the names of fields and in texts by their form.
//!
//! Nobody can know all secrets: this takes away what is commonly one, and whoever sends a report
//! is asked to look.

use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::{collections::BTreeSet, sync::LazyLock};

/// What stands where a secret was.
pub(super) const REPLACED: &str = "REDACTED";

/// A value shorter than that is replaced where it stands and not searched for elsewhere: it may be
/// a part of anything.
const SEARCHED: usize = 6;

/// Words that names of secrets have in them, in lower case and without separators.
const SECRET: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "sasljaas",
    "connectionstring",
];
/// Ends of names that only say where a secret is.
const REFERENCE: [&str; 4] = ["name", "ref", "file", "path"];

/// Annotations that repeat a whole object.
const COPIES: [&str; 1] = ["kubectl.kubernetes.io/last-applied-configuration"];

/// Names that stand before secrets in texts.
const NAMES: &str = "passwo?r?d|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|\
                     private[_-]?key|authorization";
/// What may stand between such a name and the secret, which begins on the same line: on the next
/// one of YAML there are fields.
const SCHEME: &str = r"[ \t]*(?:(?:bearer|basic)\s+)?";

static FORMS: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    let form = |text: &str| Regex::new(text).expect("a constant, tried by the tests below");
    [
        // A private key, also one that is cut off.
        form(r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END [A-Z ]*PRIVATE KEY-----|\z)"),
        // A JSON web token.
        form(r"()(\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)()"),
        // Credentials in a URL: a name and a password, or a token alone.
        form(r"(://)([^/\s@]+)(@)"),
        // `password=...`, `"token": "..."`, `Authorization: Bearer ...`.
        form(&format!(r#"(?i)([\w.-]*(?:{NAMES})["']?\s*[:=]{SCHEME}["']?)([^\s"',;&}}]+)()"#)),
    ]
});

/// Remembers what was replaced in objects, to find it in texts.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    known: BTreeSet<String>,
}

impl Redactor {
    /// Replaces what is secret in an object, and takes away what only repeats it.
    pub(super) fn object(&mut self, value: &mut Value) {
        self.value(value, false);
    }

    /// A value, or those of a list, of a field that holds a secret or not.
    fn value(&mut self, value: &mut Value, secret: bool) {
        match value {
            Value::Object(map) => self.map(map),
            Value::Array(list) => list.iter_mut().for_each(|value| self.value(value, secret)),
            value if secret => self.replace(value),
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }

    fn map(&mut self, map: &mut Map<String, Value>) {
        map.remove("managedFields");
        COPIES.iter().for_each(|copy| drop(map.remove(*copy)));
        let is_env = map.contains_key("value") && map.get("name").is_some_and(Value::is_string);
        let egrets = |name: &str| name.starts_with("EGRET_") && !is_secret(name);
        let ours = |name: &Value| name.as_str().is_some_and(egrets);
        if is_env && !map.get("name").is_some_and(ours) {
            // Whatever a variable is called, its value is nobody's business.
            map.entry("value").and_modify(|value| self.replace(value));
        }
        for (key, value) in map {
            self.value(value, is_secret(key));
        }
    }

    fn replace(&mut self, value: &mut Value) {
        let text = match &*value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        if text.len() >= SEARCHED {
            self.known.insert(text);
        }
        *value = REPLACED.into();
    }

    /// A text without what is secret.
    pub(super) fn text(&self, text: &str) -> String {
        // Longer ones first: a shorter one may be a part of them.
        let mut known: Vec<&String> = self.known.iter().collect();
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut text = text.to_owned();
        for secret in known {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), REPLACED);
            }
        }
        FORMS.iter().fold(text, |text, form| {
            form.replace_all(&text, |found: &Captures<'_>| {
                format!("{}{REPLACED}{}", &found[1], &found[3])
            })
            .into_owned()
        })
    }
}

/// Whether a field of this name holds a secret, and not only a hint where one is.
fn is_secret(key: &str) -> bool {
    let plain: String =
        key.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    SECRET.iter().any(|word| plain.contains(word))
        && !REFERENCE.iter().any(|end| plain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(mut value: Value) -> Value {
        Redactor::default().object(&mut value);
        value
    }

    #[test]
    fn fields_that_hold_a_secret_lose_it_and_those_that_name_one_do_not() {
        for key in ["password", "db_password", "saslPassword", "apiKey", "secret-key", "TOKEN"] {
            assert_eq!(object(json!({key: "x"})), json!({key: REPLACED}), "{key}");
            let list = |one: &str| json!({key: [one, {"name": "a"}]});
            assert_eq!(object(list("x")), list(REPLACED), "{key}");
        }
        let kept = json!({
            "secretName": "a", "passwordFile": "/b", "tokenPath": "/c", "words": "d",
            "valueFrom": {"secretKeyRef": {"name": "e", "key": "f"}},
            "secret": {"secretName": "g"}, "automountServiceAccountToken": false,
        });
        assert_eq!(object(kept.clone()), kept);
    }

    #[test]
    fn no_variable_keeps_its_value_but_egrets_own() {
        let env = |name: &str, value: &str| json!({"name": name, "value": value});
        assert_eq!(object(env("GREETING", "hello")), env("GREETING", REPLACED));
        assert_eq!(object(env("EGRET_POD", "1")), env("EGRET_POD", "1"));
        assert_eq!(object(env("EGRET_DB_PASSWORD", "x")), env("EGRET_DB_PASSWORD", REPLACED));
        let from = json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "b"}}});
        assert_eq!(object(from.clone()), from);
    }

    #[test]
    fn copies_of_the_whole_object_are_taken_away() {
        let copy = "kubectl.kubernetes.io/last-applied-configuration";
        let value = json!({"metadata": {"annotations": {copy: "{}", "a": "b"},
                                        "managedFields": [1]}});
        assert_eq!(object(value), json!({"metadata": {"annotations": {"a": "b"}}}));
    }

    #[test]
    fn texts_lose_what_has_the_form_of_a_secret() {
        let redactor = Redactor::default();
        for (text, expected) in [
            ("password=hunter2 user=me", "password=REDACTED user=me"),
            (r#"{"api_key": "abc", "n": 1}"#, r#"{"api_key": "REDACTED", "n": 1}"#),
            ("Authorization: Bearer abc.def", "Authorization: Bearer REDACTED"),
            ("amqp://me:it@host/x", "amqp://REDACTED@host/x"),
            ("https://abc123@host/x", "https://REDACTED@host/x"),
            ("got eyJhbGciOiJI.eyJzdWIiOiIx.c2ln today", "got REDACTED today"),
            (
                "a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb",
                "a\n-----BEGIN EC PRIVATE KEY-----REDACTED-----END EC PRIVATE KEY-----\nb",
            ),
            ("-----BEGIN PRIVATE KEY-----\nMHc", "-----BEGIN PRIVATE KEY-----REDACTED"),
            ("12 words a second, tasks: 3", "12 words a second, tasks: 3"),
            ("http://host:4741/ at 10:30", "http://host:4741/ at 10:30"),
            ("secret:\n  secretName: t-0", "secret:\n  secretName: t-0"),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
    }

    #[test]
    fn a_short_value_does_not_tear_texts_apart() {
        let mut redactor = Redactor::default();
        redactor.object(&mut json!({"password": "a", "token": "correct horse"}));
        assert_eq!(redactor.text("a word, correct horse"), "a word, REDACTED");
    }
}
