//! Expressions and contexts made up from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_model::{Context, Value};

use crate::Type;
use crate::script::parameter_type;

/// What made-up expressions are over: their parameters, each with some values as JSON.
const PARAMETERS: [(&str, &str, &[&str]); 11] = [
    ("p", "bool", &["true", "false"]),
    ("q", "bool", &["true", "false"]),
    ("i", "int", &["0", "1", "2", "-3", "9223372036854775807"]),
    ("j", "int", &["0", "1", "7"]),
    ("u", "uint", &["0", "1", "18446744073709551615"]),
    ("d", "double", &["0.5", "1", "-2"]),
    ("s", "string", &[r#""""#, r#""a""#, r#""ab""#, r#""é""#]),
    ("t", "string", &[r#""a""#, r#""b""#]),
    ("l", "list<int>", &["[]", "[0]", "[1, 2, 2]", "[0, 1, 2, -3]"]),
    ("m", "map<int>", &["{}", r#"{"a": 1}"#, r#"{"a": 0, "ab": 2, "b": 1}"#]),
    ("v", "any", &["1", "null", r#""a""#, "[1, 2]", r#"{"a": 1, "b": [0]}"#, "true"]),
];

pub(super) fn parameters() -> Vec<(String, Type)> {
    PARAMETERS.iter().map(|(name, kind, _)| ((*name).to_owned(), parameter_type(kind))).collect()
}

/// Numbers that look random, and are the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    pub(super) fn one<'o, T: ?Sized>(&mut self, of: &[&'o T]) -> &'o T {
        of[self.below(of.len())]
    }
}

/// A context with a value for each parameter.
pub(super) fn context(dice: &mut Dice) -> Context {
    let fields = PARAMETERS.iter().map(|(name, _, values)| format!("{name:?}: {}", dice.one(values)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")).parse().unwrap()
}

/// The fields of a context for which something holds.
pub(super) fn part(context: &Context, mut kept: impl FnMut(&str) -> bool) -> Context {
    let fields = context.fields().iter().filter(|(name, _)| kept(name));
    let fields: BTreeMap<Arc<str>, Value> = fields.map(|(name, value)| (Arc::clone(name), value.clone())).collect();
    Context::new(fields).unwrap()
}

/// A condition that the check of types accepts, about `size` operators large.
pub(super) fn condition(dice: &mut Dice, size: usize) -> String {
    Maker { dice, variables: 0 }.bool(size)
}

struct Maker<'d> {
    dice: &'d mut Dice,
    /// How many variables there are, `x0` and so on; all are ints.
    variables: usize,
}

impl Maker<'_> {
    fn bool(&mut self, size: usize) -> String {
        if size == 0 {
            return self.dice.one(&["p", "q", "true", "false"]).to_owned();
        }
        let half = size / 2;
        match self.dice.below(14) {
            0 | 1 => format!("({} && {})", self.bool(half), self.bool(half)),
            2 | 3 => format!("({} || {})", self.bool(half), self.bool(half)),
            4 => format!("!{}", self.bool(size - 1)),
            5 => format!("({} ? {} : {})", self.bool(half), self.bool(half), self.bool(half)),
            6 => format!("({} {} {})", self.int(half), self.comparison(), self.int(half)),
            7 => format!("({} {} {})", self.text(half), self.comparison(), self.text(half)),
            8 => {
                let function = self.dice.one(&["startsWith", "endsWith", "contains", "matches"]);
                format!("{}.{function}({})", self.text(half), self.text(half))
            }
            9 => format!("({} in {})", self.int(half), self.list(half)),
            10 => {
                let name = self.dice.one(&["all", "exists", "exists_one"]);
                let list = self.list(half);
                self.loops(&list, name, |maker| maker.bool(half))
            }
            11 => self.dice.one(&["has(m.a)", "has(m.zz)", "has(v.a)", "(\"ab\" in m)"]).to_owned(),
            12 => format!("({} == {})", self.list(half), self.list(half)),
            _ => {
                let number = self.dice.one(&["u", "d", "v", "1u", "0.5", "v.a", "double(u)", "v.b[0]"]);
                format!("({number} == {})", self.int(half))
            }
        }
    }

    fn comparison(&mut self) -> &'static str {
        self.dice.one(&["==", "!=", "<", "<=", ">", ">="])
    }

    fn int(&mut self, size: usize) -> String {
        if size == 0 {
            return match self.dice.below(4) {
                0 if self.variables > 0 => format!("x{}", self.dice.below(self.variables)),
                0 | 1 => self.dice.below(4).to_string(),
                _ => self.dice.one(&["i", "j"]).to_owned(),
            };
        }
        let half = size / 2;
        match self.dice.below(7) {
            0 => {
                let operator = self.dice.one(&["+", "-", "*", "/", "%"]);
                format!("({} {operator} {})", self.int(half), self.int(half))
            }
            1 => format!("{}.size()", self.list(half)),
            2 => format!("{}[{}]", self.list(half), self.int(half)),
            3 => self.dice.one(&["m.a", "m.ab", "m[t]", "int(d)", "int(u)", "m.size()"]).to_owned(),
            4 => format!("({} ? {} : {})", self.bool(half), self.int(half), self.int(half)),
            5 => format!("-{}", self.int(size - 1)),
            _ => format!("{}.size()", self.text(size - 1)),
        }
    }

    fn text(&mut self, size: usize) -> String {
        if size == 0 {
            return self.dice.one(&["s", "t", "\"a\"", "\"b\"", "\"^a?$\""]).to_owned();
        }
        match self.dice.below(3) {
            0 => format!("({} + {})", self.text(size / 2), self.text(size / 2)),
            1 => format!("string({})", self.int(size - 1)),
            _ => format!("({} ? {} : {})", self.bool(size / 2), self.text(size / 2), self.text(size / 2)),
        }
    }

    fn list(&mut self, size: usize) -> String {
        if size == 0 {
            return self.dice.one(&["l", "l", "[1, 2]", "[i, j]"]).to_owned();
        }
        let half = size / 2;
        match self.dice.below(4) {
            0 => format!("[{}, {}]", self.int(half), self.int(half)),
            1 => format!("({} + {})", self.list(half), self.list(half)),
            2 => {
                let list = self.list(half);
                self.loops(&list, "filter", |maker| maker.bool(half))
            }
            _ => {
                let list = self.list(half);
                self.loops(&list, "map", |maker| maker.int(half))
            }
        }
    }

    fn loops(&mut self, list: &str, name: &str, body: impl FnOnce(&mut Self) -> String) -> String {
        let variable = self.variables;
        self.variables += 1;
        let body = body(self);
        self.variables -= 1;
        format!("{list}.{name}(x{variable}, {body})")
    }
}
