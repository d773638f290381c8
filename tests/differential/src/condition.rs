//! Expressions of caveats, as trees that can be cut.

use std::collections::BTreeMap;
use std::fmt;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// A parameter, and JSON values that it may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) values: &'static [&'static str],
}

const PARAMETERS: &[Parameter] = &[
    Parameter { name: "flag", kind: "bool", values: &["true", "false"] },
    Parameter { name: "other", kind: "bool", values: &["true", "false"] },
    Parameter { name: "level", kind: "int", values: &["0", "1", "2", "3", "4"] },
    Parameter { name: "least", kind: "int", values: &["0", "1", "2", "3"] },
    Parameter { name: "ratio", kind: "double", values: &["0.25", "0.75", "1"] },
    Parameter { name: "day", kind: "string", values: &["\"mon\"", "\"tue\"", "\"wed\""] },
    Parameter { name: "days", kind: "list<string>", values: &["[]", "[\"mon\"]", "[\"tue\", \"wed\"]"] },
    Parameter { name: "quota", kind: "map<int>", values: &["{\"mon\": 1}", "{\"mon\": 3, \"tue\": 0}", "{}"] },
    Parameter { name: "address", kind: "ipaddress", values: &["\"10.0.0.1\"", "\"192.168.1.1\"", "\"::1\""] },
    Parameter {
        name: "moment",
        kind: "timestamp",
        values: &["\"2025-06-01T00:00:00Z\"", "\"2026-06-01T12:30:00+02:00\""],
    },
    Parameter { name: "span", kind: "duration", values: &["\"30m\"", "\"36h\""] },
    Parameter { name: "extra", kind: "any", values: &["true", "\"mon\"", "2.5", "[\"mon\"]"] },
];

/// Conditions on parameters, of which each uses those that its text names.
const ATOMS: &[&str] = &[
    "flag",
    "!other",
    "flag == other",
    "level > 1",
    "level < least",
    "level + least == 4",
    "level in [1, 2]",
    "ratio >= 0.5",
    "day == \"mon\"",
    "day.startsWith(\"t\")",
    "day in days",
    "size(days) > 0",
    "days.exists(one, one == day)",
    "days.all(one, one.startsWith(\"t\"))",
    "\"mon\" in quota",
    "has(quota.mon) && quota.mon > least",
    "address.in_cidr(\"10.0.0.0/8\")",
    "moment < timestamp(\"2026-01-01T00:00:00Z\")",
    "moment.getHours() == 10",
    "span > duration(\"1h\")",
    "extra == \"mon\"",
];

/// Conditions that cannot be evaluated with some values.
const FAILING: &[&str] = &["quota.mon > 1", "4 / level > 1", "days[0] == day"];

/// How often one of them is taken.
const FAILING_SHARE: f64 = 0.03;

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Atom(&'static str),
    Not(Box<Condition>),
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
    Choice(Box<Condition>, Box<Condition>, Box<Condition>),
}

impl Condition {
    pub(crate) fn random(dice: &mut StdRng, depth: u32) -> Self {
        let part = |dice: &mut StdRng| Box::new(Self::random(dice, depth.saturating_sub(1)));
        match if depth == 0 { 9 } else { dice.random_range(0..10) } {
            0 => Self::Not(part(dice)),
            1 | 2 => Self::Both(part(dice), part(dice)),
            3 | 4 => Self::Either(part(dice), part(dice)),
            5 => Self::Choice(part(dice), part(dice), part(dice)),
            _ => {
                let atoms = if dice.random_bool(FAILING_SHARE) { FAILING } else { ATOMS };
                Self::Atom(atoms.choose(dice).expect("there are atoms"))
            }
        }
    }

    /// The parameters that it uses, by name.
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let text = self.to_string();
        let words: Vec<&str> = text.split(|letter: char| !letter.is_alphanumeric() && letter != '"').collect();
        PARAMETERS.iter().filter(|parameter| words.contains(&parameter.name)).copied().collect()
    }

    /// What may stand in its place and is smaller.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let boxed = |made: &dyn Fn(Box<Self>) -> Self, part: &Self| {
            part.smaller().into_iter().map(|part| made(Box::new(part))).collect::<Vec<_>>()
        };
        let mut found = Vec::new();
        match self {
            Self::Atom("flag") => {}
            Self::Atom(_) => found.push(Self::Atom("flag")),
            Self::Not(inner) => {
                found.push((**inner).clone());
                found.extend(boxed(&Self::Not, inner));
            }
            Self::Both(one, other) | Self::Either(one, other) => {
                let is_both = matches!(self, Self::Both(..));
                let joined = |one, other| if is_both { Self::Both(one, other) } else { Self::Either(one, other) };
                found.extend([(**one).clone(), (**other).clone()]);
                found.extend(boxed(&|one| joined(one, other.clone()), one));
                found.extend(boxed(&|other| joined(one.clone(), other), other));
            }
            Self::Choice(chosen, yes, no) => {
                found.extend([(**chosen).clone(), (**yes).clone(), (**no).clone()]);
                found.extend(boxed(&|chosen| Self::Choice(chosen, yes.clone(), no.clone()), chosen));
                found.extend(boxed(&|yes| Self::Choice(chosen.clone(), yes, no.clone()), yes));
                found.extend(boxed(&|no| Self::Choice(chosen.clone(), yes.clone(), no), no));
            }
        }
        found
    }
}

/// Gives each of these parameters a value, or leaves it out.
pub(crate) fn context(dice: &mut StdRng, parameters: &[Parameter], share: f64) -> BTreeMap<&'static str, &'static str> {
    let mut fields = BTreeMap::new();
    for parameter in parameters {
        if dice.random_bool(share) {
            fields.insert(parameter.name, *parameter.values.choose(dice).expect("there are values"));
        }
    }
    fields
}

/// A context as JSON.
pub(crate) fn json(fields: &BTreeMap<&str, &str>) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", fields.join(", "))
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(text) => f.write_str(text),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::Both(one, other) => write!(f, "({one}) && ({other})"),
            Self::Either(one, other) => write!(f, "({one}) || ({other})"),
            Self::Choice(chosen, yes, no) => write!(f, "({chosen}) ? ({yes}) : ({no})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_schema::compile;
    use rand::SeedableRng as _;

    use super::*;

    fn check(condition: &Condition) {
        let parameters: Vec<_> =
            condition.parameters().iter().map(|one| format!("{} {}", one.name, one.kind)).collect();
        let text = format!("caveat when({}) {{ {condition} }}", parameters.join(", "));
        if let Err(problems) = compile(&text) {
            panic!("{text}\n{problems}");
        }
    }

    #[test]
    fn conditions_are_sound_and_name_their_parameters() {
        for atom in ATOMS.iter().chain(FAILING) {
            check(&Condition::Atom(atom));
        }
        let mut dice = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let condition = Condition::random(&mut dice, 2);
            check(&condition);
            condition.smaller().iter().for_each(check);
        }
    }
}
