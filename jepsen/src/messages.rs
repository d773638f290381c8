//! Messages of the interface in a few words.

use portcullis_client::{Client, Error, v1};
pub use v1::relationship_update::Operation::{Delete, Touch};

/// May the subject see the resource?
pub fn may_view(subject: &str, resource: &str) -> v1::CheckItem {
    let [subject, permission, resource] = [subject, "view", resource].map(str::to_owned);
    v1::CheckItem { subject, permission, resource, context: String::new() }
}

/// Makes a role of one permission, and returns where.
pub async fn create_role(client: &Client, id: &str, permission: &str) -> Result<Option<v1::Position>, Error> {
    let (id, permissions) = (id.to_owned(), vec![permission.to_owned()]);
    let request = v1::CreateRoleRequest { id, permissions, ..v1::CreateRoleRequest::default() };
    Ok(client.create_role(request).await?.position)
}

/// A grant to make.
pub fn grant(id: &str, subject: &str, role: &str, scope: &str) -> v1::CreateGrantRequest {
    let [id, subject, role, scope] = [id, subject, role, scope].map(str::to_owned);
    v1::CreateGrantRequest { id, subject, role, scope, ..v1::CreateGrantRequest::default() }
}

/// Relationships to write.
pub fn updates(
    updates: impl IntoIterator<Item = (v1::relationship_update::Operation, String)>,
) -> v1::WriteRelationshipsRequest {
    let update = |(operation, relationship): (v1::relationship_update::Operation, String)| v1::RelationshipUpdate {
        operation: operation.into(),
        relationship,
    };
    let updates = updates.into_iter().map(update).collect();
    v1::WriteRelationshipsRequest { updates, ..v1::WriteRelationshipsRequest::default() }
}

/// The revision of a position.
pub fn revision(position: Option<v1::Position>) -> u64 {
    position.unwrap_or_default().revision
}

/// The consistency of this mode.
pub fn consistency(mode: v1::consistency::Mode) -> Option<v1::Consistency> {
    Some(v1::Consistency { mode: Some(mode) })
}
