//! Reading a tenant from the disk for one evaluation.
//!
//! Reading cannot fail as far as an evaluation is concerned: the first failure is kept for whoever began it, who must
//! drop the answer then.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use elsa::FrozenVec;
use portcullis_eval::{
    Bounds, Edge, GrantHandle, GrantRow, NodeKey, ObjectKey, Program, QualifierKey, RelationKey, RoleKey, Snapshot,
    TypeKey,
};
use portcullis_model::{GrantId, Object, PermissionName, Qualifier, Role, RoleId, TypeName};
use portcullis_schema::{AllowedSubject, Schema};

use super::Spilled;
use super::kinds;
use super::met::Met;
use super::rows::{Iterators, Range};
use crate::codec::DecodeError;
use crate::resident::{Numbered, TenantDoubts, TenantIndex};
use crate::state::keys::{Family, Key};
use crate::state::reads::{StoreError, qualifier};
use crate::state::row;

/// A relation of a type.
type Relation = (TypeKey, RelationKey);
/// Which subjects it may have, if a schema says that.
type Allowed<'a> = Option<&'a [AllowedSubject]>;

/// A tenant whose relationships are read from the disk, for one evaluation, or for some on one thread.
///
/// Whoever has evaluated asks [`Reading::failure`] before using the answer.
pub struct Reading<'a> {
    of: Spilled<'a>,
    /// The beginnings of the keys of relationships, by resource and by subject.
    by_resource: Key,
    by_subject: Key,
    met: Met<'a>,
    qualifiers: FrozenVec<Box<Qualifier>>,
    iterators: Iterators<'a>,
    /// What the schema says of relations that were asked about.
    allowed: RefCell<Vec<(Relation, Allowed<'a>)>>,
    failure: OnceCell<StoreError>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(of: Spilled<'a>, doubts: Option<&'a TenantDoubts>) -> Self {
        let keys = of.still.keys;
        Self {
            by_resource: keys.of(of.tenant, Family::Tuple),
            by_subject: keys.of(of.tenant, Family::TupleBySubject),
            met: Met::new(of.index, doubts),
            qualifiers: FrozenVec::new(),
            iterators: Iterators::new(of.still),
            allowed: RefCell::default(),
            failure: OnceCell::new(),
            of,
        }
    }

    /// Why the rows could not be read, if so: then no answer from here is worth anything.
    pub fn failure(self) -> Option<StoreError> {
        self.failure.into_inner()
    }

    fn schema(&self) -> Option<&'a Schema> {
        self.of.index.program().map(Program::schema)
    }

    /// Which subjects a relation may have, if there is a schema.
    fn allowed(&self, userset: NodeKey) -> Allowed<'a> {
        let schema = self.schema()?;
        let asked = (self.met.type_of(userset.object), userset.relation);
        if let Some((_, known)) = self.allowed.borrow().iter().find(|(of, _)| *of == asked) {
            return *known;
        }
        let name = self.met.object_name(userset.object);
        let object_type = name.split_once(':').map_or("", |(object_type, _)| object_type);
        let allowed = kinds::allowed(Some(schema), object_type, &self.met.relation_name(userset.relation));
        self.allowed.borrow_mut().push((asked, allowed));
        allowed
    }

    /// The beginning of the key of the relationships of a userset.
    fn place_of(&self, userset: NodeKey) -> Key {
        let object = self.met.object_name(userset.object);
        let (object_type, id) = object.split_once(':').unwrap_or_default();
        let key = self.by_resource.clone().text(object_type).text(id);
        key.text(&self.met.relation_name(userset.relation))
    }

    /// What is read of each row that is in a range, or was at the version and is not any more.
    fn scan<'s>(
        &'s self,
        range: Range,
        read: impl Fn(&[u8], Row<'_>) -> Result<Option<Edge>, StoreError> + 's,
    ) -> impl Iterator<Item = Edge> + 's {
        let mut gone = self.of.earlier.map(|earlier| {
            let of_tenant = if range.by_subject { &self.by_subject } else { &self.by_resource }.as_bytes().len();
            let (beginning, skip) = (&range.prefix.as_bytes()[of_tenant..], range.skip - of_tenant);
            earlier.beginning(range.by_subject, beginning.to_vec()).map(move |(place, value)| (&place[skip..], value))
        });
        let mut cursor = self.iterators.cursor(range);
        std::iter::from_fn(move || {
            loop {
                let edge = match cursor.next() {
                    Ok(Some((rest, value))) => read(rest, Row::Now(value)),
                    Ok(None) => gone.as_mut()?.next().map(|(rest, value)| read(rest, Row::Gone(value)))?,
                    Err(error) => Err(error),
                };
                match edge {
                    Ok(Some(edge)) => return Some(edge),
                    Ok(None) => {}
                    Err(error) => return self.fail(error),
                }
            }
        })
    }

    fn fail<T>(&self, error: StoreError) -> Option<T> {
        // The first one counts.
        let _ = self.failure.set(error);
        None
    }

    /// An edge to what a row by resource names; `None` if it was written after the version.
    fn downward(&self, rest: &[u8], row: Row<'_>) -> Result<Option<Edge>, StoreError> {
        let Some(value) = self.standing(rest, row)? else { return Ok(None) };
        let subject = text(rest).and_then(|subject| self.met.subject(subject));
        let node = subject.ok_or_else(|| damaged(rest))?;
        Ok(Some(Edge { node, certainty: Bounds::YES, qualifier: self.qualifier_in(rest, value)? }))
    }

    /// An edge to what a row by subject names; `None` if it was written after the version.
    fn upward(
        &self,
        subject: NodeKey,
        relation: RelationKey,
        rest: &[u8],
        row: Row<'_>,
    ) -> Result<Option<Edge>, StoreError> {
        let object = text(rest).and_then(|object| self.met.object(object));
        let node = NodeKey { relation, object: object.ok_or_else(|| damaged(rest))? };
        let edge = |qualifier| Edge { node, certainty: Bounds::YES, qualifier };
        match row {
            Row::Gone(value) => Ok(Some(edge(self.qualifier_in(rest, value)?))),
            Row::Now(_) if self.of.earlier.is_none() && !kinds::may_be_qualified(self.allowed(node)) => {
                Ok(Some(edge(None)))
            }
            // Only the row by resource says what it holds under, and since when.
            Row::Now(_) => {
                let key = self.place_of(node).text(&self.met.name(subject));
                let now = self.of.still.get(&key)?;
                let value = now.as_deref().ok_or_else(|| damaged(key.as_bytes()))?;
                let standing = self.standing(key.as_bytes(), Row::Now(value))?;
                standing.map(|value| Ok(edge(self.qualifier_in(key.as_bytes(), value)?))).transpose()
            }
        }
    }

    /// The edge from a userset to a subject.
    fn joining(&self, userset: NodeKey, subject: NodeKey) -> Result<Option<Edge>, StoreError> {
        let key = self.place_of(userset).text(&self.met.name(subject));
        let now = self.of.still.get(&key)?;
        let mut found = None;
        if let Some(value) = &now {
            found = self.standing(key.as_bytes(), Row::Now(value))?;
        }
        let gone = || self.of.earlier?.get(&key.as_bytes()[self.by_resource.as_bytes().len()..]);
        let Some(value) = found.or_else(gone) else { return Ok(None) };
        let qualifier = self.qualifier_in(key.as_bytes(), value)?;
        Ok(Some(Edge { node: subject, certainty: Bounds::YES, qualifier }))
    }

    /// The value of a row if it was so at the version.
    fn standing<'r>(&self, key: &[u8], row: Row<'r>) -> Result<Option<&'r [u8]>, StoreError> {
        match (row, self.of.earlier) {
            (Row::Gone(value), _) | (Row::Now(value), None) => Ok(Some(value)),
            (Row::Now(value), Some(earlier)) => {
                let made = row::revision(value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })?;
                Ok((made <= earlier.revision).then_some(value))
            }
        }
    }

    fn qualifier_in(&self, key: &[u8], value: &[u8]) -> Result<Option<QualifierKey>, StoreError> {
        let qualifier = qualifier(key, value)?;
        if qualifier.is_none() {
            return Ok(None);
        }
        self.qualifiers.push(Box::new(qualifier));
        let number = u32::try_from(self.qualifiers.len()).ok().and_then(std::num::NonZeroU32::new);
        Ok(Some(QualifierKey(number.expect("INVARIANT: an evaluation visits fewer than 2^32 rows"))))
    }
}

/// The value of a row.
#[derive(Clone, Copy)]
enum Row<'r> {
    /// As it is at the moment that is read.
    Now(&'r [u8]),
    /// As it was at the version, and is not any more.
    Gone(&'r [u8]),
}

fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty }
}

/// The text of the last part of a key.
fn text(part: &[u8]) -> Option<&str> {
    str::from_utf8(part.strip_suffix(&[0])?).ok()
}

impl Numbered for Reading<'_> {
    fn index(&self) -> &TenantIndex {
        self.of.index
    }
}

impl Snapshot for Reading<'_> {
    fn object(&self, object: &Object) -> Option<ObjectKey> {
        self.met.object(&object.to_string())
    }

    fn wildcard(&self, object_type: &TypeName) -> Option<ObjectKey> {
        self.met.object(&format!("{object_type}:*"))
    }

    fn relation(&self, relation: &str) -> Option<RelationKey> {
        Some(self.met.relation(relation))
    }

    fn type_of(&self, object: ObjectKey) -> TypeKey {
        self.met.type_of(object)
    }

    fn program(&self) -> Option<&Program> {
        self.of.index.program()
    }

    fn usersets_of(&self, subject: NodeKey, relation: RelationKey) -> impl Iterator<Item = Edge> {
        let (name, relation_name) = (self.met.name(subject), self.met.relation_name(relation));
        let may_be = self.schema().is_none_or(|schema| kinds::may_be_in_any(schema, &relation_name, &name));
        let rows = may_be.then(|| {
            let prefix = self.by_subject.clone().text(&name).text(&relation_name);
            self.scan(Range::by_subject(prefix), move |rest, row| self.upward(subject, relation, rest, row))
        });
        rows.into_iter().flatten()
    }

    fn subjects_of(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        self.scan(Range::by_resource(self.place_of(userset)), |rest, row| self.downward(rest, row))
    }

    fn usersets_in(&self, userset: NodeKey) -> impl Iterator<Item = Edge> {
        let all = Range::by_resource(self.place_of(userset));
        let ranges: Vec<Range> = match self.allowed(userset) {
            None => vec![all],
            Some(allowed) => {
                let types = kinds::userset_types(allowed).into_iter();
                types.map(|object_type| all.narrowed(&format!("{object_type}:"))).collect()
            }
        };
        let rows = ranges.into_iter().flat_map(|range| self.scan(range, |rest, row| self.downward(rest, row)));
        rows.filter(|edge| edge.node.relation != RelationKey::NONE)
    }

    fn between(&self, userset: NodeKey, subject: NodeKey) -> impl Iterator<Item = Edge> {
        let may_be = self.allowed(userset).is_none_or(|allowed| kinds::may_be(allowed, &self.met.name(subject)));
        let found = if may_be { self.joining(userset, subject) } else { Ok(None) };
        found.unwrap_or_else(|error| self.fail(error)).into_iter()
    }

    fn qualifier(&self, qualifier: QualifierKey) -> &Qualifier {
        let place = qualifier.0.get() as usize - 1;
        self.qualifiers.get(place).expect("INVARIANT: rows have numbers of qualifiers that were read")
    }

    fn has_grants(&self) -> bool {
        self.of.index.has_grants()
    }

    fn grants_on(&self, scope: ObjectKey) -> impl Iterator<Item = GrantRow> {
        self.of.index.grants_on(scope)
    }

    fn grants_on_count(&self, scope: ObjectKey) -> usize {
        self.of.index.grants_on_count(scope)
    }

    fn grants_of(&self, subject: NodeKey) -> impl Iterator<Item = GrantRow> {
        self.of.index.grants_of(subject)
    }

    fn grants_of_count(&self, subject: NodeKey) -> usize {
        self.of.index.grants_of_count(subject)
    }

    fn granted_usersets(&self) -> Vec<(TypeKey, RelationKey)> {
        self.of.index.granted_usersets()
    }

    fn holds(&self, role: RoleKey, object_type: &TypeName, permission: &PermissionName) -> Bounds {
        self.of.index.holds(role, object_type, permission)
    }

    fn holds_all(&self, role: RoleKey, object_type: &TypeName) -> Bounds {
        self.of.index.holds_all(role, object_type)
    }

    fn names_all(&self, object_type: &TypeName) -> bool {
        self.of.index.names_all(object_type)
    }

    fn named_permissions(&self, object_type: &TypeName) -> Vec<PermissionName> {
        self.of.index.named_permissions(object_type)
    }

    fn relation_name(&self, relation: RelationKey) -> Arc<str> {
        self.met.relation_name(relation)
    }

    fn name(&self, node: NodeKey) -> Arc<str> {
        self.met.name(node)
    }

    fn grant_id(&self, grant: GrantHandle) -> GrantId {
        self.of.index.grant_id(grant)
    }

    fn role_id(&self, role: RoleKey) -> RoleId {
        self.of.index.role_id(role)
    }

    fn role(&self, role: &RoleId) -> Option<Arc<Role>> {
        self.of.index.role(role)
    }
}
