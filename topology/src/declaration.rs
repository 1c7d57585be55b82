//! What a binary says about the components registered in it: the JSON that `BIN describe` prints.
//!
//! ```json
//! {"components": [
//!   {"name": "lines", "kind": "spout", "streams": [{"name": "default", "fields": ["line"]}]},
//!   {"name": "count", "kind": "bolt", "streams": [{"fields": ["$key", "count"]}]},
//!   {"name": "filter", "kind": "bolt", "streams": "sameAsInput"}
//! ]}
//! ```

use crate::{plan::ComponentKind, stream::Stream};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::collections::BTreeMap;

/// In the fields of a declared stream: the key fields of the bolt's single input, or all its fields
/// if it is not keyed. So `count`, fed by `word`, emits `[word, count]`.
pub const KEY_FIELDS: &str = "$key";

/// Everything that a binary registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// Its components.
    pub components: Vec<Declaration>,
}

/// A component as its binary declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declaration {
    /// Name under which it is registered.
    pub name: String,
    /// Spout or bolt.
    pub kind: ComponentKind,
    /// Its output streams.
    pub streams: Declared,
}

/// The output streams of a declared component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Declared {
    /// These; a field [`KEY_FIELDS`] stands for the key of the bolt's single input.
    Fixed(Vec<Stream>),
    /// They depend on its config: the topology must list them.
    FromConfig,
    /// The default stream, with the fields of the bolt's single input.
    SameAsInput,
}

impl Declared {
    /// These streams.
    pub fn fixed(streams: impl IntoIterator<Item = Stream>) -> Declared {
        Declared::Fixed(streams.into_iter().collect())
    }

    /// No streams: a sink.
    pub fn none() -> Declared {
        Declared::Fixed(Vec::new())
    }
}

const FROM_CONFIG: &str = "fromConfig";
const SAME_AS_INPUT: &str = "sameAsInput";

impl Serialize for Declared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Declared::Fixed(streams) => streams.serialize(serializer),
            Declared::FromConfig => serializer.serialize_str(FROM_CONFIG),
            Declared::SameAsInput => serializer.serialize_str(SAME_AS_INPUT),
        }
    }
}

impl<'de> Deserialize<'de> for Declared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Declared, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<Stream>),
        }
        match Form::deserialize(deserializer)? {
            Form::List(streams) => Ok(Declared::Fixed(streams)),
            Form::Word(word) => match word.as_str() {
                FROM_CONFIG => Ok(Declared::FromConfig),
                SAME_AS_INPUT => Ok(Declared::SameAsInput),
                _ => Err(D::Error::custom(format!(
                    "streams are a list, `{SAME_AS_INPUT}` or `{FROM_CONFIG}`, not `{word}`"
                ))),
            },
        }
    }
}

/// The declared components of all binaries that a topology may use, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    components: BTreeMap<String, Declaration>,
}

impl Catalog {
    /// A catalog of these; of two with one name the later stands, so that a user's binary can
    /// replace a built-in component.
    pub fn new(declarations: impl IntoIterator<Item = Declaration>) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.extend(declarations);
        catalog
    }

    /// Adds these; of two with one name the later stands.
    pub fn extend(&mut self, declarations: impl IntoIterator<Item = Declaration>) {
        self.components.extend(declarations.into_iter().map(|d| (d.name.clone(), d)));
    }

    /// A component by its registered name.
    pub fn get(&self, name: &str) -> Option<&Declaration> {
        self.components.get(name)
    }

    /// The names of all components of one kind.
    pub fn names(&self, kind: ComponentKind) -> impl Iterator<Item = &str> {
        self.components.values().filter(move |d| d.kind == kind).map(|d| d.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_description_is_read_and_written_alike() {
        let written = json!({"components": [
            {"name": "lines", "kind": "spout",
             "streams": [{"name": "default", "fields": ["line"], "direct": false}]},
            {"name": "filter", "kind": "bolt", "streams": "sameAsInput"},
            {"name": "custom", "kind": "bolt", "streams": "fromConfig"},
        ]});
        let read: Description = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(read.components[1].streams, Declared::SameAsInput);
        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }

    #[test]
    fn an_unknown_word_for_streams_is_refused() {
        let error = serde_json::from_value::<Declared>(json!("none")).unwrap_err();
        assert!(error.to_string().contains("not `none`"), "{error}");
    }
}
