//! A text as it was parsed: names are valid, but need not exist.

use std::collections::BTreeSet;

use portcullis_model::TypeName;

use crate::caveat::Caveat;
use crate::place::Place;
use crate::schema::{Permission, Relation};

/// A whole text.
#[derive(Debug, Default)]
pub(crate) struct File {
    /// The words after `use`.
    pub(crate) features: BTreeSet<&'static str>,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug)]
pub(crate) enum Item {
    Definition(Block),
    Partial(Block),
    Caveat(Caveat),
}

/// A definition or partial.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) name: TypeName,
    pub(crate) place: Place,
    pub(crate) doc: Option<String>,
    pub(crate) members: Vec<BlockMember>,
}

#[derive(Clone, Debug)]
pub(crate) enum BlockMember {
    Relation(Relation),
    Permission(Permission),
    /// `...name`
    Spread(TypeName, Place),
}

impl BlockMember {
    /// Where the comments of it are.
    pub(crate) fn doc(&mut self) -> Option<&mut Option<String>> {
        match self {
            Self::Relation(relation) => Some(&mut relation.doc),
            Self::Permission(permission) => Some(&mut permission.doc),
            Self::Spread(..) => None,
        }
    }
}
