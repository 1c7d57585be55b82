//! Which lines processes log, as an annotation of the topology asks for: `debug`, or
//! `info,count=debug` for one component only.
//!
//! It is no part of what a topology is: it travels in the plan, and nothing restarts for it.

use crate::{limits, suggest};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Annotation of a topology with its log levels.
pub const ANNOTATION: &str = "egret.dev/log-level";

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What is wrong.
    Error,
    /// And what is not as it should be.
    Warn,
    /// And what happens once in a while.
    Info,
    /// And what happens often.
    Debug,
    /// And everything else.
    Trace,
}

const LEVELS: [(&str, Level); 6] = [
    ("off", Level::Off),
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

/// Why a text is no log level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLevel {
    /// There is no such level.
    #[error("`{level}` is no log level: {remedy}")]
    Unknown {
        /// What was written.
        level: String,
        /// What could be.
        remedy: String,
    },
    /// A part names no component.
    #[error("`{part}` names no component: write for example `count=debug`")]
    Nameless {
        /// What was written.
        part: String,
    },
    /// Two parts say something about the same.
    #[error("{of} has two log levels")]
    Twice {
        /// About whom.
        of: String,
    },
    /// More parts than components can be.
    #[error("{0} log levels are too many")]
    TooMany(usize),
}

impl Level {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        LEVELS.into_iter().find(|(_, level)| *level == self).map_or("off", |(name, _)| name)
    }
}

impl FromStr for Level {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<Level, BadLevel> {
        let known = LEVELS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, level)| level).ok_or_else(|| {
            let names = LEVELS.map(|(name, _)| name);
            let remedy = suggest::remedy(text, "levels", names);
            BadLevel::Unknown { level: text.to_owned(), remedy }
        })
    }
}

/// The log levels of a topology. Where none is given, each process keeps its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogLevels {
    everywhere: Option<Level>,
    components: BTreeMap<String, Level>,
}

impl LogLevels {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_none() && self.components.is_empty()
    }

    /// The level of stream managers.
    pub fn everywhere(&self) -> Option<Level> {
        self.everywhere
    }

    /// The level of a component's tasks.
    pub fn of(&self, component: &str) -> Option<Level> {
        self.components.get(component).copied().or(self.everywhere)
    }

    /// Asks for the same of all; `None` for what each has by itself.
    pub fn set_everywhere(&mut self, level: Option<Level>) {
        *self = LogLevels { everywhere: level, components: BTreeMap::new() };
    }

    /// Asks for another level of one component; `None` for that of all others.
    pub fn set(&mut self, component: &str, level: Option<Level>) {
        match level {
            Some(level) => drop(self.components.insert(component.to_owned(), level)),
            None => drop(self.components.remove(component)),
        }
    }
}

impl FromStr for LogLevels {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<LogLevels, BadLevel> {
        let mut levels = LogLevels::default();
        let parts: Vec<&str> = text.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
        // One for each component, and one for all others.
        if parts.len() > limits::MAX_COMPONENTS + 1 {
            return Err(BadLevel::TooMany(parts.len()));
        }
        for part in parts {
            let before = match part.split_once('=').map(|(name, level)| (name.trim(), level)) {
                Some(("", _)) => return Err(BadLevel::Nameless { part: part.to_owned() }),
                Some((name, level)) => {
                    levels.components.insert(name.to_owned(), level.trim().parse()?)
                }
                None => levels.everywhere.replace(part.parse()?),
            };
            if before.is_some() {
                let of = match part.split_once('=') {
                    Some((name, _)) => format!("component `{}`", name.trim()),
                    None => "the topology".to_owned(),
                };
                return Err(BadLevel::Twice { of });
            }
        }
        Ok(levels)
    }
}

impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everywhere = self.everywhere.map(|level| level.as_str().to_owned());
        let of = |(name, level): (&String, &Level)| format!("{name}={}", level.as_str());
        let parts: Vec<String> =
            everywhere.into_iter().chain(self.components.iter().map(of)).collect();
        f.write_str(&parts.join(","))
    }
}

impl TryFrom<String> for LogLevels {
    type Error = BadLevel;

    fn try_from(text: String) -> Result<LogLevels, BadLevel> {
        text.parse()
    }
}

impl From<LogLevels> for String {
    fn from(levels: LogLevels) -> String {
        levels.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> LogLevels {
        text.parse().unwrap()
    }

    #[test]
    fn a_component_has_its_own_level_or_that_of_all() {
        let levels = read(" info , count=DEBUG ");
        assert_eq!(levels.everywhere(), Some(Level::Info));
        assert_eq!(levels.of("count"), Some(Level::Debug));
        assert_eq!(levels.of("split"), Some(Level::Info));
        assert_eq!(read("count=debug").of("split"), None);
    }

    #[test]
    fn levels_are_written_as_they_are_read() {
        for text in ["", "warn", "count=debug", "off,a=trace,b=error"] {
            assert_eq!(read(text).to_string(), text);
        }
        let json = serde_json::to_string(&read("info,a=debug")).unwrap();
        assert_eq!(json, r#""info,a=debug""#);
        assert_eq!(serde_json::from_str::<LogLevels>(&json).unwrap(), read("info,a=debug"));
    }

    #[test]
    fn asking_for_the_same_of_all_forgets_the_rest() {
        let mut levels = read("info,a=debug,b=trace");
        levels.set("a", None);
        assert_eq!(levels.to_string(), "info,b=trace");
        levels.set_everywhere(Some(Level::Warn));
        assert_eq!(levels.to_string(), "warn");
        levels.set_everywhere(None);
        assert!(levels.is_empty());
    }

    #[test]
    fn what_is_no_level_is_told_with_those_that_are() {
        let words = |text: &str| text.parse::<LogLevels>().unwrap_err().to_string();
        assert_eq!(
            words("debgu"),
            "`debgu` is no log level: did you mean `debug`? the levels are off, error, warn, \
             info, debug, trace"
        );
        assert!(words("=debug").contains("names no component"));
        assert!(words("a=").contains("`` is no log level"));
        assert!(words("a=info,a=debug").contains("component `a` has two"));
        assert!(words("info,debug").contains("the topology has two"));
    }
}
