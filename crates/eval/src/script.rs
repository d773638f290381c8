//! Scripts: worlds and questions as text, with the answers written in.
//!
//! The same scripts run wherever a world can be loaded. Playing one writes its answers anew, so a test compares the
//! result with the script itself, and a script grows by adding questions and copying what was answered.
//!
//! ```text
//! # A comment. What is known grows from line to line.
//! role editor document#edit folder#* inherits viewer
//! grant g1 group:eng#member editor folder:q3 until 2026-12-01T00:00:00Z
//! grant g2 user:bob viewer folder:q3 revoked
//! relationship group:eng#member@user:alice
//! | definition user {}
//! | definition document { relation viewer: user with c permission view = viewer }
//! context {"k": "v"}
//! clock 2026-11-01T00:00:00Z 250
//! budget depth 3
//! check user:alice edit document:plan -> ALLOW
//! lookup user:alice document:plan -> edit, view?
//! explain user:alice edit document:plan -> ALLOW
//!   user:alice is in group:eng#member
//! trace user:alice edit document:plan -> ALLOW
//!   permission document:plan#edit: yes
//!     grant g1 of editor on folder:q3: yes, until 2026-12-01T00:00:00Z
//! expand view document:plan -> document:plan#view is any of
//!   document:plan#viewer is user:alice
//! ```
//!
//! Lines that begin with `|` are a schema, in place of an earlier one. `context` is what conditions are asked about from
//! there on. The number after the time is the error of the clock in milliseconds; `clock none` is a clock that is not trusted.
//! Budgets are `depth`, `visited`, `late` and `default`. A `?` marks what is undecided, `*` every permission.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use portcullis_model::{
    Actor, Clock, Context, ContextError, Grant, GrantState, NameError, Object, Revision, Role, Subject, Timestamp,
    TupleError, Verified, Window,
};
use portcullis_schema::{Problems, compile};

use crate::bounds::Bounds;
use crate::budget::{Budget, Error};
use crate::check::{Circumstances, Outcome, Query, check};
use crate::expand::{Expanded, Parts, expand};
use crate::explain::explain;
use crate::memory::Fact;
use crate::permissions::permissions;
use crate::snapshot::Snapshot;
use crate::trace::{CaveatStep, Step, StepAnswer, StepKind, trace};

/// What separates a question from its answer.
const ARROW: &str = "->";

/// Why a script cannot be played.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// A line is neither fact, setting nor question.
    #[error("line {line} is nothing that a script can say: `{text}`; see `eval::script` for what it can")]
    Unknown {
        /// Its number, from one.
        line: usize,
        /// The line.
        text: String,
    },
    /// A word of a line is not what belongs there.
    #[error("line {line} has a word that does not belong there: correct it")]
    Word {
        /// Its number, from one.
        line: usize,
        /// What is wrong with it.
        source: Misfit,
    },
}

/// What a word is not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A name, a time or an object.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A relationship.
    #[error(transparent)]
    Tuple(#[from] TupleError),
    /// A context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A schema; in words, since there may be many problems with it.
    #[error("{0}")]
    Schema(String),
}

/// Plays a script over worlds made by `load` from all facts so far, and returns it with the answers that were given.
pub fn play<S: Snapshot>(script: &str, load: impl Fn(&[Fact]) -> S) -> Result<String, PlayError> {
    let mut stage =
        Stage { clock: None, context: None, limits: Limits::default(), facts: Vec::new(), world: load(&[]) };
    let (mut played, mut schema) = (String::new(), String::new());
    for (number, line) in (1..).zip(script.lines()) {
        if let Some(text) = line.strip_prefix('|') {
            schema.push_str(text);
            schema.push('\n');
            let _ = writeln!(played, "{line}");
            continue;
        }
        if !schema.is_empty() {
            let compiled = compile(&std::mem::take(&mut schema));
            let spoilt = |problems: Problems| Misfit::Schema(problems.to_string());
            let compiled =
                compiled.map_err(|problems| PlayError::Word { line: number - 1, source: spoilt(problems) })?;
            stage.facts.push(Fact::Schema(compiled));
            stage.world = load(&stage.facts);
        }
        // Indented lines are steps of an earlier answer, which is written anew.
        if line.starts_with("  ") {
            continue;
        }
        let said = line.split_once(ARROW).map_or(line, |(said, _)| said).trim_end();
        played.push_str(said);
        let known = stage.facts.len();
        match stage.line(said) {
            Ok(answer) => played.push_str(&answer),
            Err(Spoilt::Unclear) => return Err(PlayError::Unknown { line: number, text: line.to_owned() }),
            Err(Spoilt::Word(source)) => return Err(PlayError::Word { line: number, source }),
        }
        if stage.facts.len() > known {
            stage.world = load(&stage.facts);
        }
        played.push('\n');
    }
    Ok(played)
}

/// What the lines so far have set up.
struct Stage<S> {
    clock: Option<Clock>,
    context: Option<Context>,
    limits: Limits,
    facts: Vec<Fact>,
    world: S,
}

/// The budget of the questions that follow.
#[derive(Clone, Copy, Default)]
struct Limits {
    depth: Option<u32>,
    visited: Option<u64>,
    late: bool,
}

/// Why a line is not taken.
enum Spoilt {
    /// It is not understood as a whole.
    Unclear,
    Word(Misfit),
}

impl<E: Into<Misfit>> From<E> for Spoilt {
    fn from(error: E) -> Self {
        Self::Word(error.into())
    }
}

impl<S: Snapshot> Stage<S> {
    /// Takes a line; returns what is to be written after it.
    fn line(&mut self, line: &str) -> Result<String, Spoilt> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["role", id, words @ ..] => self.facts.push(Fact::Role(role(id, words)?)),
            ["grant", id, subject, role, scope, words @ ..] => {
                let (end, state) = ending(words)?;
                let grant = grant([id, subject, role, scope], end, state)?;
                self.facts.push(Fact::Grant(Box::new(grant)));
            }
            ["relationship", _, ..] => self.facts.push(Fact::Tuple(after(line, "relationship").parse()?)),
            ["context", "none"] => self.context = None,
            ["context", _, ..] => self.context = Some(after(line, "context").parse()?),
            ["clock", "none"] => self.clock = None,
            ["clock", time, error] => {
                self.clock =
                    Some(Clock { reading: time.parse()?, error_ms: error.parse().map_err(|_| Spoilt::Unclear)? });
            }
            ["budget", "default"] => self.limits = Limits::default(),
            ["budget", "late"] => self.limits.late = true,
            ["budget", "depth", most] => self.limits.depth = Some(most.parse().map_err(|_| Spoilt::Unclear)?),
            ["budget", "visited", most] => self.limits.visited = Some(most.parse().map_err(|_| Spoilt::Unclear)?),
            [question, words @ ..] => return Ok(format!(" {ARROW} {}", self.answer(question, words)?)),
        }
        Ok(String::new())
    }

    fn answer(&self, question: &str, words: &[&str]) -> Result<String, Spoilt> {
        let late = self.limits.late;
        let is_late = || late;
        let default = Budget::new(&is_late);
        let budget = Budget {
            depth: self.limits.depth.unwrap_or(default.depth),
            visited: self.limits.visited.unwrap_or(default.visited),
            ..default
        };
        let now = Circumstances { clock: self.clock, context: self.context.as_ref() };
        let answered = match (question, words) {
            ("lookup", [subject, resource]) => {
                let (subject, resource): (Subject, Object) = (subject.parse()?, resource.parse()?);
                permissions(&self.world, &subject, &resource, now, &budget).map(|held| {
                    let mut names: Vec<String> =
                        held.permissions.iter().map(|(name, bounds)| format!("{name}{}", mark(*bounds))).collect();
                    names.extend(held.conditional.iter().map(|(name, missing)| format!("{name} ({})", list(missing))));
                    if held.all.upper {
                        names.push(format!("*{}", mark(held.all)));
                    }
                    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
                })
            }
            ("check" | "explain", [subject, permission, resource]) => {
                let (subject, permission, resource) = (subject.parse()?, permission.parse()?, resource.parse()?);
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                if question == "check" {
                    check(&self.world, query, now, &budget).map(|outcome| decision(&outcome))
                } else {
                    explain(&self.world, query, now, &budget).map(|explained| {
                        let mut answer = decision(&explained.outcome);
                        for step in &explained.steps {
                            let _ = write!(answer, "\n  {step}");
                        }
                        if explained.truncated {
                            answer.push_str("\n  and more");
                        }
                        answer
                    })
                }
            }
            ("trace", [subject, permission, resource]) => {
                let (subject, permission, resource) = (subject.parse()?, permission.parse()?, resource.parse()?);
                let query = Query { subject: &subject, permission: &permission, resource: &resource };
                trace(&self.world, query, now, &budget)
                    .map(|traced| format!("{}\n{}", decision(&traced.outcome), step(&traced.step, 1)))
            }
            ("expand", [permission, resource]) => {
                let (permission, resource) = (permission.parse()?, resource.parse()?);
                expand(&self.world, &resource, &permission, &budget)
                    .map(|expanded| expanded.map_or("no part of the schema".to_owned(), |expanded| tree(&expanded, 0)))
            }
            _ => return Err(Spoilt::Unclear),
        };
        Ok(answered.unwrap_or_else(|error| format!("ERROR {}", name(&error))))
    }
}

/// What follows the first word of a line.
fn after<'a>(line: &'a str, word: &str) -> &'a str {
    line.trim_start().strip_prefix(word).unwrap_or(line).trim()
}

fn decision(outcome: &Outcome) -> String {
    match outcome.bounds.decided() {
        Some(true) => "ALLOW".to_owned(),
        Some(false) => "DENY".to_owned(),
        None if outcome.missing.is_empty() => "UNDECIDED".to_owned(),
        None => format!("CONDITIONAL {}", list(&outcome.missing)),
    }
}

fn tree(expanded: &Expanded, depth: usize) -> String {
    let Expanded { object, relation, parts } = expanded;
    let (kind, children): (_, &[Expanded]) = match parts {
        Parts::Subjects(subjects) if subjects.is_empty() => ("nobody".to_owned(), &[]),
        Parts::Subjects(subjects) => (subjects.join(", "), &[]),
        Parts::Union(children) => ("any of".to_owned(), children),
        Parts::Intersection(children) => ("all of".to_owned(), children),
        Parts::Exclusion(children) => ("the first but not the second of".to_owned(), &**children),
    };
    let mut text = format!("{object}#{relation} is {kind}");
    for child in children {
        let _ = write!(text, "\n  {:indent$}{}", "", tree(child, depth + 1), indent = depth * 2);
    }
    text
}

fn step(one: &Step, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let answer = |answer: &StepAnswer| match answer {
        StepAnswer::No => "no".to_owned(),
        StepAnswer::Yes => "yes".to_owned(),
        StepAnswer::Conditional(missing) => format!("depends on {}", list(missing)),
        StepAnswer::Undecided => "undecided".to_owned(),
    };
    let what = match &one.kind {
        StepKind::Relation => format!("relation {}#{}", one.object, one.name),
        StepKind::Permission => format!("permission {}#{}", one.object, one.name),
        StepKind::Grant(id) => format!("grant {id} of {} on {}", one.name, one.object),
    };
    let mut text = format!("{indent}{what}: {}", answer(&one.answer));
    text.extend(one.expires.map(|end| format!(", until {end}")));
    text.push_str(if one.repeated { ", as told" } else { "" });
    for caveat in &one.caveats {
        let CaveatStep { name, expression, context, .. } = caveat;
        let context: Vec<String> = context.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        let (said, context) = (answer(&caveat.answer), context.join(", "));
        let expression = expression.as_deref().unwrap_or("missing");
        let _ = write!(text, "\n{indent}  caveat {name} of `{expression}` with [{context}]: {said}");
    }
    for below in &one.steps {
        let _ = write!(text, "\n{}", step(below, depth + 1));
    }
    text
}

fn list(names: &BTreeSet<Arc<str>>) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
}

fn mark(bounds: Bounds) -> &'static str {
    if bounds.lower { "" } else { "?" }
}

fn name(error: &Error) -> String {
    match error {
        Error::DepthExceeded { most } => format!("DepthExceeded {most}"),
        Error::VisitedExceeded { most } => format!("VisitedExceeded {most}"),
        Error::NestingExceeded { most } => format!("NestingExceeded {most}"),
        Error::PermissionUnknown { object_type, permission } => format!("PermissionUnknown {object_type}#{permission}"),
        Error::CaveatMissing { caveat } => format!("CaveatMissing {caveat}"),
        Error::Caveat { caveat, source } => format!("Caveat {caveat}: {source}"),
        Error::DeadlineExceeded => "DeadlineExceeded".to_owned(),
    }
}

/// A role from its id, its permissions and, after `inherits`, the roles that it inherits.
pub fn role(id: &str, words: &[&str]) -> Result<Role, NameError> {
    let split = words.iter().position(|word| *word == "inherits").unwrap_or(words.len());
    let (permissions, inherits) = words.split_at(split);
    Ok(Role {
        id: id.parse()?,
        permissions: permissions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        inherits: inherits.iter().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?,
        created: Revision(1),
        modified: Revision(1),
    })
}

/// A grant from id, subject, role and scope.
pub fn grant(
    [id, subject, role, scope]: [&str; 4],
    end: Option<Timestamp>,
    state: GrantState,
) -> Result<Grant, NameError> {
    Ok(Grant {
        id: id.parse()?,
        subject: subject.parse()?,
        role: role.parse()?,
        scope: scope.parse()?,
        window: Window { start: None, end },
        reason: None,
        granted_by: admin()?,
        granted_at: Timestamp(0),
        created: Revision(1),
        modified: Revision(1),
        state,
    })
}

fn admin() -> Result<Actor, NameError> {
    Ok(Actor { caller: "user:admin".parse()?, on_behalf_of: None, verified: Verified::Assumed })
}

fn ending(words: &[&str]) -> Result<(Option<Timestamp>, GrantState), Spoilt> {
    let (end, words) = match words {
        ["until", time, words @ ..] => (Some(time.parse::<Timestamp>()?), words),
        words => (None, words),
    };
    let state = match words {
        [] => GrantState::Active,
        ["scheduled"] => GrantState::Scheduled,
        ["ended"] => GrantState::Ended { at: Timestamp(0) },
        ["revoked"] => GrantState::Revoked { at: Timestamp(0), by: admin()?, reason: None },
        _ => return Err(Spoilt::Unclear),
    };
    Ok((end, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    fn played(script: &str) -> Result<String, PlayError> {
        play(script, |_| Memory::default())
    }

    #[test]
    fn answers_are_written_anew() {
        let script = "# Nobody is known.\ncheck user:a view document:d -> ALLOW\n  a step that is gone\n";
        assert_eq!(played(script).unwrap(), "# Nobody is known.\ncheck user:a view document:d -> DENY\n");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in ["chek user:a view document:d", "check user:a", "grant g user:a r document:d soon", "budget 3"] {
            assert_eq!(played(bad), Err(PlayError::Unknown { line: 1, text: bad.to_owned() }));
        }
        assert!(matches!(played("\nrelationship x"), Err(PlayError::Word { line: 2, .. })));
    }
}
