//! The canonical text of a schema.
//!
//! Indented by tabs, one member a line, operators within operators in parentheses, and the comments of everything before
//! it. Compiling the text gives the same schema, and printing that the same text.

use std::fmt::{self, Display, Formatter, Write};

use crate::caveat::Caveat;
use crate::expression::{Arrow, Expression, Mode};
use crate::schema::{Definition, Item, Member, Permission, Relation, Schema};

/// The canonical text of a schema; what `Display` writes.
pub fn print(schema: &Schema) -> String {
    schema.to_string()
}

impl Display for Schema {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for directive in self.directives() {
            writeln!(f, "use {}", directive.word())?;
        }
        for (index, item) in self.items().iter().enumerate() {
            if index > 0 || !self.directives().is_empty() {
                f.write_char('\n')?;
            }
            match item {
                Item::Definition(definition) => writeln!(f, "{definition}")?,
                Item::Caveat(caveat) => writeln!(f, "{caveat}")?,
            }
        }
        Ok(())
    }
}

impl Display for Definition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        comments(self.doc(), "", f)?;
        write!(f, "definition {} {{", self.name())?;
        let mut before: Option<Member<'_>> = None;
        for member in self.members() {
            f.write_char('\n')?;
            let doc = match member {
                Member::Relation(relation) => &relation.doc,
                Member::Permission(permission) => &permission.doc,
            };
            // What is explained, and the permissions as such, stand apart.
            let apart = |before: Member<'_>| doc.is_some() || before.is_permission() != member.is_permission();
            if before.is_some_and(apart) {
                f.write_char('\n')?;
            }
            comments(doc.as_deref(), "\t", f)?;
            match member {
                Member::Relation(relation) => write!(f, "\t{relation}")?,
                Member::Permission(permission) => write!(f, "\t{permission}")?,
            }
            before = Some(member);
        }
        f.write_str(if before.is_some() { "\n}" } else { "}" })
    }
}

/// Without its comments.
impl Display for Relation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "relation {}: ", self.name)?;
        joined(&self.subjects, " | ", f)
    }
}

/// Without its comments.
impl Display for Permission {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "permission {}", self.name)?;
        if !self.types.is_empty() {
            f.write_str(": ")?;
            joined(&self.types, " | ", f)?;
        }
        write!(f, " = {}", self.expression)
    }
}

impl Display for Caveat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        comments(self.doc.as_deref(), "", f)?;
        write!(f, "caveat {}(", self.name)?;
        for (index, parameter) in self.parameters.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", parameter.name, parameter.parameter_type)?;
        }
        write!(f, ") {{\n\t{}\n}}", self.expression)
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::SelfObject => f.write_str("self"),
            Self::Computed(name) => write!(f, "{name}"),
            Self::Arrow(arrow) => write!(f, "{arrow}"),
            Self::Union(operands) => row(operands, " + ", f),
            Self::Intersection(operands) => row(operands, " & ", f),
            Self::Exclusion(base, taken) => {
                match &**base {
                    // A row of these reads from the left.
                    Self::Exclusion(..) => write!(f, "{base}")?,
                    base => operand(base, f)?,
                }
                f.write_str(" - ")?;
                operand(taken, f)
            }
        }
    }
}

impl Display for Arrow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.steps.iter().map(|step| &step.relation).chain([&self.target]);
        let modes = self.steps.iter().map(|step| Some(step.mode));
        for (name, mode) in names.zip([None].into_iter().chain(modes)) {
            match mode {
                None => write!(f, "{name}")?,
                Some(Mode::Any) => write!(f, "->{name}")?,
                Some(Mode::All) => write!(f, ".all({name})")?,
            }
        }
        Ok(())
    }
}

fn row(operands: &[Expression], sign: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (index, part) in operands.iter().enumerate() {
        if index > 0 {
            f.write_str(sign)?;
        }
        operand(part, f)?;
    }
    Ok(())
}

/// An operand, in parentheses if it has operands of its own.
fn operand(expression: &Expression, f: &mut Formatter<'_>) -> fmt::Result {
    match expression {
        Expression::Nil | Expression::SelfObject | Expression::Computed(_) | Expression::Arrow(_) => {
            write!(f, "{expression}")
        }
        Expression::Union(_) | Expression::Intersection(_) | Expression::Exclusion(..) => write!(f, "({expression})"),
    }
}

fn joined(parts: &[impl Display], between: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        let between = if index > 0 { between } else { "" };
        write!(f, "{between}{part}")?;
    }
    Ok(())
}

/// Comments, each on lines of its own. The lines of a block are aligned by their stars.
fn comments(doc: Option<&str>, indent: &str, f: &mut Formatter<'_>) -> fmt::Result {
    for line in doc.into_iter().flat_map(|doc| doc.split('\n')) {
        match line {
            "" => writeln!(f)?,
            starred if starred.starts_with('*') => writeln!(f, "{indent} {starred}")?,
            other => writeln!(f, "{indent}{other}")?,
        }
    }
    Ok(())
}
