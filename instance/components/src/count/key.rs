//! A counted value: compact, so that most lookups touch one cache line, and ordered as people
//! expect.

use egret_sdk::{Field, ValueRef};
use std::cmp::Ordering;

/// Bytes kept within the table itself. With its tag a key takes 24 bytes then, an entry 32.
const INLINE: usize = 21;

/// Types of values, in the order in which they are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    String,
    Bytes,
    /// A list or map, in its canonical bytes.
    Nested,
}

/// A value as it is looked up: its type, and bytes that are equal and ordered as the values are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    kind: Kind,
    bytes: Bytes<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Bytes<'a> {
    Borrowed(&'a [u8]),
    Number([u8; 8]),
}

impl<'a> Parts<'a> {
    #[inline]
    pub(super) fn of(value: ValueRef<'a>) -> Parts<'a> {
        let (kind, bytes) = match value {
            ValueRef::String(text) => (Kind::String, Bytes::Borrowed(text.as_bytes())),
            ValueRef::Bytes(bytes) => (Kind::Bytes, Bytes::Borrowed(bytes)),
            ValueRef::Int(int) => (Kind::Int, Bytes::Number(ordered_int(int))),
            ValueRef::Timestamp(micros) => (Kind::Timestamp, Bytes::Number(ordered_int(micros))),
            ValueRef::Float(float) => (Kind::Float, Bytes::Number(ordered_float(float))),
            ValueRef::Bool(false) => (Kind::Bool, Bytes::Borrowed(&[0])),
            ValueRef::Bool(true) => (Kind::Bool, Bytes::Borrowed(&[1])),
            ValueRef::Null => (Kind::Null, Bytes::Borrowed(&[])),
            ValueRef::List(encoded) | ValueRef::Map(encoded) => {
                (Kind::Nested, Bytes::Borrowed(encoded))
            }
        };
        Parts { kind, bytes }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Borrowed(bytes) => bytes,
            Bytes::Number(bytes) => bytes,
        }
    }
}

fn ordered_int(int: i64) -> [u8; 8] {
    (int as u64 ^ 1 << 63).to_be_bytes()
}

/// One encoding per value: all NaNs are one, and minus zero is zero.
fn ordered_float(float: f64) -> [u8; 8] {
    let bits = match float {
        float if float.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        float => float.to_bits(),
    };
    let negative = bits >> 63 == 1;
    (if negative { !bits } else { bits ^ 1 << 63 }).to_be_bytes()
}

fn float_of(ordered: u64) -> f64 {
    let negative = ordered >> 63 == 0;
    f64::from_bits(if negative { !ordered } else { ordered ^ 1 << 63 })
}

/// A value as it is kept. What a short one does not need of its bytes is zero.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    Short { kind: Kind, len: u8, bytes: [u8; INLINE] },
    Long { kind: Kind, bytes: Box<[u8]> },
}

impl Key {
    pub(super) fn new(parts: &Parts<'_>) -> Key {
        let (kind, bytes) = (parts.kind, parts.bytes());
        if bytes.len() > INLINE {
            return Key::Long { kind, bytes: bytes.into() };
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        Key::Short { kind, len: bytes.len() as u8, bytes: inline }
    }

    /// Whether it is this value.
    #[inline]
    pub(super) fn is(&self, parts: &Parts<'_>) -> bool {
        self.kind() == parts.kind && self.bytes() == parts.bytes()
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Key::Short { len, bytes, .. } => &bytes[..usize::from(*len)],
            Key::Long { bytes, .. } => bytes,
        }
    }

    #[inline]
    fn kind(&self) -> Kind {
        match self {
            Key::Short { kind, .. } | Key::Long { kind, .. } => *kind,
        }
    }

    fn number(&self) -> u64 {
        self.bytes().try_into().map_or(0, u64::from_be_bytes)
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.kind().cmp(&other.kind()).then_with(|| self.bytes().cmp(other.bytes()))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Emits the value that was counted.
impl Field for Key {
    fn encode(&self, out: &mut Vec<u8>) {
        let bytes = self.bytes();
        let int = || (self.number() ^ 1 << 63) as i64;
        match self.kind() {
            Kind::Null => ValueRef::Null.encode(out),
            Kind::Bool => ValueRef::Bool(bytes == [1]).encode(out),
            Kind::Int => ValueRef::Int(int()).encode(out),
            Kind::Timestamp => ValueRef::Timestamp(int()).encode(out),
            Kind::Float => ValueRef::Float(float_of(self.number())).encode(out),
            Kind::Bytes => bytes.encode(out),
            Kind::Nested => out.extend_from_slice(bytes),
            Kind::String => match std::str::from_utf8(bytes) {
                Ok(text) => text.encode(out),
                Err(_) => bytes.encode(out),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_table_is_half_a_cache_line() {
        assert_eq!(size_of::<Key>(), 24);
        assert_eq!(size_of::<super::super::table::Entry>(), 32);
    }

    #[test]
    fn keys_are_ordered_as_their_values_are() {
        let text = "a".repeat(30);
        let ascending = [
            ValueRef::Null,
            ValueRef::Bool(false),
            ValueRef::Bool(true),
            ValueRef::Int(i64::MIN),
            ValueRef::Int(-1),
            ValueRef::Int(0),
            ValueRef::Int(300),
            ValueRef::Float(f64::NEG_INFINITY),
            ValueRef::Float(-0.5),
            ValueRef::Float(0.0),
            ValueRef::Float(1e300),
            ValueRef::Timestamp(-1),
            ValueRef::Timestamp(1),
            ValueRef::String("a"),
            ValueRef::String(&text),
            ValueRef::String("b"),
            ValueRef::Bytes(b"a"),
        ];
        let keys: Vec<Key> = ascending.iter().map(|value| Key::new(&Parts::of(*value))).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }

    #[test]
    fn a_key_is_emitted_as_the_value_that_it_was() {
        let long = "long enough to be kept outside of the table";
        for value in [
            ValueRef::Null,
            ValueRef::Bool(true),
            ValueRef::Int(i64::MIN),
            ValueRef::Int(-7),
            ValueRef::Float(-2.5),
            ValueRef::Float(f64::INFINITY),
            ValueRef::Float(f64::NAN),
            ValueRef::Timestamp(1_700_000_000_000_000),
            ValueRef::String(""),
            ValueRef::String(long),
            ValueRef::Bytes(b"\xff"),
        ] {
            let (mut expected, mut got) = (Vec::new(), Vec::new());
            value.encode(&mut expected);
            Key::new(&Parts::of(value)).encode(&mut got);
            assert_eq!(got, expected, "{value:?}");
        }
    }

    #[test]
    fn minus_zero_is_zero() {
        let zero = Key::new(&Parts::of(ValueRef::Float(0.0)));
        assert!(zero.is(&Parts::of(ValueRef::Float(-0.0))));
        assert!(!zero.is(&Parts::of(ValueRef::Int(0))));
    }
}
