//! The smallest world in which two answers still differ.

use anyhow::Result;
use portcullis_model::{Qualifier, Timestamp};

use crate::answer::Answer;
use crate::compare::{Compared, compare};
use crate::differences::explain;
use crate::questions::{Question, Questions};
use crate::spicedb::SpiceDb;
use crate::world::{Expression, Permission, Schema, Source, Which, World};

/// How many smaller worlds are tried at most.
const TRIES_MAX: usize = 3_000;

/// Makes a world smaller for as long as the answers to the question differ without an explanation.
pub(crate) fn shrink(
    spicedb: &mut SpiceDb,
    world: &World,
    compared: &Compared,
    now: Timestamp,
) -> Result<(World, Compared)> {
    let (mut world, mut compared) = (world.clone(), compared.clone());
    let mut tries = 0;
    'smaller: loop {
        for candidate in smaller(&world, &compared.question) {
            tries += 1;
            if tries > TRIES_MAX {
                return Ok((world, compared));
            }
            if let Some(still) = still_differs(spicedb, &candidate, &compared, now)? {
                (world, compared) = (candidate, still);
                continue 'smaller;
            }
        }
        return Ok((world, compared));
    }
}

fn still_differs(
    spicedb: &mut SpiceDb,
    world: &World,
    compared: &Compared,
    now: Timestamp,
) -> Result<Option<Compared>> {
    let questions = Questions::only(&compared.question);
    let comparison = compare(spicedb, world, &questions, now)?;
    let same = |one: &&Compared| {
        one.question.kind() == compared.question.kind()
            && one.question.as_assertion() == compared.question.as_assertion()
            && std::mem::discriminant(&one.ours) == std::mem::discriminant(&compared.ours)
            && std::mem::discriminant(&one.theirs) == std::mem::discriminant(&compared.theirs)
            && !one.ours.agrees(&one.theirs)
            // What is asked about is still there.
            && !matches!(&one.theirs, Answer::Error(message) if message.contains(" not found"))
    };
    let still = comparison.compared.iter().find(same);
    Ok(still.filter(|one| explain(world, &comparison, one).is_none()).cloned())
}

/// Worlds that are one step smaller, large steps first.
fn smaller(world: &World, question: &Question) -> Vec<World> {
    let mut found = Vec::new();
    let mut with_tuples = |tuples| found.push(World { source: world.source.clone(), tuples });
    let count = world.tuples.len();
    let mut size = count;
    while size > 0 {
        for start in (0..count).step_by(size) {
            let end = (start + size).min(count);
            with_tuples([&world.tuples[..start], &world.tuples[end..]].concat());
        }
        size /= 2;
    }
    for (place, tuple) in world.tuples.iter().enumerate() {
        if !tuple.qualifier.is_none() {
            let mut tuples = world.tuples.clone();
            tuples[place].qualifier = Qualifier::default();
            with_tuples(tuples);
        }
    }
    match &world.source {
        Source::Damaged(words) => {
            let mut size = words.len();
            while size > 0 {
                for start in (0..words.len()).step_by(size) {
                    let end = (start + size).min(words.len());
                    let words = [&words[..start], &words[end..]].concat();
                    found.push(World { source: Source::Damaged(words), tuples: Vec::new() });
                }
                size /= 2;
            }
        }
        Source::Sound(schema) => {
            let schemas = smaller_schemas(schema);
            found.extend(
                schemas.into_iter().map(|schema| World { source: Source::Sound(schema), tuples: world.tuples.clone() }),
            );
        }
    }
    if matches!(question, Question::Schema) {
        for world in &mut found {
            world.tuples.clear();
        }
    }
    found
}

fn smaller_schemas(schema: &Schema) -> Vec<Schema> {
    let mut found = Vec::new();
    let mut changed = |change: &dyn Fn(&mut Schema)| {
        let mut schema = schema.clone();
        change(&mut schema);
        found.push(schema);
    };
    if schema.is_reprinted {
        changed(&|schema| schema.is_reprinted = false);
    }
    for (place, definition) in schema.definitions.iter().enumerate() {
        let name = &definition.name;
        changed(&|schema| {
            schema.definitions.remove(place);
            for relation in schema.definitions.iter_mut().flat_map(|one| &mut one.relations) {
                relation.subjects.retain(|one| one.object_type != *name);
            }
        });
        for (nth, relation) in definition.relations.iter().enumerate() {
            changed(&|schema| remove_member(schema, place, &relation.name, |one| drop(one.relations.remove(nth))));
            for subject in 0..relation.subjects.len() {
                changed(&|schema| {
                    schema.definitions[place].relations[nth].subjects.remove(subject);
                });
            }
            for (subject, allowed) in relation.subjects.iter().enumerate() {
                if allowed.caveat.is_some() || allowed.expires {
                    changed(&|schema| {
                        let allowed = &mut schema.definitions[place].relations[nth].subjects[subject];
                        (allowed.caveat, allowed.expires) = (None, false);
                    });
                }
            }
        }
        for (nth, permission) in definition.permissions.iter().enumerate() {
            changed(&|schema| remove_member(schema, place, &permission.name, |one| drop(one.permissions.remove(nth))));
            for expression in smaller_expressions(&permission.expression) {
                changed(&|schema| schema.definitions[place].permissions[nth].expression = expression.clone());
            }
            if !permission.types.is_empty() {
                changed(&|schema| schema.definitions[place].permissions[nth].types.clear());
            }
        }
    }
    for (place, caveat) in schema.caveats.iter().enumerate() {
        changed(&|schema| drop(schema.caveats.remove(place)));
        for condition in caveat.condition.smaller() {
            changed(&|schema| schema.caveats[place].condition = condition.clone());
        }
    }
    for name in &schema.uses {
        changed(&|schema| schema.uses.retain(|one| one != name));
    }
    found
}

/// Removes a relation or permission, and what mentions it as a userset.
fn remove_member(schema: &mut Schema, place: usize, name: &str, remove: impl Fn(&mut crate::world::Definition)) {
    remove(&mut schema.definitions[place]);
    let object_type = schema.definitions[place].name.clone();
    for relation in schema.definitions.iter_mut().flat_map(|one| &mut one.relations) {
        relation.subjects.retain(|one| {
            one.object_type != object_type || !matches!(&one.which, Which::Userset(member) if member == name)
        });
    }
    for Permission { expression, .. } in &mut schema.definitions[place].permissions {
        forget(expression, name);
    }
}

/// Has an expression say `nil` where it names this.
fn forget(expression: &mut Expression, name: &str) {
    match expression {
        Expression::Nil | Expression::Itself => {}
        Expression::Name(named) | Expression::Arrow { relation: named, .. } => {
            if named == name {
                *expression = Expression::Nil;
            }
        }
        Expression::Group(inner) => forget(inner, name),
        Expression::Row(first, rest) => {
            forget(first, name);
            for (_, operand) in rest {
                forget(operand, name);
            }
        }
    }
}

fn smaller_expressions(expression: &Expression) -> Vec<Expression> {
    let mut found = Vec::new();
    match expression {
        Expression::Nil => {}
        Expression::Itself | Expression::Name(_) | Expression::Arrow { .. } => found.push(Expression::Nil),
        Expression::Group(inner) => {
            found.push(Expression::Nil);
            found.extend(smaller_expressions(inner).into_iter().map(|one| Expression::Group(Box::new(one))));
            if !matches!(**inner, Expression::Row(..)) {
                found.push((**inner).clone());
            }
        }
        Expression::Row(first, rest) => {
            let bare = |one: &Expression| match one {
                Expression::Group(inner) => (**inner).clone(),
                other => other.clone(),
            };
            found.push(bare(first));
            found.extend(rest.iter().map(|(_, operand)| bare(operand)));
            if rest.len() > 1 {
                for place in 0..rest.len() {
                    let mut rest = rest.clone();
                    rest.remove(place);
                    found.push(Expression::Row(first.clone(), rest));
                }
            }
            found
                .extend(smaller_expressions(first).into_iter().map(|one| Expression::Row(Box::new(one), rest.clone())));
            for (place, (_, operand)) in rest.iter().enumerate() {
                for smaller in smaller_expressions(operand) {
                    let mut rest = rest.clone();
                    rest[place].1 = smaller;
                    found.push(Expression::Row(first.clone(), rest));
                }
            }
        }
    }
    found
}
