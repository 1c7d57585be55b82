//! A stream: a named output of a component, with the names of its tuples' fields.

use serde::{Deserialize, Serialize};

/// The name of the stream that a component has when it declares none by name.
pub const DEFAULT_STREAM: &str = "default";

/// A declared output stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stream {
    /// Name, unique within the component.
    #[serde(default = "default_name")]
    pub name: String,
    /// Names of the fields of each tuple, in order.
    pub fields: Vec<String>,
    /// Tuples of a direct stream go to the task that the emitter names.
    #[serde(default)]
    pub direct: bool,
}

fn default_name() -> String {
    DEFAULT_STREAM.to_owned()
}

impl Stream {
    /// The default stream with these fields.
    pub fn default_of<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Stream {
        Stream::named(DEFAULT_STREAM, fields)
    }

    /// A stream with this name and these fields.
    pub fn named<S: Into<String>>(
        name: impl Into<String>,
        fields: impl IntoIterator<Item = S>,
    ) -> Stream {
        Stream {
            name: name.into(),
            fields: fields.into_iter().map(Into::into).collect(),
            direct: false,
        }
    }

    /// The same stream, direct.
    #[must_use]
    pub fn direct(mut self) -> Stream {
        self.direct = true;
        self
    }

    /// The position of a field.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f == name)
    }
}
