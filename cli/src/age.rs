//! How long ago something was, in one short word.

use jiff::Timestamp;

/// The time from then to now: `45s`, `7m`, `3h`, `12d`.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
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
        let now: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        for (then, words) in [
            ("2026-01-09T23:58:01Z", "119s"),
            ("2026-01-09T23:58:00Z", "2m"),
            ("2026-01-09T22:00:00Z", "2h"),
            ("2026-01-07T00:00:00Z", "3d"),
            ("2026-01-10T00:00:05Z", "0s"),
        ] {
            assert_eq!(age(then.parse().unwrap(), now), words);
        }
    }
}
