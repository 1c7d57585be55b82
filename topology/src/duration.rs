//! Durations as they are written in a resource: `500ms`, `30s`, `1m30s`, `2h`.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// A duration in the words of the user; [`Duration::millis`] reads it.
///
/// It is kept as text so that a wrong one is a problem of one field, found by validation, rather
/// than a resource that cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Duration(String);

/// Why a duration cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: {why}; write whole numbers with units h, m, s or ms, as in `1m30s`"
)]
pub struct BadDuration {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Units in the order in which they may follow each other, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Digits of one number; five reach beyond any timeout that makes sense and cannot overflow.
const MAX_DIGITS: usize = 5;

impl Duration {
    /// The duration that is written like this.
    pub fn new(text: impl Into<String>) -> Duration {
        Duration(text.into())
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The duration in milliseconds.
    pub fn millis(&self) -> Result<u64, BadDuration> {
        let bad = |why| BadDuration { text: self.0.clone(), why };
        let mut rest = self.0.as_str();
        if rest.is_empty() {
            return Err(bad("it is empty"));
        }
        let mut total = 0;
        let mut units = UNITS.iter();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            match digits {
                0 => return Err(bad("a number is missing")),
                1..=MAX_DIGITS => {}
                _ => return Err(bad("a number has more than five digits")),
            }
            if unit.is_empty() {
                return Err(bad("a number has no unit"));
            }
            let Some((_, factor)) = units.find(|(name, _)| *name == unit) else {
                return Err(bad("a unit is unknown, repeated or out of order"));
            };
            let number: u64 = number.parse().map_err(|_| bad("a number is missing"))?;
            total += number * factor;
            rest = tail;
        }
        Ok(total)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        struct Text;
        // A bare number is taken as text too: validation then asks for the unit.
        impl de::Visitor<'_> for Text {
            type Value = Duration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                Ok(Duration::new(text))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
                Ok(Duration::new(number.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
                Ok(Duration::new(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
                Ok(Duration::new(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1h1m1s1ms", 3_661_001),
        ] {
            assert_eq!(Duration::new(text).millis(), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "it is empty"),
            ("30", "a number has no unit"),
            ("s", "a number is missing"),
            ("-1s", "a number is missing"),
            ("1.5s", "a number has no unit"),
            ("100000s", "a number has more than five digits"),
            ("1s1m", "a unit is unknown, repeated or out of order"),
            ("1s1s", "a unit is unknown, repeated or out of order"),
            ("3 s", "a number has no unit"),
            ("3d", "a unit is unknown, repeated or out of order"),
        ] {
            assert_eq!(Duration::new(text).millis().unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_read_as_text() {
        let read: Duration = serde_json::from_str("30").unwrap();
        assert_eq!(read.as_str(), "30");
    }
}
