//! The data that is measured on: of named shape and size, and always the same.

mod dice;
mod docs;
mod grants;
mod load;
mod plain;

use clap::ValueEnum;
use portcullis_client::v1;

use docs::Docs;
use grants::Grants;
use plain::{Deep, Flat, Wide};

/// Relationships at the most.
pub(super) const SIZE_MAX: u32 = 20_000_000;
/// Questions that are asked in turn.
const QUESTIONS: u32 = 20_000;

/// The schema of all worlds that have one.
pub(super) const SCHEMA: &str = "\
definition user {}

definition group {
\trelation member: user | group#member
}

definition folder {
\trelation parent: folder
\trelation viewer: user | group#member
\tpermission view = viewer + parent->view
}

definition document {
\trelation parent: folder
\trelation viewer: user | group#member
\trelation banned: user
\tpermission view = (viewer + parent->view) - banned
}
";

/// The shape of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Documents in a tree of folders 8 deep, each with a viewer and every tenth with somebody banned; every fifth folder is
    /// shared with a group of 20, and nine tenths of the groups are in another.
    Docs,
    /// Documents with a viewer each, and nothing else.
    Flat,
    /// Chains of 30 folders, each with a document at its end and a viewer of its topmost folder.
    Deep,
    /// Documents that are shared with 1,000 groups each, one of which has 10,000 members.
    Wide,
    /// Documents in a tree of folders with nested groups, with grants in place of a schema.
    Grants,
}

/// A question, and whether the answer is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) subject: String,
    pub(super) resource: String,
    pub(super) allowed: bool,
}

/// What a world is made of, and how much of it there is.
pub(super) type Parts = std::collections::BTreeMap<&'static str, u32>;

/// A world.
#[derive(Clone, Debug)]
pub(super) struct World {
    shape: Shape,
    size: u32,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Docs(Docs),
    Flat(Flat),
    Deep(Deep),
    Wide(Wide),
    Grants(Grants),
}

impl World {
    /// A world of about so many relationships, grants counted with them.
    pub(super) fn new(shape: Shape, size: u32) -> Self {
        let kind = match shape {
            Shape::Docs => Kind::Docs(Docs::new(size)),
            Shape::Flat => Kind::Flat(Flat::new(size)),
            Shape::Deep => Kind::Deep(Deep::new(size)),
            Shape::Wide => Kind::Wide(Wide::new(size)),
            Shape::Grants => Kind::Grants(Grants::new(size)),
        };
        Self { shape, size, kind }
    }

    /// Whether it has a schema. Otherwise it has a role and grants.
    pub(super) fn has_schema(&self) -> bool {
        !matches!(self.kind, Kind::Grants(_))
    }

    pub(super) fn relationships(&self) -> Box<dyn Iterator<Item = String> + Send + '_> {
        match &self.kind {
            Kind::Docs(world) => Box::new(world.relationships()),
            Kind::Flat(world) => Box::new(world.relationships()),
            Kind::Deep(world) => Box::new(world.relationships()),
            Kind::Wide(world) => Box::new(world.relationships()),
            Kind::Grants(world) => Box::new(world.relationships()),
        }
    }

    /// What it is made of.
    pub(super) fn parts(&self) -> Parts {
        match &self.kind {
            Kind::Docs(world) => world.parts(),
            Kind::Flat(world) => world.parts(),
            Kind::Deep(world) => world.parts(),
            Kind::Wide(world) => world.parts(),
            Kind::Grants(world) => world.parts(),
        }
    }

    /// Questions of which half are allowed.
    pub(super) fn asks(&self) -> impl Iterator<Item = Ask> {
        (0..QUESTIONS).map(|nth| match &self.kind {
            Kind::Docs(world) => world.question(nth),
            Kind::Flat(world) => world.question(nth),
            Kind::Deep(world) => world.question(nth),
            Kind::Wide(world) => world.question(nth),
            Kind::Grants(world) => world.question(nth),
        })
    }

    /// The same as they are sent.
    pub(super) fn questions(&self) -> Vec<v1::CheckItem> {
        let question = |ask: Ask| v1::CheckItem {
            subject: ask.subject,
            permission: "view".to_owned(),
            resource: ask.resource,
            context: String::new(),
        };
        self.asks().map(question).collect()
    }
}

/// An update that makes a relationship.
pub(super) fn touch(relationship: String) -> v1::RelationshipUpdate {
    v1::RelationshipUpdate { operation: v1::relationship_update::Operation::Touch.into(), relationship }
}

#[cfg(test)]
mod tests;
