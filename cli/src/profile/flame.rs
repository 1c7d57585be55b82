//! A profile as a flame graph: one SVG file that loads nothing and runs nothing.
//!
//! A box is a function, on top of the one that called it, as wide as its share of the samples. Its
//! full name and its numbers appear where the pointer rests.

use super::summary::names;
use egret_wire::profile::{DEPTH, Profile};
use std::{collections::BTreeMap, fmt::Write};

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
const MARGIN: f64 = 10.0;
const HEAD: f64 = 34.0;
/// A narrower box would not be seen.
const NARROW: f64 = 0.3;
/// Width of a letter.
const LETTER: f64 = 6.6;

/// A function as called from one stack, and what it called.
#[derive(Default)]
struct Node<'a> {
    samples: u64,
    calls: BTreeMap<&'a str, Node<'a>>,
}

impl Node<'_> {
    fn depth(&self) -> usize {
        self.calls.values().map(|call| call.depth() + 1).max().unwrap_or(0)
    }
}

/// Draws it.
pub(super) fn svg(title: &str, profile: &Profile) -> String {
    let mut all = Node::default();
    for stack in &profile.stacks {
        all.samples = all.samples.saturating_add(stack.samples);
        let mut node = &mut all;
        // A peer may claim any depth; the thread stands below the functions.
        for name in names(profile, stack).take(DEPTH + 1) {
            node = node.calls.entry(name).or_default();
            node.samples = node.samples.saturating_add(stack.samples);
        }
    }
    let rows = all.depth() + 1;
    let height = HEAD + rows as f64 * ROW + MARGIN;
    let seconds = profile.for_ms as f64 / 1e3;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"22\" font-size=\"14\">{}: {} samples in {seconds:.1} s</text>\n",
        escaped(title),
        all.samples,
    );
    let scale = (WIDTH - 2.0 * MARGIN) / all.samples.max(1) as f64;
    let bottom = height - MARGIN;
    let mut drawing = Drawing { text: &mut text, scale, bottom, all: all.samples };
    drawing.draw("all", &all, 0, 0);
    text.push_str("</svg>\n");
    text
}

struct Drawing<'t> {
    text: &'t mut String,
    scale: f64,
    bottom: f64,
    all: u64,
}

impl Drawing<'_> {
    /// Draws a function and what stands on it. As deep as stacks are, which is bounded.
    fn draw(&mut self, name: &str, node: &Node<'_>, before: u64, row: usize) {
        let width = node.samples as f64 * self.scale;
        if width < NARROW {
            return;
        }
        let x = MARGIN + before as f64 * self.scale;
        let y = self.bottom - (row + 1) as f64 * ROW;
        let percent = 100.0 * node.samples as f64 / self.all.max(1) as f64;
        let letters = ((width - 6.0) / LETTER).max(0.0) as usize;
        let label = if letters < 3 { String::new() } else { shortened(name, letters) };
        let _ = writeln!(
            self.text,
            "<g><title>{}: {} samples, {percent:.1} %</title><rect x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{}\"/><text x=\"{:.1}\" \
             y=\"{:.1}\">{}</text></g>",
            escaped(name),
            node.samples,
            ROW - 1.0,
            colour(name),
            x + 3.0,
            y + 12.5,
            escaped(&label),
        );
        let mut before = before;
        for (name, call) in &node.calls {
            self.draw(name, call, before, row + 1);
            before = before.saturating_add(call.samples);
        }
    }
}

/// The end of a name says most: `egret_core::emitter::Emitter::emit`.
fn shortened(name: &str, letters: usize) -> String {
    let count = name.chars().count();
    if count <= letters {
        return name.to_owned();
    }
    let kept: String = name.chars().skip(count + 2 - letters).collect();
    format!("..{kept}")
}

/// Always the same for one function.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
    format!("hsl({} 85% {}%)", 20 + hash % 35, 62 + hash / 35 % 14)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{super::summary::example, *};

    #[test]
    fn a_function_is_as_wide_as_its_share_and_stands_on_its_caller() {
        let svg = svg("count[0] of t", &example());
        let of = |name: &str| {
            let line = svg.lines().find(|line| line.contains(&format!("<title>{name}: ")));
            let line = line.unwrap_or_else(|| panic!("{name} in {svg}"));
            let number = |attribute: &str| {
                let (_, rest) = line.split_once(&format!("{attribute}=\"")).unwrap();
                rest.split('"').next().unwrap().parse::<f64>().unwrap()
            };
            (number(" x"), number(" y"), number(" width"))
        };
        let (all, hash, work) = (of("all"), of("hash"), of("work&lt;&amp;str&gt;"));
        assert_eq!(all.2, 1180.0);
        assert!((hash.2 - 1180.0 * 60.0 / 99.0).abs() < 0.1, "{hash:?}");
        assert!((work.2 - 1180.0 * 90.0 / 99.0).abs() < 0.1, "{work:?}");
        assert_eq!(work.1 - hash.1, ROW);
        assert!(hash.0 >= work.0);
        assert!(svg.contains("count[0] of t: 99 samples in 2.0 s"));
    }

    #[test]
    fn names_stay_text() {
        let mut odd = example();
        odd.functions[0] = "</title><script>alert(1)</script>".into();
        assert!(!svg("<b>", &odd).contains("<script>") && !svg("<b>", &odd).contains("<b>"));
        assert_eq!(shortened("egret_core::emit", 8), "..::emit");
    }

    #[test]
    fn nothing_at_all_is_drawn_too() {
        assert!(svg("t", &Profile::default()).ends_with("</svg>\n"));
    }

    #[test]
    fn a_stack_without_end_is_cut() {
        let mut endless = example();
        endless.stacks.truncate(1);
        endless.stacks[0].functions = vec![0; 100_000];
        assert_eq!(svg("t", &endless).matches("<title>main: ").count(), DEPTH);
    }
}
