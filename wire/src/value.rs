//! Values of tuples and their canonical bytes (protocol section 5).
//!
//! Equal values have equal bytes: groupings hash these bytes, so one encoding per value is a
//! promise.

use crate::{Malformed, limits, varint};
use std::collections::BTreeMap;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const STRING: u8 = 5;
const BYTES: u8 = 6;
const TIMESTAMP: u8 = 7;
const LIST: u8 = 8;
const MAP: u8 = 9;
/// Strings of up to 63 bytes carry their length in the tag.
const SHORT: u8 = 0x40;
const SHORT_MAX: usize = 63;

/// An owned value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// A list.
    List(Vec<Value>),
    /// A map, ordered by key.
    Map(BTreeMap<String, Value>),
}

/// A value that borrows from a frame. Lists and maps stay encoded until asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    String(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// An encoded list.
    List(&'a [u8]),
    /// An encoded map.
    Map(&'a [u8]),
}

impl ValueRef<'_> {
    /// The value's type in words, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Bool(_) => "bool",
            ValueRef::Int(_) => "i64",
            ValueRef::Float(_) => "f64",
            ValueRef::String(_) => "string",
            ValueRef::Bytes(_) => "bytes",
            ValueRef::Timestamp(_) => "timestamp",
            ValueRef::List(_) => "list",
            ValueRef::Map(_) => "map",
        }
    }

    /// An owned copy.
    pub fn to_value(&self) -> Result<Value, Malformed> {
        Ok(match *self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(b) => Value::Bool(b),
            ValueRef::Int(i) => Value::Int(i),
            ValueRef::Float(f) => Value::Float(f),
            ValueRef::String(s) => Value::String(s.to_owned()),
            ValueRef::Bytes(b) => Value::Bytes(b.to_owned()),
            ValueRef::Timestamp(t) => Value::Timestamp(t),
            ValueRef::List(encoded) | ValueRef::Map(encoded) => decode(&mut { encoded })?,
        })
    }
}

/// Appends a string.
#[inline]
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    if text.len() <= SHORT_MAX {
        out.push(SHORT | text.len() as u8);
    } else {
        out.push(STRING);
        varint::put(out, text.len() as u64);
    }
    out.extend_from_slice(text.as_bytes());
}

/// Appends bytes.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(BYTES);
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends an integer.
#[inline]
pub fn put_int(out: &mut Vec<u8>, int: i64) {
    out.push(INT);
    varint::put(out, varint::zigzag(int));
}

/// Appends a timestamp.
#[inline]
pub fn put_timestamp(out: &mut Vec<u8>, micros: i64) {
    out.push(TIMESTAMP);
    out.extend_from_slice(&micros.to_le_bytes());
}

/// Appends a float. All NaNs are one, and minus zero is zero: equal values have equal bytes.
#[inline]
pub fn put_float(out: &mut Vec<u8>, float: f64) {
    let canonical = match float {
        f if f.is_nan() => f64::NAN,
        0.0 => 0.0,
        f => f,
    };
    out.push(FLOAT);
    out.extend_from_slice(&canonical.to_bits().to_le_bytes());
}

/// Appends a truth value.
#[inline]
pub fn put_bool(out: &mut Vec<u8>, truth: bool) {
    out.push(if truth { TRUE } else { FALSE });
}

/// Appends null.
#[inline]
pub fn put_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// Appends any value.
pub fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => put_null(out),
        Value::Bool(b) => put_bool(out, *b),
        Value::Int(i) => put_int(out, *i),
        Value::Float(f) => put_float(out, *f),
        Value::String(s) => put_str(out, s),
        Value::Bytes(b) => put_bytes(out, b),
        Value::Timestamp(t) => put_timestamp(out, *t),
        Value::List(list) => {
            out.push(LIST);
            varint::put(out, list.len() as u64);
            list.iter().for_each(|value| put(out, value));
        }
        Value::Map(map) => {
            out.push(MAP);
            varint::put(out, map.len() as u64);
            for (key, value) in map {
                put_str(out, key);
                put(out, value);
            }
        }
    }
}

/// How deep lists and maps nest: 0 for anything else. Emitters check it before they encode.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::List(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Moves past one value without looking inside strings.
#[inline]
pub fn skip(bytes: &mut &[u8]) -> Result<(), Malformed> {
    skip_nested(bytes, 0)
}

fn skip_nested(bytes: &mut &[u8], depth: usize) -> Result<(), Malformed> {
    let Some((&tag, rest)) = bytes.split_first() else {
        return Err(Malformed::Truncated("a value"));
    };
    *bytes = rest;
    let len = match tag {
        tag if tag & 0xc0 == SHORT => usize::from(tag & 0x3f),
        NULL | FALSE | TRUE => 0,
        INT => return varint::take(bytes).map(drop),
        FLOAT | TIMESTAMP => 8,
        STRING | BYTES => length(bytes)?,
        LIST | MAP if depth < limits::MAX_DEPTH => {
            for _ in 0..length(bytes)? {
                if tag == MAP {
                    take_key(bytes)?;
                }
                skip_nested(bytes, depth + 1)?;
            }
            0
        }
        LIST | MAP => return Err(too_deep()),
        other => return Err(Malformed::Unknown { what: "value tag", got: other.into() }),
    };
    *bytes = bytes.get(len..).ok_or(Malformed::Truncated("a value"))?;
    Ok(())
}

/// Takes one value off the front of `bytes` without owning it.
#[inline]
pub fn take<'a>(bytes: &mut &'a [u8]) -> Result<ValueRef<'a>, Malformed> {
    let whole = *bytes;
    let Some((&tag, rest)) = bytes.split_first() else {
        return Err(Malformed::Truncated("a value"));
    };
    if tag & 0xc0 == SHORT {
        *bytes = rest;
        return Ok(ValueRef::String(text(split(bytes, usize::from(tag & 0x3f))?)?));
    }
    if matches!(tag, LIST | MAP) {
        skip(bytes)?;
        let encoded = &whole[..whole.len() - bytes.len()];
        return Ok(if tag == LIST { ValueRef::List(encoded) } else { ValueRef::Map(encoded) });
    }
    *bytes = rest;
    Ok(match tag {
        NULL => ValueRef::Null,
        FALSE => ValueRef::Bool(false),
        TRUE => ValueRef::Bool(true),
        INT => ValueRef::Int(varint::unzigzag(varint::take(bytes)?)),
        FLOAT => ValueRef::Float(f64::from_bits(u64::from_le_bytes(eight(bytes)?))),
        TIMESTAMP => ValueRef::Timestamp(i64::from_le_bytes(eight(bytes)?)),
        STRING => {
            let len = length(bytes)?;
            if len <= SHORT_MAX {
                return Err(Malformed::Unknown { what: "long form of a short string", got: 5 });
            }
            ValueRef::String(text(split(bytes, len)?)?)
        }
        BYTES => {
            let len = length(bytes)?;
            ValueRef::Bytes(split(bytes, len)?)
        }
        other => return Err(Malformed::Unknown { what: "value tag", got: other.into() }),
    })
}

/// Takes one owned value off the front of `bytes`.
pub fn decode(bytes: &mut &[u8]) -> Result<Value, Malformed> {
    decode_nested(bytes, 0)
}

fn decode_nested(bytes: &mut &[u8], depth: usize) -> Result<Value, Malformed> {
    match bytes.first() {
        Some(&tag @ (LIST | MAP)) => {
            if depth >= limits::MAX_DEPTH {
                return Err(too_deep());
            }
            *bytes = &bytes[1..];
            let len = length(bytes)?;
            if tag == LIST {
                // No allocation from the length: elements cost a byte each at least.
                let mut list = Vec::with_capacity(len.min(64));
                for _ in 0..len {
                    list.push(decode_nested(bytes, depth + 1)?);
                }
                return Ok(Value::List(list));
            }
            let mut map = BTreeMap::new();
            for _ in 0..len {
                let key = take_key(bytes)?.to_owned();
                map.insert(key, decode_nested(bytes, depth + 1)?);
            }
            Ok(Value::Map(map))
        }
        _ => take(bytes)?.to_value(),
    }
}

fn take_key<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    match bytes.first() {
        Some(tag) if tag & 0xc0 == SHORT || *tag == STRING => match take(bytes)? {
            ValueRef::String(key) => Ok(key),
            _ => Err(Malformed::NotUtf8),
        },
        Some(tag) => Err(Malformed::Unknown { what: "map key tag", got: (*tag).into() }),
        None => Err(Malformed::Truncated("a map key")),
    }
}

fn too_deep() -> Malformed {
    let limit = limits::MAX_DEPTH as u64;
    Malformed::Limit { what: "nesting of lists and maps", got: limit + 1, limit }
}

/// A length, which can never exceed what is left.
fn length(bytes: &mut &[u8]) -> Result<usize, Malformed> {
    let len = varint::take(bytes)?;
    if len > bytes.len() as u64 {
        return Err(Malformed::Truncated("a value"));
    }
    Ok(len as usize)
}

fn split<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (head, rest) = bytes.split_at_checked(len).ok_or(Malformed::Truncated("a value"))?;
    *bytes = rest;
    Ok(head)
}

fn eight(bytes: &mut &[u8]) -> Result<[u8; 8], Malformed> {
    let head = split(bytes, 8)?;
    head.try_into().map_err(|_| Malformed::Truncated("a value"))
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

impl From<f64> for Value {
    fn from(float: f64) -> Value {
        Value::Float(float)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}
