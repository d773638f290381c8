//! A compiled schema: checked, immutable and cheap to share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use portcullis_model::{PermissionName, RelationName, TypeName};

use crate::caveat::Caveat;
use crate::dependency;
use crate::expression::Expression;
use crate::graph::Graph;
use crate::name::CaveatName;
use crate::place::Place;

/// A schema that was found to be sound. Cloning it is cheap.
///
/// Two are equal if they say the same in the same order, comments included, wherever it stood in their texts. Partials
/// are in place: a definition has the members of those that it spreads.
#[derive(Clone, Debug)]
pub struct Schema(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directives: Vec<Directive>,
    items: Vec<Item>,
    definitions: BTreeMap<TypeName, usize>,
    caveats: BTreeMap<CaveatName, usize>,
    graph: Graph,
    /// Numbers in the graph.
    subtracted: BTreeSet<usize>,
    wavering: BTreeSet<usize>,
}

/// What stands at the top level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A type of objects.
    Definition(Definition),
    /// A condition.
    Caveat(Caveat),
}

/// A `use` that a schema keeps. Those for partials and imports are spent once it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Directive {
    /// `use expiration`: relationships may expire.
    Expiration,
    /// `use self`: the word `self` stands for the object.
    SelfObject,
    /// `use typechecking`: what permissions declare is checked.
    Typechecking,
}

/// A type of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    name: TypeName,
    doc: Option<String>,
    place: Place,
    relations: Vec<Relation>,
    permissions: Vec<Permission>,
    /// All members in source order.
    order: Vec<Slot>,
    by_name: BTreeMap<Box<str>, Slot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Relation(usize),
    Permission(usize),
}

/// A relation or permission of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// Relationships are stored under it.
    Relation(&'a Relation),
    /// It is computed.
    Permission(&'a Permission),
}

/// What relationships are stored under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name, which no permission of the definition has.
    pub name: RelationName,
    /// The comments before it.
    pub doc: Option<String>,
    /// Who may be a subject, in source order. At least one, all different.
    pub subjects: Vec<AllowedSubject>,
    /// Where its name stood.
    pub place: Place,
}

/// Who may be the subject of a relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSubject {
    /// The type of the subject.
    pub object_type: TypeName,
    /// Which subjects of that type.
    pub kind: SubjectKind,
    /// The caveat that the relationship has to carry; without one it must carry none.
    pub caveat: Option<CaveatName>,
    /// Whether the relationship has to carry an expiration; otherwise it must carry none.
    pub expiration: bool,
    /// Where it stood.
    pub place: Place,
}

/// Which subjects of a type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SubjectKind {
    /// `user`: single objects. `user#...` is the same.
    Direct,
    /// `group#member`: whoever has a relation or permission on an object.
    Userset(RelationName),
    /// `user:*`: all objects of the type at once.
    Wildcard,
}

/// What is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Its name, which no relation of the definition has.
    pub name: PermissionName,
    /// The comments before it.
    pub doc: Option<String>,
    /// The types of subjects that it declares, as in `permission view: user | group = …`. Empty if it declares none.
    /// They are held to it only under `use typechecking`.
    pub types: Vec<TypeName>,
    /// What it is computed from.
    pub expression: Expression,
    /// Where its name stood.
    pub place: Place,
    /// Where each leaf of the expression stood, from left to right.
    pub(crate) leaves: Vec<Place>,
    /// Where different operators meet without parentheses; empty if nowhere.
    pub(crate) mixed: Place,
}

impl Schema {
    /// INVARIANT: everything was checked, and no name is taken twice.
    pub(crate) fn new(directives: Vec<Directive>, items: Vec<Item>, graph: Graph) -> Self {
        let mut definitions = BTreeMap::new();
        let mut caveats = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Definition(definition) => drop(definitions.insert(definition.name.clone(), index)),
                Item::Caveat(caveat) => drop(caveats.insert(caveat.name.clone(), index)),
            }
        }
        let subtracted = dependency::subtracted(&graph);
        let wavering = dependency::wavering(&graph);
        Self(Arc::new(Inner { directives, items, definitions, caveats, graph, subtracted, wavering }))
    }

    /// Its `use` directives.
    pub fn directives(&self) -> &[Directive] {
        &self.0.directives
    }

    /// Definitions and caveats, in source order.
    pub fn items(&self) -> &[Item] {
        &self.0.items
    }

    /// The definitions, in source order.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.0.items.iter().filter_map(Item::as_definition)
    }

    /// The caveats, in source order.
    pub fn caveats(&self) -> impl Iterator<Item = &Caveat> {
        self.0.items.iter().filter_map(Item::as_caveat)
    }

    /// The definition of a type.
    pub fn definition(&self, name: &TypeName) -> Option<&Definition> {
        self.0.definitions.get(name).and_then(|index| self.0.items[*index].as_definition())
    }

    /// The caveat of a name.
    pub fn caveat(&self, name: &CaveatName) -> Option<&Caveat> {
        self.0.caveats.get(name).and_then(|index| self.0.items[*index].as_caveat())
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }

    pub(crate) fn subtracted(&self) -> &BTreeSet<usize> {
        &self.0.subtracted
    }

    pub(crate) fn wavering(&self) -> &BTreeSet<usize> {
        &self.0.wavering
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.directives == other.0.directives && self.0.items == other.0.items)
    }
}

impl Eq for Schema {}

impl Item {
    pub(crate) fn as_definition(&self) -> Option<&Definition> {
        match self {
            Self::Definition(definition) => Some(definition),
            Self::Caveat(_) => None,
        }
    }

    pub(crate) fn as_caveat(&self) -> Option<&Caveat> {
        match self {
            Self::Caveat(caveat) => Some(caveat),
            Self::Definition(_) => None,
        }
    }
}

impl Directive {
    /// The word after `use`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Expiration => "expiration",
            Self::SelfObject => "self",
            Self::Typechecking => "typechecking",
        }
    }
}

impl Definition {
    pub(crate) fn new(name: TypeName, doc: Option<String>, place: Place) -> Self {
        let (relations, permissions) = (Vec::new(), Vec::new());
        Self { name, doc, place, relations, permissions, order: Vec::new(), by_name: BTreeMap::new() }
    }

    /// Adds a relation; returns whether its name was free.
    pub(crate) fn add_relation(&mut self, relation: Relation) -> bool {
        let slot = Slot::Relation(self.relations.len());
        self.take(relation.name.as_str(), slot) && {
            self.relations.push(relation);
            true
        }
    }

    /// Adds a permission; returns whether its name was free.
    pub(crate) fn add_permission(&mut self, permission: Permission) -> bool {
        let slot = Slot::Permission(self.permissions.len());
        self.take(permission.name.as_str(), slot) && {
            self.permissions.push(permission);
            true
        }
    }

    fn take(&mut self, name: &str, slot: Slot) -> bool {
        let free = !self.by_name.contains_key(name);
        if free {
            self.by_name.insert(name.into(), slot);
            self.order.push(slot);
        }
        free
    }

    /// Its name.
    pub fn name(&self) -> &TypeName {
        &self.name
    }

    /// The comments before it.
    pub fn doc(&self) -> Option<&str> {
        self.doc.as_deref()
    }

    /// Where its name stood.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Its relations, in source order.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Its permissions, in source order.
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Its relations and permissions, in source order.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.order.iter().map(|slot| self.at(*slot))
    }

    /// The relation or permission of a name.
    pub fn member(&self, name: &str) -> Option<Member<'_>> {
        self.by_name.get(name).map(|slot| self.at(*slot))
    }

    /// The relation of a name.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        match self.member(name)? {
            Member::Relation(relation) => Some(relation),
            Member::Permission(_) => None,
        }
    }

    /// The permission of a name.
    pub fn permission(&self, name: &str) -> Option<&Permission> {
        match self.member(name)? {
            Member::Permission(permission) => Some(permission),
            Member::Relation(_) => None,
        }
    }

    fn at(&self, slot: Slot) -> Member<'_> {
        match slot {
            Slot::Relation(index) => Member::Relation(&self.relations[index]),
            Slot::Permission(index) => Member::Permission(&self.permissions[index]),
        }
    }
}

impl<'a> Member<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Relation(relation) => relation.name.as_str(),
            Self::Permission(permission) => permission.name.as_str(),
        }
    }

    /// Where its name stood.
    pub fn place(self) -> Place {
        match self {
            Self::Relation(relation) => relation.place,
            Self::Permission(permission) => permission.place,
        }
    }

    /// Whether it is computed.
    pub fn is_permission(self) -> bool {
        matches!(self, Self::Permission(_))
    }
}

impl fmt::Display for AllowedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object_type)?;
        match &self.kind {
            SubjectKind::Direct => {}
            SubjectKind::Userset(relation) => write!(f, "#{relation}")?,
            SubjectKind::Wildcard => f.write_str(":*")?,
        }
        match (&self.caveat, self.expiration) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {caveat}"),
            (Some(caveat), true) => write!(f, " with {caveat} and expiration"),
        }
    }
}
