//! The way of each edge: from port to port, past the layers in between, through its own label.

use super::{Sizes, Span, chains::Chains, isotonic};
use crate::snapshot::{Point, Route};
use std::collections::BTreeMap;

/// Between two edges at the same side of a component.
const PORTS: f64 = 14.0;
/// Between two labels.
const LABELS: f64 = 6.0;

/// All edges, and how large the drawing is.
pub(super) struct Drawn {
    pub(super) size: Span,
    pub(super) routes: Vec<Way>,
}

/// An edge along and across.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    points: Vec<Span>,
    label: Span,
}

impl Way {
    pub(super) fn map(self, point: impl Fn(Span) -> Point) -> Route {
        Route { points: self.points.into_iter().map(&point).collect(), label: point(self.label) }
    }
}

pub(super) fn routes(chains: &Chains, across: &[f64], sizes: &Sizes) -> Drawn {
    let leaving = ports(chains, across, sizes, true);
    let arriving = ports(chains, across, sizes, false);
    let mut ways: Vec<Way> = chains
        .paths
        .iter()
        .enumerate()
        .map(|(edge, path)| {
            let points = path.iter().enumerate().flat_map(|(at, vertex)| {
                let start = sizes.start(chains.layer[*vertex]);
                let end = start + sizes.node.along;
                let middle = across[*vertex];
                match at {
                    0 => vec![Span { along: end, across: middle + leaving[edge] }],
                    at if at + 1 == path.len() => {
                        vec![Span { along: start, across: middle + arriving[edge] }]
                    }
                    _ => vec![
                        Span { along: start, across: middle },
                        Span { along: end, across: middle },
                    ],
                }
            });
            Way { points: points.collect(), label: Span::default() }
        })
        .collect();
    label(&mut ways, sizes);
    let nodes = (0..chains.nodes).map(|node| Span {
        along: sizes.start(chains.layer[node]) + sizes.node.along,
        across: across[node] + sizes.node.across / 2.0,
    });
    let points = ways.iter().flat_map(|way| &way.points).copied();
    let labels = ways.iter().filter(|way| !way.points.is_empty()).map(|way| Span {
        along: way.label.along + sizes.label.along / 2.0,
        across: way.label.across + sizes.label.across / 2.0,
    });
    let size = nodes.chain(points).chain(labels).fold(Span::default(), |size, end| Span {
        along: size.along.max(end.along),
        across: size.across.max(end.across),
    });
    Drawn { size, routes: ways }
}

/// How far from the middle of its component each edge leaves or arrives: in the order of where the
/// edges go to or come from, so that they do not cross at once.
fn ports(chains: &Chains, across: &[f64], sizes: &Sizes, leaving: bool) -> Vec<f64> {
    let mut sides = BTreeMap::<usize, Vec<(f64, usize)>>::new();
    for (edge, path) in chains.paths.iter().enumerate() {
        let ends = if leaving {
            (path.first(), path.get(1))
        } else {
            (path.last(), path.len().checked_sub(2).and_then(|at| path.get(at)))
        };
        if let (Some(node), Some(next)) = ends {
            sides.entry(*node).or_default().push((across[*next], edge));
        }
    }
    let mut offsets = vec![0.0; chains.paths.len()];
    for edges in sides.values_mut() {
        edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let room = sizes.node.across - 2.0 * PORTS;
        let step = PORTS.min(room / edges.len() as f64);
        for (at, (_, edge)) in edges.iter().enumerate() {
            offsets[*edge] = (at as f64 - (edges.len() - 1) as f64 / 2.0) * step;
        }
    }
    offsets
}

/// Puts each label into the gap in the middle of its edge, none over another, and leads the edge
/// through it.
fn label(ways: &mut [Way], sizes: &Sizes) {
    // Points come in pairs, one pair for each gap.
    let gap = |way: &Way| (way.points.len() / 2).saturating_sub(1) / 2 * 2;
    let mut gaps = BTreeMap::<u64, Vec<(f64, usize)>>::new();
    for (edge, way) in ways.iter_mut().enumerate() {
        let at = gap(way);
        let [from, to, ..] = way.points[at.min(way.points.len())..] else { continue };
        way.label.along = (from.along + to.along) / 2.0;
        let wished = (from.across + to.across) / 2.0;
        gaps.entry(way.label.along.to_bits()).or_default().push((wished, edge));
    }
    for labels in gaps.values_mut() {
        labels.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let wished: Vec<f64> = labels.iter().map(|(wished, _)| *wished).collect();
        let half = sizes.label.across / 2.0;
        let apart = vec![sizes.label.across + LABELS; labels.len().saturating_sub(1)];
        let mut places = isotonic::nearest(&wished, &vec![1.0; labels.len()], &apart);
        // Labels stay on the drawing.
        let over = places.first().map_or(0.0, |first| (half - first).max(0.0));
        places.iter_mut().for_each(|place| *place += over);
        for ((_, edge), place) in labels.iter().zip(places) {
            let way = &mut ways[*edge];
            way.label.across = place;
            let at = gap(way);
            let label = way.label;
            way.points.insert(at + 1, label);
        }
    }
}
