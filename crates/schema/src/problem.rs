//! What is wrong with a text, where, and what to do about it.

use std::fmt;
use std::ops::Range;

use portcullis_model::NameError;

use crate::excerpt::Excerpt;
use crate::limit;

/// One thing that is wrong. Correct the text and compile again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub kind: ProblemKind,
    /// The bytes of the text that it is about. May be empty.
    pub span: Range<usize>,
    /// The line where it begins, from 1.
    pub line: usize,
    /// The column where it begins, from 1, in characters.
    pub column: usize,
    pub(crate) excerpt: Excerpt,
}

/// All that is wrong with a text, as far as could be found in one go, in the order of the text. Never empty.
///
/// `Display` shows each with the line that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    pub(crate) problems: Vec<Problem>,
    /// Whether the search ended at `limit::PROBLEMS_MAX`.
    pub(crate) more: bool,
}

/// What is wrong, by kind. `Display` says it with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// The text is longer than `limit::TEXT_BYTES_MAX`. Nothing of it was read.
    #[error("the schema is {length} bytes long: the most is {most}")]
    TextTooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        most: usize,
    },
    /// A character that the language does not have.
    #[error("`{}` means nothing here: remove it", .found.escape_debug())]
    UnexpectedCharacter {
        /// The character.
        found: char,
    },
    /// A `/*` without its end.
    #[error("this comment does not end: close it by `*/`")]
    UnterminatedComment,
    /// Something else belongs here.
    #[error("found {found}, expected {expected}")]
    Unexpected {
        /// What stands here.
        found: String,
        /// What belongs here.
        expected: &'static str,
    },
    /// A word of the language in place of a name.
    #[error("`{word}` is a word of the language: choose another name")]
    ReservedWord {
        /// The word.
        word: String,
    },
    /// A name that breaks the grammar or is too long.
    #[error(transparent)]
    BadName(#[from] NameError),
    /// An expression is deeper than `limit::NESTING_MAX`.
    #[error("this expression is nested more than {most} levels deep: move parts of it into permissions of their own")]
    NestedTooDeep {
        /// The limit in levels.
        most: usize,
    },
    /// An arrow is longer than `limit::ARROWS_MAX`.
    #[error("more than {most} arrows in a row: go part of the way in a permission of the type on the way")]
    TooManyArrows {
        /// The limit in arrows.
        most: usize,
    },
    /// Partials make the schema larger than `limit::MENTIONS_MAX`, or its references are more than
    /// `limit::REFERENCES_MAX`.
    #[error("the schema has more than {most} {what}: split it, or spread and follow fewer types")]
    TooLarge {
        /// What it has too many of.
        what: &'static str,
        /// The limit.
        most: usize,
    },

    /// A `use` of what is not there.
    #[error("`use {name}` is unknown: there are {}", crate::parse::FEATURES.join(", "))]
    UnknownFeature {
        /// The word after `use`.
        name: String,
    },
    /// A `use` after the first definition or caveat.
    #[error("`use {name}` comes too late: move it above the first definition or caveat")]
    LateUse {
        /// The word after `use`.
        name: String,
    },
    /// The same `use` a second time.
    #[error("`use {name}` is there already: remove this one")]
    DuplicateUse {
        /// The word after `use`.
        name: String,
    },
    /// A feature without its `use`.
    #[error("{what} has to be switched on: add `use {feature}` at the top")]
    NotInUse {
        /// What was written.
        what: &'static str,
        /// The word after `use`.
        feature: &'static str,
    },
    /// An `import`, which a text alone cannot follow.
    #[error("there are no files to import from here: send the compiled text, which `zed schema compile` prints")]
    Import,
    /// A decorator or annotation that begins with `@`.
    #[error("`@` introduces nothing in this language: remove it")]
    Decorator,

    /// A type that is not defined.
    #[error("type `{name}` is not defined: {}", remedy(.similar.as_deref(), "define it"))]
    UnknownType {
        /// Its name.
        name: String,
        /// A type whose name is similar.
        similar: Option<String>,
    },
    /// A relation or permission that a definition does not have.
    #[error("`{object_type}` has no relation or permission `{name}`: {}", remedy(.similar.as_deref(), "add it"))]
    UnknownMember {
        /// The definition.
        object_type: String,
        /// The name.
        name: String,
        /// One whose name is similar.
        similar: Option<String>,
    },
    /// A caveat that is not defined.
    #[error("caveat `{name}` is not defined: {}", remedy(.similar.as_deref(), "define it"))]
    UnknownCaveat {
        /// Its name.
        name: String,
        /// One whose name is similar.
        similar: Option<String>,
    },
    /// A partial that is not defined.
    #[error("partial `{name}` is not defined: {}", remedy(.similar.as_deref(), "define it"))]
    UnknownPartial {
        /// Its name.
        name: String,
        /// One whose name is similar.
        similar: Option<String>,
    },
    /// Two definitions, partials or caveats of one name.
    #[error("`{name}` is the name of another definition, partial or caveat: rename one of them")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// Two relations or permissions of one name in a definition or partial.
    #[error("`{object_type}` has another relation or permission `{name}`: rename one of them")]
    DuplicateMember {
        /// The definition or partial.
        object_type: String,
        /// The name.
        name: String,
    },
    /// The same allowed subject twice.
    #[error("`{relation}` allows `{subject}` already: remove this one")]
    DuplicateSubject {
        /// The relation.
        relation: String,
        /// The subject as written.
        subject: String,
    },
    /// Two parameters of one name.
    #[error("caveat `{caveat}` has another parameter `{name}`: rename one of them")]
    DuplicateParameter {
        /// The caveat.
        caveat: String,
        /// The name.
        name: String,
    },

    /// A relation that nobody can be a subject of.
    #[error("relation `{name}` allows no subjects: name a type after `:`, as in `relation {name}: user`")]
    EmptyRelation {
        /// The relation.
        name: String,
    },
    /// A permission without an expression.
    #[error("permission `{name}` is computed from nothing: write an expression after `=`, or `nil` for nobody")]
    EmptyPermission {
        /// The permission.
        name: String,
    },
    /// An arrow that begins at a permission.
    #[error(
        "`{name}` is a permission of `{object_type}`, and an arrow follows relations only: name a relation before it"
    )]
    ArrowOverPermission {
        /// The definition.
        object_type: String,
        /// The permission.
        name: String,
    },
    /// An arrow over a relation that allows all objects of a type at once.
    #[error("`{relation}` allows `{wildcard}:*`{}, and an arrow cannot follow all objects of a type: \
             keep wildcards in a relation of their own", by(.via.as_ref()))]
    ArrowOverWildcard {
        /// The relation that is followed.
        relation: String,
        /// The type that it allows all objects of.
        wildcard: String,
        /// The relation that allows it, if another.
        via: Option<String>,
    },
    /// A userset of a relation that allows all objects of a type at once.
    #[error("`{userset}` allows `{wildcard}:*`{}, and a userset must not hold all objects of a type: \
             keep wildcards in a relation of their own, or allow `{wildcard}:*` here", by(.via.as_ref()))]
    UsersetOfWildcard {
        /// The userset.
        userset: String,
        /// The type that it allows all objects of.
        wildcard: String,
        /// The relation that allows it, if another.
        via: Option<String>,
    },
    /// A permission that is computed from itself on the same object.
    #[error("a permission cannot be computed from itself: {}: take one of them out of the circle", .cycle.join(" -> "))]
    CyclicPermission {
        /// The permissions of the circle; the last is the first.
        cycle: Vec<String>,
    },
    /// A partial that is made of itself.
    #[error("a partial cannot be made of itself: {}: take one of them out of the circle", .cycle.join(" -> "))]
    CyclicPartial {
        /// The partials of the circle; the last is the first.
        cycle: Vec<String>,
    },
    /// A permission may hold for types that it does not declare.
    #[error("`{name}` may hold for {}, which it does not declare: declare it, or change the expression", list(.types))]
    UndeclaredTypes {
        /// The permission.
        name: String,
        /// The types.
        types: Vec<String>,
    },
    /// Checking the declared types would take too long.
    #[error("checking the declared types takes more than {most} steps: declare fewer, or leave out `use typechecking`")]
    TypesTooLarge {
        /// The limit in steps.
        most: usize,
    },

    /// A caveat without parameters.
    #[error("caveat `{name}` has no parameters, so it is always the same: add one that it looks at")]
    NoParameters {
        /// The caveat.
        name: String,
    },
    /// A parameter that its caveat does not look at.
    #[error("caveat `{caveat}` does not use its parameter `{name}`: use it, or remove it")]
    UnusedParameter {
        /// The caveat.
        caveat: String,
        /// The parameter.
        name: String,
    },
    /// A type that parameters do not have.
    #[error("`{name}` is no type of a parameter: there are {}, list<type> and map<type>", simple_types())]
    UnknownParameterType {
        /// The word.
        name: String,
    },
    /// A list or map without the type of its values, or another type with one.
    #[error("`{name}` takes {expected}")]
    ParameterTypeArguments {
        /// The type.
        name: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The type of a parameter is deeper than `limit::PARAMETER_NESTING_MAX`.
    #[error("the type of a parameter is nested more than {most} levels deep: use `any` within")]
    ParameterTooDeep {
        /// The limit in levels.
        most: usize,
    },
    /// The name of a parameter is longer than `limit::PARAMETER_BYTES_MAX`, or is none.
    #[error("`{name}` is not a valid parameter: give letters, digits and `_`, no digit first, at most {most} bytes")]
    BadParameterName {
        /// The name.
        name: String,
        /// The limit in bytes.
        most: usize,
    },
    /// A caveat without an expression.
    #[error("caveat `{name}` has no expression: write a condition between the braces")]
    EmptyCaveat {
        /// The caveat.
        name: String,
    },
    /// The expression of a caveat is not sound.
    #[error("{0}")]
    Caveat(portcullis_caveat::ProblemKind),
    /// The expression of a caveat does not end.
    #[error("the expression of caveat `{name}` does not end: close what is open in it, and then the caveat by `}}`")]
    UnterminatedCaveat {
        /// The caveat.
        name: String,
    },
}

fn remedy(similar: Option<&str>, otherwise: &str) -> String {
    similar.map_or_else(|| otherwise.to_owned(), |similar| format!("{otherwise}, or did you mean `{similar}`?"))
}

fn by(via: Option<&String>) -> String {
    via.map_or_else(String::new, |via| format!(" through `{via}`"))
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn simple_types() -> String {
    crate::caveat::SIMPLE.map(|(word, _)| word).join(", ")
}

impl Problems {
    /// The problems, in the order of the text. At most `limit::PROBLEMS_MAX`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.problems.iter()
    }

    /// Whether the search ended before the end of the text because there were too many.
    pub fn more(&self) -> bool {
        self.more
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.kind)
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{}\n{}", problem.kind, problem.excerpt)?;
        }
        if self.more {
            write!(f, "\n\nand more: only the first {} are shown", limit::PROBLEMS_MAX)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
