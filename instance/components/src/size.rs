//! An amount of bytes in a config: an integer, or a quantity such as `4Mi`.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// An amount of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

const SUFFIXES: [(&str, u64); 8] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
];

impl Size {
    fn parse(text: &str) -> Option<Size> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let factor = match suffix {
            "" => 1,
            suffix => SUFFIXES.iter().find(|(known, _)| *known == suffix)?.1,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Size)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes: an integer, or one with a suffix such as `4Mi`")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Size, E> {
                Ok(Size(number))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Bytes)
    }
}

/// Bytes for people: `512 B`, `12.3 kB`, `40 kB`.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {}", UNITS[unit]),
        (whole, tenth) => format!("{whole}.{tenth} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_and_quantities_are_bytes() {
        let read = |value| serde_json::from_value::<Size>(value);
        assert_eq!(read(json!(7)).unwrap(), Size(7));
        assert_eq!(read(json!("7")).unwrap(), Size(7));
        assert_eq!(read(json!("4Mi")).unwrap(), Size(4 << 20));
        assert_eq!(read(json!("3k")).unwrap(), Size(3000));
        for wrong in
            [json!("4 Mi"), json!("-1"), json!(""), json!("Mi"), json!(-1), json!("99999T9")]
        {
            let error = read(wrong.clone()).unwrap_err().to_string();
            assert!(error.contains("number of bytes"), "{wrong}: {error}");
        }
    }

    #[test]
    fn people_read_three_digits_and_a_unit() {
        assert_eq!(human(999), "999 B");
        assert_eq!(human(12_345), "12.3 kB");
        assert_eq!(human(40_000), "40 kB");
        assert_eq!(human(999_999), "999.9 kB");
        assert_eq!(human(5_000_000_000), "5 GB");
    }
}
