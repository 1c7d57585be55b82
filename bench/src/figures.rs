//! Figures with their spread, and how they are written.

use serde::{Deserialize, Serialize};

/// The middle and both ends of what was measured several times.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; `None` of none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread { median, min, max })
    }
}

/// A count with its thousands apart.
pub(crate) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

/// A rate to the three digits that a noisy machine allows.
pub(crate) fn rate(value: f64) -> String {
    let scale = 10f64.powf((value.abs().max(1.0).log10().floor() - 2.0).max(0.0));
    count((value / scale).round() * scale)
}

/// A time in seconds, in the unit that fits it.
pub(crate) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$} {unit}")
}

/// Bytes in MB or kB, of a thousand each.
pub(crate) fn bytes(value: f64) -> String {
    if value >= 1e6 { format!("{:.1} MB", value / 1e6) } else { format!("{:.0} kB", value / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let spread = Spread::of([5.0, 1.0, 3.0]);
        assert_eq!(spread, Some(Spread { median: 3.0, min: 1.0, max: 5.0 }));
        assert_eq!(Spread::of([4.0, 2.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn figures_are_written_as_people_read_them() {
        assert_eq!(count(1234567.2), "1,234,567");
        assert_eq!(count(0.0), "0");
        assert_eq!(rate(1234567.0), "1,230,000");
        assert_eq!(rate(17.0), "17");
        assert_eq!(time(0.00025), "250 µs");
        assert_eq!(time(0.0047), "4.70 ms");
        assert_eq!(time(6.1e-8), "61.0 ns");
        assert_eq!(bytes(32_100_000.0), "32.1 MB");
    }
}
