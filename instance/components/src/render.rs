//! Values as text and as JSON, for people and for files.

use anyhow::Result;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use egret_sdk::{Tuple, Value, ValueRef};
use std::io::Write as _;

/// Appends a value as plain text: text and bytes as they are, everything else as in JSON but
/// without quotes.
pub(crate) fn text(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::String(text) => out.extend_from_slice(text.as_bytes()),
        ValueRef::Bytes(bytes) => out.extend_from_slice(bytes),
        ValueRef::Float(float) if !float.is_finite() => write!(out, "{float}")?,
        ValueRef::Timestamp(micros) => timestamp(micros, out)?,
        other => json(other, out)?,
    }
    Ok(())
}

/// Appends a value as JSON. What JSON has no word for: bytes are text if they are UTF-8 and else
/// `{"base64": ...}`, timestamps are RFC 3339 text, floats that are no numbers are text.
pub(crate) fn json(value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<()> {
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Bool(truth) => write!(out, "{truth}")?,
        ValueRef::Int(int) => write!(out, "{int}")?,
        ValueRef::Float(float) if float.is_finite() => serde_json::to_writer(out, &float)?,
        ValueRef::Float(float) => write!(out, "\"{float}\"")?,
        ValueRef::String(text) => serde_json::to_writer(out, text)?,
        ValueRef::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::to_writer(out, text)?,
            Err(_) => write!(out, "{{\"base64\":\"{}\"}}", STANDARD.encode(bytes))?,
        },
        ValueRef::Timestamp(micros) => {
            out.push(b'"');
            timestamp(micros, out)?;
            out.push(b'"');
        }
        ValueRef::List(_) | ValueRef::Map(_) => json_owned(&value.to_value()?, out)?,
    }
    Ok(())
}

/// Appends all fields of a tuple as a JSON object, in their order.
pub(crate) fn json_object(tuple: &Tuple<'_>, out: &mut Vec<u8>) -> Result<()> {
    out.push(b'{');
    for (index, name) in tuple.fields().iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        json(tuple.at(index)?, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn json_owned(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let scalar = match value {
        Value::Null => ValueRef::Null,
        Value::Bool(truth) => ValueRef::Bool(*truth),
        Value::Int(int) => ValueRef::Int(*int),
        Value::Float(float) => ValueRef::Float(*float),
        Value::String(text) => ValueRef::String(text),
        Value::Bytes(bytes) => ValueRef::Bytes(bytes),
        Value::Timestamp(micros) => ValueRef::Timestamp(*micros),
        Value::List(list) => {
            out.push(b'[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                json_owned(value, out)?;
            }
            out.push(b']');
            return Ok(());
        }
        Value::Map(map) => {
            out.push(b'{');
            for (index, (key, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key)?;
                out.push(b':');
                json_owned(value, out)?;
            }
            out.push(b'}');
            return Ok(());
        }
    };
    json(scalar, out)
}

/// RFC 3339 in UTC, of microseconds since 1970.
fn timestamp(micros: i64, out: &mut Vec<u8>) -> Result<()> {
    let seconds = micros.div_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, so that the leap day ends the year (Hinnant's civil_from_days).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = micros.rem_euclid(1_000_000);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_json(value: ValueRef<'_>) -> String {
        let mut out = Vec::new();
        json(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn as_text(value: ValueRef<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        text(value, &mut out).unwrap();
        out
    }

    #[test]
    fn every_scalar_has_a_json_form() {
        assert_eq!(as_json(ValueRef::Null), "null");
        assert_eq!(as_json(ValueRef::Bool(true)), "true");
        assert_eq!(as_json(ValueRef::Int(-3)), "-3");
        assert_eq!(as_json(ValueRef::Float(1.5)), "1.5");
        assert_eq!(as_json(ValueRef::Float(f64::NAN)), "\"NaN\"");
        assert_eq!(as_json(ValueRef::String("a\"b\n")), r#""a\"b\n""#);
        assert_eq!(as_json(ValueRef::Bytes(b"ab")), "\"ab\"");
        assert_eq!(as_json(ValueRef::Bytes(b"\xff")), r#"{"base64":"/w=="}"#);
    }

    #[test]
    fn nested_values_keep_their_order() {
        let map =
            Value::Map([("b".to_owned(), Value::Int(1)), ("a".to_owned(), Value::Null)].into());
        let mut out = Vec::new();
        json_owned(&Value::List(vec![map, Value::Bool(false)]), &mut out).unwrap();
        assert_eq!(out, br#"[{"a":null,"b":1},false]"#);
    }

    #[test]
    fn timestamps_are_rfc_3339() {
        assert_eq!(as_text(ValueRef::Timestamp(0)), b"1970-01-01T00:00:00.000000Z");
        assert_eq!(as_text(ValueRef::Timestamp(-1)), b"1969-12-31T23:59:59.999999Z");
        assert_eq!(
            as_text(ValueRef::Timestamp(951_827_696_000_123)),
            b"2000-02-29T12:34:56.000123Z"
        );
    }

    #[test]
    fn text_and_bytes_are_written_as_they_are() {
        assert_eq!(as_text(ValueRef::String("a\"b")), b"a\"b");
        assert_eq!(as_text(ValueRef::Bytes(b"\xff\n")), b"\xff\n");
        assert_eq!(as_text(ValueRef::Int(42)), b"42");
    }
}
