//! What depends on what.

use std::collections::BTreeSet;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use portcullis_model::{RelationName, TypeName};

use crate::graph::{Edge, Graph, Way};
use crate::schema::Schema;

/// A relation or permission of a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The definition.
    pub object_type: TypeName,
    /// The name of the relation or permission.
    pub name: RelationName,
    /// Whether it is computed.
    pub is_permission: bool,
}

impl Schema {
    /// The relations and permissions, of this and other definitions, that a relation or permission depends on, sorted
    /// by type and name. It is itself among them if its objects may lead back to it. `None` if there is no such member.
    pub fn dependencies(&self, object_type: &TypeName, name: &str) -> Option<Vec<Reference>> {
        let graph = self.graph();
        let id = graph.id(object_type, name)?;
        Some(references(graph, graph.reach(graph.nodes[id].edges.iter().copied()).all))
    }

    /// The relations and permissions that depend on a relation or permission, sorted by type and name: those whose
    /// answers a relationship stored under it may change. `None` if there is no such member.
    pub fn dependents(&self, object_type: &TypeName, name: &str) -> Option<Vec<Reference>> {
        let graph = self.graph();
        let id = graph.id(object_type, name)?;
        let reversed = graph.reversed();
        let mut reached = BTreeSet::new();
        let mut waiting = reversed[id].clone();
        while let Some(edge) = waiting.pop() {
            if reached.insert(edge.to) {
                // What an arrow follows are the objects stored under a relation, not what makes up its usersets.
                waiting.extend(reversed[edge.to].iter().filter(|edge| edge.way != Way::Followed));
            }
        }
        Some(references(graph, reached))
    }

    /// Whether another relationship under a relation can take access away: some permission reaches the relation through
    /// the right side of a `-`, or follows it by `.all`. Whoever adds one must not be answered before it counts
    /// everywhere. Also true of permissions that are reached so. False if there is no such member.
    pub fn takes_away(&self, object_type: &TypeName, name: &str) -> bool {
        self.graph().id(object_type, name).is_some_and(|id| self.subtracted().contains(&id))
    }

    /// Whether the answer of a relation or permission may depend on its own opposite, where the data has a loop: as with
    /// `view = viewer - parent->view`, if an object may be its own grandparent. False if there is no such member.
    pub fn wavers(&self, object_type: &TypeName, name: &str) -> bool {
        self.graph().id(object_type, name).is_some_and(|id| self.wavering().contains(&id))
    }
}

/// Those whose answer may depend on its own opposite: they lie on a circle of references that passes through something
/// that takes away.
pub(crate) fn wavering(graph: &Graph) -> BTreeSet<usize> {
    let counts = |edge: &&Edge| edge.way != Way::Followed;
    let mut references = DiGraph::<(), ()>::with_capacity(graph.nodes.len(), 0);
    let indices: Vec<NodeIndex> = graph.nodes.iter().map(|_| references.add_node(())).collect();
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(counts) {
            references.add_edge(indices[from], indices[edge.to], ());
        }
    }
    let mut circle_of = vec![0; graph.nodes.len()];
    let circles = kosaraju_scc(&references);
    for (number, circle) in circles.iter().enumerate() {
        for index in circle {
            circle_of[index.index()] = number;
        }
    }
    let mut wavering = BTreeSet::new();
    for (from, node) in graph.nodes.iter().enumerate() {
        let takes = |edge: &&Edge| edge.takes && circle_of[edge.to] == circle_of[from];
        if node.edges.iter().filter(counts).any(|edge| takes(&edge)) {
            wavering.extend(circles[circle_of[from]].iter().map(|index| index.index()));
        }
    }
    wavering
}

/// All that more of can mean less of something else.
pub(crate) fn subtracted(graph: &Graph) -> BTreeSet<usize> {
    let edges = graph.nodes.iter().flat_map(|node| node.edges.iter());
    let taking: Vec<Edge> = edges.filter(|edge| edge.takes).copied().collect();
    graph.reach(taking).all
}

fn references(graph: &Graph, ids: BTreeSet<usize>) -> Vec<Reference> {
    let mut references: Vec<Reference> = ids
        .into_iter()
        .map(|id| &graph.nodes[id])
        .map(|node| Reference {
            object_type: node.object_type.clone(),
            name: node.name.clone(),
            is_permission: node.is_permission,
        })
        .collect();
    references.sort();
    references
}
