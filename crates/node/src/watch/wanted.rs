//! Which changes a watcher is told of.

use std::collections::BTreeSet;

use portcullis_machine::Effect;
use portcullis_model::{Grant, Relationship, TenantId, TupleFilter, TypeName};

/// Which changes are told; by default all are.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of these kinds; of every kind if there is none.
    pub kinds: BTreeSet<ChangeKind>,
    /// Of relationships and grants those on objects of these types; of every type if there is none.
    pub types: BTreeSet<TypeName>,
    /// Of relationships those that one of these selects; all if there is none.
    pub relationships: Vec<TupleFilter>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Relationships.
    Relationship,
    /// Grants.
    Grant,
    /// Roles.
    Role,
    /// The schema.
    Schema,
}

/// The tenant whose watchers an effect concerns.
pub(super) fn concerned(effect: &Effect) -> Option<&TenantId> {
    match effect {
        Effect::PutRelationship { tenant, .. }
        | Effect::PutTuple { tenant, .. }
        | Effect::DeleteRelationship { tenant, .. }
        | Effect::PutGrant { tenant, .. }
        | Effect::PutRole { tenant, .. }
        | Effect::DeleteRole { tenant, .. }
        | Effect::PutSchema { tenant, .. }
        | Effect::DropTenant(tenant) => Some(tenant),
        Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::PutTenant(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. }
        | Effect::Leases(_)
        | Effect::HistoryFloor(_)
        | Effect::Trust(_) => None,
    }
}

impl Wanted {
    /// Whether an effect is told to a watcher of a tenant.
    pub(super) fn selects(&self, tenant: &TenantId, effect: &Effect) -> bool {
        concerned(effect) == Some(tenant)
            && match effect {
                Effect::PutRelationship { relationship, .. } | Effect::DeleteRelationship { relationship, .. } => {
                    self.selects_relationship(relationship)
                }
                Effect::PutTuple { tuple, .. } => self.selects_relationship(&tuple.relationship),
                Effect::PutGrant { grant, .. } => self.selects_grant(grant),
                Effect::PutRole { .. } | Effect::DeleteRole { .. } => self.has(ChangeKind::Role),
                Effect::PutSchema { .. } => self.has(ChangeKind::Schema),
                Effect::Cluster(_)
                | Effect::ActiveVersion(_)
                | Effect::AdmitNode(_)
                | Effect::RetireNode(_)
                | Effect::PutTenant(_)
                | Effect::DropTenant(_)
                | Effect::Remember { .. }
                | Effect::Forget { .. }
                | Effect::Leases(_)
                | Effect::HistoryFloor(_)
                | Effect::Trust(_) => false,
            }
    }

    fn selects_relationship(&self, relationship: &Relationship) -> bool {
        self.has(ChangeKind::Relationship)
            && self.has_type(&relationship.resource.object_type)
            && (self.relationships.is_empty() || self.relationships.iter().any(|filter| filter.matches(relationship)))
    }

    fn selects_grant(&self, grant: &Grant) -> bool {
        self.has(ChangeKind::Grant) && self.has_type(&grant.scope.object_type)
    }

    fn has(&self, kind: ChangeKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn has_type(&self, of: &TypeName) -> bool {
        self.types.is_empty() || self.types.contains(of)
    }
}

#[cfg(test)]
mod tests {
    use portcullis_machine::StoredSchema;
    use portcullis_model::{Actor, GrantState, Revision, Role, Timestamp, Verified, Window};

    use super::*;

    fn here() -> TenantId {
        TenantId::default_tenant()
    }

    fn touched(text: &str) -> Effect {
        Effect::put(here(), text.parse().unwrap())
    }

    fn deleted(text: &str) -> Effect {
        Effect::DeleteRelationship { tenant: here(), relationship: text.parse().unwrap() }
    }

    fn granted(scope: &str) -> Effect {
        let actor = Actor { caller: "user:admin".parse().unwrap(), on_behalf_of: None, verified: Verified::Assumed };
        let grant = Grant {
            id: "g".parse().unwrap(),
            subject: "user:a".parse().unwrap(),
            role: "viewer".parse().unwrap(),
            scope: scope.parse().unwrap(),
            window: Window::default(),
            state: GrantState::Active,
            reason: None,
            granted_by: actor,
            granted_at: Timestamp(0),
            created: Revision(1),
            modified: Revision(1),
        };
        Effect::PutGrant { tenant: here(), grant: Box::new(grant) }
    }

    /// One effect of each kind that is watched, by a name.
    fn effects() -> Vec<(&'static str, Effect)> {
        let role = Role {
            id: "viewer".parse().unwrap(),
            permissions: <_>::default(),
            inherits: <_>::default(),
            created: Revision(1),
            modified: Revision(1),
        };
        let schema = StoredSchema { text: String::new(), written: Revision(1) };
        vec![
            ("member", touched("group:eng#member@user:a")),
            ("member ends", touched("group:eng#member@user:a[expiration:2030-01-01T00:00:00Z]")),
            ("parent", deleted("document:plan#parent@folder:q3")),
            ("on document", granted("document:plan")),
            ("on folder", granted("folder:q3")),
            ("role", Effect::PutRole { tenant: here(), role }),
            ("no role", Effect::DeleteRole { tenant: here(), role: "viewer".parse().unwrap() }),
            ("schema", Effect::PutSchema { tenant: here(), schema: Box::new(schema) }),
        ]
    }

    fn selected(wanted: &Wanted, tenant: &TenantId) -> Vec<&'static str> {
        let selected = effects().into_iter().filter(|(_, effect)| wanted.selects(tenant, effect));
        selected.map(|(name, _)| name).collect()
    }

    #[test]
    fn what_is_wanted_is_told() {
        let all: Vec<&str> = effects().into_iter().map(|(name, _)| name).collect();
        let kinds = |kinds: &[ChangeKind]| Wanted { kinds: kinds.iter().copied().collect(), ..Wanted::default() };
        let types = |types: &[&str]| Wanted {
            types: types.iter().map(|name| name.parse().unwrap()).collect(),
            ..Wanted::default()
        };
        let relationships = |filters: &[&str]| Wanted {
            relationships: filters.iter().map(|filter| filter.parse().unwrap()).collect(),
            ..Wanted::default()
        };
        let both = Wanted { kinds: kinds(&[ChangeKind::Grant]).kinds, ..types(&["folder"]) };
        for (wanted, expected) in [
            (Wanted::default(), all),
            (kinds(&[ChangeKind::Relationship]), vec!["member", "member ends", "parent"]),
            (kinds(&[ChangeKind::Role, ChangeKind::Schema]), vec!["role", "no role", "schema"]),
            (types(&["document"]), vec!["parent", "on document", "role", "no role", "schema"]),
            (types(&["user"]), vec!["role", "no role", "schema"]),
            (
                relationships(&["group#member", "folder"]),
                vec!["member", "member ends", "on document", "on folder", "role", "no role", "schema"],
            ),
            (both, vec!["on folder"]),
        ] {
            assert_eq!(selected(&wanted, &here()), expected, "{wanted:?}");
        }
        assert!(selected(&Wanted::default(), &TenantId::system()).is_empty(), "what is of another tenant is not told");
    }
}
