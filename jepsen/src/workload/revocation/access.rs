//! One question whose answer is given and taken away, each in one of five ways.

use crate::history::Key;

/// A group in a group in a group, the outermost of which may see what lies in a folder.
pub const INNERMOST: &str = "group:innermost";
/// Somebody who may see whatever lies on a shelf.
pub const READER: &str = "user:reader";
/// Where that somebody may see everything.
pub const SHELF: &str = "folder:shelf";
/// What whoever is in the group may see.
pub const MINUTES: &str = "document:minutes";

/// How an answer is given and taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A grant of a role on the document to the user, revoked by its id.
    Direct,
    /// The user joins and leaves a group that has the role through two others.
    Group,
    /// The document is put into and taken out of a folder on which the user has the role.
    Scope,
    /// A grant of a role that then loses the permission.
    Role,
    /// A grant as for `Direct`, revoked by a filter over its subject.
    Filter,
}

impl Way {
    const ALL: [Self; 5] = [Self::Direct, Self::Group, Self::Scope, Self::Role, Self::Filter];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
            Self::Scope => "scope",
            Self::Role => "role",
            Self::Filter => "filter",
        }
    }
}

/// One question whose answer is given and taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Its number.
    pub key: Key,
}

impl Access {
    /// How it is given and taken away: each way has every fifth key.
    pub fn way(self) -> Way {
        let place = self.key.0 % Way::ALL.len() as u64;
        Way::ALL[usize::try_from(place).expect("INVARIANT: there are few ways")]
    }

    /// Who asks to see what.
    pub fn question(self) -> (String, String) {
        match self.way() {
            Way::Direct | Way::Role | Way::Filter => (self.user(), self.document()),
            Way::Group => (self.user(), MINUTES.to_owned()),
            Way::Scope => (READER.to_owned(), self.document()),
        }
    }

    /// The id of what is granted.
    pub fn id(self) -> String {
        format!("grant-{}", self.key)
    }

    /// The user of its own.
    pub fn user(self) -> String {
        format!("user:u{}", self.key)
    }

    /// The document of its own.
    pub fn document(self) -> String {
        format!("document:d{}", self.key)
    }

    /// The role of its own.
    pub fn role(self) -> String {
        format!("role-{}", self.key)
    }

    /// The relationship that makes the difference, where it is one.
    pub fn link(self) -> String {
        match self.way() {
            Way::Group => format!("{INNERMOST}#member@{}", self.user()),
            Way::Direct | Way::Scope | Way::Role | Way::Filter => format!("{}#parent@{SHELF}", self.document()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_a_question_of_its_own() {
        let questions: BTreeSet<_> = (0..100).map(|key| Access { key: Key(key) }.question()).collect();
        assert_eq!(questions.len(), 100);
    }

    #[test]
    fn every_way_is_taken() {
        let ways: BTreeSet<&str> = (0..5).map(|key| Access { key: Key(key) }.way().name()).collect();
        assert_eq!(ways.len(), Way::ALL.len());
    }
}
