//! Whether a relationship that is stored holds now.

use std::sync::Arc;

use portcullis_caveat::Verdict;
use portcullis_model::{CaveatName, Clock, Context, Timestamp};

use crate::bounds::Bounds;
use crate::budget::Error;
use crate::check::Circumstances;
use crate::program::Program;
use crate::snapshot::{Edge, QualifierKey, Snapshot};
use crate::value::Value;

/// What conditions are asked about, and what they answered so far.
pub(crate) struct Conditions<'a> {
    circumstances: Circumstances<'a>,
    /// Rows that lead to the same group from several sides are judged once. They are few.
    known: Vec<(QualifierKey, Value)>,
}

/// How many judgements are kept: beyond it looking for one costs about as much as making it.
const KNOWN_MAX: usize = 64;

impl<'a> Conditions<'a> {
    pub(crate) fn new(circumstances: Circumstances<'a>) -> Self {
        Self { circumstances, known: Vec::new() }
    }

    /// Whether a relationship holds.
    pub(crate) fn judge<S: Snapshot>(&mut self, snapshot: &S, edge: &Edge) -> Result<Value, Error> {
        let certainty = Value::from(edge.certainty);
        match edge.qualifier {
            None => Ok(certainty),
            Some(qualifier) => Ok(certainty.and(self.qualified(snapshot, qualifier)?)),
        }
    }

    fn qualified<S: Snapshot>(&mut self, snapshot: &S, key: QualifierKey) -> Result<Value, Error> {
        if let Some((_, value)) = self.known.iter().find(|(known, _)| *known == key) {
            return Ok(value.clone());
        }
        let qualifier = snapshot.qualifier(key);
        let mut value = Value::from(before(qualifier.expires, self.circumstances.clock));
        if let Some(caveat) = &qualifier.caveat {
            value = value.and(self.caveat(snapshot.program(), &caveat.name, &caveat.context)?);
        }
        if self.known.len() < KNOWN_MAX {
            self.known.push((key, value.clone()));
        }
        Ok(value)
    }

    fn caveat(&self, program: Option<&Program>, name: &CaveatName, stored: &Context) -> Result<Value, Error> {
        let caveat = program.and_then(|program| program.caveat(name));
        let caveat = caveat.ok_or_else(|| Error::CaveatMissing { caveat: name.clone() })?;
        let nothing = Context::default();
        match caveat.evaluate(stored, self.circumstances.context.unwrap_or(&nothing)) {
            Ok(Verdict::Holds) => Ok(Value::YES),
            Ok(Verdict::Fails) => Ok(Value::NO),
            Ok(Verdict::Missing(names)) => Ok(Value::conditional(names)),
            Err(source) => Err(Error::Caveat { caveat: name.clone(), source: Arc::new(source) }),
        }
    }
}

/// Whether an end is still to come at the clock's time: near it, it may have come already.
pub(crate) fn before(end: Option<Timestamp>, clock: Option<Clock>) -> Bounds {
    match (end, clock) {
        (None, _) => Bounds::YES,
        (Some(end), Some(clock)) if clock.latest() < end => Bounds::YES,
        (Some(_), _) => Bounds::MAYBE,
    }
}
