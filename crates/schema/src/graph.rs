//! Which relations and permissions refer to which.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{RelationName, TypeName};

use crate::expression::{Arrow, Expression, Mode};
use crate::limit;
use crate::schema::{Definition, Item, Member, Relation, SubjectKind};

/// The relations and permissions of a schema, and the references between them.
///
/// References to what does not exist are left out: the graph is also that of schemas that are not sound.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    ids: BTreeMap<TypeName, BTreeMap<Box<str>, usize>>,
}

/// A relation or permission.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) object_type: TypeName,
    pub(crate) name: RelationName,
    pub(crate) is_permission: bool,
    /// The types whose objects it holds for by itself: of a relation those that it allows, of a permission with `self`
    /// its own.
    pub(crate) subjects: Vec<TypeName>,
    /// The first type that it allows all objects of at once.
    pub(crate) wildcard: Option<TypeName>,
    pub(crate) edges: Vec<Edge>,
}

/// A reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) to: usize,
    pub(crate) way: Way,
    /// Whether more on the other side can mean less on this one.
    pub(crate) takes: bool,
}

/// How one refers to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// An expression names it.
    Computed,
    /// An arrow follows it. Only its objects count, so usersets among its subjects lead nowhere.
    Followed,
    /// An arrow asks for it.
    Target,
    /// A relation allows it as a userset.
    Userset,
}

/// The references are more than `limit::REFERENCES_MAX`.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Graph {
    pub(crate) fn of(items: &[Item]) -> Result<Self, TooMany> {
        let mut graph = Self { nodes: Vec::new(), ids: BTreeMap::new() };
        let definitions: BTreeMap<&TypeName, &Definition> =
            items.iter().filter_map(Item::as_definition).map(|definition| (definition.name(), definition)).collect();
        for definition in definitions.values() {
            graph.add(definition);
        }
        let mut links = Links { graph: &graph, definitions: &definitions, left: limit::REFERENCES_MAX };
        let mut edges = Vec::with_capacity(graph.nodes.len());
        for definition in definitions.values() {
            for member in definition.members() {
                edges.push(links.of(definition, member)?);
            }
        }
        for (node, edges) in graph.nodes.iter_mut().zip(edges) {
            node.edges = edges;
        }
        Ok(graph)
    }

    fn add(&mut self, definition: &Definition) {
        let mut ids = BTreeMap::new();
        for member in definition.members() {
            ids.insert(Box::from(member.name()), self.nodes.len());
            self.nodes.push(node(definition, member));
        }
        self.ids.insert(definition.name().clone(), ids);
    }

    /// The number of a relation or permission.
    pub(crate) fn id(&self, object_type: &TypeName, name: &str) -> Option<usize> {
        self.ids.get(object_type)?.get(name).copied()
    }

    /// Who refers to each, sorted.
    pub(crate) fn reversed(&self) -> Vec<Vec<Edge>> {
        let mut reversed = vec![Vec::new(); self.nodes.len()];
        for (from, node) in self.nodes.iter().enumerate() {
            for edge in &node.edges {
                reversed[edge.to].push(Edge { to: from, ..*edge });
            }
        }
        reversed
    }

    /// All that some references lead to.
    pub(crate) fn reach(&self, starts: impl IntoIterator<Item = Edge>) -> Reached {
        let mut reached = Reached { all: BTreeSet::new(), walked: BTreeSet::new() };
        let mut waiting: Vec<Edge> = starts.into_iter().collect();
        while let Some(edge) = waiting.pop() {
            reached.all.insert(edge.to);
            if edge.way != Way::Followed && reached.walked.insert(edge.to) {
                waiting.extend(&self.nodes[edge.to].edges);
            }
        }
        reached
    }
}

/// What references lead to.
pub(crate) struct Reached {
    pub(crate) all: BTreeSet<usize>,
    /// Without what is only followed by arrows: those whose subjects count.
    pub(crate) walked: BTreeSet<usize>,
}

fn node(definition: &Definition, member: Member<'_>) -> Node {
    let (subjects, wildcard) = match member {
        Member::Relation(relation) => (direct(relation), first_wildcard(relation)),
        Member::Permission(permission) => {
            let mut leaves = permission.expression.leaves().into_iter();
            let own = leaves.any(|(leaf, _)| *leaf == Expression::SelfObject);
            (if own { vec![definition.name().clone()] } else { Vec::new() }, None)
        }
    };
    // INVARIANT: names of permissions and relations have the same grammar and length.
    let name = RelationName::new(member.name()).expect("a permission is named like a relation");
    let object_type = definition.name().clone();
    Node { object_type, name, is_permission: member.is_permission(), subjects, wildcard, edges: Vec::new() }
}

fn direct(relation: &Relation) -> Vec<TypeName> {
    let subjects = relation.subjects.iter();
    let mut types: Vec<TypeName> = subjects
        .filter(|subject| !matches!(subject.kind, SubjectKind::Userset(_)))
        .map(|subject| subject.object_type.clone())
        .collect();
    types.sort();
    types.dedup();
    types
}

fn first_wildcard(relation: &Relation) -> Option<TypeName> {
    let wildcard = relation.subjects.iter().find(|subject| subject.kind == SubjectKind::Wildcard);
    wildcard.map(|subject| subject.object_type.clone())
}

/// Makes references out of names.
struct Links<'a> {
    graph: &'a Graph,
    definitions: &'a BTreeMap<&'a TypeName, &'a Definition>,
    /// How many more may be looked up.
    left: usize,
}

impl Links<'_> {
    fn of(&mut self, definition: &Definition, member: Member<'_>) -> Result<Vec<Edge>, TooMany> {
        let mut edges = Vec::new();
        match member {
            Member::Relation(relation) => {
                for subject in &relation.subjects {
                    if let SubjectKind::Userset(name) = &subject.kind {
                        self.link(&subject.object_type, name, Way::Userset, false, &mut edges)?;
                    }
                }
            }
            Member::Permission(permission) => {
                for (leaf, takes) in permission.expression.leaves() {
                    match leaf {
                        Expression::Computed(name) => {
                            self.link(definition.name(), name, Way::Computed, takes, &mut edges)?;
                        }
                        Expression::Arrow(arrow) => self.arrow(definition, arrow, takes, &mut edges)?,
                        // Operators are no leaves.
                        Expression::Nil
                        | Expression::SelfObject
                        | Expression::Union(_)
                        | Expression::Intersection(_)
                        | Expression::Exclusion(..) => {}
                    }
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        Ok(edges)
    }

    fn arrow(
        &mut self,
        definition: &Definition,
        arrow: &Arrow,
        takes: bool,
        edges: &mut Vec<Edge>,
    ) -> Result<(), TooMany> {
        let definitions = self.definitions;
        let mut types: BTreeSet<&TypeName> = [definition.name()].into();
        for step in &arrow.steps {
            let mut next = BTreeSet::new();
            for object_type in types {
                // One more object on which the rest does not hold is enough to end an `all`.
                let takes = takes || step.mode == Mode::All;
                self.link(object_type, &step.relation, Way::Followed, takes, edges)?;
                let relation = definitions.get(object_type).and_then(|found| found.relation(step.relation.as_str()));
                let subjects = relation.map(|relation| relation.subjects.as_slice()).unwrap_or_default();
                self.left = self.left.checked_sub(subjects.len()).ok_or(TooMany)?;
                next.extend(subjects.iter().map(|subject| &subject.object_type));
            }
            types = next;
        }
        for object_type in types {
            self.link(object_type, &arrow.target, Way::Target, takes, edges)?;
        }
        Ok(())
    }

    fn link(
        &mut self,
        object_type: &TypeName,
        name: &RelationName,
        way: Way,
        takes: bool,
        edges: &mut Vec<Edge>,
    ) -> Result<(), TooMany> {
        self.left = self.left.checked_sub(1).ok_or(TooMany)?;
        edges.extend(self.graph.id(object_type, name.as_str()).map(|to| Edge { to, way, takes }));
        Ok(())
    }
}
