//! What `lines` can be told.

use crate::size::Size;
use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// Config of `lines`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinesConfig {
    /// A file, a glob such as `docs/**/*.md`, a list of these, or `-` for standard input.
    pub path: Paths,
    /// Whether to wait for what is appended to the files. Default: false.
    #[serde(default)]
    pub follow: bool,
    /// Bytes of a split, the unit in which tasks share files. Default: 4Mi.
    #[serde(default = "default_split_size")]
    pub split_size: Size,
    /// Whether a carriage return before the line feed belongs to the line's end. Default: false.
    #[serde(default)]
    pub crlf: bool,
    /// What to do with a line that is too long for a tuple. Default: fail.
    #[serde(default)]
    pub long_lines: LongLines,
}

fn default_split_size() -> Size {
    Size(4 << 20)
}

/// What to do with a line of more than 255 KiB, the most that a tuple holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LongLines {
    /// End the task with an error that names file and offset.
    #[default]
    Fail,
    /// Emit it in pieces, each a tuple of its own.
    Split,
}

/// Where to read: one path or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths(pub Vec<String>);

impl Paths {
    pub(super) fn is_standard_input(&self) -> bool {
        self.0 == ["-"]
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Paths, D::Error> {
        struct OneOrMany;
        impl<'de> de::Visitor<'de> for OneOrMany {
            type Value = Paths;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a glob such as `docs/**/*.md`, a list of these, or `-`")
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Paths, E> {
                Ok(Paths(vec![path.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Paths, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = list.next_element::<String>()? {
                    paths.push(path);
                }
                if paths.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                if paths.len() > 1 && paths.iter().any(|path| path == "-") {
                    return Err(de::Error::custom("`-` (standard input) stands alone"));
                }
                Ok(Paths(paths))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(config: Value) -> Result<LinesConfig, String> {
        serde_json::from_value(config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_is_enough() {
        let config = read(json!({"path": "a"})).unwrap();
        assert_eq!(config.path, Paths(vec!["a".to_owned()]));
        assert!(!config.follow && !config.crlf && config.long_lines == LongLines::Fail);
        assert_eq!(config.split_size, Size(4 << 20));
    }

    #[test]
    fn paths_can_be_listed_but_standard_input_stands_alone() {
        assert_eq!(read(json!({"path": ["a", "b"]})).unwrap().path.0, ["a", "b"]);
        assert!(read(json!({"path": ["-"]})).unwrap().path.is_standard_input());
        assert!(read(json!({"path": ["a", "-"]})).unwrap_err().contains("stands alone"));
        assert!(read(json!({"path": []})).unwrap_err().contains("a path, a glob"));
        assert!(read(json!({"path": 7})).unwrap_err().contains("a path, a glob"));
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        assert!(read(json!({})).unwrap_err().contains("missing field `path`"));
        assert!(read(json!({"path": "a", "pth": 1})).unwrap_err().contains("unknown field `pth`"));
        assert!(read(json!({"path": "a", "longLines": "cut"})).unwrap_err().contains("`fail`"));
    }
}
