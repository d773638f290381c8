//! Expected relations of validation files: who has a relation or permission, and by what.
//!
//! ```yaml
//! document:plan#view:
//!   - "[user:alice] is <document:plan#viewer>"
//!   - "[user:bob[...]] is <folder:q3#viewer>"
//!   - "[user:* - {user:carol}] is <document:plan#viewer>"
//! ```
//!
//! Who is listed has to have it, `[...]` under a condition; whoever has it otherwise than as one of all objects of a type has
//! to be listed; and each relation between the angle brackets has to hold the subject itself, or all objects of its type.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow};
use portcullis_model::{Object, PermissionName, Relationship, Subject};

use super::validate::{Verdict, World};

/// One line of what is expected.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    subject: Subject,
    conditional: bool,
    /// Who does not have it although all of the type do.
    without: Vec<Subject>,
    /// The relations that hold the subject.
    by: Vec<(Object, String)>,
}

/// Where what is expected of `object#relation` is not so.
pub(super) fn compare(
    world: &World,
    singles: &World,
    relation: &str,
    expected: &[String],
) -> anyhow::Result<Vec<String>> {
    let malformed = || anyhow!("`{relation}` is not `type:id#permission`");
    let (resource, permission) = relation.split_once('#').ok_or_else(malformed)?;
    let (resource, permission): (Object, PermissionName) = (resource.parse()?, permission.parse()?);
    let mut differences = Vec::new();
    let mut listed = BTreeSet::new();
    for text in expected {
        let line = parse(text).with_context(|| format!("expected relation `{text}`"))?;
        let wanted = if line.conditional { Verdict::Conditional } else { Verdict::Allow };
        let verdict = world.check(&line.subject, &permission, &resource, None)?;
        if verdict != wanted {
            differences.push(format!("- {relation}: {text}\n  + {verdict:?}"));
        }
        for subject in &line.without {
            if world.check(subject, &permission, &resource, None)? == Verdict::Allow {
                differences.push(format!("- {relation}: {text}\n  + {subject} has it"));
            }
        }
        for (object, name) in &line.by {
            let holds = |one: &Relationship| {
                one.resource == *object && one.relation.as_str() == name && is_or_holds(&one.subject, &line.subject)
            };
            if !world.tuples.iter().any(|tuple| holds(&tuple.relationship)) {
                differences.push(format!("- {relation}: {text}\n  + {object}#{name} does not hold {}", line.subject));
            }
        }
        listed.insert(line.subject);
    }
    let subjects: BTreeSet<&Subject> = singles.tuples.iter().map(|tuple| &tuple.relationship.subject).collect();
    for subject in subjects.into_iter().filter(|subject| matches!(subject, Subject::Object(_))) {
        let has_it = singles.check(subject, &permission, &resource, None)? != Verdict::Deny
            && world.check(subject, &permission, &resource, None)? != Verdict::Deny;
        if has_it && !listed.contains(subject) {
            differences.push(format!("+ {relation}: [{subject}]"));
        }
    }
    Ok(differences)
}

fn is_or_holds(stored: &Subject, subject: &Subject) -> bool {
    stored == subject
        || matches!((stored, subject), (Subject::Wildcard(all), Subject::Object(one)) if one.object_type == *all)
}

fn parse(text: &str) -> anyhow::Result<Line> {
    let malformed = || anyhow!("it is not `[subject] is <object#relation>`");
    let (subject, by) = text.split_once(" is ").ok_or_else(malformed)?;
    let subject = subject.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(malformed)?;
    let (subject, without) = match subject.split_once(" - {") {
        Some((subject, without)) => (subject, without.strip_suffix('}').ok_or_else(malformed)?),
        None => (subject, ""),
    };
    let (subject, conditional) = match subject.strip_suffix("[...]") {
        Some(subject) => (subject, true),
        None => (subject, false),
    };
    let without = without.split(',').map(str::trim).filter(|name| !name.is_empty());
    let by = by.trim().strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).ok_or_else(malformed)?;
    // Types and ids may hold slashes of their own.
    let by = by.split(">/<").map(|one| {
        let (object, relation) = one.split_once('#').ok_or_else(malformed)?;
        Ok((object.parse()?, relation.to_owned()))
    });
    Ok(Line {
        subject: plain(subject).parse()?,
        conditional,
        // Whether an exception holds under a condition makes no difference: it is not certain.
        without: without
            .map(|name| Ok(plain(name.strip_suffix("[...]").unwrap_or(name)).parse()?))
            .collect::<anyhow::Result<_>>()?,
        by: by.collect::<anyhow::Result<_>>()?,
    })
}

/// `user:alice#...` is `user:alice`.
fn plain(subject: &str) -> &str {
    subject.strip_suffix("#...").unwrap_or(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let line =
            parse("[user:*[...] - {user:a, user:b#...[...]}] is <acme/document:d/e#viewer>/<folder:f#viewer>").unwrap();
        assert_eq!((line.subject.to_string(), line.conditional), ("user:*".to_owned(), true));
        assert_eq!(line.without.iter().map(ToString::to_string).collect::<Vec<_>>(), ["user:a", "user:b"]);
        assert_eq!(line.by.len(), 2);
        for bad in ["user:a is <document:d#viewer>", "[user:a]", "[user:a] is document:d#viewer", "[a] is <b:c#d>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
