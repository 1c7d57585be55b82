//! A profile as text: the functions that take most, and stacks with counts.

use egret_wire::profile::{Profile, Stack};
use std::{cmp::Reverse, collections::BTreeSet, fmt::Write};

/// Functions that are listed: the rest is in the file.
const LISTED: usize = 20;

/// The busiest functions.
pub(super) fn table(title: &str, profile: &Profile) -> String {
    let samples = profile.samples();
    let seconds = profile.for_ms as f64 / 1e3;
    let busy = samples as f64 / f64::from(profile.hz.max(1)) / seconds.max(0.001) * 100.0;
    let mut text =
        format!("{title}: {samples} samples in {seconds:.1} s, {busy:.0} % of one CPU\n");
    if profile.missed > 0 {
        let _ = writeln!(text, "{} samples were missed", profile.missed);
    }
    if samples == 0 {
        return text;
    }
    // In a function itself, and in what it calls.
    let mut counts = vec![(0u64, 0u64); profile.functions.len()];
    let add = |count: &mut u64, more| *count = count.saturating_add(more);
    for stack in &profile.stacks {
        let known = |id: &&u32| (**id as usize) < counts.len();
        let within: BTreeSet<u32> = stack.functions.iter().filter(known).copied().collect();
        if let Some(last) = stack.functions.last().filter(known) {
            add(&mut counts[*last as usize].0, stack.samples);
        }
        within.into_iter().for_each(|id| add(&mut counts[id as usize].1, stack.samples));
    }
    let mut order: Vec<usize> = (0..counts.len()).filter(|id| counts[*id].1 > 0).collect();
    order.sort_by_key(|id| Reverse(counts[*id]));
    let percent = |count| 100.0 * count as f64 / samples as f64;
    text.push_str("\n  SELF   TOTAL  FUNCTION\n");
    for id in order.into_iter().take(LISTED) {
        let ((own, total), name) = (counts[id], crate::output::visible(&profile.functions[id]));
        let _ = writeln!(text, "{:>5.1}%  {:>5.1}%  {name}", percent(own), percent(total));
    }
    text
}

/// A line per stack, as tools for flame graphs read it.
pub(super) fn folded(profile: &Profile) -> String {
    let line = |stack: &Stack| {
        let names = names(profile, stack).map(|name| name.replace(';', ":"));
        format!("{} {}\n", names.collect::<Vec<_>>().join(";"), stack.samples)
    };
    profile.stacks.iter().map(line).collect()
}

/// The thread, and what it was in, the outermost first.
pub(super) fn names<'a>(profile: &'a Profile, stack: &'a Stack) -> impl Iterator<Item = &'a str> {
    let name = |id: &u32| profile.functions.get(*id as usize).map_or("[unknown]", String::as_str);
    std::iter::once(stack.thread.as_str()).chain(stack.functions.iter().map(name))
}

#[cfg(test)]
pub(super) fn example() -> Profile {
    let stack = |thread: &str, functions: &[u32], samples| Stack {
        thread: thread.to_owned(),
        functions: functions.to_vec(),
        samples,
    };
    Profile {
        program: "egret-instance".into(),
        started_ms: 1_700_000_000_000,
        for_ms: 2000,
        hz: 99,
        symbols: true,
        functions: vec!["main".into(), "work<&str>".into(), "hash".into()],
        stacks: vec![
            stack("count", &[0, 1, 2], 60),
            stack("count", &[0, 1], 30),
            stack("io", &[0], 9),
        ],
        ..Profile::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_takes_most_stands_first() {
        let text = table("count[0] of t", &example());
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("count[0] of t: 99 samples in 2.0 s, 50 % of one CPU"));
        let rest: Vec<&str> = lines.skip(1).collect();
        assert_eq!(
            rest,
            [
                "  SELF   TOTAL  FUNCTION",
                " 60.6%   60.6%  hash",
                " 30.3%   90.9%  work<&str>",
                "  9.1%  100.0%  main",
            ]
        );
    }

    #[test]
    fn an_idle_process_has_no_table_and_an_odd_one_no_panic() {
        assert!(table("t", &Profile::default()).ends_with("0 samples in 0.0 s, 0 % of one CPU\n"));
        let mut odd = example();
        odd.functions.clear();
        assert!(table("t", &odd).contains("99 samples"));
        assert!(folded(&odd).contains("count;[unknown];[unknown] 30"));
    }

    #[test]
    fn a_name_does_not_move_the_cursor() {
        let mut odd = example();
        odd.functions[2] = "no\u{1b}[2J".into();
        assert!(table("t", &odd).contains("  no [2J\n"));
    }

    #[test]
    fn stacks_are_folded_with_their_thread_first() {
        assert!(folded(&example()).starts_with("count;main;work<&str>;hash 60\n"));
    }
}
