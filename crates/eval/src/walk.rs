//! Walking upwards: from a subject through its groups, from a resource through its ancestors.
//!
//! What is certain is walked first, what is uncertain or conditional after it. So a node is certain exactly if it was
//! reached in the first part, though an uncertain way to it may be shorter. In the second part a node may be reached
//! again by a better way, and is left again then; a value can become better only a few times, so the walk ends.

use std::collections::{BTreeMap, VecDeque};

use portcullis_model::{Subject, TypeName};

use crate::budget::{Error, Meter};
use crate::members::Memory;
use crate::snapshot::{Edge, NodeKey, RelationKey, Snapshot};
use crate::value::Value;

/// Memory that evaluations use again, so that they need not ask for it each time. No answer depends on what is left in it.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) subjects: Reached,
    pub(crate) scopes: Reached,
    pub(crate) members: Memory,
}

/// What was reached, in the order of its distance, and from where.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// The nodes, each once; a loop in the data ends where it repeats.
    pub(crate) nodes: Vec<NodeKey>,
    /// How many of the nodes, from the first, are certain.
    certain: usize,
    /// What the others are.
    others: Vec<Value>,
    /// For each node the one that led to it, by position, and the length of the way; a start leads to itself.
    from: Vec<(usize, u32)>,
    /// The positions of the nodes, when there are too many to scan.
    positions: BTreeMap<NodeKey, usize>,
    /// Steps that are not certain, from nodes that are.
    uncertain: Vec<(usize, NodeKey, Value)>,
}

/// Up to this many nodes a scan is quicker than a sorted map.
const SCAN_MAX: usize = 32;

impl Reached {
    /// Whether a node was reached.
    pub(crate) fn value(&self, node: NodeKey) -> Value {
        match self.position(node) {
            Some(position) => self.value_at(position),
            None => Value::NO,
        }
    }

    fn value_at(&self, position: usize) -> Value {
        match position.checked_sub(self.certain) {
            None => Value::YES,
            Some(position) => self.others[position].clone(),
        }
    }

    /// The way from a start to a node that was reached, both included.
    pub(crate) fn way_to(&self, node: NodeKey) -> Vec<NodeKey> {
        let mut position = self.position(node).expect("INVARIANT: only ways to nodes that were reached are asked for");
        let mut way = vec![node];
        while self.from[position].0 != position {
            position = self.from[position].0;
            way.push(self.nodes[position]);
        }
        way.reverse();
        way
    }

    /// Reaches all that can be reached from `starts`, which are certain; returns whether it did, or came upon too many.
    pub(crate) fn walk<I: Iterator<Item = Edge>>(
        &mut self,
        starts: impl IntoIterator<Item = NodeKey>,
        most: usize,
        meter: &mut Meter<'_>,
        next: impl Fn(NodeKey) -> I,
        mut judge: impl FnMut(&Edge) -> Value,
    ) -> Result<bool, Error> {
        self.clear();
        for start in starts {
            self.add(start, (self.nodes.len(), 0));
        }
        let mut position = 0;
        while position < self.nodes.len() {
            for edge in next(self.nodes[position]) {
                meter.visit()?;
                let value = judge(&edge);
                if value.is_yes() {
                    self.step(position, edge.node, meter)?;
                } else if !value.is_no() {
                    self.uncertain.push((position, edge.node, value));
                }
            }
            if self.nodes.len() > most {
                return Ok(false);
            }
            position += 1;
        }
        self.certain = self.nodes.len();
        let mut waiting = VecDeque::new();
        for (from, node, value) in std::mem::take(&mut self.uncertain) {
            waiting.extend(self.improve(from, node, value, meter)?);
        }
        while let Some(position) = waiting.pop_front() {
            for edge in next(self.nodes[position]) {
                meter.visit()?;
                let value = self.value_at(position).and(judge(&edge));
                if !value.is_no() {
                    waiting.extend(self.improve(position, edge.node, value, meter)?);
                }
            }
            if self.nodes.len() > most {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes an uncertain step; returns the position of the node if more is known of it now.
    fn improve(&mut self, from: usize, node: NodeKey, value: Value, meter: &Meter<'_>) -> Result<Option<usize>, Error> {
        self.step(from, node, meter)?;
        let position = self.position(node).expect("INVARIANT: a step reaches its node");
        let Some(nth) = position.checked_sub(self.certain) else { return Ok(None) };
        if nth == self.others.len() {
            self.others.push(value);
            return Ok(Some(position));
        }
        let better = self.others[nth].clone().or(value);
        let is_better = better != self.others[nth];
        self.others[nth] = better;
        Ok(is_better.then_some(position))
    }

    fn step(&mut self, from: usize, node: NodeKey, meter: &Meter<'_>) -> Result<(), Error> {
        if self.position(node).is_none() {
            let depth = self.from[from].1 + 1;
            meter.descend(depth)?;
            self.add(node, (from, depth));
        }
        Ok(())
    }

    fn position(&self, node: NodeKey) -> Option<usize> {
        if self.nodes.len() <= SCAN_MAX {
            self.nodes.iter().position(|reached| *reached == node)
        } else {
            self.positions.get(&node).copied()
        }
    }

    fn add(&mut self, node: NodeKey, from: (usize, u32)) {
        self.nodes.push(node);
        self.from.push(from);
        match self.nodes.len() {
            few if few <= SCAN_MAX => {}
            few if few == SCAN_MAX + 1 => self.positions.extend(self.nodes.iter().copied().zip(0..)),
            many => {
                self.positions.insert(node, many - 1);
            }
        }
    }

    fn clear(&mut self) {
        let Self { nodes, certain, others, from, positions, uncertain } = self;
        nodes.clear();
        *certain = 0;
        others.clear();
        from.clear();
        positions.clear();
        uncertain.clear();
    }
}

/// The type whose wildcard stands for a subject among others.
pub(crate) fn wildcard_of(subject: &Subject) -> Option<&TypeName> {
    match subject {
        Subject::Object(object) => Some(&object.object_type),
        // The members of a group need not be all of one type.
        Subject::Userset { .. } | Subject::Wildcard(_) => None,
    }
}

/// The groups that contain a subject directly, where there is no schema.
pub(crate) fn groups_of<S: Snapshot>(snapshot: &S, subject: NodeKey) -> impl Iterator<Item = Edge> {
    snapshot.usersets_of(subject, RelationKey::MEMBER)
}

/// The parents of an object.
pub(crate) fn parents_of<S: Snapshot>(snapshot: &S, object: NodeKey) -> impl Iterator<Item = Edge> {
    let parents = snapshot.subjects_of(NodeKey { relation: RelationKey::PARENT, object: object.object });
    // Scopes are objects.
    parents.filter(|edge| edge.node.relation == RelationKey::NONE)
}
