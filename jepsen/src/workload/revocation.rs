//! The workload `revocation`: answers that are given and taken away, each in one of five ways.
//!
//! Every key is a question of its own, to which a denial is the answer until it is granted, and again once that is revoked. An
//! allow has one reason only, so it cannot outlive the revocation of its key by another.

use portcullis_client::{Client, Error, v1};
use v1::relationship_update::Operation::{Delete, Touch};

use crate::history::Key;

/// Its name.
pub const NAME: &str = "revocation";
/// A role whose grants come and go.
const VIEWER: &str = "viewer";
const MAY_VIEW: &str = "document#view";
/// What a role names that no longer lets see anything.
const MAY_LIST: &str = "document#list";
/// A group in a group in a group, the outermost of which may see what lies in a folder.
const INNERMOST: &str = "group:innermost";
/// Somebody who may see whatever lies on a shelf.
const READER: &str = "user:reader";
const SHELF: &str = "folder:shelf";

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

/// Makes what all keys share.
pub async fn set_up(client: &Client) -> Result<(), Error> {
    create_role(client, VIEWER.to_owned(), MAY_VIEW).await?;
    let shared = [
        "group:outermost#member@group:middle#member",
        "group:middle#member@group:innermost#member",
        "document:minutes#parent@folder:team",
    ];
    client.write_relationships(updates(shared.map(|text| (Touch, text.to_owned())))).await?;
    client.create_grant(grant("team", "group:outermost#member", VIEWER, "folder:team")).await?;
    client.create_grant(grant("shelf", READER, VIEWER, SHELF)).await?;
    Ok(())
}

impl Access {
    /// How it is given and taken away: each way has every fifth key.
    pub fn way(self) -> Way {
        let place = self.key.0 % Way::ALL.len() as u64;
        Way::ALL[usize::try_from(place).expect("INVARIANT: there are few ways")]
    }

    /// The question.
    pub fn question(self) -> v1::CheckRequest {
        let (subject, resource) = match self.way() {
            Way::Direct | Way::Role | Way::Filter => (self.user(), self.document()),
            Way::Group => (self.user(), "document:minutes".to_owned()),
            Way::Scope => (READER.to_owned(), self.document()),
        };
        let item = v1::CheckItem { subject, permission: "view".to_owned(), resource, context: String::new() };
        v1::CheckRequest { item: Some(item), ..v1::CheckRequest::default() }
    }

    /// Makes what has to be there before it can be given, without giving it.
    pub async fn prepare(self, client: &Client) -> Result<(), Error> {
        match self.way() {
            Way::Role => create_role(client, self.role(), MAY_VIEW).await,
            Way::Direct | Way::Group | Way::Scope | Way::Filter => Ok(()),
        }
    }

    /// Gives it, and returns the revision.
    pub async fn grant(self, client: &Client) -> Result<u64, Error> {
        let position = match self.way() {
            Way::Direct | Way::Filter => self.create_grant(client, VIEWER).await?,
            Way::Role => self.create_grant(client, &self.role()).await?,
            Way::Group | Way::Scope => client.write_relationships(updates([(Touch, self.link())])).await?.position,
        };
        Ok(revision(position))
    }

    /// Takes it away, and returns the revision.
    pub async fn revoke(self, client: &Client) -> Result<u64, Error> {
        let position = match self.way() {
            Way::Direct => {
                let ids = vec![self.id()];
                let request = v1::RevokeGrantsRequest { ids, ..v1::RevokeGrantsRequest::default() };
                client.revoke_grants(request).await?.position
            }
            Way::Filter => {
                let filter = Some(v1::GrantFilter { subject: self.user(), ..v1::GrantFilter::default() });
                let request = v1::RevokeGrantsByFilterRequest { filter, ..v1::RevokeGrantsByFilterRequest::default() };
                client.revoke_grants_by_filter(request).await?.position
            }
            Way::Role => {
                let (id, permissions) = (self.role(), vec![MAY_LIST.to_owned()]);
                let request = v1::UpdateRoleRequest { id, permissions, ..v1::UpdateRoleRequest::default() };
                client.update_role(request).await?.position
            }
            Way::Group | Way::Scope => client.write_relationships(updates([(Delete, self.link())])).await?.position,
        };
        Ok(revision(position))
    }

    async fn create_grant(self, client: &Client, role: &str) -> Result<Option<v1::Position>, Error> {
        Ok(client.create_grant(grant(&self.id(), &self.user(), role, &self.document())).await?.position)
    }

    fn id(self) -> String {
        format!("grant-{}", self.key)
    }

    fn user(self) -> String {
        format!("user:u{}", self.key)
    }

    fn document(self) -> String {
        format!("document:d{}", self.key)
    }

    fn role(self) -> String {
        format!("role-{}", self.key)
    }

    /// The relationship that makes the difference.
    fn link(self) -> String {
        match self.way() {
            Way::Group => format!("{INNERMOST}#member@{}", self.user()),
            Way::Direct | Way::Scope | Way::Role | Way::Filter => format!("{}#parent@{SHELF}", self.document()),
        }
    }
}

async fn create_role(client: &Client, id: String, permission: &str) -> Result<(), Error> {
    let permissions = vec![permission.to_owned()];
    client.create_role(v1::CreateRoleRequest { id, permissions, ..v1::CreateRoleRequest::default() }).await?;
    Ok(())
}

fn grant(id: &str, subject: &str, role: &str, scope: &str) -> v1::CreateGrantRequest {
    let [id, subject, role, scope] = [id, subject, role, scope].map(str::to_owned);
    v1::CreateGrantRequest { id, subject, role, scope, ..v1::CreateGrantRequest::default() }
}

fn updates(
    updates: impl IntoIterator<Item = (v1::relationship_update::Operation, String)>,
) -> v1::WriteRelationshipsRequest {
    let update = |(operation, relationship): (v1::relationship_update::Operation, String)| v1::RelationshipUpdate {
        operation: operation.into(),
        relationship,
    };
    let updates = updates.into_iter().map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

fn revision(position: Option<v1::Position>) -> u64 {
    position.unwrap_or_default().revision
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_a_question_of_its_own() {
        let questions: BTreeSet<String> =
            (0..100).map(|key| format!("{:?}", Access { key: Key(key) }.question())).collect();
        assert_eq!(questions.len(), 100);
    }

    #[test]
    fn every_way_is_taken() {
        let ways: BTreeSet<&str> = (0..5).map(|key| Access { key: Key(key) }.way().name()).collect();
        assert_eq!(ways.len(), Way::ALL.len());
    }
}
