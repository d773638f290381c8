//! A tenant with what is in doubt laid over it.

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_eval::{
    Bounds, Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, Program, QualifierKey, RelationKey, RoleKey, Snapshot,
    TypeKey,
};
use portcullis_model::{GrantId, Object, PermissionName, Qualifier, Relationship, Role, RoleId, TypeName};

use super::TenantDoubts;
use crate::resident::tenant::TenantIndex;

/// A tenant whose rows have the numbers of an index, as far as that knows their names. Doubts can be laid over it.
pub trait Numbered: Snapshot + Sized {
    /// The index.
    fn index(&self) -> &TenantIndex;

    /// This tenant with what is in doubt laid over it, which was made for its index.
    fn doubted_by<'a>(&'a self, doubts: &'a TenantDoubts) -> Doubted<'a, Self> {
        Doubted { rows: self, doubts }
    }
}

impl Numbered for TenantIndex {
    fn index(&self) -> &TenantIndex {
        self
    }
}

/// A tenant, and what is in doubt in it.
#[derive(Clone, Copy, Debug)]
pub struct Doubted<'a, S> {
    rows: &'a S,
    doubts: &'a TenantDoubts,
}

impl<S: Numbered> Doubted<'_, S> {
    fn index(&self) -> &TenantIndex {
        self.rows.index()
    }

    /// How certain a relationship of the index is.
    fn certainty(&self, subject: NodeKey, userset: NodeKey) -> Bounds {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.edges.contains(&(subject, userset))
            || !removed.relationships.is_empty() && {
                let relationship = self.relationship(subject, userset);
                removed.relationships.iter().any(|filter| filter.matches(&relationship))
            };
        if in_doubt { Bounds::MAYBE } else { Bounds::YES }
    }

    /// Whether a relationship holds always already, so that adding it adds nothing.
    fn is_known(&self, userset: NodeKey, subject: NodeKey) -> bool {
        self.rows.between(userset, subject).any(|edge| edge.qualifier.is_none())
    }

    fn added_object(&self, name: &str) -> Option<ObjectKey> {
        let place = self.doubts.added.objects.place(name)?;
        Some(ObjectKey(self.index().objects_end() + place))
    }

    fn relationship(&self, subject: NodeKey, userset: NodeKey) -> Relationship {
        let text = format!("{}@{}", self.name(userset), self.name(subject));
        text.parse().expect("INVARIANT: an edge is a relationship")
    }

    fn row(&self, row: GrantRow) -> GrantRow {
        let removed = &self.doubts.removed;
        let in_doubt = self.doubts.whole
            || removed.grants.contains(&row.handle)
            || removed.filters.iter().any(|filter| filter.matches(&row));
        GrantRow { certainty: if in_doubt { Bounds::MAYBE } else { row.certainty }, ..row }
    }

    /// What may be added to the far ends, between `first` and `last`, of a node.
    fn added(
        edges: &BTreeSet<(NodeKey, NodeKey)>,
        node: NodeKey,
        [first, last]: [NodeKey; 2],
    ) -> impl Iterator<Item = Edge> {
        let others = edges.range((node, first)..=(node, last));
        // What it will hold under makes it less certain at most.
        others.map(|(_, other)| Edge { node: *other, certainty: Bounds::MAYBE, qualifier: None })
    }

    /// Whether what a role holds may change: it, or one that it inherits, is in doubt.
    fn is_role_in_doubt(&self, role: RoleKey) -> bool {
        let doubts = self.doubts;
        if doubts.whole {
            return true;
        }
        if doubts.roles.is_empty() {
            return false;
        }
        let mut family = vec![self.role_id(role)];
        let mut position = 0;
        while let Some(role) = family.get(position) {
            if doubts.roles.contains(role) {
                return true;
            }
            let inherits = self.index().role(role).map(|role| role.inherits.clone()).unwrap_or_default();
            for inherited in inherits {
                if !family.contains(&inherited) {
                    family.push(inherited);
                }
            }
            position += 1;
        }
        false
    }

    fn held(&self, role: RoleKey, known: impl FnOnce() -> Bounds) -> Bounds {
        if self.is_role_in_doubt(role) {
            return Bounds::MAYBE;
        }
        // A role that does not exist and is not about to be made holds nothing.
        if role.0 >= self.index().roles_end() { Bounds::NO } else { known() }
    }
}

impl<S: Numbered> Snapshot for Doubted<'_, S> {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.rows.object(object).or_else(|| self.added_object(&object.to_string()))
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.rows.wildcard(object_type).or_else(|| self.added_object(&format!("{object_type}:*")))
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        self.rows.relation(relation).or_else(|| {
            let place = self.doubts.added.relations.place(relation)?;
            Some(RelationKey(self.index().relations_end() + place))
        })
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        let place = object.0.checked_sub(self.index().objects_end());
        let added = place.and_then(|place| self.doubts.added.type_of(place));
        added.unwrap_or_else(|| self.rows.type_of(object))
    }

    fn program(&self) -> Option<&Program> {
        self.rows.program()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let known = self.rows.usersets_of(subject, relation);
        let known = known.map(move |edge| Edge { certainty: self.certainty(subject, edge.node), ..edge });
        let added = Self::added(&self.doubts.added.up, subject, NodeKey::all_of(relation));
        known.chain(added.filter(move |edge| !self.is_known(edge.node, subject)))
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.rows.subjects_of(userset);
        let known = known.map(move |edge| Edge { certainty: self.certainty(edge.node, userset), ..edge });
        let added = Self::added(&self.doubts.added.down, userset, [NodeKey::FIRST, NodeKey::LAST]);
        known.chain(added.filter(move |edge| !self.is_known(userset, edge.node)))
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        let known = self.rows.between(userset, subject);
        let known = known.map(move |edge| Edge { certainty: self.certainty(subject, userset), ..edge });
        let added = Self::added(&self.doubts.added.down, userset, [subject, subject]);
        known.chain(added.filter(move |edge| !self.is_known(userset, edge.node)))
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        self.rows.qualifier(qualifier)
    }

    fn has_grants(&self) -> bool {
        self.rows.has_grants() || !self.doubts.added.grants.is_empty()
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        let added = self.doubts.added.grants.iter().filter(move |row| row.scope == scope).copied();
        self.rows.grants_on(scope).map(|row| self.row(row)).chain(added)
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
        self.rows.grants_on_count(scope) + self.doubts.added.grants.iter().filter(|row| row.scope == scope).count()
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        let added = self.doubts.added.grants.iter().filter(move |row| row.subject == subject).copied();
        self.rows.grants_of(subject).map(|row| self.row(row)).chain(added)
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        let added = self.doubts.added.grants.iter().filter(|row| row.subject == subject).count();
        self.rows.grants_of_count(subject) + added
    }

    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)> {
        let added = self.doubts.added.grants.iter().map(|row| row.subject);
        let added = added.filter(|subject| subject.relation != RelationKey::NONE);
        let added = added.map(|subject| (self.type_of(subject.object), subject.relation));
        let all: BTreeSet<_> = self.rows.granted_usersets().into_iter().chain(added).collect();
        all.into_iter().collect()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.held(role, || self.rows.holds(role, object_type, permission))
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.held(role, || self.rows.holds_all(role, object_type))
    }

    fn names_all(&self, object_type: &TypeName) -> bool {
        self.rows.names_all(object_type)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.rows.named_permissions(object_type)
    }

    fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        let place = relation.0.checked_sub(self.index().relations_end());
        let added = place.and_then(|place| self.doubts.added.relations.name(place));
        added.map_or_else(|| self.rows.relation_name(relation), Arc::clone)
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        let place = node.object.0.checked_sub(self.index().objects_end());
        let added = place.and_then(|place| self.doubts.added.objects.name(place));
        let object = added.map_or_else(|| self.rows.name(NodeKey::object(node.object)), Arc::clone);
        if node.relation == RelationKey::NONE {
            return object;
        }
        Arc::from(format!("{object}#{}", self.relation_name(node.relation)))
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        match grant.0.checked_sub(self.index().grants_end()) {
            None => self.rows.grant_id(grant),
            Some(place) => self.doubts.added.ids[place as usize].clone(),
        }
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        match role.0.checked_sub(self.index().roles_end()) {
            None => self.rows.role_id(role),
            Some(place) => self.doubts.added.role_ids[place as usize].clone(),
        }
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.index().role(role)
    }
}
