//! Why an answer is what it is.

use portcullis_model::Clock;

use crate::bounds::Bounds;
use crate::budget::{Budget, Error, Meter};
use crate::check::{Outcome, Query, holds_now, meet};
use crate::snapshot::{GrantRow, Snapshot};
use crate::walk::{self, Reached};

/// How many steps an explanation has at most.
const STEPS_MAX: usize = 50;

/// An answer and the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The answer, the same that [`check`](crate::check) gives.
    pub outcome: Outcome,
    /// For an allow, the way from the subject over the grant to the resource; for a deny, what was tried.
    pub steps: Vec<String>,
    /// Whether steps were left out.
    pub truncated: bool,
}

/// Decides one question and says why.
pub fn explain<S: Snapshot>(
    snapshot: &S,
    query: Query<'_>,
    clock: Option<Clock>,
    budget: &Budget<'_>,
) -> Result<Explanation, Error> {
    let mut meter = Meter::new(budget);
    let subjects = walk::subjects(snapshot, query.subject, &mut meter)?;
    let scopes = walk::scopes(snapshot, query.resource, &mut meter)?;
    let mut bounds = Bounds::NO;
    let mut winner = None;
    let mut tried = Vec::new();
    meet(snapshot, &subjects, &scopes, &mut meter, |row| {
        if !snapshot.holds(&row.role, &query.resource.object_type, query.permission) {
            let type_name = &query.resource.object_type;
            tried.push(format!("{} does not hold {type_name}#{}", describe(snapshot, row), query.permission));
            return false;
        }
        let now = holds_now(row, clock);
        bounds = bounds.or(now);
        if now.lower {
            winner = Some(row.clone());
        } else {
            tried.push(format!("{} may have ended", describe(snapshot, row)));
        }
        bounds.lower
    })?;
    let mut steps = match &winner {
        Some(row) => won(snapshot, &subjects, &scopes, row),
        None => lost(snapshot, query, &subjects, &scopes, tried),
    };
    let truncated = steps.len() > STEPS_MAX;
    steps.truncate(STEPS_MAX);
    Ok(Explanation { outcome: Outcome { bounds, visited: meter.visited }, steps, truncated })
}

fn won<S: Snapshot>(snapshot: &S, subjects: &Reached, scopes: &Reached, row: &GrantRow) -> Vec<String> {
    let mut steps = Vec::new();
    for pair in subjects.way_to(row.subject).windows(2) {
        steps.push(format!("{} is in {}", snapshot.name(pair[0]), snapshot.name(pair[1])));
    }
    steps.push(describe(snapshot, row));
    let mut down = scopes.way_to(row.scope);
    down.reverse();
    for pair in down.windows(2) {
        steps.push(format!("{} is the parent of {}", snapshot.name(pair[0]), snapshot.name(pair[1])));
    }
    steps
}

fn lost<S: Snapshot>(
    snapshot: &S,
    query: Query<'_>,
    subjects: &Reached,
    scopes: &Reached,
    tried: Vec<String>,
) -> Vec<String> {
    let names = |reached: &Reached, own: String| {
        let others = reached.nodes.iter().map(|node| snapshot.name(*node).to_string());
        let mut names = vec![own.clone()];
        names.extend(others.filter(|name| *name != own).take(STEPS_MAX));
        names.join(", ")
    };
    let mut steps = vec![
        format!("the subject is {}", names(subjects, query.subject.to_string())),
        format!("the resource lies in {}", names(scopes, query.resource.to_string())),
    ];
    if tried.is_empty() {
        steps.push("no grant joins the two".to_owned());
    }
    steps.extend(tried);
    steps
}

fn describe<S: Snapshot>(snapshot: &S, row: &GrantRow) -> String {
    let (subject, scope) = (snapshot.name(row.subject), snapshot.name(row.scope));
    let until = row.end.map(|end| format!(" until {end}")).unwrap_or_default();
    format!("grant {}: {subject} is {} on {scope}{until}", row.id, row.role)
}
