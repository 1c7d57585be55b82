//! How long ago something was, in one short word.

/// The time from then to now.
#[cfg(feature = "cluster")]
pub(crate) fn age(then: jiff::Timestamp, now: jiff::Timestamp) -> String {
    words(now.duration_since(then).as_secs().try_into().unwrap_or_default())
}

/// So many seconds: `45s`, `7m`, `3h`, `12d`.
pub(crate) fn words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_unit_that_says_enough() {
        let ages = [0, 119, 120, 7199, 7200, 172_799, 172_800].map(words);
        assert_eq!(ages, ["0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
