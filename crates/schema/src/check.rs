//! From syntax to a schema: everything that a text can get wrong beyond its grammar.
//!
//! What is refused is what SpiceDB refuses (its type system and its compiler), with one addition: a permission must not be
//! computed from itself on the same object in any way, where SpiceDB finds only chains of aliases and fails at the others
//! when they are asked for. Arrows whose target is nowhere are left to `lint`, as there.

mod caveats;
mod circles;
mod expand;
mod expressions;
mod similar;
mod subjects;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::TypeName;

use crate::caveat::Caveat;
use crate::excerpt::Found;
use crate::graph::{Graph, TooMany};
use crate::limit;
use crate::name::CaveatName;
use crate::place::Place;
use crate::problem::ProblemKind;
use crate::schema::{Definition, Directive, Item, Member, Schema};
use crate::syntax;

/// Makes a schema of what was parsed. Whether it may be used is known by what was found, here and before.
pub(crate) fn check(mut file: syntax::File, found: &mut Found) -> Option<Schema> {
    names(&mut file, found);
    let items = expand::expand(file.items, found)?;
    let Ok(graph) = Graph::of(&items) else {
        let TooMany = TooMany;
        let what = "references between relations and permissions";
        found.add(Place::default(), ProblemKind::TooLarge { what, most: limit::REFERENCES_MAX });
        return None;
    };
    let world = World::new(&items, &graph, file.features);
    for item in &items {
        match item {
            Item::Definition(definition) => {
                subjects::check(&world, definition, found);
                expressions::check(&world, definition, found);
            }
            Item::Caveat(caveat) => caveats::check(caveat, found),
        }
        if found.is_full() {
            return None;
        }
    }
    expressions::check_cycles(&world, found);
    if world.features.contains("typechecking") {
        types::check(&world, found);
    }
    let directives = [Directive::Expiration, Directive::SelfObject, Directive::Typechecking];
    let directives = directives.into_iter().filter(|directive| world.features.contains(directive.word())).collect();
    Some(Schema::new(directives, items, graph))
}

/// Definitions, partials and caveats share their names. The first keeps its own.
fn names(file: &mut syntax::File, found: &mut Found) {
    let mut taken = BTreeSet::new();
    file.items.retain(|item| {
        let (name, place) = match item {
            syntax::Item::Definition(block) | syntax::Item::Partial(block) => (block.name.as_str(), block.place),
            syntax::Item::Caveat(caveat) => (caveat.name.as_str(), caveat.place),
        };
        let free = taken.insert(name.to_owned());
        if !free {
            found.add(place, ProblemKind::DuplicateName { name: name.to_owned() });
        }
        free
    });
}

/// All that a definition can refer to.
struct World<'a> {
    definitions: BTreeMap<&'a TypeName, &'a Definition>,
    caveats: BTreeMap<&'a CaveatName, &'a Caveat>,
    graph: &'a Graph,
    /// The relation from which each relation has a wildcard, by numbers in the graph.
    wildcards: Vec<Option<usize>>,
    features: BTreeSet<&'static str>,
}

impl<'a> World<'a> {
    fn new(items: &'a [Item], graph: &'a Graph, features: BTreeSet<&'static str>) -> Self {
        let definitions = items.iter().filter_map(Item::as_definition);
        let caveats = items.iter().filter_map(Item::as_caveat);
        Self {
            definitions: definitions.map(|definition| (definition.name(), definition)).collect(),
            caveats: caveats.map(|caveat| (&caveat.name, caveat)).collect(),
            graph,
            wildcards: subjects::wildcards(graph),
            features,
        }
    }

    /// The type that a relation allows all objects of, and the relation through which, if another.
    fn wildcard(&self, object_type: &TypeName, relation: &str) -> Option<(String, Option<String>)> {
        let id = self.graph.id(object_type, relation)?;
        let source = self.wildcards[id]?;
        let node = &self.graph.nodes[source];
        let wildcard = node.wildcard.as_ref()?.to_string();
        Some((wildcard, (source != id).then(|| format!("{}#{}", node.object_type, node.name))))
    }

    fn unknown_type(&self, name: &TypeName) -> ProblemKind {
        let similar = similar::to(name.as_str(), self.definitions.keys().map(|name| name.as_str()));
        ProblemKind::UnknownType { name: name.to_string(), similar }
    }
}

fn unknown_member(definition: &Definition, name: &str) -> ProblemKind {
    let similar = similar::to(name, definition.members().map(Member::name));
    ProblemKind::UnknownMember { object_type: definition.name().to_string(), name: name.to_owned(), similar }
}
