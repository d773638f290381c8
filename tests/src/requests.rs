//! Requests in the words of a test: texts in, a message out.

use portcullis_client::v1;

/// May the subject do this with the resource?
pub fn question(subject: &str, permission: &str, resource: &str) -> v1::CheckRequest {
    let item = v1::CheckItem {
        subject: subject.to_owned(),
        permission: permission.to_owned(),
        resource: resource.to_owned(),
        context: String::new(),
    };
    v1::CheckRequest { item: Some(item), ..v1::CheckRequest::default() }
}

/// The same, answered from whatever the node has.
pub fn question_of_any_age(subject: &str, permission: &str, resource: &str) -> v1::CheckRequest {
    let mode = Some(v1::consistency::Mode::MinimizeLatency(true));
    v1::CheckRequest { consistency: Some(v1::Consistency { mode }), ..question(subject, permission, resource) }
}

/// A role with permissions such as `document#view`.
pub fn role<'a>(id: &str, permissions: impl IntoIterator<Item = &'a str>) -> v1::CreateRoleRequest {
    let permissions = permissions.into_iter().map(str::to_owned).collect();
    v1::CreateRoleRequest { id: id.to_owned(), permissions, ..v1::CreateRoleRequest::default() }
}

/// A grant for ever. With an empty id the cluster makes one.
pub fn grant(id: &str, subject: &str, role: &str, scope: &str) -> v1::CreateGrantRequest {
    v1::CreateGrantRequest {
        id: id.to_owned(),
        subject: subject.to_owned(),
        role: role.to_owned(),
        scope: scope.to_owned(),
        ..v1::CreateGrantRequest::default()
    }
}

/// The end of one grant.
pub fn revoke(id: &str) -> v1::RevokeGrantsRequest {
    v1::RevokeGrantsRequest { ids: vec![id.to_owned()], ..v1::RevokeGrantsRequest::default() }
}

/// The options of a write that is known by a key.
pub fn under_key(key: &str) -> Option<v1::WriteOptions> {
    Some(v1::WriteOptions { idempotency_key: key.to_owned(), ..v1::WriteOptions::default() })
}
