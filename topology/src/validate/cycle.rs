//! Cycles: tuples flow one way, so that waits point down the graph and end.

use super::{Draft, Problems};

/// The components in an order in which sources come before destinations.
///
/// A cycle is reported, spelled out; its components and all behind them are missing from the order.
pub(super) fn order(
    drafts: &[Draft<'_>],
    sources: &[Vec<Option<usize>>],
    problems: &mut Problems,
) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut placed = vec![false; drafts.len()];
    loop {
        let ready = |c: &usize| !placed[*c] && sources[*c].iter().flatten().all(|s| placed[*s]);
        let next: Vec<usize> = (0..drafts.len()).filter(ready).collect();
        if next.is_empty() {
            break;
        }
        next.iter().for_each(|c| placed[*c] = true);
        order.extend(next);
    }
    let Some(mut at) = placed.iter().position(|placed| !placed) else { return order };
    // Every component that was not placed has a source that was not either: walking up from source
    // to source must come back to where it has been.
    let mut walked = Vec::new();
    let start = loop {
        if let Some(start) = walked.iter().position(|c| *c == at) {
            break start;
        }
        walked.push(at);
        match sources[at].iter().flatten().find(|source| !placed[**source]) {
            Some(source) => at = *source,
            None => return order,
        }
    };
    let cycle: Vec<usize> = walked[start..].iter().rev().copied().collect();
    report(drafts, sources, &cycle, problems);
    order
}

/// Reports a cycle at the input that closes it, spelled out from its first component in the file.
fn report(
    drafts: &[Draft<'_>],
    sources: &[Vec<Option<usize>>],
    cycle: &[usize],
    problems: &mut Problems,
) {
    let first = (0..cycle.len()).min_by_key(|i| cycle[*i]).unwrap_or(0);
    let round = |i: usize| cycle[(first + i) % cycle.len()];
    let names: Vec<&str> = (0..=cycle.len()).map(|i| drafts[round(i)].common.name).collect();
    let (destination, source) = (round(0), round(cycle.len() - 1));
    let input = sources[destination].iter().position(|s| *s == Some(source)).unwrap_or(0);
    problems.add_with(
        format!("{}.inputs[{input}].from", drafts[destination].path),
        format!("tuples would go round in a cycle: {}", names.join(" -> ")),
        "take one of these inputs away",
    );
}
