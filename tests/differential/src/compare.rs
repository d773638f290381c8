//! Both sides, question by question.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use portcullis_model::{ObjectKey, Timestamp};
use portcullis_schema::print;

use crate::answer::Answer;
use crate::differences::says_the_same;
use crate::generate::IDS;
use crate::ours::Ours;
use crate::questions::{Question, Questions, ResourceLookup, STRANGER, SubjectLookup};
use crate::spicedb::{Answers, Lookup, Row, SpiceDb};
use crate::world::World;

/// A question with both answers.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) question: Question,
    pub(crate) ours: Answer,
    pub(crate) theirs: Answer,
    /// What SpiceDB says to the check that should have the same answer, asked alone, where a lookup or a check differs.
    pub(crate) their_check: Option<Answer>,
}

/// What came of a world.
pub(crate) struct Comparison {
    pub(crate) ours: Ours,
    pub(crate) compared: Vec<Compared>,
    /// Of a schema that only we take: whether SpiceDB takes what our printer makes of it.
    pub(crate) takes_printed: bool,
}

/// Asks both sides.
pub(crate) fn compare(
    spicedb: &mut SpiceDb,
    world: &World,
    questions: &Questions,
    now: Timestamp,
) -> Result<Comparison> {
    let ours = Ours::new(world, now);
    let theirs = spicedb.ask(world, questions)?;
    let mut comparison = Comparison { ours, compared: Vec::new(), takes_printed: false };
    let our_schema = verdict(comparison.ours.schema.as_ref().err());
    comparison.add(Question::Schema, our_schema, verdict(theirs.schema.as_ref()));
    if let (Ok(schema), true) = (&comparison.ours.schema, theirs.schema.is_some()) {
        let printed = spicedb.ask_about(&print(schema), world, &Questions::default())?;
        comparison.takes_printed = printed.schema.is_none();
    }
    if comparison.ours.schema.is_err() || theirs.schema.is_some() {
        return Ok(comparison);
    }
    let our_relationships = verdict(comparison.ours.refused.as_ref());
    comparison.add(Question::Relationships, our_relationships, verdict(theirs.relationships.as_ref()));
    if comparison.ours.refused.is_none() && theirs.relationships.is_none() {
        comparison.checks(questions, &theirs)?;
        for (lookup, found) in questions.resource_lookups.iter().zip(&theirs.resource_lookups) {
            comparison.resources(questions, lookup, found)?;
        }
        for (lookup, found) in questions.subject_lookups.iter().zip(&theirs.subject_lookups) {
            comparison.subjects(questions, lookup, found)?;
        }
        for compared in &mut comparison.compared {
            let is_alone =
                matches!(compared.theirs, Answer::Error(_)) && matches!(compared.question, Question::Check { .. });
            if !says_the_same(&compared.ours, &compared.theirs)
                && !is_alone
                && let Some(check) = compared.question.as_check()
            {
                compared.their_check = spicedb.ask(world, &Questions::alone(&check))?.checks.pop();
            }
        }
    }
    Ok(comparison)
}

fn verdict<T: ToString>(refused: Option<T>) -> Answer {
    refused.map_or(Answer::Yes, |refused| Answer::Error(refused.to_string()))
}

impl Comparison {
    fn add(&mut self, question: Question, ours: Answer, theirs: Answer) {
        self.compared.push(Compared { question, ours, theirs, their_check: None });
    }

    fn checks(&mut self, questions: &Questions, theirs: &Answers) -> Result<()> {
        let Questions { contexts, subjects, resources, .. } = questions;
        let asked = contexts.len() * subjects.len() * resources.len();
        ensure!(theirs.checks.len() == asked, "{asked} questions, {} answers", theirs.checks.len());
        let mut answers = theirs.checks.iter();
        for context in contexts {
            for subject in subjects {
                for ((resource, permission), theirs) in resources.iter().zip(answers.by_ref()) {
                    let ours = self.ours.check(resource, permission, subject, context);
                    let (resource, permission) = (resource.clone(), permission.clone());
                    let (subject, context) = (subject.clone(), context.clone());
                    self.add(Question::Check { resource, permission, subject, context }, ours, theirs.clone());
                }
            }
        }
        Ok(())
    }

    fn resources(&mut self, questions: &Questions, lookup: &ResourceLookup, found: &Lookup) -> Result<()> {
        let (context, ids) = (&questions.contexts[lookup.context], ids(found)?);
        let ours = self.ours.resources(lookup, context, &ids);
        for (place, id) in ids.iter().enumerate() {
            let theirs = match found {
                Lookup::Error(error) => Answer::Error(error.clone()),
                Lookup::Found(rows) => row_of(rows, id.as_str()),
            };
            let (lookup, context, id) = (lookup.clone(), context.clone(), id.clone());
            self.add(Question::Resource { lookup, context, id }, one_of(&ours, place), theirs);
        }
        Ok(())
    }

    fn subjects(&mut self, questions: &Questions, lookup: &SubjectLookup, found: &Lookup) -> Result<()> {
        let (context, ids) = (&questions.contexts[lookup.context], ids(found)?);
        let ours = self.ours.subjects(lookup, context, &ids);
        for (place, id) in ids.iter().enumerate() {
            let theirs = match found {
                Lookup::Error(error) => Answer::Error(error.clone()),
                Lookup::Found(rows) => either(&row_of(rows, id.as_str()), &wildcard_of(rows, id.as_str())),
            };
            let (lookup, context, id) = (lookup.clone(), context.clone(), id.clone());
            self.add(Question::Subject { lookup, context, id }, one_of(&ours, place), theirs);
        }
        Ok(())
    }
}

fn row_of(rows: &[Row], id: &str) -> Answer {
    // One may be there twice, the second time for certain.
    let rows = rows.iter().filter(|(known, _, _)| known == id);
    rows.fold(Answer::No, |known, (_, answer, _)| either(&known, answer))
}

/// What the wildcard among the rows says of an id.
fn wildcard_of(rows: &[Row], id: &str) -> Answer {
    let Some((_, answer, exceptions)) = rows.iter().find(|(known, _, _)| known == "*") else { return Answer::No };
    match (exceptions.iter().find(|(known, _)| known == id).map(|(_, answer)| answer), answer) {
        (None, answer) => answer.clone(),
        (Some(Answer::Yes), _) | (_, Answer::No) => Answer::No,
        (Some(Answer::Missing(names)), Answer::Missing(others)) => Answer::Missing(names | others),
        (Some(exception), _) => exception.clone(),
    }
}

fn either(one: &Answer, other: &Answer) -> Answer {
    match (one, other) {
        (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
        (Answer::Missing(names), Answer::Missing(others)) => Answer::Missing(names | others),
        (Answer::No, answer) | (answer, _) => answer.clone(),
    }
}

fn one_of(found: &Result<Vec<Answer>, String>, place: usize) -> Answer {
    match found {
        Ok(answers) => answers[place].clone(),
        Err(error) => Answer::Error(error.clone()),
    }
}

/// The ids that worlds have, and those that were found besides.
fn ids(found: &Lookup) -> Result<Vec<ObjectKey>> {
    let rows = match found {
        Lookup::Found(rows) => rows.as_slice(),
        Lookup::Error(_) => &[],
    };
    let found = rows.iter().map(|(id, _, _)| id.as_str()).filter(|id| *id != "*");
    let ids: BTreeSet<&str> = IDS.iter().copied().chain([STRANGER]).chain(found).collect();
    ids.into_iter().map(|id| Ok(ObjectKey::new(id)?)).collect()
}
