//! Schemas at random. Most are sound; arrows over wildcards and the like are left in, because both sides should refuse them.

use std::collections::BTreeSet;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use crate::condition::Condition;
use crate::world::{Allowed, Caveat, Definition, Expression, Mode, Permission, Relation, Schema, Which};

const TYPES: &[&str] = &["team", "group", "acme/folder", "document"];
const RELATIONS: &[&str] = &["owner", "viewer", "parent", "member", "banned"];
const PERMISSIONS: &[&str] = &["view", "edit", "manage", "access"];
/// How deep expressions are, in levels.
const DEPTH: u32 = 3;

/// The share of schemas in which a relation may allow `user with x` and `user#y`, which SpiceDB confuses.
const CONFUSED_SHARE: f64 = 0.02;
/// How often each operator is taken.
const OPERATORS: &[char] = &['+', '+', '+', '&', '-'];

/// What is in a schema before its expressions are made.
struct Outline {
    uses: BTreeSet<&'static str>,
    caveats: Vec<Caveat>,
    /// Of each type, its relations and permissions.
    members: Vec<(String, Vec<String>, Vec<String>)>,
    may_confuse: bool,
}

pub(crate) fn random(dice: &mut StdRng) -> Schema {
    let outline = Outline::random(dice);
    let definitions = (0..outline.members.len()).map(|at| outline.definition(dice, at)).collect();
    let is_reprinted = dice.random_bool(0.2);
    Schema { uses: outline.uses, caveats: outline.caveats, definitions, is_reprinted }
}

impl Outline {
    fn random(dice: &mut StdRng) -> Self {
        let mut uses = BTreeSet::new();
        for (name, share) in [("self", 0.4), ("expiration", 0.4), ("typechecking", 0.04)] {
            if dice.random_bool(share) {
                uses.insert(name);
            }
        }
        let caveats = (0..dice.random_range(0..3)).map(|nth| {
            let condition = Condition::random(dice, 2);
            Caveat { name: format!("when{nth}"), condition }
        });
        let caveats = caveats.collect();
        let mut names: Vec<&str> = TYPES.to_vec();
        names.shuffle(dice);
        names.truncate(dice.random_range(2..=TYPES.len()));
        names.insert(0, "user");
        let members = names.into_iter().map(|name| {
            let count = if name == "user" { dice.random_range(0..3) / 2 } else { dice.random_range(2..=4) };
            let relations = some(dice, RELATIONS, count);
            let count = if name == "user" { dice.random_range(0..2) } else { dice.random_range(1..=4) };
            (name.to_owned(), relations, some(dice, PERMISSIONS, count))
        });
        Self { uses, caveats, members: members.collect(), may_confuse: dice.random_bool(CONFUSED_SHARE) }
    }

    fn definition(&self, dice: &mut StdRng, at: usize) -> Definition {
        let (name, relations, permissions) = &self.members[at];
        let made = relations.iter().map(|name| Relation { name: name.clone(), subjects: self.subjects(dice) });
        let relations_made = made.collect();
        let made = permissions.iter().enumerate().map(|(nth, name)| {
            // Of the permissions of the definition those before it, so that none is computed from itself.
            let names = [&relations[..], &permissions[..nth]].concat();
            let types = if dice.random_bool(0.03) { some(dice, &["user", "team"], 1) } else { Vec::new() };
            Permission { name: name.clone(), types, expression: self.expression(dice, &names, relations, DEPTH) }
        });
        Definition { name: name.clone(), permissions: made.collect(), relations: relations_made }
    }

    fn subjects(&self, dice: &mut StdRng) -> Vec<Allowed> {
        let mut subjects: Vec<Allowed> = Vec::new();
        for _ in 0..dice.random_range(1..=4) {
            let subject = self.subject(dice);
            if !self.may_confuse && subjects.iter().any(|other| are_confused(other, &subject)) {
                continue;
            }
            if dice.random_bool(0.01) || !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        subjects
    }

    fn subject(&self, dice: &mut StdRng) -> Allowed {
        let (object_type, relations, permissions) = self.members.choose(dice).expect("there are types");
        let members = [&relations[..], &permissions[..]].concat();
        let (object_type, which) = match (dice.random_range(0..20), members.choose(dice)) {
            (0..=7, _) => ("user", Which::One),
            (8 | 9, _) => ("user", Which::Everyone),
            (10..=13, Some(member)) => (object_type.as_str(), Which::Userset(member.clone())),
            (19, _) if dice.random_bool(0.3) => (object_type.as_str(), Which::Everyone),
            _ => (object_type.as_str(), Which::One),
        };
        let caveat = self.caveats.choose(dice).filter(|_| dice.random_bool(0.35));
        let expires = self.uses.contains("expiration") && dice.random_bool(0.25);
        Allowed { object_type: object_type.to_owned(), which, caveat: caveat.map(|one| one.name.clone()), expires }
    }

    /// An expression of these names, and of arrows over these relations.
    fn expression(&self, dice: &mut StdRng, names: &[String], relations: &[String], depth: u32) -> Expression {
        if depth == 0 || dice.random_bool(0.35) {
            return self.leaf(dice, names, relations);
        }
        let first = self.operand(dice, names, relations, depth);
        // Mostly of one operator, sometimes of several side by side, whose order of precedence then matters.
        let operator = *OPERATORS.choose(dice).expect("there are operators");
        let rest = (0..dice.random_range(1..=2)).map(|_| {
            let other = *OPERATORS.choose(dice).expect("there are operators");
            (if dice.random_bool(0.15) { other } else { operator }, self.operand(dice, names, relations, depth))
        });
        Expression::Row(Box::new(first), rest.collect())
    }

    fn operand(&self, dice: &mut StdRng, names: &[String], relations: &[String], depth: u32) -> Expression {
        match self.expression(dice, names, relations, depth - 1) {
            row @ Expression::Row(..) => Expression::Group(Box::new(row)),
            leaf if dice.random_bool(0.03) => Expression::Group(Box::new(leaf)),
            leaf => leaf,
        }
    }

    fn leaf(&self, dice: &mut StdRng, names: &[String], relations: &[String]) -> Expression {
        match dice.random_range(0..30) {
            0 => Expression::Nil,
            1 | 2 if self.uses.contains("self") => Expression::Itself,
            3..=12 => match relations.choose(dice) {
                None => Expression::Nil,
                Some(relation) => {
                    let targets: Vec<&str> = [RELATIONS, PERMISSIONS, PERMISSIONS].concat();
                    Expression::Arrow {
                        relation: relation.clone(),
                        mode: *[Mode::Arrow, Mode::Arrow, Mode::Any, Mode::All].choose(dice).expect("there are modes"),
                        target: (*targets.choose(dice).expect("there are targets")).to_owned(),
                    }
                }
            },
            _ => names.choose(dice).map_or(Expression::Nil, |name| Expression::Name(name.clone())),
        }
    }
}

/// Whether SpiceDB takes one for the other.
pub(crate) fn are_confused(one: &Allowed, other: &Allowed) -> bool {
    fn relation(allowed: &Allowed) -> Option<&str> {
        match &allowed.which {
            Which::Userset(relation) => Some(relation),
            Which::One | Which::Everyone => None,
        }
    }
    one.object_type == other.object_type
        && relation(one) != relation(other)
        && (&one.caveat, one.expires) != (&other.caveat, other.expires)
}

fn some(dice: &mut StdRng, names: &[&str], count: usize) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.shuffle(dice);
    names.truncate(count);
    names
}
