//! The order of each layer: sweeps by the mean place of neighbours, and the sweep with the fewest
//! crossings wins.

use super::chains::Chains;

/// Sweeps there and back. Topologies have few layers; more sweeps find nothing better.
const SWEEPS: usize = 12;

/// Puts the vertices of every layer in the order in which the fewest edges cross.
pub(super) fn order(chains: &mut Chains) {
    let mut best = chains.columns.clone();
    let mut fewest = crossings(chains);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let forth = sweep % 2 == 0;
        for at in 0..chains.columns.len() {
            let column = if forth { at } else { chains.columns.len() - 1 - at };
            sort(chains, column, forth);
        }
        swap_neighbours(chains);
        let now = crossings(chains);
        if now < fewest {
            (best, fewest) = (chains.columns.clone(), now);
        }
    }
    chains.columns = best;
}

/// Sorts a layer by where the neighbours of its vertices are.
fn sort(chains: &mut Chains, column: usize, forth: bool) {
    let ranks = chains.ranks();
    let side = if forth { &chains.before } else { &chains.behind };
    let mean = |vertex: usize| {
        let of = &side[vertex];
        if of.is_empty() {
            return ranks[vertex] as f64;
        }
        of.iter().map(|neighbour| ranks[*neighbour] as f64).sum::<f64>() / of.len() as f64
    };
    let mut keyed: Vec<(f64, usize)> =
        chains.columns[column].iter().map(|vertex| (mean(*vertex), *vertex)).collect();
    // Stable: what has no reason to move stays.
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    chains.columns[column] = keyed.into_iter().map(|(_, vertex)| vertex).collect();
}

/// Swaps neighbours in a layer as long as that takes crossings away.
fn swap_neighbours(chains: &mut Chains) {
    for column in 0..chains.columns.len() {
        for at in 1..chains.columns[column].len() {
            let ranks = chains.ranks();
            let (a, b) = (chains.columns[column][at - 1], chains.columns[column][at]);
            let both = [&chains.before, &chains.behind];
            let cost = |first: usize, second: usize| {
                let of = |side: &Vec<Vec<usize>>| crossed(&side[first], &side[second], &ranks);
                both.into_iter().map(of).sum::<usize>()
            };
            if cost(b, a) < cost(a, b) {
                chains.columns[column].swap(at - 1, at);
            }
        }
    }
}

/// Crossings between the edges of a vertex and those of one that is drawn behind it.
fn crossed(first: &[usize], second: &[usize], ranks: &[usize]) -> usize {
    let behind = |a: &usize| second.iter().filter(|b| ranks[**b] < ranks[*a]).count();
    first.iter().map(behind).sum()
}

/// Crossings of all edges.
pub(super) fn crossings(chains: &Chains) -> usize {
    let ranks = chains.ranks();
    let of_column = |column: &Vec<usize>| {
        let pairs = column.iter().enumerate();
        let of = |(at, a): (usize, &usize)| {
            let later = column[at + 1..].iter();
            later.map(|b| crossed(&chains.behind[*a], &chains.behind[*b], &ranks)).sum::<usize>()
        };
        pairs.map(of).sum::<usize>()
    };
    chains.columns.iter().map(of_column).sum()
}

#[cfg(test)]
mod tests {
    use super::{super::layers::layers, *};

    fn left(nodes: usize, edges: &[(usize, usize)]) -> usize {
        let mut chains = Chains::new(&layers(nodes, edges), edges);
        order(&mut chains);
        crossings(&chains)
    }

    #[test]
    fn edges_that_need_not_cross_do_not() {
        assert_eq!(left(4, &[(0, 3), (1, 2)]), 0);
        // Two diamonds that are written in the wrong order.
        let diamonds = [(0, 3), (0, 5), (1, 2), (1, 4), (2, 7), (4, 7), (3, 6), (5, 6)];
        assert_eq!(left(8, &diamonds), 0);
    }

    #[test]
    fn edges_that_must_cross_do_so_once() {
        assert_eq!(left(4, &[(0, 2), (0, 3), (1, 2), (1, 3)]), 1);
    }
}
