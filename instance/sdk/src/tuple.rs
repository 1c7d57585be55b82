//! Tuples as a component sees them: typed access by field name, borrowed from the frame.

use crate::{Anchor, Encoded, Fields, TaskId, Value, ValueRef};
use egret_wire::value;

/// Access to a field that is not there or is of another type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The stream declares no such field.
    #[error(
        "stream `{stream}` of component `{component}` has no field `{field}`; it has: {fields}"
    )]
    Unknown {
        /// The field that was asked for.
        field: String,
        /// The source component.
        component: String,
        /// The stream.
        stream: String,
        /// Its fields.
        fields: String,
    },
    /// The field is of another type.
    #[error(
        "field `{field}` of stream `{stream}` of component `{component}` is {got}, not {expected}"
    )]
    Type {
        /// The field that was asked for.
        field: String,
        /// The source component.
        component: String,
        /// The stream.
        stream: String,
        /// What it is.
        got: &'static str,
        /// What was asked for.
        expected: &'static str,
    },
    /// The bytes of the field are damaged.
    #[error("field `{field}` of stream `{stream}` of component `{component}` is malformed: {why}")]
    Malformed {
        /// The field that was asked for.
        field: String,
        /// The source component.
        component: String,
        /// The stream.
        stream: String,
        /// What is wrong.
        why: String,
    },
}

/// A tuple, borrowed from the frame that it came in.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    component: &'a str,
    stream: &'a str,
    task: TaskId,
    fields: &'a [String],
    encoded: Encoded<'a>,
    anchor: Anchor,
}

impl<'a> Tuple<'a> {
    /// For runtimes: a tuple of this source.
    #[doc(hidden)]
    pub fn new(
        component: &'a str,
        stream: &'a str,
        task: TaskId,
        fields: &'a [String],
        encoded: Encoded<'a>,
        anchor: Anchor,
    ) -> Tuple<'a> {
        Tuple { component, stream, task, fields, encoded, anchor }
    }

    /// Name of the component that emitted it.
    pub fn component(&self) -> &'a str {
        self.component
    }

    /// Name of the stream that it came on.
    pub fn stream(&self) -> &'a str {
        self.stream
    }

    /// The task that emitted it.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// Names of its fields.
    pub fn fields(&self) -> &'a [String] {
        self.fields
    }

    /// The handle by which a bolt with manual acking acks, fails and anchors to it.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// A field's value.
    pub fn get(&self, field: &str) -> Result<ValueRef<'a>, FieldError> {
        match self.fields.iter().position(|name| name == field) {
            Some(index) => self.at(index),
            None => Err(self.unknown(field)),
        }
    }

    /// The value of the field at this place.
    #[inline]
    pub fn at(&self, index: usize) -> Result<ValueRef<'a>, FieldError> {
        match self.encoded.field(index) {
            Some(mut bytes) => value::take(&mut bytes).map_err(|why| FieldError::Malformed {
                field: self.fields.get(index).cloned().unwrap_or_default(),
                component: self.component.to_owned(),
                stream: self.stream.to_owned(),
                why: why.to_string(),
            }),
            None => Err(self.unknown(&format!("#{index}"))),
        }
    }

    /// A text field.
    #[inline]
    pub fn str(&self, field: &str) -> Result<&'a str, FieldError> {
        match self.get(field)? {
            ValueRef::String(text) => Ok(text),
            other => Err(self.wrong_type(field, other, "string")),
        }
    }

    /// An integer field.
    pub fn int(&self, field: &str) -> Result<i64, FieldError> {
        match self.get(field)? {
            ValueRef::Int(int) => Ok(int),
            other => Err(self.wrong_type(field, other, "i64")),
        }
    }

    /// A float field; an integer converts.
    pub fn float(&self, field: &str) -> Result<f64, FieldError> {
        match self.get(field)? {
            ValueRef::Float(float) => Ok(float),
            ValueRef::Int(int) => Ok(int as f64),
            other => Err(self.wrong_type(field, other, "f64")),
        }
    }

    /// A truth value.
    pub fn bool(&self, field: &str) -> Result<bool, FieldError> {
        match self.get(field)? {
            ValueRef::Bool(truth) => Ok(truth),
            other => Err(self.wrong_type(field, other, "bool")),
        }
    }

    /// A field of bytes; text converts.
    pub fn bytes(&self, field: &str) -> Result<&'a [u8], FieldError> {
        match self.get(field)? {
            ValueRef::Bytes(bytes) => Ok(bytes),
            ValueRef::String(text) => Ok(text.as_bytes()),
            other => Err(self.wrong_type(field, other, "bytes")),
        }
    }

    /// A timestamp field, in microseconds since 1970.
    pub fn timestamp(&self, field: &str) -> Result<i64, FieldError> {
        match self.get(field)? {
            ValueRef::Timestamp(micros) => Ok(micros),
            other => Err(self.wrong_type(field, other, "timestamp")),
        }
    }

    /// An owned copy of a field.
    pub fn value(&self, field: &str) -> Result<Value, FieldError> {
        self.get(field)?.to_value().map_err(|why| FieldError::Malformed {
            field: field.to_owned(),
            component: self.component.to_owned(),
            stream: self.stream.to_owned(),
            why: why.to_string(),
        })
    }

    /// An owned copy of the whole tuple.
    pub fn to_owned(&self) -> Result<OwnedTuple, FieldError> {
        let values = self.fields.iter().map(|field| self.value(field)).collect::<Result<_, _>>()?;
        Ok(OwnedTuple { fields: self.fields.to_vec(), values, anchor: self.anchor })
    }

    fn unknown(&self, field: &str) -> FieldError {
        FieldError::Unknown {
            field: field.to_owned(),
            component: self.component.to_owned(),
            stream: self.stream.to_owned(),
            fields: self.fields.join(", "),
        }
    }

    fn wrong_type(&self, field: &str, got: ValueRef<'_>, expected: &'static str) -> FieldError {
        FieldError::Type {
            field: field.to_owned(),
            component: self.component.to_owned(),
            stream: self.stream.to_owned(),
            got: got.type_name(),
            expected,
        }
    }
}

/// A tuple emits as it is: `out.emit(tuple)` passes all fields on.
impl Fields for Tuple<'_> {
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        let base = out.len() as u32;
        at.extend(self.encoded.at.iter().map(|offset| base + offset));
        out.extend_from_slice(self.encoded.bytes);
        0
    }
}

/// A tuple that a bolt keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedTuple {
    /// Names of its fields.
    pub fields: Vec<String>,
    /// Values of its fields.
    pub values: Vec<Value>,
    /// Its anchor.
    pub anchor: Anchor,
}
