//! Evaluation over what is known.
//!
//! A part of an expression has a value, or is unknown because of parameters that are missing, or fails. An operand that
//! decides alone decides: `true` in `||` and `false` in `&&`, whatever the others are. Otherwise what is unknown wins over
//! what failed, because the missing parameter may yet decide. So every parameter that can still matter is found in one go,
//! and filling one in never takes back an answer.

mod loops;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::apply::{apply, is_match, wrong_operands};
use crate::error::Error;
use crate::function::Function;
use crate::meter::{Meter, bytes_steps};
use crate::missing::Missing;
use crate::tree::Node;
use crate::value::{Key, Map, Value};

/// What a part of an expression turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Known(Value),
    /// It depends on these parameters.
    Unknown(Missing),
}

pub(crate) type Evaluated = Result<Outcome, Box<Error>>;

/// One evaluation.
pub(crate) struct Evaluation<'p> {
    /// The parameters by number; `None` is missing.
    parameters: &'p [Option<Value>],
    /// What the variables of the macros under way are.
    variables: Vec<Outcome>,
    pub(crate) meter: Meter,
}

impl<'p> Evaluation<'p> {
    pub(crate) fn new(parameters: &'p [Option<Value>]) -> Self {
        Self { parameters, variables: Vec::new(), meter: Meter::new() }
    }

    pub(crate) fn node(&mut self, node: &Node) -> Evaluated {
        self.meter.charge(1)?;
        match node {
            Node::Constant(value) => Ok(Outcome::Known(value.clone())),
            Node::Parameter(number) => Ok(match &self.parameters[*number] {
                Some(value) => Outcome::Known(value.clone()),
                None => Outcome::Unknown(Missing::one(*number)),
            }),
            Node::Variable(number) => Ok(self.variables[*number].clone()),
            Node::And(operands) => self.row(operands, false),
            Node::Or(operands) => self.row(operands, true),
            Node::Not(operand) => Ok(match self.condition(operand, "!")? {
                Truth::Known(value) => Outcome::Known(Value::Bool(!value)),
                Truth::Unknown(missing) => Outcome::Unknown(missing),
            }),
            Node::Choice(parts) => self.choice(parts),
            Node::Call(function, arguments) => self.call(*function, arguments),
            Node::Matches(text, pattern) => self.with(text, |value, meter| match value {
                Value::Text(text) => is_match(&text, pattern, meter).map(Value::Bool),
                other => wrong_operands(Function::Matches, &[&other]),
            }),
            Node::InRange(address, range) => self.with(address, |value, _| match value {
                Value::Address(address) => Ok(Value::Bool(range.contains(address))),
                other => wrong_operands(Function::InCidr, &[&other]),
            }),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Has(map, key) => self.with(map, |value, meter| match value {
                Value::Map(map) => has(&map, key, meter),
                other => wrong_operands(Function::Index, &[&other]),
            }),
            Node::Loop(node) => self.loops(node),
        }
    }

    /// A row of operands, where one that is `decisive` decides.
    fn row(&mut self, operands: &[Node], decisive: bool) -> Evaluated {
        let mut row = Row::new(decisive);
        for operand in operands {
            let truth = self.condition(operand, if decisive { "||" } else { "&&" });
            if row.add(truth)? {
                break;
            }
        }
        row.end()
    }

    fn choice(&mut self, [condition, first, second]: &[Node; 3]) -> Evaluated {
        match self.condition(condition, "? :")? {
            Truth::Known(true) => self.node(first),
            Truth::Known(false) => self.node(second),
            Truth::Unknown(mut missing) => {
                for branch in [first, second] {
                    missing.add(&self.missing_in(branch)?);
                }
                Ok(Outcome::Unknown(missing))
            }
        }
    }

    /// What is missing in a part that may turn out not to matter, so that what fails in it does not either.
    fn missing_in(&mut self, node: &Node) -> Result<Missing, Box<Error>> {
        match self.node(node) {
            Ok(Outcome::Known(_)) => Ok(Missing::default()),
            Ok(Outcome::Unknown(missing)) => Ok(missing),
            Err(error) if error.yields() => Ok(Missing::default()),
            Err(error) => Err(error),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Node]) -> Evaluated {
        let (first, second) = match arguments {
            [only] => (self.node(only)?, None),
            [first, second] => (self.node(first)?, Some(self.node(second)?)),
            // INVARIANT: the check gives every call one or two.
            _ => unreachable!("`{}` takes one value or two", function.name()),
        };
        match (first, second) {
            (Outcome::Known(first), None) => apply(function, &first, None, &mut self.meter).map(Outcome::Known),
            (Outcome::Known(first), Some(Outcome::Known(second))) => {
                apply(function, &first, Some(&second), &mut self.meter).map(Outcome::Known)
            }
            (Outcome::Unknown(mut one), Some(Outcome::Unknown(two))) => {
                one.add(&two);
                Ok(Outcome::Unknown(one))
            }
            (Outcome::Unknown(missing), _) | (_, Some(Outcome::Unknown(missing))) => Ok(Outcome::Unknown(missing)),
        }
    }

    /// Goes on with the value of a part, if it is known.
    fn with(&mut self, node: &Node, go_on: impl FnOnce(Value, &mut Meter) -> Result<Value, Box<Error>>) -> Evaluated {
        match self.node(node)? {
            Outcome::Known(value) => go_on(value, &mut self.meter).map(Outcome::Known),
            Outcome::Unknown(missing) => Ok(Outcome::Unknown(missing)),
        }
    }

    fn list(&mut self, items: &[Node]) -> Evaluated {
        let (mut values, mut missing) = (Vec::with_capacity(items.len()), None);
        for item in items {
            match self.node(item)? {
                Outcome::Known(value) => values.push(value),
                Outcome::Unknown(more) => missing.get_or_insert_with(Missing::default).add(&more),
            }
        }
        match missing {
            Some(missing) => Ok(Outcome::Unknown(missing)),
            None => Value::list(values).map(Outcome::Known),
        }
    }

    fn map(&mut self, entries: &[(Node, Node)]) -> Evaluated {
        let (mut values, mut missing) = (BTreeMap::new(), None);
        for (key, value) in entries {
            let (key, value) = (self.node(key)?, self.node(value)?);
            let (Outcome::Known(key), Outcome::Known(value)) = (&key, &value) else {
                let missing = missing.get_or_insert_with(Missing::default);
                for outcome in [key, value] {
                    if let Outcome::Unknown(more) = outcome {
                        missing.add(&more);
                    }
                }
                continue;
            };
            let Some(key) = key.key().filter(|_| !matches!(key, Value::Double(_))) else {
                return wrong_operands(Function::Index, &[key]);
            };
            if values.contains_key(&key) {
                return Err(Box::new(Error::DuplicateKey { key: key.shown() }));
            }
            values.insert(key, value.clone());
        }
        match missing {
            Some(missing) => Ok(Outcome::Unknown(missing)),
            None => Value::map(values).map(Outcome::Known),
        }
    }

    fn condition(&mut self, node: &Node, operation: &'static str) -> Result<Truth, Box<Error>> {
        match self.node(node)? {
            Outcome::Known(Value::Bool(value)) => Ok(Truth::Known(value)),
            Outcome::Known(other) => Err(Box::new(Error::WrongOperands { operation, given: other.kind().to_owned() })),
            Outcome::Unknown(missing) => Ok(Truth::Unknown(missing)),
        }
    }
}

fn has(map: &Arc<Map>, key: &Arc<str>, meter: &mut Meter) -> Result<Value, Box<Error>> {
    meter.charge(bytes_steps(key.len()))?;
    Ok(Value::Bool(map.entries().contains_key(&Key::Text(Arc::clone(key)))))
}

/// Whether a condition holds.
enum Truth {
    Known(bool),
    Unknown(Missing),
}

/// The state of a row of conditions, where one that is `decisive` decides.
struct Row {
    decisive: bool,
    decided: bool,
    missing: Option<Missing>,
    error: Option<Box<Error>>,
}

impl Row {
    fn new(decisive: bool) -> Self {
        Self { decisive, decided: false, missing: None, error: None }
    }

    /// Takes the next condition; returns whether it is decided.
    fn add(&mut self, truth: Result<Truth, Box<Error>>) -> Result<bool, Box<Error>> {
        match truth {
            Ok(Truth::Known(value)) => self.decided = value == self.decisive,
            Ok(Truth::Unknown(more)) => self.missing.get_or_insert_with(Missing::default).add(&more),
            // The first error stands for all, so that it does not depend on how many follow.
            Err(error) if error.yields() => drop(self.error.get_or_insert(error)),
            Err(error) => return Err(error),
        }
        Ok(self.decided)
    }

    fn end(self) -> Evaluated {
        match self {
            Self { decided: true, decisive, .. } => Ok(Outcome::Known(Value::Bool(decisive))),
            Self { missing: Some(missing), .. } => Ok(Outcome::Unknown(missing)),
            Self { error: Some(error), .. } => Err(error),
            Self { decisive, .. } => Ok(Outcome::Known(Value::Bool(!decisive))),
        }
    }
}
