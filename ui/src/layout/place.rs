//! Places across: neighbours face each other, and long edges are straight.

use super::{Sizes, chains::Chains, isotonic};

/// Rounds there and back; after these nothing moves by more than a pixel.
const ROUNDS: usize = 16;

/// A bend counts for more than a component: an edge that passes three layers shall be straight.
const BEND: f64 = 4.0;

/// The middle of each vertex across, the least edge of all at 0.
pub(super) fn place(chains: &Chains, sizes: &Sizes) -> Vec<f64> {
    let half = |vertex: usize| if chains.is_node(vertex) { sizes.node.across / 2.0 } else { 0.0 };
    let apart = |a: usize, b: usize| {
        let both = chains.is_node(a) && chains.is_node(b);
        half(a) + half(b) + if both { sizes.between_nodes } else { sizes.beside_edge }
    };
    let mut across = vec![0.0; chains.layer.len()];
    for column in &chains.columns {
        let mut at = 0.0;
        for pair in column.windows(2) {
            at += apart(pair[0], pair[1]);
            across[pair[1]] = at;
        }
        // Layers start out in the middle of each other.
        column.iter().for_each(|vertex| across[*vertex] -= at / 2.0);
    }
    for round in 0..ROUNDS {
        let forth = round % 2 == 0;
        for at in 0..chains.columns.len() {
            let column = if forth { at } else { chains.columns.len() - 1 - at };
            let column = &chains.columns[column];
            let wished: Vec<f64> = column
                .iter()
                .map(|vertex| wish(chains, &across, *vertex, forth, round + 2 >= ROUNDS))
                .collect();
            let weight = |vertex: &usize| if chains.is_node(*vertex) { 1.0 } else { BEND };
            let weights: Vec<f64> = column.iter().map(weight).collect();
            let distances: Vec<f64> =
                column.windows(2).map(|pair| apart(pair[0], pair[1])).collect();
            let places = isotonic::nearest(&wished, &weights, &distances);
            column.iter().zip(places).for_each(|(vertex, place)| across[*vertex] = place);
        }
    }
    let edges = across.iter().enumerate().map(|(vertex, place)| place - half(vertex));
    let least = edges.fold(f64::INFINITY, f64::min);
    across.iter().map(|place| (place - least).round()).collect()
}

/// Where a vertex would like to be: opposite its neighbours, in the end those of both sides.
fn wish(chains: &Chains, across: &[f64], vertex: usize, forth: bool, both: bool) -> f64 {
    let (before, behind) = (&chains.before[vertex], &chains.behind[vertex]);
    let sides = match (both, forth) {
        (true, _) => [&before[..], &behind[..]],
        (_, true) => [&before[..], &[]],
        (_, false) => [&behind[..], &[]],
    };
    let places: Vec<f64> =
        sides.into_iter().flatten().map(|neighbour| across[*neighbour]).collect();
    if places.is_empty() {
        return across[vertex];
    }
    places.iter().sum::<f64>() / places.len() as f64
}
