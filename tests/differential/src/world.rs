//! A world: a schema, as a tree that can be cut, and relationships.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_model::Tuple;
use portcullis_schema::{compile, print};

use crate::condition::Condition;

/// A schema and relationships. All texts are made from these.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) source: Source,
    pub(crate) tuples: Vec<Tuple>,
}

/// Where the text of a schema comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// It is meant to be sound.
    Sound(Schema),
    /// Words that were changed at random, with what stands between them.
    Damaged(Vec<String>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    pub(crate) uses: BTreeSet<&'static str>,
    pub(crate) caveats: Vec<Caveat>,
    pub(crate) definitions: Vec<Definition>,
    /// Whether SpiceDB is given the text that our printer makes of it.
    pub(crate) is_reprinted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Caveat {
    pub(crate) name: String,
    pub(crate) condition: Condition,
}

#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) relations: Vec<Relation>,
    pub(crate) permissions: Vec<Permission>,
}

#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) subjects: Vec<Allowed>,
}

/// Who may be a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) object_type: String,
    pub(crate) which: Which,
    pub(crate) caveat: Option<String>,
    pub(crate) expires: bool,
}

/// Which subjects of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    One,
    Userset(String),
    Everyone,
}

#[derive(Clone, Debug)]
pub(crate) struct Permission {
    pub(crate) name: String,
    /// The types that it declares; none is no declaration.
    pub(crate) types: Vec<String>,
    pub(crate) expression: Expression,
}

/// An expression as it is written: what a row of operators means is for its readers to say.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Nil,
    Itself,
    Name(String),
    Arrow { relation: String, mode: Mode, target: String },
    Row(Box<Expression>, Vec<(char, Expression)>),
    Group(Box<Expression>),
}

/// How an arrow is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Arrow,
    Any,
    All,
}

impl World {
    /// The text that is compiled here.
    pub(crate) fn text(&self) -> String {
        match &self.source {
            Source::Sound(schema) => schema.to_string(),
            Source::Damaged(words) => words.concat(),
        }
    }

    /// The text that SpiceDB is given.
    pub(crate) fn text_for_spicedb(&self) -> String {
        let text = self.text();
        match &self.source {
            Source::Sound(schema) if schema.is_reprinted => compile(&text).map_or(text, |schema| print(&schema)),
            Source::Sound(_) | Source::Damaged(_) => text,
        }
    }

    /// Whether relationships lead from an object back to it.
    pub(crate) fn has_loop(&self) -> bool {
        let edges = self.tuples.iter().filter_map(|tuple| {
            Some((tuple.relationship.resource.to_string(), object_of(&tuple.relationship.subject)?.to_string()))
        });
        let edges: BTreeSet<(String, String)> = edges.collect();
        edges.iter().any(|(from, to)| {
            let (mut reached, mut waiting) = (BTreeSet::new(), vec![to]);
            while let Some(next) = waiting.pop() {
                if reached.insert(next) {
                    waiting.extend(edges.iter().filter(|(start, _)| start == next).map(|(_, end)| end));
                }
            }
            reached.contains(from)
        })
    }
}

/// The object that a subject is, or is a userset of.
pub(crate) fn object_of(subject: &portcullis_model::Subject) -> Option<&portcullis_model::Object> {
    match subject {
        portcullis_model::Subject::Object(object) | portcullis_model::Subject::Userset { object, .. } => Some(object),
        portcullis_model::Subject::Wildcard(_) => None,
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for directive in &self.uses {
            writeln!(f, "use {directive}")?;
        }
        for Caveat { name, condition } in &self.caveats {
            let parameters = condition.parameters().into_iter();
            let parameters: Vec<String> = parameters.map(|one| format!("{} {}", one.name, one.kind)).collect();
            writeln!(f, "caveat {name}({}) {{\n  {condition}\n}}", parameters.join(", "))?;
        }
        for definition in &self.definitions {
            write!(f, "{definition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "definition {} {{", self.name)?;
        for Relation { name, subjects } in &self.relations {
            let subjects: Vec<String> = subjects.iter().map(ToString::to_string).collect();
            writeln!(f, "  relation {name}: {}", subjects.join(" | "))?;
        }
        for Permission { name, types, expression } in &self.permissions {
            let types = if types.is_empty() { String::new() } else { format!(": {}", types.join(" | ")) };
            writeln!(f, "  permission {name}{types} = {expression}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object_type)?;
        match &self.which {
            Which::One => {}
            Which::Userset(relation) => write!(f, "#{relation}")?,
            Which::Everyone => f.write_str(":*")?,
        }
        match (&self.caveat, self.expires) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {caveat}"),
            (Some(caveat), true) => write!(f, " with {caveat} and expiration"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Itself => f.write_str("self"),
            Self::Name(name) => f.write_str(name),
            Self::Arrow { relation, mode: Mode::Arrow, target } => write!(f, "{relation}->{target}"),
            Self::Arrow { relation, mode: Mode::Any, target } => write!(f, "{relation}.any({target})"),
            Self::Arrow { relation, mode: Mode::All, target } => write!(f, "{relation}.all({target})"),
            Self::Row(first, rest) => {
                write!(f, "{first}")?;
                rest.iter().try_for_each(|(operator, operand)| write!(f, " {operator} {operand}"))
            }
            Self::Group(inner) => write!(f, "({inner})"),
        }
    }
}
