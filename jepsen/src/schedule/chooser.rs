//! Roles of the schedule become nodes.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use super::Whom;

/// Who is what, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// How many nodes there are; they are numbered from 1.
    pub nodes: u64,
    /// Who leads.
    pub leader: Option<u64>,
    /// Who holds a read lease.
    pub holders: BTreeSet<u64>,
}

/// Chooses whom a fault meets: the same for the same situation and dice, always.
pub struct Chooser<'a> {
    situation: &'a Situation,
    /// What decides where the fault leaves a choice.
    pub dice: StdRng,
}

impl<'a> Chooser<'a> {
    /// Chooses among the nodes of a situation.
    pub fn new(situation: &'a Situation, dice: u64) -> Self {
        Self { situation, dice: StdRng::seed_from_u64(dice) }
    }

    /// All nodes.
    pub fn all(&self) -> Vec<u64> {
        (1..=self.situation.nodes).collect()
    }

    /// Any of these.
    pub fn any_of(&mut self, nodes: &[u64]) -> Option<u64> {
        nodes.choose(&mut self.dice).copied()
    }

    /// One node; anybody where nobody has the role.
    pub fn one(&mut self, whom: Whom) -> u64 {
        let leader = self.situation.leader;
        let chosen = match whom {
            Whom::Leader => leader,
            Whom::Holder => {
                let holders = self.situation.holders.iter().copied().filter(|holder| Some(*holder) != leader);
                let holders: Vec<u64> = holders.collect();
                self.any_of(&holders)
            }
            Whom::Anybody | Whom::Minority | Whom::Everybody => None,
        };
        let all = self.all();
        chosen.or_else(|| self.any_of(&all)).expect("INVARIANT: a cluster has nodes")
    }

    /// Those that are meant.
    pub fn choose(&mut self, whom: Whom) -> Vec<u64> {
        match whom {
            Whom::Leader | Whom::Holder | Whom::Anybody => vec![self.one(whom)],
            Whom::Minority => {
                let first = self.one(Whom::Anybody);
                self.minority_with(first)
            }
            Whom::Everybody => self.all(),
        }
    }

    /// A node and as many others as still leave a majority.
    pub fn minority_with(&mut self, first: u64) -> Vec<u64> {
        let mut others = self.all();
        others.retain(|node| *node != first);
        others.shuffle(&mut self.dice);
        let minority = others.len() / 2;
        others.truncate(minority.saturating_sub(1));
        others.push(first);
        others.sort_unstable();
        others
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Situations, for tests.

    use std::collections::BTreeSet;

    use super::Situation;

    /// Five nodes: 3 leads, and 2 holds a lease beside it.
    pub(crate) fn five() -> Situation {
        Situation { nodes: 5, leader: Some(3), holders: BTreeSet::from([2, 3]) }
    }

    /// Three nodes of which nothing is known.
    pub(crate) fn three() -> Situation {
        Situation { nodes: 3, ..Situation::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::three;
    use super::*;

    #[test]
    fn somebody_has_to_do_where_nobody_has_the_role() {
        let situation = three();
        let mut chooser = Chooser::new(&situation, 11);
        assert!((1..=3).contains(&chooser.one(Whom::Leader)) && (1..=3).contains(&chooser.one(Whom::Holder)));
        assert_eq!(chooser.choose(Whom::Minority).len(), 1);
    }
}
