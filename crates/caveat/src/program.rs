//! Compiled caveats.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use portcullis_model::Context;

use crate::check::{Checked, check};
use crate::convert::convert;
use crate::cost::{Assumption, Cost, bound};
use crate::error::Error;
use crate::evaluate::{Evaluation, Outcome};
use crate::kind::Kind;
use crate::limit;
use crate::meter::Meter;
use crate::missing::Missing;
use crate::parse::parse;
use crate::problem::{Problem, ProblemKind};
use crate::similar::similar;
use crate::tree::Node;
use crate::types::Type;
use crate::value::Value;

/// A compiled caveat. Cheap to clone. Two are equal if they have the same text and parameters.
#[derive(Clone)]
pub struct Program(Arc<Compiled>);

struct Compiled {
    parameters: Vec<(Arc<str>, Type)>,
    expression: String,
    referenced: Missing,
    node: Node,
    cost: Cost,
}

/// What a caveat says of the contexts that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The condition is true, whatever the parameters are that are missing.
    Holds,
    /// The condition is false, whatever the parameters are that are missing.
    Fails,
    /// It depends on these parameters: all that are missing and can still matter. Never empty.
    Missing(BTreeSet<Arc<str>>),
}

/// Compiles the expression of a caveat. The problems are never empty, and in the order of the text; those of the grammar
/// come alone, the others as many as can be found at once, at most [`limit::PROBLEMS_MAX`].
///
/// The names of the parameters are taken to be distinct.
pub fn compile(parameters: &[(String, Type)], expression: &str) -> Result<Program, Vec<Problem>> {
    let refuse = |kind| Err(vec![Problem { kind, span: 0..expression.len() }]);
    let (length, most) = (expression.len(), limit::EXPRESSION_BYTES_MAX);
    if length > most {
        return refuse(ProblemKind::TooLong { length, most });
    }
    let (count, most) = (parameters.len(), limit::PARAMETERS_MAX);
    if count > most {
        return refuse(ProblemKind::TooManyParameters { count, most });
    }
    let parsed = parse(expression).map_err(|problem| vec![*problem])?;
    let parameters: Vec<(Arc<str>, Type)> =
        parameters.iter().map(|(name, kind)| (Arc::from(name.as_str()), kind.clone())).collect();
    let kinds: Vec<(Arc<str>, Kind)> =
        parameters.iter().map(|(name, kind)| (Arc::clone(name), Kind::of(kind))).collect();
    let Checked { node, referenced } = check(&kinds, &parsed)?;
    let (steps, most) = (bound(&node, &parameters, Assumption::USUAL), limit::STEPS_MAX);
    if steps > most {
        return refuse(ProblemKind::TooCostly { steps, most });
    }
    let most_steps = bound(&node, &parameters, Assumption::WORST).min(most);
    let cost = Cost { assumed_steps: steps, most_steps };
    Ok(Program(Arc::new(Compiled { parameters, expression: expression.to_owned(), referenced, node, cost })))
}

impl Program {
    /// The parameters, in the order in which they were declared.
    pub fn parameters(&self) -> &[(Arc<str>, Type)] {
        &self.0.parameters
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.0.expression
    }

    /// The parameters that the expression mentions, in the order in which they were declared.
    pub fn referenced(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names(self.0.referenced)
    }

    /// What an evaluation takes at most.
    pub fn cost_bound(&self) -> Cost {
        self.0.cost
    }

    /// Whether a context can stand with a relationship: it names parameters only, and gives each what its type takes.
    pub fn check_context(&self, context: &Context) -> Result<(), Error> {
        for (name, value) in context.fields() {
            let Some((parameter, expected)) = self.0.parameters.iter().find(|(parameter, _)| parameter == name) else {
                let known = self.0.parameters.iter().map(|(parameter, _)| parameter.as_ref());
                let similar = similar(name, known).map(Arc::from);
                return Err(Error::UnknownParameter { name: Arc::clone(name), similar });
            };
            convert(parameter, expected, value).map_err(|error| *error)?;
        }
        Ok(())
    }

    /// Evaluates the caveat. What the relationship says of a parameter counts, and what the request says only where the
    /// relationship is silent; names that are no parameters are passed over, because several caveats share a request.
    ///
    /// The same everywhere, and for ever: it depends on the arguments alone.
    pub fn evaluate(&self, relationship: &Context, request: &Context) -> Result<Verdict, Error> {
        self.run(relationship, request).0
    }

    /// Evaluates the caveat, and tells how many steps that took; [`Program::cost_bound`] says how many it takes at most.
    pub fn measure(&self, relationship: &Context, request: &Context) -> (Result<Verdict, Error>, u64) {
        let (verdict, meter) = self.run(relationship, request);
        (verdict, meter.taken())
    }

    /// The verdict, and the budget as it is afterwards.
    fn run(&self, relationship: &Context, request: &Context) -> (Result<Verdict, Error>, Meter) {
        let mut parameters = Vec::with_capacity(self.0.parameters.len());
        for (name, expected) in &self.0.parameters {
            let given = relationship.fields().get(name).or_else(|| request.fields().get(name));
            match given.map(|given| convert(name, expected, given)).transpose() {
                Ok(value) => parameters.push(value),
                Err(error) => return (Err(*error), Meter::new()),
            }
        }
        let mut evaluation = Evaluation::new(&parameters);
        let outcome = evaluation.node(&self.0.node);
        (self.verdict(outcome), evaluation.meter)
    }

    fn verdict(&self, outcome: Result<Outcome, Box<Error>>) -> Result<Verdict, Error> {
        match outcome.map_err(|error| *error)? {
            Outcome::Known(Value::Bool(true)) => Ok(Verdict::Holds),
            Outcome::Known(Value::Bool(false)) => Ok(Verdict::Fails),
            // INVARIANT: the check found the result to be bool.
            Outcome::Known(other) => unreachable!("a caveat resulted in {}", other.kind()),
            Outcome::Unknown(missing) => Ok(Verdict::Missing(self.names(missing).cloned().collect())),
        }
    }

    fn names(&self, set: Missing) -> impl Iterator<Item = &Arc<str>> {
        self.0.parameters.iter().enumerate().filter(move |(number, _)| set.has(*number)).map(|(_, (name, _))| name)
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.0.parameters == other.0.parameters && self.0.expression == other.0.expression
    }
}

impl Eq for Program {}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: BTreeMap<&str, String> =
            self.0.parameters.iter().map(|(name, kind)| (name.as_ref(), kind.to_string())).collect();
        f.debug_struct("Program").field("parameters", &parameters).field("expression", &self.0.expression).finish()
    }
}
