//! Integers and values, byte by byte.

use crate::hex;
use egret_wire::{
    value::{self, Value},
    varint,
};
use std::collections::BTreeMap;

#[test]
fn integers_keep_their_bytes() {
    for (int, bytes) in [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "80 01"),
        (300, "ac 02"),
        (1 << 32, "80 80 80 80 10"),
        (u64::MAX, "ff ff ff ff ff ff ff ff ff 01"),
    ] {
        let mut out = Vec::new();
        varint::put(&mut out, int);
        assert_eq!(hex(&out), bytes, "{int}");
        assert_eq!(varint::take(&mut &out[..]), Ok(int));
    }
    for (int, mapped) in
        [(0, 0), (-1, 1), (1, 2), (-2, 3), (i64::MAX, u64::MAX - 1), (i64::MIN, u64::MAX)]
    {
        assert_eq!(varint::zigzag(int), mapped, "{int}");
    }
}

#[test]
fn values_keep_their_bytes() {
    let map = BTreeMap::from([("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Null)]);
    let long = "x".repeat(64);
    for (value, bytes) in [
        (Value::Null, "00"),
        (Value::Bool(false), "01"),
        (Value::Bool(true), "02"),
        (Value::Int(0), "03 00"),
        (Value::Int(-1), "03 01"),
        (Value::Int(150), "03 ac 02"),
        (Value::Float(1.0), "04 00 00 00 00 00 00 f0 3f"),
        (Value::String(long.clone()), &format!("05 40 {}", hex(long.as_bytes()))),
        (Value::Bytes(vec![0, 255]), "06 02 00 ff"),
        (Value::Timestamp(1_700_000_000_000_000), "07 00 40 1e 18 24 0a 06 00"),
        (Value::List(vec![Value::Int(1), Value::String("x".into())]), "08 02 03 02 41 78"),
        (Value::Map(map), "09 02 41 61 03 02 41 62 00"),
        (Value::String(String::new()), "40"),
        (Value::String("word".into()), "44 77 6f 72 64"),
        (Value::String("é".into()), "42 c3 a9"),
    ] {
        let mut out = Vec::new();
        value::put(&mut out, &value);
        assert_eq!(hex(&out), bytes, "{value:?}");
        assert_eq!(value::decode(&mut &out[..]), Ok(value));
    }
}

#[test]
fn equal_floats_have_equal_bytes() {
    let of = |float: f64| {
        let mut out = Vec::new();
        value::put_float(&mut out, float);
        hex(&out)
    };
    assert_eq!(of(-0.0), "04 00 00 00 00 00 00 00 00");
    assert_eq!(of(f64::NAN), "04 00 00 00 00 00 00 f8 7f");
    assert_eq!(of(f64::from_bits(0xfff8_0000_0000_0001)), of(f64::NAN));
}
