//! What a command may touch, said by the command itself without reading any state.
//!
//! A reader that meets commands which are not yet applied or not yet visible must know which answers they may
//! change. It cannot run them, because the state they will meet is not decided; so every command says from its own
//! content what it may add and what it may remove. Saying too much makes readers wait; saying too little would make
//! them wrong, so `apply` asserts that the effects of a command lie within its footprint.

use portcullis_model::{Grant, GrantFilter, GrantId, Object, Relationship, RoleId, Subject, TenantId, TupleFilter};

use crate::Effect;

/// What a command may add and what it may remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// What may exist afterwards that did not before.
    pub may_add: Vec<Touch>,
    /// What may be gone afterwards.
    pub may_remove: Vec<Touch>,
}

/// One thing, or all things of a kind, that a command may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touch {
    /// A whole tenant.
    Tenant(TenantId),
    /// A role: every check that reads it.
    Role(TenantId, RoleId),
    /// A grant by its id alone.
    Grant(TenantId, GrantId),
    /// A grant with all that a check sees of it.
    WholeGrant {
        /// Whose.
        tenant: TenantId,
        /// Its id.
        id: GrantId,
        /// Its subject.
        subject: Subject,
        /// Its role.
        role: RoleId,
        /// Its scope.
        scope: Object,
    },
    /// Every grant that matches.
    Grants(TenantId, GrantFilter),
    /// A relationship.
    Relationship(TenantId, Relationship),
    /// Every relationship that matches.
    Relationships(TenantId, TupleFilter),
    /// The schema: every check of the tenant.
    Schema(TenantId),
}

impl Touch {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Tenant(tenant)
            | Self::Role(tenant, _)
            | Self::Grant(tenant, _)
            | Self::WholeGrant { tenant, .. }
            | Self::Grants(tenant, _)
            | Self::Relationship(tenant, _)
            | Self::Relationships(tenant, _)
            | Self::Schema(tenant) => tenant,
        }
    }

    fn covers_grant(&self, owner: &TenantId, grant: &Grant) -> bool {
        match self {
            Self::Tenant(tenant) => tenant == owner,
            Self::Grant(tenant, id) => tenant == owner && *id == grant.id,
            Self::WholeGrant { tenant, id, subject, role, scope } => {
                tenant == owner
                    && *id == grant.id
                    && *subject == grant.subject
                    && *role == grant.role
                    && *scope == grant.scope
            }
            Self::Grants(tenant, filter) => tenant == owner && filter.matches(grant),
            Self::Role(..) | Self::Relationship(..) | Self::Relationships(..) | Self::Schema(_) => false,
        }
    }

    fn covers_relationship(&self, owner: &TenantId, wanted: &Relationship) -> bool {
        match self {
            Self::Tenant(tenant) => tenant == owner,
            Self::Relationship(tenant, relationship) => tenant == owner && relationship == wanted,
            Self::Relationships(tenant, filter) => tenant == owner && filter.matches(wanted),
            Self::Role(..) | Self::Grant(..) | Self::WholeGrant { .. } | Self::Grants(..) | Self::Schema(_) => false,
        }
    }

    fn covers_role(&self, owner: &TenantId, wanted: &RoleId) -> bool {
        match self {
            Self::Tenant(tenant) => tenant == owner,
            Self::Role(tenant, role) => tenant == owner && role == wanted,
            Self::Grant(..)
            | Self::WholeGrant { .. }
            | Self::Grants(..)
            | Self::Relationship(..)
            | Self::Relationships(..)
            | Self::Schema(_) => false,
        }
    }

    fn covers_schema(&self, owner: &TenantId) -> bool {
        matches!(self, Self::Schema(tenant) | Self::Tenant(tenant) if tenant == owner)
    }

    fn covers_tenant(&self, wanted: &TenantId) -> bool {
        matches!(self, Self::Tenant(tenant) if tenant == wanted)
    }
}

/// What was declared, and where the last effect was found: effects come in the order in which they were declared, and a
/// command may have thousands.
struct Declared<'a> {
    touches: &'a [Touch],
    next: usize,
}

impl Declared<'_> {
    fn any(&mut self, covers: impl Fn(&Touch) -> bool) -> bool {
        let (before, after) = self.touches.split_at(self.next);
        let found = after.iter().chain(before).position(covers);
        if let Some(found) = found {
            self.next = (self.next + found + 1) % self.touches.len();
        }
        found.is_some()
    }
}

impl Footprint {
    /// Returns whether an effect was declared. Effects that no answer depends on need no declaration.
    pub fn covers(&self, effect: &Effect) -> bool {
        self.first_not_covered(std::slice::from_ref(effect)).is_none()
    }

    /// The first effect that was not declared.
    pub fn first_not_covered<'a>(&self, effects: &'a [Effect]) -> Option<&'a Effect> {
        let mut adds = Declared { touches: &self.may_add, next: 0 };
        let mut removes = Declared { touches: &self.may_remove, next: 0 };
        effects.iter().find(|effect| !is_declared(effect, &mut adds, &mut removes))
    }
}

fn is_declared<'a>(effect: &Effect, adds: &mut Declared<'a>, removes: &mut Declared<'a>) -> bool {
    match effect {
        Effect::PutTenant(tenant) => adds.any(|touch| touch.covers_tenant(&tenant.id)),
        Effect::DropTenant(tenant) => removes.any(|touch| touch.covers_tenant(tenant)),
        Effect::PutRole { tenant, role } => {
            let is_new = role.created == role.modified;
            adds.any(|touch| touch.covers_role(tenant, &role.id))
                && (is_new || removes.any(|touch| touch.covers_role(tenant, &role.id)))
        }
        Effect::DeleteRole { tenant, role } => removes.any(|touch| touch.covers_role(tenant, role)),
        Effect::PutGrant { tenant, grant } => {
            let declared = if grant.state.is_live() { adds } else { removes };
            declared.any(|touch| touch.covers_grant(tenant, grant))
        }
        Effect::PutRelationship { tenant, relationship } => {
            adds.any(|touch| touch.covers_relationship(tenant, relationship))
        }
        Effect::PutTuple { tenant, tuple } => adds.any(|touch| touch.covers_relationship(tenant, &tuple.relationship)),
        Effect::PutSchema { tenant, .. } => {
            adds.any(|touch| touch.covers_schema(tenant)) && removes.any(|touch| touch.covers_schema(tenant))
        }
        Effect::DeleteRelationship { tenant, relationship } => {
            removes.any(|touch| touch.covers_relationship(tenant, relationship))
        }
        Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. }
        | Effect::Leases(_)
        | Effect::HistoryFloor(_)
        | Effect::Trust(_) => true,
    }
}
