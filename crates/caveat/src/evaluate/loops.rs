//! Macros: a condition or a result for each element of a list, or for each key of a map in the order of the keys.

use super::{Evaluated, Evaluation, Outcome, Row, Truth};
use crate::error::Error;
use crate::missing::Missing;
use crate::tree::{Loop, LoopKind, Node};
use crate::value::Value;

impl Evaluation<'_> {
    pub(super) fn loops(&mut self, node: &Loop) -> Evaluated {
        let operation = node.kind.name();
        let elements = match self.node(&node.range)? {
            Outcome::Known(Value::List(list)) => list.items().to_vec(),
            Outcome::Known(Value::Map(map)) => map.entries().keys().map(crate::value::Key::value).collect(),
            Outcome::Known(other) => {
                return Err(Box::new(Error::WrongOperands { operation, given: other.kind().to_owned() }));
            }
            Outcome::Unknown(missing) => return self.unknown_range(node, missing),
        };
        self.meter.charge(elements.len() as u64)?;
        match node.kind {
            LoopKind::All => self.some(elements, &node.body, false),
            LoopKind::Exists => self.some(elements, &node.body, true),
            LoopKind::ExistsOne => self.exactly_one(elements, &node.body),
            LoopKind::Filter => self.selected(elements, Some(&node.body), None),
            LoopKind::Map => self.selected(elements, node.filter.as_ref(), Some(&node.body)),
        }
    }

    /// Where it is unknown what to go through, what the rest misses is found by going through one unknown element.
    fn unknown_range(&mut self, node: &Loop, mut missing: Missing) -> Evaluated {
        for part in node.filter.iter().chain([&node.body]) {
            self.variables.push(Outcome::Unknown(Missing::default()));
            let more = self.missing_in(part);
            self.variables.pop();
            missing.add(&more?);
        }
        Ok(Outcome::Unknown(missing))
    }

    fn some(&mut self, elements: Vec<Value>, body: &Node, decisive: bool) -> Evaluated {
        let mut row = Row::new(decisive);
        for element in elements {
            let truth = self.of_element(element, body, if decisive { "exists" } else { "all" });
            if row.add(truth)? {
                break;
            }
        }
        row.end()
    }

    fn exactly_one(&mut self, elements: Vec<Value>, body: &Node) -> Evaluated {
        let (mut count, mut unknown) = (0_u64, None);
        for element in elements {
            match self.of_element(element, body, "exists_one")? {
                Truth::Known(held) => count += u64::from(held),
                Truth::Unknown(more) => unknown.get_or_insert_with(Missing::default).add(&more),
            }
        }
        Ok(unknown.map_or(Outcome::Known(Value::Bool(count == 1)), Outcome::Unknown))
    }

    /// The elements for which the filter holds, or what the body makes of them.
    fn selected(&mut self, elements: Vec<Value>, filter: Option<&Node>, body: Option<&Node>) -> Evaluated {
        let (mut selected, mut unknown) = (Vec::new(), None);
        for element in elements {
            if let Some(filter) = filter {
                match self.of_element(element.clone(), filter, "filter")? {
                    Truth::Known(true) => {}
                    Truth::Known(false) => continue,
                    Truth::Unknown(more) => {
                        let missing = unknown.get_or_insert_with(Missing::default);
                        missing.add(&more);
                        if let Some(body) = body {
                            self.variables.push(Outcome::Known(element));
                            let more = self.missing_in(body);
                            self.variables.pop();
                            missing.add(&more?);
                        }
                        continue;
                    }
                }
            }
            let Some(body) = body else {
                selected.push(element);
                continue;
            };
            self.variables.push(Outcome::Known(element));
            let result = self.node(body);
            self.variables.pop();
            match result? {
                Outcome::Known(value) => selected.push(value),
                Outcome::Unknown(more) => unknown.get_or_insert_with(Missing::default).add(&more),
            }
        }
        match unknown {
            Some(missing) => Ok(Outcome::Unknown(missing)),
            None => Value::list(selected).map(Outcome::Known),
        }
    }

    fn of_element(&mut self, element: Value, body: &Node, operation: &'static str) -> Result<Truth, Box<Error>> {
        self.variables.push(Outcome::Known(element));
        let truth = self.condition(body, operation);
        self.variables.pop();
        truth
    }
}
