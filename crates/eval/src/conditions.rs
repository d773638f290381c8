//! Whether a relationship that is stored holds now.

use std::collections::BTreeMap;
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
    known: Vec<(QualifierKey, Held)>,
    /// Caveats that could not be evaluated, by what stands for them among the names of parameters.
    failures: BTreeMap<Arc<str>, Error>,
    /// Whether something was judged that ends by itself.
    pub(crate) ends: bool,
}

/// Whether a relationship holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// Whether it is there.
    pub(crate) is_there: Bounds,
    /// What its caveat says.
    pub(crate) caveat: Value,
}

impl Held {
    pub(crate) fn value(self) -> Value {
        self.caveat.and(self.is_there.into())
    }
}

/// How many judgements are kept: beyond it looking for one costs about as much as making it.
const KNOWN_MAX: usize = 64;
/// What the stand-ins of failures begin with, and no name of a parameter can.
pub(crate) const FAILURE: char = '!';

impl<'a> Conditions<'a> {
    pub(crate) fn new(circumstances: Circumstances<'a>) -> Self {
        Self { circumstances, known: Vec::new(), failures: BTreeMap::new(), ends: false }
    }

    /// What they are asked about.
    pub(crate) fn given(&self) -> Option<&'a Context> {
        self.circumstances.context
    }

    /// Whether a relationship holds.
    #[inline]
    pub(crate) fn judge<S: Snapshot>(&mut self, snapshot: &S, edge: &Edge) -> Value {
        match edge.qualifier {
            None => edge.certainty.into(),
            Some(_) => self.held(snapshot, edge).value(),
        }
    }

    /// The same, with its caveat apart.
    pub(crate) fn held<S: Snapshot>(&mut self, snapshot: &S, edge: &Edge) -> Held {
        match edge.qualifier {
            None => Held { is_there: edge.certainty, caveat: Value::YES },
            Some(key) => {
                let Held { is_there, caveat } = self.qualified(snapshot, key);
                Held { is_there: edge.certainty.and(is_there), caveat }
            }
        }
    }

    fn qualified<S: Snapshot>(&mut self, snapshot: &S, key: QualifierKey) -> Held {
        if let Some((_, held)) = self.known.iter().find(|(known, _)| *known == key) {
            return held.clone();
        }
        let qualifier = snapshot.qualifier(key);
        let caveat = match &qualifier.caveat {
            None => Value::YES,
            Some(caveat) => self.caveat(snapshot.program(), &caveat.name, &caveat.context),
        };
        self.ends |= qualifier.expires.is_some();
        let held = Held { is_there: before(qualifier.expires, self.circumstances.clock), caveat };
        if self.known.len() < KNOWN_MAX {
            self.known.push((key, held.clone()));
        }
        held
    }

    /// A caveat that cannot be evaluated is like one that lacks a parameter: an answer that does not depend on it stands, and
    /// whether it was met first makes no difference.
    fn caveat(&mut self, program: Option<&Program>, name: &CaveatName, stored: &Context) -> Value {
        let nothing = Context::default();
        let error = match program.and_then(|program| program.caveat(name)) {
            None => Error::CaveatMissing { caveat: name.clone() },
            Some(caveat) => match caveat.evaluate(stored, self.circumstances.context.unwrap_or(&nothing)) {
                Ok(Verdict::Holds) => return Value::YES,
                Ok(Verdict::Fails) => return Value::NO,
                Ok(Verdict::Missing(names)) => return Value::conditional(names),
                Err(source) => Error::Caveat { caveat: name.clone(), source: Arc::new(source) },
            },
        };
        let stand_in: Arc<str> = Arc::from(format!("{FAILURE}{name} {}", failure_of(&error)));
        self.failures.insert(Arc::clone(&stand_in), error);
        Value::conditional([stand_in].into())
    }

    /// The failure on which an answer depends, if there is one: the same on every node.
    pub(crate) fn failure(&self, value: &Value) -> Option<Error> {
        let names = value.missing.iter().flat_map(|names| names.iter());
        names.filter(|name| name.starts_with(FAILURE)).find_map(|name| self.failures.get(name)).cloned()
    }
}

fn failure_of(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

/// Whether an end is still to come at the clock's time: near it, it may have come already.
pub(crate) fn before(end: Option<Timestamp>, clock: Option<Clock>) -> Bounds {
    match (end, clock) {
        (None, _) => Bounds::YES,
        (Some(end), Some(clock)) if clock.latest() < end => Bounds::YES,
        (Some(_), _) => Bounds::MAYBE,
    }
}
