//! The colours of the page can be told apart: WCAG 2.2 asks for a contrast of 4.5 for text, and of
//! 3 for lines that mean something.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

const STYLE: &str = include_str!("../page/style.css");

/// What stands on what, by the names of roles.
const TEXT: [(&str, &[&str]); 6] = [
    ("text", &["ground", "card", "raised", "accent-soft"]),
    ("soft", &["ground", "card", "raised"]),
    ("accent", &["card", "raised", "accent-soft"]),
    ("warn", &["card", "raised", "warn-soft"]),
    ("bad", &["card", "raised", "bad-soft"]),
    ("spout", &["raised", "spout-soft"]),
];
const LINES: [&str; 4] = ["edge", "warn-line", "bad-line", "accent"];

/// The colours of a role, on a light and on a dark page.
fn colours(role: &str) -> [u32; 2] {
    let start = format!("--{role}: light-dark(");
    let (_, rest) = STYLE.split_once(&start).unwrap_or_else(|| panic!("no colour {role}"));
    let (pair, _) = rest.split_once(')').unwrap();
    let (light, dark) = pair.split_once(", ").unwrap();
    [light, dark].map(|colour| u32::from_str_radix(colour.trim_start_matches('#'), 16).unwrap())
}

fn luminance(colour: u32) -> f64 {
    let part = |shift: u32| {
        let value = f64::from(colour >> shift & 0xff) / 255.0;
        if value <= 0.039_28 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
}

fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn assert_contrast(over: &str, under: &str, least: f64) {
    for (a, b) in colours(over).into_iter().zip(colours(under)) {
        let contrast = contrast(a, b);
        assert!(contrast >= least, "{over} on {under}: {contrast:.2} ({a:06x} on {b:06x})");
    }
}

#[test]
fn text_can_be_read_on_light_and_on_dark() {
    for (over, grounds) in TEXT {
        grounds.iter().for_each(|under| assert_contrast(over, under, 4.5));
    }
}

#[test]
fn lines_that_mean_something_can_be_seen() {
    LINES.iter().for_each(|over| assert_contrast(over, "card", 3.0));
}
