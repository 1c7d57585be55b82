//! The graph as layers of vertices, with edges cut where they pass a layer.

/// Components are vertices 0, 1, ...; behind them come the bends of edges.
#[derive(Debug)]
pub(super) struct Chains {
    /// How many of the vertices are components.
    pub(super) nodes: usize,
    /// Vertices of each layer in the order in which they are drawn.
    pub(super) columns: Vec<Vec<usize>>,
    /// Layer of each vertex.
    pub(super) layer: Vec<usize>,
    /// Vertices of each edge from source to destination; empty if it cannot be drawn.
    pub(super) paths: Vec<Vec<usize>>,
    /// Neighbours of each vertex in the layer before and in the layer behind.
    pub(super) before: Vec<Vec<usize>>,
    pub(super) behind: Vec<Vec<usize>>,
}

impl Chains {
    pub(super) fn new(layers: &[usize], edges: &[(usize, usize)]) -> Chains {
        let nodes = layers.len();
        let mut layer = layers.to_vec();
        let mut paths = Vec::with_capacity(edges.len());
        for &(from, to) in edges {
            let (Some(&first), Some(&last)) = (layers.get(from), layers.get(to)) else {
                paths.push(Vec::new());
                continue;
            };
            let mut path = vec![from];
            for between in first + 1..last {
                path.push(layer.len());
                layer.push(between);
            }
            // An edge that leads back, which no topology has, is left out.
            paths.push(if first < last { [path, vec![to]].concat() } else { Vec::new() });
        }
        let mut columns = vec![Vec::new(); layer.iter().max().map_or(0, |last| last + 1)];
        for (vertex, layer) in layer.iter().enumerate() {
            columns[*layer].push(vertex);
        }
        let (mut before, mut behind) =
            (vec![Vec::new(); layer.len()], vec![Vec::new(); layer.len()]);
        for pair in paths.iter().flat_map(|path| path.windows(2)) {
            behind[pair[0]].push(pair[1]);
            before[pair[1]].push(pair[0]);
        }
        Chains { nodes, columns, layer, paths, before, behind }
    }

    /// Whether a vertex is a component, and not the bend of an edge.
    pub(super) fn is_node(&self, vertex: usize) -> bool {
        vertex < self.nodes
    }

    /// The place of each vertex in its column.
    pub(super) fn ranks(&self) -> Vec<usize> {
        let mut ranks = vec![0; self.layer.len()];
        for column in &self.columns {
            for (rank, vertex) in column.iter().enumerate() {
                ranks[*vertex] = rank;
            }
        }
        ranks
    }
}
