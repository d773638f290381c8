//! On which resources, and by whom: the same questions as checks, asked the other way round.
//!
//! A lookup is made in two steps. First all that may be an answer is collected: from the subject upwards to the resources
//! that it may reach, or from the resource downwards to the subjects that may reach it. What subtracts, intersects or has a
//! condition is passed over there, so nothing is missed and too much is found. Then each is checked, as any check is. So a
//! lookup and checks cannot disagree, and its answers come one by one, in the order of their ids.
//!
//! What is not certain is left out: an answer that a change which is not visible yet, or an end that may have come, could
//! take away.

mod climb;
mod descent;
mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;

use portcullis_model::{Object, ObjectKey as ObjectId, PermissionName, RelationName, Subject, TypeName};

use crate::budget::{Budget, Error};
use crate::check::Circumstances;
use crate::joined::Joined;
use crate::snapshot::Snapshot;
use crate::value::Value;
use crate::walk::Scratch;

pub use climb::resource_candidates;
pub use descent::subject_candidates;

/// On which resources of a type does `subject` have `permission`?
#[derive(Clone, Copy, Debug)]
pub struct ResourceQuery<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What.
    pub permission: &'a PermissionName,
    /// The type of the resources.
    pub object_type: &'a TypeName,
}

/// Which subjects have `permission` on `resource`?
#[derive(Clone, Copy, Debug)]
pub struct SubjectQuery<'a> {
    /// What.
    pub permission: &'a PermissionName,
    /// With what.
    pub resource: &'a Object,
    /// The type of the subjects.
    pub subject_type: &'a TypeName,
    /// For usersets, such as `group:eng#member`, their relation.
    pub subject_relation: Option<&'a RelationName>,
}

/// What a lookup says of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is an answer.
    Yes,
    /// It is one depending on these parameters.
    Conditional(BTreeSet<Arc<str>>),
    /// It is none, or not for certain.
    No,
}

/// The subjects that may be an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectCandidates {
    /// Their ids, in order, each once.
    pub ids: Vec<ObjectId>,
    /// Whether a wildcard of their type may be among them.
    pub wildcard: bool,
}

impl SubjectQuery<'_> {
    /// The subject of an id.
    pub fn subject(&self, id: &ObjectId) -> Subject {
        let object = Object { object_type: self.subject_type.clone(), key: id.clone() };
        match self.subject_relation {
            None => Subject::Object(object),
            Some(relation) => Subject::Userset { object, relation: relation.clone() },
        }
    }
}

/// Checks candidates one after the other, each within the budget of a check; what was found out about the subject serves
/// them all.
pub fn check_resources<S: Snapshot>(
    snapshot: &S,
    query: ResourceQuery<'_>,
    candidates: &[ObjectId],
    circumstances: Circumstances<'_>,
    budget: &Budget<'_>,
) -> Result<Vec<Verdict>, Error> {
    let object = |id: &ObjectId| Object { object_type: query.object_type.clone(), key: id.clone() };
    let resources: Vec<Object> = candidates.iter().map(object).collect();
    let Some(first) = resources.first() else { return Ok(Vec::new()) };
    let (mut scratch, subject) = (Scratch::default(), query.subject);
    let mut joined = Joined::new(snapshot, (subject, first), circumstances, budget);
    let verdict = |resource| {
        joined.turn_to(resource);
        let value = joined.value(&mut scratch, query.permission)?;
        verdict(&joined, &value)
    };
    resources.iter().map(verdict).collect()
}

/// Checks candidates one after the other, each within the budget of a check.
pub fn check_subjects<S: Snapshot>(
    snapshot: &S,
    query: SubjectQuery<'_>,
    candidates: &[ObjectId],
    circumstances: Circumstances<'_>,
    budget: &Budget<'_>,
) -> Result<Vec<Verdict>, Error> {
    let mut scratch = Scratch::default();
    let verdict = |id| {
        let subject = query.subject(id);
        let mut joined = Joined::new(snapshot, (&subject, query.resource), circumstances, budget);
        let value = joined.value(&mut scratch, query.permission)?;
        verdict(&joined, &value)
    };
    candidates.iter().map(verdict).collect()
}

/// Checks whether a subject of the type has the permission that is mentioned nowhere, as whoever a wildcard stands for.
pub fn check_anyone<S: Snapshot>(
    snapshot: &S,
    query: SubjectQuery<'_>,
    circumstances: Circumstances<'_>,
    budget: &Budget<'_>,
) -> Result<Verdict, Error> {
    let wildcard = Subject::Wildcard(query.subject_type.clone());
    let mut joined = Joined::for_anyone(snapshot, (&wildcard, query.resource), circumstances, budget);
    let value = joined.value(&mut Scratch::default(), query.permission)?;
    verdict(&joined, &value)
}

fn verdict<S: Snapshot>(joined: &Joined<'_, '_, S>, value: &Value) -> Result<Verdict, Error> {
    if let Some(failure) = joined.failure(value) {
        return Err(failure);
    }
    Ok(match &value.missing {
        _ if value.is_yes() => Verdict::Yes,
        Some(names) if value.is_conditional() => Verdict::Conditional((**names).clone()),
        Some(_) | None => Verdict::No,
    })
}

/// The id of an object, from its whole name; `None` for a wildcard.
fn id_of(name: &str) -> Option<ObjectId> {
    let (_, id) = name.split_once(':')?;
    ObjectId::new(id).ok()
}
