//! Which layer each component is drawn in: behind all that it receives from.

/// Layers from 0. A graph that is no topology, because it has a cycle, gets layers too.
pub(super) fn layers(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let edges = || edges.iter().copied().filter(|(from, to)| *from < nodes && *to < nodes);
    let mut layers = vec![0; nodes];
    // Each round settles at least one more layer; a cycle would go on for ever.
    for _ in 0..nodes {
        let mut moved = false;
        for (from, to) in edges() {
            if layers[to] <= layers[from] && layers[from] + 1 < nodes {
                layers[to] = layers[from] + 1;
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    // What receives nothing stands right before the first that it sends to: edges stay short.
    for node in 0..nodes {
        let receives = edges().any(|(_, to)| to == node);
        let nearest = edges().filter(|(from, _)| *from == node).map(|(_, to)| layers[to]).min();
        if let (false, Some(nearest)) = (receives, nearest) {
            layers[node] = nearest.saturating_sub(1);
        }
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_is_behind_all_that_it_receives_from() {
        assert_eq!(layers(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]), [0, 1, 2, 3]);
    }

    #[test]
    fn a_spout_that_joins_late_stands_where_it_joins() {
        // 3 is a spout that only the last bolt receives from.
        assert_eq!(layers(4, &[(0, 1), (1, 2), (3, 2)]), [0, 1, 2, 1]);
    }

    #[test]
    fn a_cycle_and_edges_to_nowhere_end_all_the_same() {
        assert_eq!(layers(2, &[(0, 1), (1, 0), (0, 9)]).len(), 2);
        assert!(layers(0, &[]).is_empty());
        assert_eq!(layers(1, &[(0, 0)]), [0]);
    }
}
