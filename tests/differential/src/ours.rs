//! What our evaluator says.

use portcullis_eval::memory::{Fact, Memory};
use portcullis_eval::{
    Budget, Circumstances, Error, Query, ResourceQuery, SubjectQuery, Verdict, check, check_anyone, check_resources,
    check_subjects, resource_candidates, subject_candidates,
};
use portcullis_machine::command::check_tuple;
use portcullis_model::{Clock, Context, Object, ObjectKey, PermissionName, Subject, Timestamp};
use portcullis_schema::{Problems, Schema, compile};

use crate::answer::Answer;
use crate::questions::{ResourceLookup, SubjectLookup};
use crate::world::World;

/// A world, as far as it is one.
pub(crate) struct Ours {
    pub(crate) schema: Result<Schema, Problems>,
    /// Why relationships are refused, if they are.
    pub(crate) refused: Option<String>,
    memory: Memory,
    now: Timestamp,
}

impl Ours {
    pub(crate) fn new(world: &World, now: Timestamp) -> Self {
        let schema = compile(&world.text());
        let (mut memory, mut refused) = (Memory::default(), None);
        if let Ok(schema) = &schema {
            memory.put(&Fact::Schema(schema.clone()));
            for tuple in &world.tuples {
                refused = refused.or(check_tuple(schema, tuple).err().map(|refusal| refusal.to_string()));
                if tuple.qualifier.expires.is_none_or(|end| end > now) {
                    memory.put(&Fact::Tuple(tuple.clone()));
                }
            }
        }
        Self { schema, refused, memory, now }
    }

    fn circumstances<'a>(&self, context: &'a Context) -> Circumstances<'a> {
        Circumstances { clock: Some(Clock { reading: self.now, error_ms: 0 }), context: Some(context) }
    }

    pub(crate) fn check(
        &self,
        resource: &Object,
        permission: &PermissionName,
        subject: &Subject,
        context: &Context,
    ) -> Answer {
        let query = Query { subject, permission, resource };
        match check(&self.memory, query, self.circumstances(context), &Budget::new(&|| false)) {
            Err(error) => Answer::Error(told(&error)),
            Ok(outcome) => match outcome.bounds.decided() {
                Some(true) => Answer::Yes,
                Some(false) => Answer::No,
                None => Answer::Missing(outcome.missing.iter().map(ToString::to_string).collect()),
            },
        }
    }

    /// When it is asked.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// What is found of these ids, or the error of the lookup.
    pub(crate) fn resources(
        &self,
        lookup: &ResourceLookup,
        context: &Context,
        ids: &[ObjectKey],
    ) -> Result<Vec<Answer>, String> {
        let ResourceLookup { object_type, permission, subject, .. } = lookup;
        let query = ResourceQuery { subject, permission, object_type };
        let found = || {
            let budget = Budget::new(&|| false);
            let candidates = resource_candidates(&self.memory, query, &budget)?;
            let circumstances = self.circumstances(context);
            let verdicts = check_resources(&self.memory, query, &candidates, circumstances, &budget)?;
            Ok(ids.iter().map(move |id| {
                let place = candidates.binary_search(id).ok();
                place.map_or(Answer::No, |place| answer(&verdicts[place]))
            }))
        };
        found().map(Iterator::collect).map_err(|error: Error| told(&error))
    }

    /// What is found of these ids, or the error of the lookup.
    pub(crate) fn subjects(
        &self,
        lookup: &SubjectLookup,
        context: &Context,
        ids: &[ObjectKey],
    ) -> Result<Vec<Answer>, String> {
        let query = SubjectQuery {
            permission: &lookup.permission,
            resource: &lookup.resource,
            subject_type: &lookup.subject_type,
            subject_relation: lookup.subject_relation.as_ref(),
        };
        let found = || {
            let (budget, circumstances) = (Budget::new(&|| false), self.circumstances(context));
            let candidates = subject_candidates(&self.memory, query, &budget)?;
            let verdicts = check_subjects(&self.memory, query, &candidates.ids, circumstances, &budget)?;
            let others = if candidates.wildcard {
                answer(&check_anyone(&self.memory, query, circumstances, &budget)?)
            } else {
                Answer::No
            };
            // Whoever is not listed is as anyone.
            Ok(ids.iter().map(move |id| {
                let place = candidates.ids.binary_search(id).ok();
                place.map_or_else(|| others.clone(), |place| answer(&verdicts[place]))
            }))
        };
        found().map(Iterator::collect).map_err(|error: Error| told(&error))
    }
}

fn answer(verdict: &Verdict) -> Answer {
    match verdict {
        Verdict::Yes => Answer::Yes,
        Verdict::Conditional(names) => Answer::Missing(names.iter().map(ToString::to_string).collect()),
        Verdict::No => Answer::No,
    }
}

/// An error with its sources.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}
