//! Where to draw the components of a graph and its edges: in layers, as Sugiyama did.
//!
//! ```text
//! layers ──────► order ──────────► place ─────────► routes
//! longest path   fewest crossings   straight edges   ports, labels
//! ```
//!
//! A pure function of the graph: the same graph is always drawn alike. *Along* is the direction in
//! which tuples flow, *across* is the other one.

mod chains;
mod isotonic;
mod layers;
mod order;
mod place;
mod routes;
#[cfg(test)]
mod tests;

use crate::snapshot::{Layout, Point};
use chains::Chains;

/// Which way tuples flow on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From left to right.
    Right,
    /// From top to bottom.
    Down,
}

/// Sizes along and across, in pixels.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    node: Span,
    label: Span,
    /// Between two layers: room for a label, and for curves on both of its sides.
    between_layers: f64,
    /// Between two components of a layer.
    between_nodes: f64,
    /// Between an edge that passes a layer and what else is there.
    beside_edge: f64,
}

/// Along and across.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Span {
    along: f64,
    across: f64,
}

impl Direction {
    fn sizes(self) -> Sizes {
        match self {
            Direction::Right => Sizes {
                node: Span { along: 176.0, across: 94.0 },
                label: Span { along: 80.0, across: 20.0 },
                between_layers: 126.0,
                between_nodes: 28.0,
                beside_edge: 26.0,
            },
            Direction::Down => Sizes {
                node: Span { along: 96.0, across: 152.0 },
                label: Span { along: 20.0, across: 84.0 },
                between_layers: 76.0,
                between_nodes: 14.0,
                beside_edge: 14.0,
            },
        }
    }

    fn point(self, span: Span) -> Point {
        match self {
            Direction::Right => Point { x: span.along, y: span.across },
            Direction::Down => Point { x: span.across, y: span.along },
        }
    }
}

/// Lays a graph out. Edges are pairs of component numbers; those that name none are not drawn.
pub fn layout(nodes: usize, edges: &[(usize, usize)], direction: Direction) -> Layout {
    let sizes = direction.sizes();
    let layers = layers::layers(nodes, edges);
    let mut chains = Chains::new(&layers, edges);
    order::order(&mut chains);
    let across = place::place(&chains, &sizes);
    let drawn = routes::routes(&chains, &across, &sizes);
    let point = |span: Span| direction.point(span);
    let corner = |node: usize| {
        let middle = Span { along: sizes.start(layers[node]), across: across[node] };
        point(Span { across: middle.across - sizes.node.across / 2.0, ..middle })
    };
    Layout {
        size: point(drawn.size),
        node: point(sizes.node),
        label: point(sizes.label),
        nodes: (0..nodes).map(corner).collect(),
        edges: drawn.routes.into_iter().map(|route| route.map(point)).collect(),
    }
}

impl Sizes {
    /// Where a layer begins.
    fn start(&self, layer: usize) -> f64 {
        layer as f64 * (self.node.along + self.between_layers)
    }
}
