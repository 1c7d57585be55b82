//! What can be emitted: Rust tuples, slices of values, and whatever implements [`Fields`].

use crate::{Value, ValueRef};
use egret_wire::value;

/// One field of a tuple.
pub trait Field {
    /// Appends the field's canonical bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// How deep lists and maps nest in it.
    fn depth(&self) -> usize {
        0
    }
}

/// All fields of a tuple, in the order of the stream's declaration.
pub trait Fields {
    /// Appends each field's canonical bytes to `out` and where it starts to `at`. Returns how deep
    /// lists and maps nest.
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize;
}

macro_rules! scalar {
    ($($type:ty => |$value:ident, $out:ident| $put:expr;)*) => {$(
        impl Field for $type {
            #[inline]
            fn encode(&self, $out: &mut Vec<u8>) {
                let $value = self;
                $put;
            }
        }
    )*};
}

scalar! {
    () => |_value, out| value::put_null(out);
    bool => |value, out| value::put_bool(out, *value);
    i64 => |value, out| value::put_int(out, *value);
    i32 => |value, out| value::put_int(out, i64::from(*value));
    u32 => |value, out| value::put_int(out, i64::from(*value));
    f64 => |value, out| value::put_float(out, *value);
    str => |value, out| value::put_str(out, value);
    String => |value, out| value::put_str(out, value);
    [u8] => |value, out| value::put_bytes(out, value);
    Vec<u8> => |value, out| value::put_bytes(out, value);
}

impl Field for Value {
    fn encode(&self, out: &mut Vec<u8>) {
        value::put(out, self);
    }

    fn depth(&self) -> usize {
        value::depth(self)
    }
}

impl Field for ValueRef<'_> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            ValueRef::Null => value::put_null(out),
            ValueRef::Bool(b) => value::put_bool(out, b),
            ValueRef::Int(i) => value::put_int(out, i),
            ValueRef::Float(f) => value::put_float(out, f),
            ValueRef::String(s) => value::put_str(out, s),
            ValueRef::Bytes(b) => value::put_bytes(out, b),
            ValueRef::Timestamp(t) => value::put_timestamp(out, t),
            ValueRef::List(encoded) | ValueRef::Map(encoded) => out.extend_from_slice(encoded),
        }
    }
}

impl<F: Field + ?Sized> Field for &F {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn depth(&self) -> usize {
        (**self).depth()
    }
}

impl<F: Field> Field for Option<F> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(field) => field.encode(out),
            None => value::put_null(out),
        }
    }

    fn depth(&self) -> usize {
        self.as_ref().map_or(0, Field::depth)
    }
}

impl<F: Field> Fields for [F] {
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        let mut depth = 0;
        for field in self {
            at.push(out.len() as u32);
            field.encode(out);
            depth = depth.max(field.depth());
        }
        depth
    }
}

impl<F: Field> Fields for Vec<F> {
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        self[..].encode(out, at)
    }
}

impl<F: Field, const N: usize> Fields for [F; N] {
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        self[..].encode(out, at)
    }
}

impl<F: Fields + ?Sized> Fields for &F {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
        (**self).encode(out, at)
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Field),+> Fields for ($($name,)+) {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>, at: &mut Vec<u32>) -> usize {
                let mut depth = 0;
                $(
                    at.push(out.len() as u32);
                    self.$index.encode(out);
                    depth = depth.max(self.$index.depth());
                )+
                depth
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
