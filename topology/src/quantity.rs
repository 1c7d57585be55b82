//! Kubernetes quantities: `100m` and `1.5` of a CPU, `64Mi` and `1G` of memory.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// A quantity in the words of the user, read as Kubernetes does: what is finer than the asked unit
/// is rounded up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(String);

/// Why a quantity cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a quantity: {why}; write a number with a suffix as Kubernetes does, such \
     as `100m` or `64Mi`"
)]
pub struct BadQuantity {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Digits of a number; 15 keep every product below the range of `u128`.
const MAX_DIGITS: usize = 15;

/// Thousandths in one unit.
const MILLI: u128 = 1000;

impl Quantity {
    /// The quantity that is written like this.
    pub fn new(text: impl Into<String>) -> Quantity {
        Quantity(text.into())
    }

    /// What was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In thousandths (of a CPU), rounded up.
    pub fn millis(&self) -> Result<u64, BadQuantity> {
        self.scaled(MILLI)
    }

    /// In whole units (bytes), rounded up.
    pub fn units(&self) -> Result<u64, BadQuantity> {
        self.scaled(1)
    }

    fn scaled(&self, scale: u128) -> Result<u64, BadQuantity> {
        let bad = |why| BadQuantity { text: self.0.clone(), why };
        if self.0.starts_with('-') {
            return Err(bad("it is negative"));
        }
        let text = self.0.strip_prefix('+').unwrap_or(&self.0);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = whole.len() + fraction.len();
        if digits == 0 || fraction.contains('.') {
            return Err(bad("the number is missing or malformed"));
        }
        if digits > MAX_DIGITS {
            return Err(bad("the number has more than 15 digits"));
        }
        let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| bad("no number"))?;
        let (up, down) = suffix_factors(suffix).ok_or_else(|| bad("the suffix is unknown"))?;
        let down = down * 10u128.pow(fraction.len() as u32);
        let amount = (digits * up * scale).div_ceil(down);
        u64::try_from(amount).map_err(|_| bad("it is too large"))
    }
}

/// What a number with this suffix is multiplied with and divided by.
fn suffix_factors(suffix: &str) -> Option<(u128, u128)> {
    let power = |base: u128, n: u32| base.pow(n);
    Some(match suffix {
        "" => (1, 1),
        "n" => (1, power(1000, 3)),
        "u" => (1, power(1000, 2)),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (power(1000, 2), 1),
        "G" => (power(1000, 3), 1),
        "T" => (power(1000, 4), 1),
        "P" => (power(1000, 5), 1),
        "E" => (power(1000, 6), 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let exponent: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match exponent {
                0..=18 => (power(10, exponent.unsigned_abs()), 1),
                -9..=-1 => (1, power(10, exponent.unsigned_abs())),
                _ => return None,
            }
        }
    })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Quantity {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as `100m` or `64Mi`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity::new(text))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity::new(number.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity::new(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_read_in_thousandths() {
        for (text, millis) in [
            ("1", 1000),
            ("0.5", 500),
            ("100m", 100),
            ("1e-1", 100),
            ("1u", 1),
            ("2.5", 2500),
            ("1k", 1_000_000),
        ] {
            assert_eq!(Quantity::new(text).millis(), Ok(millis), "{text}");
        }
    }

    #[test]
    fn memory_is_read_in_bytes() {
        for (text, bytes) in [
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("129M", 129_000_000),
            ("123Mi", 123 << 20),
            ("1.5Gi", 3 << 29),
            ("128974848000m", 128_974_848),
            (".5Ki", 512),
            ("+1E", 1_000_000_000_000_000_000),
        ] {
            assert_eq!(Quantity::new(text).units(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_finer_amount_is_rounded_up() {
        assert_eq!(Quantity::new("1n").millis(), Ok(1));
        assert_eq!(Quantity::new("0.1").units(), Ok(1));
        assert_eq!(Quantity::new("0").units(), Ok(0));
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "the number is missing or malformed"),
            ("Mi", "the number is missing or malformed"),
            ("1.2.3", "the number is missing or malformed"),
            ("-1", "it is negative"),
            ("1MB", "the suffix is unknown"),
            ("1 Mi", "the suffix is unknown"),
            ("1e99", "the suffix is unknown"),
            ("1000E", "it is too large"),
            ("1234567890123456", "the number has more than 15 digits"),
        ] {
            assert_eq!(Quantity::new(text).units().unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_a_quantity() {
        let read: Quantity = serde_json::from_str("2").unwrap();
        assert_eq!(read.millis(), Ok(2000));
        // The API server refuses it too: a fraction is text, `"0.5"` or `500m`.
        serde_json::from_str::<Quantity>("0.5").unwrap_err();
    }
}
