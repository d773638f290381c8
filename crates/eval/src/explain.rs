//! Why an answer is what it is.
//!
//! An explanation is the same at every node for the same contents: rows have no order of their own, so they are taken
//! by name here, which a check need not do.

use std::iter;
use std::sync::Arc;

use portcullis_model::{GrantId, PermissionPattern, RoleId, Subject};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error};
use crate::check::{Circumstances, Outcome, Query};
use crate::conditions::before;
use crate::joined::{Joined, Order};
use crate::snapshot::{GrantRow, NodeKey, Snapshot};
use crate::value::Value;
use crate::walk::{self, Reached, Scratch};

/// How many steps an explanation has at most: enough for three chains as long as the default budget lets them be.
const STEPS_MAX: usize = 200;
/// How many names one step lists at most.
const NAMES_MAX: usize = 50;

/// An answer and the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The answer, the same that [`check`](crate::check) gives.
    pub outcome: Outcome,
    /// For an allow by a grant, how the subject comes to it.
    pub path: Option<Path>,
    /// In words: for an allow the same path, from the subject to the resource; for a deny, what was tried.
    pub steps: Vec<String>,
    /// Whether steps, or names within a step, were left out.
    pub truncated: bool,
}

/// How a subject comes to a permission. No chain is longer than the budget's depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// From the subject, or the wildcard of its type, each in the next, to the subject of the grant.
    pub subjects: Vec<Arc<str>>,
    /// The grant.
    pub grant: GrantId,
    /// From the role of the grant, each inheriting the next, to the one that names the permission.
    pub roles: Vec<RoleId>,
    /// From the scope of the grant, each the parent of the next, to the resource.
    pub scopes: Vec<Arc<str>>,
}

/// Decides one question and says why. It looks at every grant, so it may exceed a budget within which
/// [`check`](crate::check) finds an allow first.
pub fn explain<'a, S: Snapshot>(
    snapshot: &'a S,
    query: Query<'a>,
    circumstances: impl Into<Circumstances<'a>>,
    budget: &Budget<'_>,
) -> Result<Explanation, Error> {
    let (circumstances, mut scratch) = (circumstances.into(), Scratch::default());
    let mut joined = Joined::new(snapshot, (query.subject, query.resource), circumstances, budget);
    let by_schema = joined.by_schema(query.permission)?;
    let mut value = by_schema.clone();
    let mut rows = Vec::new();
    joined.by_grants(&mut scratch, Order::ByName, |row, joined| {
        let judged = Judged {
            row,
            joined,
            held: snapshot.holds(row.role, &query.resource.object_type, query.permission),
            now: before(row.end, circumstances.clock),
        };
        value = std::mem::take(&mut value).or(judged.value());
        rows.push(judged);
        false
    })?;
    rows.sort_by_cached_key(|judged| snapshot.grant_id(judged.row.handle));
    let winner = rows.iter().find(|judged| judged.value().is_yes());
    let (path, mut steps, mut truncated) = match winner {
        Some(winner) if !by_schema.is_yes() => {
            let path = path_over(snapshot, query, &joined.way_to(&scratch, winner.row.subject), &scratch, &winner.row);
            let steps = won(&path, describe(snapshot, &winner.row));
            (Some(path), steps, false)
        }
        _ => {
            let told = joined.reasons(query.permission, STEPS_MAX)?;
            // Where there is a schema, grants are told of only if there are any.
            let is_told = by_schema.is_yes() || (told.is_some() && rows.is_empty());
            let (steps, truncated) = if is_told { (Vec::new(), false) } else { lost(snapshot, query, &scratch, &rows) };
            (None, told.into_iter().flatten().chain(steps).collect(), truncated)
        }
    };
    let outcome = joined.outcome(&value)?;
    truncated |= steps.len() > STEPS_MAX;
    steps.truncate(STEPS_MAX);
    Ok(Explanation { outcome, path, steps, truncated })
}

/// A grant that joins subject and resource, and what became of it.
struct Judged {
    row: GrantRow,
    joined: Value,
    held: Bounds,
    now: Bounds,
}

impl Judged {
    fn value(&self) -> Value {
        self.joined.clone().and(self.held.into()).and(self.now.into())
    }
}

fn path_over<S: Snapshot>(
    snapshot: &S,
    query: Query<'_>,
    subjects: &[NodeKey],
    scratch: &Scratch,
    row: &GrantRow,
) -> Path {
    let names = |nodes: &[NodeKey]| -> Vec<Arc<str>> { nodes.iter().map(|node| snapshot.name(*node)).collect() };
    let mut scopes = names(&scratch.scopes.way_to(NodeKey::object(row.scope)));
    scopes.reverse();
    Path {
        subjects: names(subjects),
        grant: snapshot.grant_id(row.handle),
        roles: inheritance(snapshot, query, snapshot.role_id(row.role)),
        scopes,
    }
}

/// The shortest chain from a role to one that names the permission itself.
fn inheritance<S: Snapshot>(snapshot: &S, query: Query<'_>, role: RoleId) -> Vec<RoleId> {
    let names_it = |pattern: &PermissionPattern| match pattern {
        PermissionPattern::One(one) => one.object_type == query.resource.object_type && one.name == *query.permission,
        PermissionPattern::All(object_type) => *object_type == query.resource.object_type,
    };
    let mut reached = vec![(role, 0)];
    let mut position = 0;
    while position < reached.len() {
        if let Some(role) = snapshot.role(&reached[position].0) {
            if role.permissions.iter().any(names_it) {
                break;
            }
            for inherited in &role.inherits {
                if reached.iter().all(|(known, _)| known != inherited) {
                    reached.push((inherited.clone(), position));
                }
            }
        }
        position += 1;
    }
    assert!(position < reached.len(), "INVARIANT: a role that holds a permission inherits from one that names it");
    let mut chain = vec![reached[position].0.clone()];
    while position != 0 {
        position = reached[position].1;
        chain.push(reached[position].0.clone());
    }
    chain.reverse();
    chain
}

fn won(path: &Path, grant: String) -> Vec<String> {
    let mut steps = Vec::new();
    steps.extend(path.subjects.windows(2).map(|pair| format!("{} is in {}", pair[0], pair[1])));
    steps.push(grant);
    steps.extend(path.roles.windows(2).map(|pair| format!("{} inherits {}", pair[0], pair[1])));
    steps.extend(path.scopes.windows(2).map(|pair| format!("{} is the parent of {}", pair[0], pair[1])));
    steps
}

fn lost<S: Snapshot>(snapshot: &S, query: Query<'_>, scratch: &Scratch, rows: &[Judged]) -> (Vec<String>, bool) {
    let mut truncated = false;
    // What the question itself names is listed in any case: whether a snapshot still knows a name is chance.
    let mut names = |reached: &Reached, own: Vec<String>| {
        let others = reached.nodes.iter().map(|node| snapshot.name(*node).to_string());
        let mut others: Vec<String> = others.filter(|name| !own.contains(name)).take(NAMES_MAX + 1).collect();
        truncated |= others.len() > NAMES_MAX;
        others.truncate(NAMES_MAX);
        [own, others].concat().join(", ")
    };
    let wildcard = walk::wildcard_of(query.subject).map(|object_type| Subject::Wildcard(object_type.clone()));
    let subject = iter::once(query.subject.clone()).chain(wildcard);
    let subject = subject.map(|subject| subject.to_string()).collect();
    let mut steps = vec![
        format!("the subject is {}", names(&scratch.subjects, subject)),
        format!("the resource lies in {}", names(&scratch.scopes, vec![query.resource.to_string()])),
    ];
    if rows.is_empty() {
        steps.push("no grant joins the two".to_owned());
    }
    // One step over the limit is enough to know that there are too many.
    steps.extend(rows.iter().take(STEPS_MAX).map(|judged| {
        let grant = describe(snapshot, &judged.row);
        let (object_type, permission) = (&query.resource.object_type, query.permission);
        match judged {
            Judged { held: Bounds::NO, .. } => format!("{grant} does not hold {object_type}#{permission}"),
            Judged { now: Bounds::MAYBE, .. } => format!("{grant} may have ended"),
            Judged { .. } => format!("{grant} depends on what is being changed"),
        }
    }));
    (steps, truncated)
}

fn describe<S: Snapshot>(snapshot: &S, row: &GrantRow) -> String {
    let (grant, role) = (snapshot.grant_id(row.handle), snapshot.role_id(row.role));
    let (subject, scope) = (snapshot.name(row.subject), snapshot.name(NodeKey::object(row.scope)));
    let until = row.end.map(|end| format!(" until {end}")).unwrap_or_default();
    format!("grant {grant}: {subject} is {role} on {scope}{until}")
}
