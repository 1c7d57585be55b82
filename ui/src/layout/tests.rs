//! Claims about whole drawings.

use super::*;
use proptest::prelude::*;

const BOTH: [Direction; 2] = [Direction::Right, Direction::Down];

/// Upper left and lower right corner of each component.
fn boxes(layout: &Layout) -> Vec<(Point, Point)> {
    let corner = |at: &Point| Point { x: at.x + layout.node.x, y: at.y + layout.node.y };
    layout.nodes.iter().map(|at| (*at, corner(at))).collect()
}

fn overlap(a: &(Point, Point), b: &(Point, Point)) -> bool {
    a.0.x < b.1.x && b.0.x < a.1.x && a.0.y < b.1.y && b.0.y < a.1.y
}

/// What must hold of every drawing.
fn check(nodes: usize, edges: &[(usize, usize)], direction: Direction) {
    let drawn = layout(nodes, edges, direction);
    assert_eq!((drawn.nodes.len(), drawn.edges.len()), (nodes, edges.len()));
    let boxes = boxes(&drawn);
    for (i, a) in boxes.iter().enumerate() {
        assert!(a.0.x >= 0.0 && a.0.y >= 0.0, "{i} begins at {:?}", a.0);
        assert!(a.1.x <= drawn.size.x && a.1.y <= drawn.size.y, "{i} is cut off");
        for b in &boxes[i + 1..] {
            assert!(!overlap(a, b), "components lie on each other: {a:?} {b:?}");
        }
    }
    for ((from, to), route) in edges.iter().zip(&drawn.edges) {
        let along = |point: &Point| match direction {
            Direction::Right => point.x,
            Direction::Down => point.y,
        };
        let points = &route.points;
        assert!(points.windows(2).all(|pair| along(&pair[0]) <= along(&pair[1])), "{points:?}");
        assert_eq!(along(&points[0]), along(&boxes[*from].1), "leaves its source");
        assert_eq!(along(&points[points.len() - 1]), along(&boxes[*to].0), "arrives");
        assert!(points.contains(&route.label), "leads through its label");
        assert!(points.iter().all(|point| point.x >= 0.0 && point.x <= drawn.size.x));
    }
    let half = Point { x: drawn.label.x / 2.0, y: drawn.label.y / 2.0 };
    let labels: Vec<(Point, Point)> = drawn
        .edges
        .iter()
        .map(|Route { label, .. }| {
            let least = Point { x: label.x - half.x, y: label.y - half.y };
            (least, Point { x: label.x + half.x, y: label.y + half.y })
        })
        .collect();
    for (i, a) in labels.iter().enumerate() {
        assert!(labels[i + 1..].iter().all(|b| !overlap(a, b)), "labels lie on each other");
        assert!(!boxes.iter().any(|b| overlap(a, b)), "a label lies on a component");
    }
}

use crate::snapshot::Route;

#[test]
fn a_chain_is_one_straight_line() {
    for direction in BOTH {
        let drawn = layout(3, &[(0, 1), (1, 2)], direction);
        let across = |point: &Point| match direction {
            Direction::Right => point.y,
            Direction::Down => point.x,
        };
        assert!(drawn.nodes.iter().all(|at| across(at) == 0.0), "{:?}", drawn.nodes);
        let middle = across(&drawn.node) / 2.0;
        let points = drawn.edges.iter().flat_map(|route| &route.points);
        assert!(points.into_iter().all(|point| across(point) == middle));
    }
}

#[test]
fn a_diamond_is_symmetric() {
    let drawn = layout(4, &[(0, 1), (0, 2), (1, 3), (2, 3)], Direction::Right);
    assert_eq!(drawn.nodes[0].y, drawn.nodes[3].y);
    let (upper, lower) = (drawn.nodes[1].y, drawn.nodes[2].y);
    assert_eq!((upper + lower) / 2.0, drawn.nodes[0].y);
}

#[test]
fn several_edges_between_two_components_are_told_apart() {
    let edges = [(0, 1), (0, 1), (0, 1)];
    for direction in BOTH {
        check(2, &edges, direction);
        let drawn = layout(2, &edges, direction);
        let starts: Vec<Point> = drawn.edges.iter().map(|route| route.points[0]).collect();
        assert!(starts[0] != starts[1] && starts[1] != starts[2]);
    }
}

#[test]
fn an_edge_that_passes_a_layer_keeps_off_the_components_there() {
    let drawn = layout(3, &[(0, 1), (1, 2), (0, 2)], Direction::Right);
    let (upper, lower) = boxes(&drawn)[1];
    let inside = |point: &&Point| point.x >= upper.x && point.x <= lower.x;
    let passing: Vec<&Point> = drawn.edges[2].points.iter().filter(inside).collect();
    assert!(!passing.is_empty());
    assert!(passing.iter().all(|point| point.y < upper.y || point.y > lower.y), "{passing:?}");
}

#[test]
fn nothing_is_drawn_of_nothing_and_of_what_is_no_topology() {
    assert_eq!(layout(0, &[], Direction::Right).size, Point::default());
    let odd = layout(2, &[(0, 1), (1, 0), (0, 7)], Direction::Right);
    assert!(odd.edges.iter().filter(|route| route.points.is_empty()).count() >= 2);
}

#[test]
fn two_components_of_a_layer_fit_on_a_narrow_page() {
    let drawn = layout(4, &[(0, 1), (0, 2), (1, 3), (2, 3)], Direction::Down);
    assert!(drawn.size.x <= 360.0, "{:?}", drawn.size);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_topology_of_up_to_fifty_components_can_be_drawn(
        nodes in 1usize..50,
        pairs in prop::collection::vec((0usize..50, 0usize..50), 0..80),
    ) {
        // Edges lead from lesser to greater numbers, so there is no cycle.
        let edges: Vec<(usize, usize)> = pairs
            .into_iter()
            .map(|(a, b)| (a % nodes, b % nodes))
            .filter(|(a, b)| a != b)
            .map(|(a, b)| (a.min(b), a.max(b)))
            .collect();
        for direction in BOTH {
            check(nodes, &edges, direction);
            prop_assert_eq!(layout(nodes, &edges, direction), layout(nodes, &edges, direction));
        }
    }
}
