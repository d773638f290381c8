//! The keys of the state, in an order that makes each question one range.
//!
//! A key is `[group][tenant] 0 [family][parts…]`. Texts end with a zero byte, which no name can contain; numbers are
//! big-endian. What belongs to no tenant stands under the empty tenant, so a tenant's rows are one range that can be
//! dropped at once.

use std::borrow::Borrow;

use portcullis_model::{
    GrantId, GroupId, NodeId, Object, Relationship, Revision, RoleId, Subject, TenantId, Timestamp,
};

use portcullis_machine::MemoryKey;

/// What a row is about. The numbers are on disk: they are never used again for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Family {
    /// Where this copy stands. The only rows that are not the same on every node.
    Meta = 0x01,
    /// Tenants by id.
    Tenant = 0x02,
    /// Node ids that are used up.
    RetiredNode = 0x03,
    /// Change records by revision.
    Change = 0x04,
    /// Single values that every node has.
    Cluster = 0x05,
    /// Grants that wait for their start, by start.
    StartDue = 0x06,
    /// Live grants that have an end, by end.
    EndDue = 0x07,
    /// Node ids under which a node was let in.
    AdmittedNode = 0x08,
    /// Relationships that have an end, by end.
    TupleDue = 0x09,
    /// Roles by id.
    Role = 0x10,
    /// The roles that inherit a role.
    RoleHeir = 0x11,
    /// Grants by id.
    Grant = 0x20,
    /// Live grants by subject.
    GrantBySubject = 0x21,
    /// Live grants by scope.
    GrantByScope = 0x22,
    /// Live grants by role.
    GrantByRole = 0x23,
    /// Relationships by resource.
    Tuple = 0x30,
    /// Relationships by subject.
    TupleBySubject = 0x31,
    /// The schema of a tenant: one row.
    Schema = 0x32,
    /// Remembered outcomes by caller and key.
    Remembered = 0x40,
    /// Remembered outcomes by revision.
    RememberedByAge = 0x41,
    /// What is counted and summed for a tenant.
    Totals = 0x42,
    /// Earlier versions of rows, as [created, deleted).
    History = 0x50,
}

/// What keys hardly ever exceed.
const USUAL_BYTES: usize = 128;
const GROUP_BYTES: usize = 4;
const REVISION_BYTES: usize = 8;
/// How much of a key of the history tells when the row was so.
pub(super) const LIFETIME_BYTES: usize = 2 * REVISION_BYTES;

const ALL: [Family; 22] = [
    Family::Meta,
    Family::Tenant,
    Family::RetiredNode,
    Family::Change,
    Family::Cluster,
    Family::StartDue,
    Family::EndDue,
    Family::AdmittedNode,
    Family::TupleDue,
    Family::Role,
    Family::RoleHeir,
    Family::Grant,
    Family::GrantBySubject,
    Family::GrantByScope,
    Family::GrantByRole,
    Family::Tuple,
    Family::TupleBySubject,
    Family::Schema,
    Family::Remembered,
    Family::RememberedByAge,
    Family::Totals,
    Family::History,
];

impl Family {
    /// Whether rows of this family are part of the state hash. The others can be derived from those, or
    /// belong to one copy alone; history follows from the change records and from where it begins.
    pub(super) fn is_hashed(self) -> bool {
        match self {
            Self::Tenant
            | Self::RetiredNode
            | Self::AdmittedNode
            | Self::Change
            | Self::Cluster
            | Self::Role
            | Self::Grant
            | Self::Tuple
            | Self::Schema
            | Self::Remembered => true,
            Self::Meta
            | Self::StartDue
            | Self::EndDue
            | Self::TupleDue
            | Self::RoleHeir
            | Self::GrantBySubject
            | Self::GrantByScope
            | Self::GrantByRole
            | Self::TupleBySubject
            | Self::RememberedByAge
            | Self::Totals
            | Self::History => false,
        }
    }

    /// The family of a whole key; `None` if it is none that this build knows.
    pub(super) fn of(key: &[u8]) -> Option<Self> {
        let tenant_and_rest = key.get(GROUP_BYTES..)?;
        let end = tenant_and_rest.iter().position(|byte| *byte == 0)?;
        let family = tenant_and_rest.get(end + 1)?;
        ALL.into_iter().find(|known| *known as u8 == *family)
    }

    /// Whether earlier versions of rows are kept.
    pub(super) fn keeps_history(self) -> bool {
        matches!(self, Self::Role | Self::Grant | Self::Tuple | Self::Schema)
    }
}

/// A key under construction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of a family for a tenant; `None` is what belongs to no tenant.
    pub fn new(group: GroupId, tenant: Option<&TenantId>, family: Family) -> Self {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.extend_from_slice(&group.0.to_be_bytes());
        bytes.extend_from_slice(tenant.map_or("", TenantId::as_str).as_bytes());
        bytes.push(0);
        bytes.push(family as u8);
        Self(bytes)
    }

    /// The beginning of every key of a group.
    pub(super) fn group(group: GroupId) -> Self {
        Self(group.0.to_be_bytes().to_vec())
    }

    /// The beginning of every key of a tenant.
    pub fn tenant(group: GroupId, tenant: &TenantId) -> Self {
        let mut key = Self::new(group, Some(tenant), Family::Meta);
        key.0.pop();
        key
    }

    /// Appends a text and its end.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
        self
    }

    /// Appends `type:id` and its end.
    #[must_use]
    pub(super) fn object(self, object: &Object) -> Self {
        self.beginning(object.object_type.as_str()).beginning(":").text(object.key.as_str())
    }

    /// Appends a subject as it is written, and its end.
    #[must_use]
    pub(super) fn subject(self, subject: &Subject) -> Self {
        match subject {
            Subject::Object(object) => self.object(object),
            Subject::Userset { object: Object { object_type, key }, relation } => {
                let object = self.beginning(object_type.as_str()).beginning(":").beginning(key.as_str());
                object.beginning("#").text(relation.as_str())
            }
            Subject::Wildcard(object_type) => self.beginning(object_type.as_str()).text(":*"),
        }
    }

    /// Appends what a text begins with.
    #[must_use]
    pub fn beginning(mut self, text: &str) -> Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Appends a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Appends a point in time, earlier ones first.
    #[must_use]
    pub fn time(self, time: Timestamp) -> Self {
        self.number(time.0.cast_unsigned() ^ (1 << 63))
    }

    /// Whether it begins with all of another key.
    pub(super) fn begins_with(&self, beginning: &Self) -> bool {
        self.0.starts_with(&beginning.0)
    }

    /// A key that was read.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The key as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The least byte string above every key that begins with this one.
    pub fn end_of_prefix(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        while let Some(last) = end.last_mut() {
            if *last < u8::MAX {
                *last += 1;
                return end;
            }
            end.pop();
        }
        end
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// The keys of one group.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// The group.
    pub group: GroupId,
}

impl Keys {
    /// A key of a family that belongs to no tenant.
    pub fn global(self, family: Family) -> Key {
        Key::new(self.group, None, family)
    }

    /// A key of a family of a tenant.
    pub fn of(self, tenant: &TenantId, family: Family) -> Key {
        Key::new(self.group, Some(tenant), family)
    }

    pub(super) fn history_floor(self) -> Key {
        self.global(Family::Cluster).text("history")
    }

    pub(super) fn tenant(self, tenant: &TenantId) -> Key {
        self.global(Family::Tenant).text(tenant.as_str())
    }

    pub(super) fn retired(self, node: NodeId) -> Key {
        self.global(Family::RetiredNode).number(node.0)
    }

    pub(super) fn admitted(self, node: NodeId) -> Key {
        self.global(Family::AdmittedNode).number(node.0)
    }

    pub(super) fn change(self, revision: Revision) -> Key {
        self.global(Family::Change).number(revision.0)
    }

    pub(super) fn role(self, tenant: &TenantId, role: &RoleId) -> Key {
        self.of(tenant, Family::Role).text(role.as_str())
    }

    pub(super) fn role_heirs(self, tenant: &TenantId, role: &RoleId) -> Key {
        self.of(tenant, Family::RoleHeir).text(role.as_str())
    }

    pub(super) fn grant(self, tenant: &TenantId, grant: &GrantId) -> Key {
        self.of(tenant, Family::Grant).text(grant.as_str())
    }

    pub(super) fn grants_by_subject(self, tenant: &TenantId, subject: &Subject) -> Key {
        self.of(tenant, Family::GrantBySubject).subject(subject)
    }

    pub(super) fn grants_by_scope(self, tenant: &TenantId, scope: &Object) -> Key {
        self.of(tenant, Family::GrantByScope).object(scope)
    }

    pub(super) fn grants_by_role(self, tenant: &TenantId, role: &RoleId) -> Key {
        self.of(tenant, Family::GrantByRole).text(role.as_str())
    }

    pub(super) fn tuple(self, tenant: &TenantId, relationship: &Relationship) -> Key {
        let Relationship { resource, relation, subject } = relationship;
        let key = self.of(tenant, Family::Tuple).text(resource.object_type.as_str()).text(resource.key.as_str());
        key.text(relation.as_str()).subject(subject)
    }

    pub(super) fn tuple_by_subject(self, tenant: &TenantId, relationship: &Relationship) -> Key {
        let Relationship { resource, relation, subject } = relationship;
        let key = self.of(tenant, Family::TupleBySubject).subject(subject);
        key.text(relation.as_str()).object(resource)
    }

    pub(super) fn schema(self, tenant: &TenantId) -> Key {
        self.of(tenant, Family::Schema)
    }

    pub(super) fn tuple_due(self, at: Timestamp, tenant: &TenantId, relationship: &Relationship) -> Key {
        self.global(Family::TupleDue).time(at).text(tenant.as_str()).text(&relationship.to_string())
    }

    pub(super) fn remembered(self, memory: &MemoryKey) -> Key {
        let key = self.of(&memory.tenant, Family::Remembered);
        key.text(&memory.caller.to_string()).text(memory.key.as_str())
    }

    pub(super) fn remembered_by_age(self, memory: &MemoryKey, revision: Revision) -> Key {
        let key = self.of(&memory.tenant, Family::RememberedByAge).number(revision.0);
        key.text(&memory.caller.to_string()).text(memory.key.as_str())
    }

    /// The earlier version, from `created` up to `deleted`, of the row at `key` of a tenant.
    pub(super) fn history(self, tenant: &TenantId, key: &Key, created: Revision, deleted: Revision) -> Key {
        self.history_of(tenant, key).number(created.0).number(deleted.0)
    }

    /// The beginning of the keys of all earlier versions of a row of a tenant, or of all rows whose keys begin with `key`.
    pub(super) fn history_of(self, tenant: &TenantId, key: &Key) -> Key {
        let mut history = self.of(tenant, Family::History);
        let prefix_bytes = Key::tenant(self.group, tenant).as_bytes().len();
        history.0.extend_from_slice(&key.as_bytes()[prefix_bytes..]);
        history
    }

    pub(super) fn due(self, family: Family, at: Timestamp, tenant: &TenantId, grant: &GrantId) -> Key {
        self.global(family).time(at).text(tenant.as_str()).text(grant.as_str())
    }
}

/// The end of the key of a relationship, which orders those of a tenant: a page of them may begin behind it.
pub fn place(relationship: &Relationship) -> String {
    let Relationship { resource, relation, subject } = relationship;
    format!("{}\0{}\0{relation}\0{subject}\0", resource.object_type, resource.key)
}

/// What the end of a key of the history says: when the row became so, and when it became something else.
pub(super) fn lifetime(key: &[u8]) -> Option<(Revision, Revision)> {
    let (rest, deleted) = key.split_last_chunk::<REVISION_BYTES>()?;
    let (_, created) = rest.split_last_chunk::<REVISION_BYTES>()?;
    Some((Revision(u64::from_be_bytes(*created)), Revision(u64::from_be_bytes(*deleted))))
}

/// The texts that follow `skip` bytes of a key, in order.
pub(super) fn texts(key: &[u8], skip: usize) -> Vec<&str> {
    let tail = key.get(skip..).unwrap_or_default();
    let parts = tail.split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.filter_map(|part| std::str::from_utf8(part).ok()).collect()
}
