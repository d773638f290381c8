//! How a subject comes to a resource: by the schema, and by grants.
//!
//! A grant joins the two if its subject is the subject itself or contains it, and its scope is the resource or an
//! ancestor of it.

use std::sync::Arc;

use portcullis_model::{Object, PermissionName, Subject, TypeName};

use crate::budget::{Budget, Error, Meter};
use crate::check::{Circumstances, Outcome};
use crate::conditions::{Conditions, before};
use crate::members::{Asked, Members, Memory, UNKNOWN};
use crate::reasons::Reasons;
use crate::snapshot::{Edge, GrantRow, NodeKey, RelationKey, Snapshot};
use crate::trace::{Step, StepAnswer, StepKind, Tracer};
use crate::value::Value;
use crate::walk::{self, Reached, Scratch};

/// One subject and one resource in one snapshot.
pub(crate) struct Joined<'a, 'b, S> {
    snapshot: &'a S,
    subject: &'a Subject,
    resource: &'a Object,
    asked: Asked,
    circumstances: Circumstances<'a>,
    side: Side<'a, 'b, S>,
    /// Whether a grant was looked at that ends by itself.
    ends: bool,
}

/// How it is found out whether a grant's subject contains the one that is asked about.
#[expect(clippy::large_enum_variant, reason = "there is one for each evaluation, on the stack")]
enum Side<'a, 'b, S> {
    /// Without a schema every group is found from the subject upwards.
    Plain(Asked, Meter<'b>),
    BySchema(Members<'a, 'b, S>),
}

impl<'a, 'b, S: Snapshot> Joined<'a, 'b, S> {
    pub(crate) fn new(
        snapshot: &'a S,
        (subject, resource): (&'a Subject, &'a Object),
        circumstances: Circumstances<'a>,
        budget: &'b Budget<'b>,
    ) -> Self {
        Self::in_memory(snapshot, (subject, resource), circumstances, budget, Memory::default())
    }

    /// The same, in memory of an earlier evaluation.
    pub(crate) fn in_memory(
        snapshot: &'a S,
        (subject, resource): (&'a Subject, &'a Object),
        circumstances: Circumstances<'a>,
        budget: &'b Budget<'b>,
        memory: Memory,
    ) -> Self {
        let wildcard = walk::wildcard_of(subject).and_then(|object_type| snapshot.wildcard(object_type));
        let wildcard = wildcard.map(NodeKey::object);
        let asked = Asked { subject: snapshot.subject(subject), wildcard };
        Self::asking(snapshot, (subject, asked, resource), circumstances, budget, memory)
    }

    /// The same for whoever is of the type of `wildcard`, and is mentioned nowhere.
    pub(crate) fn for_anyone(
        snapshot: &'a S,
        (wildcard, resource): (&'a Subject, &'a Object),
        circumstances: Circumstances<'a>,
        budget: &'b Budget<'b>,
    ) -> Self {
        let asked = Asked { subject: None, wildcard: snapshot.subject(wildcard) };
        Self::asking(snapshot, (wildcard, asked, resource), circumstances, budget, Memory::default())
    }

    fn asking(
        snapshot: &'a S,
        (subject, asked, resource): (&'a Subject, Asked, &'a Object),
        circumstances: Circumstances<'a>,
        budget: &'b Budget<'b>,
        memory: Memory,
    ) -> Self {
        let meter = Meter::new(budget);
        let side = match snapshot.program() {
            None => Side::Plain(asked, meter),
            Some(program) => {
                let conditions = Conditions::new(circumstances);
                Side::BySchema(Members::new(snapshot, program, asked, conditions, meter).in_memory(memory))
            }
        };
        Self { snapshot, subject, resource, asked, circumstances, side, ends: false }
    }

    /// Turns to another resource, for as much work as the first. What is known of the subject stays known.
    pub(crate) fn turn_to(&mut self, resource: &'a Object) {
        self.resource = resource;
        match &mut self.side {
            Side::Plain(_, meter) => meter.visited = 0,
            Side::BySchema(members) => members.meter.visited = 0,
        }
    }

    /// Whether the subject has a permission on the resource.
    pub(crate) fn value(&mut self, scratch: &mut Scratch, permission: &PermissionName) -> Result<Value, Error> {
        let mut value = self.by_schema(permission)?;
        // Most tenants have a schema or grants, and few have both.
        if !value.is_yes() && (self.snapshot.program().is_none() || self.snapshot.has_grants()) {
            let (snapshot, resource, clock) = (self.snapshot, self.resource, self.circumstances.clock);
            let mut ends = false;
            self.by_grants(scratch, Order::AsStored, |row, joined| {
                ends |= row.end.is_some();
                let held = snapshot.holds(row.role, &resource.object_type, permission);
                let by_grant = joined.and(held.into()).and(before(row.end, clock).into());
                value = std::mem::take(&mut value).or(by_grant);
                value.is_yes()
            })?;
            self.ends |= ends;
        }
        Ok(value)
    }

    /// The memory, for another evaluation.
    pub(crate) fn into_memory(self) -> Memory {
        match self.side {
            Side::Plain(..) => Memory::default(),
            Side::BySchema(members) => members.into_memory(),
        }
    }

    /// What the schema says, if there is one.
    pub(crate) fn by_schema(&mut self, permission: &PermissionName) -> Result<Value, Error> {
        let (subject, resource) = (self.subject, self.resource);
        let Side::BySchema(members) = &mut self.side else { return Ok(Value::NO) };
        let Some(item) = members.program.item_named(&resource.object_type, permission.as_str()) else {
            known_outside(self.snapshot, &resource.object_type, permission)?;
            return Ok(Value::NO);
        };
        let object = self.snapshot.object(resource).unwrap_or(UNKNOWN);
        let itself = match subject {
            // Something may hold of itself although nothing is stored about it.
            Subject::Object(subject) if object == UNKNOWN && subject == resource => Some(RelationKey::NONE),
            Subject::Userset { object: of, relation } if object == UNKNOWN && of == resource => {
                self.snapshot.relation(relation.as_str())
            }
            Subject::Object(_) | Subject::Userset { .. } | Subject::Wildcard(_) => None,
        };
        let itself = itself.map(|relation| NodeKey { relation, object });
        members.ask_about(Asked { subject: itself.or(self.asked.subject), ..self.asked });
        members.item(object, item)
    }

    /// Why the schema says so, in at most `most` steps, and one more where there were more; `None` where it says nothing.
    pub(crate) fn reasons(&mut self, permission: &PermissionName, most: usize) -> Result<Option<Vec<String>>, Error> {
        let Side::BySchema(members) = &mut self.side else { return Ok(None) };
        let item = members.program.item_named(&self.resource.object_type, permission.as_str());
        let Some(item) = item else { return Ok(None) };
        let object = self.snapshot.object(self.resource).unwrap_or(UNKNOWN);
        let name = format!("{}#{permission}", self.resource);
        Reasons::tell(members, self.subject.to_string(), (object, name, item), most).map(Some)
    }

    /// What the answer of the schema is put together from, in at most `most` steps, and whether there were more. For what the schema
    /// does not have there is nothing below.
    pub(crate) fn traced(&mut self, permission: &PermissionName, most: usize) -> Result<(Step, bool), Error> {
        let object: Arc<str> = self.resource.to_string().into();
        let nothing = Step {
            object: Arc::clone(&object),
            name: permission.as_str().into(),
            kind: StepKind::Permission,
            answer: StepAnswer::No,
            caveats: Vec::new(),
            expires: None,
            repeated: false,
            steps: Vec::new(),
        };
        let Side::BySchema(members) = &mut self.side else { return Ok((nothing, false)) };
        let item = members.program.item_named(&self.resource.object_type, permission.as_str());
        let Some(item) = item else { return Ok((nothing, false)) };
        let key = self.snapshot.object(self.resource).unwrap_or(UNKNOWN);
        Tracer::trace(members, (key, object, item), most)
    }

    /// Shows `visit` every grant that joins subject and resource, and how certainly it does if it holds, until it has seen
    /// enough.
    pub(crate) fn by_grants(
        &mut self,
        scratch: &mut Scratch,
        order: Order,
        mut visit: impl FnMut(GrantRow, Value) -> bool,
    ) -> Result<(), Error> {
        let (snapshot, Scratch { subjects, scopes, .. }) = (self.snapshot, scratch);
        let resource = snapshot.object(self.resource).map(NodeKey::object);
        let parents = |node| order.apply(snapshot, walk::parents_of(snapshot, node));
        match &mut self.side {
            Side::Plain(asked, meter) => {
                let groups = |node| order.apply(snapshot, walk::groups_of(snapshot, node));
                let judge = |edge: &Edge| edge.certainty.into();
                subjects.walk(asked.nodes(), usize::MAX, meter, groups, judge)?;
                scopes.walk(resource, usize::MAX, meter, parents, judge)?;
                meet(snapshot, (subjects, scopes), meter, visit)
            }
            Side::BySchema(members) => {
                let Members { conditions, meter, .. } = &mut *members;
                scopes.walk(resource, usize::MAX, meter, parents, |edge| conditions.judge(snapshot, edge))?;
                for scope in &scopes.nodes {
                    for row in snapshot.grants_on(scope.object) {
                        members.meter.visit()?;
                        let on_scope = scopes.value(*scope).and(row.certainty.into());
                        let joined = on_scope.and(members.is_in(row.subject)?);
                        if !joined.is_no() && visit(row, joined) {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// From the subject, or the wildcard of its type, each in the next, to the subject of a grant that joins the two.
    pub(crate) fn way_to(&self, scratch: &Scratch, node: NodeKey) -> Vec<NodeKey> {
        match &self.side {
            Side::Plain(..) => scratch.subjects.way_to(node),
            Side::BySchema(members) => match members.way_to(node) {
                // How it is in a permission is told apart.
                way if way.is_empty() => {
                    members.asked.subject.into_iter().filter(|own| *own != node).chain([node]).collect()
                }
                way => way,
            },
        }
    }

    /// The answer, or the failure on which it depends.
    pub(crate) fn outcome(&self, value: &Value) -> Result<Outcome, Error> {
        match self.failure(value) {
            Some(failure) => Err(failure),
            None => Ok(Outcome::new(value, self.visited(), self.ends())),
        }
    }

    /// The failure of a caveat on which an answer depends.
    pub(crate) fn failure(&self, value: &Value) -> Option<Error> {
        match &self.side {
            Side::BySchema(members) if value.is_conditional() => members.conditions.failure(value),
            Side::BySchema(_) | Side::Plain(..) => None,
        }
    }

    /// Whether something was looked at that ends by itself.
    fn ends(&self) -> bool {
        match &self.side {
            Side::BySchema(members) => self.ends || members.conditions.ends,
            Side::Plain(..) => self.ends,
        }
    }

    /// How many tuples were visited.
    pub(crate) fn visited(&self) -> u64 {
        match &self.side {
            Side::Plain(_, meter) => meter.visited,
            Side::BySchema(members) => members.meter.visited,
        }
    }
}

/// Makes sure that somebody knows a permission that the schema does not have: roles may name it.
pub(crate) fn known_outside<S: Snapshot>(
    snapshot: &S,
    object_type: &TypeName,
    permission: &PermissionName,
) -> Result<(), Error> {
    if snapshot.names_all(object_type) || snapshot.named_permissions(object_type).contains(permission) {
        return Ok(());
    }
    Err(Error::PermissionUnknown { object_type: object_type.clone(), permission: permission.clone() })
}

/// In which order relationships are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As they come, which is chance.
    AsStored,
    /// By the names at their other ends, for what people read.
    ByName,
}

impl Order {
    pub(crate) fn apply<S: Snapshot>(
        self,
        snapshot: &S,
        edges: impl Iterator<Item = Edge>,
    ) -> impl Iterator<Item = Edge> {
        let (as_stored, by_name) = match self {
            Self::AsStored => (Some(edges), None),
            Self::ByName => {
                let mut edges: Vec<Edge> = edges.collect();
                edges.sort_by_cached_key(|edge| snapshot.name(edge.node));
                (None, Some(edges))
            }
        };
        as_stored.into_iter().flatten().chain(by_name.into_iter().flatten())
    }
}

/// Shows `visit` every grant whose subject and scope were both reached, and whether it certainly joins them, until it
/// has seen enough.
///
/// The one place where the side is chosen: the grants of the subjects, or those on the scopes, whichever are fewer.
fn meet<S: Snapshot>(
    snapshot: &S,
    (subjects, scopes): (&Reached, &Reached),
    meter: &mut Meter<'_>,
    mut visit: impl FnMut(GrantRow, Value) -> bool,
) -> Result<(), Error> {
    let of_subjects: usize = subjects.nodes.iter().map(|subject| snapshot.grants_of_count(*subject)).sum();
    let on_scopes: usize = scopes.nodes.iter().map(|scope| snapshot.grants_on_count(scope.object)).sum();
    let mut look = |row: GrantRow| -> Result<bool, Error> {
        meter.visit()?;
        let ends = subjects.value(row.subject).and(scopes.value(NodeKey::object(row.scope)));
        let joined = ends.and(row.certainty.into());
        Ok(!joined.is_no() && visit(row, joined))
    };
    if of_subjects <= on_scopes {
        for row in subjects.nodes.iter().flat_map(|subject| snapshot.grants_of(*subject)) {
            if look(row)? {
                return Ok(());
            }
        }
    } else {
        for row in scopes.nodes.iter().flat_map(|scope| snapshot.grants_on(scope.object)) {
            if look(row)? {
                return Ok(());
            }
        }
    }
    Ok(())
}
