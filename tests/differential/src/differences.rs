//! Where the two differ on purpose. `docs/spicedb.md` lists the same, with what follows from it.

use portcullis_model::{Subject, Tuple};
use portcullis_schema::{Definition, Expression, Problem, ProblemKind, Schema};

use crate::answer::Answer;
use crate::compare::{Compared, Comparison};
use crate::generate::are_confused;
use crate::ours::Ours;
use crate::questions::Question;
use crate::world::{Source, World};

/// A difference that is meant to be.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    /// Why it is so.
    pub(crate) reason: &'static str,
    is_it: fn(&World, &Comparison, &Compared) -> bool,
}

/// All of them. The first that explains a disagreement counts.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "everyone may be asked about",
        reason: "`user:*` as the subject of a check asks about whoever is not named",
        is_it: |_, _, compared| {
            matches!(&compared.question, Question::Check { subject: Subject::Wildcard(_), .. })
                && is_error(&compared.theirs, "wildcard")
        },
    },
    Difference {
        name: "a batch says what its checks say",
        reason: "there a check may be answered otherwise together with others than alone",
        is_it: |_, _, compared| {
            matches!(compared.question, Question::Check { .. })
                && compared.their_check.as_ref().is_some_and(|check| says_the_same(&compared.ours, check))
        },
    },
    Difference {
        name: "lookups say what checks say",
        reason: "there a lookup may say something else than a check, most often under `self` and `.all`",
        is_it: |_, _, compared| {
            !matches!(compared.question, Question::Check { .. })
                && compared.their_check.as_ref().is_some_and(|check| says_the_same(&compared.ours, check))
        },
    },
    Difference {
        name: "a wildcard stands for objects",
        reason: "`user:*` holds no usersets such as `user:alice#friend`, and there it does",
        is_it: |world, comparison, compared| {
            let Some(Question::Check { resource, permission, subject, context }) = compared.question.as_check() else {
                return false;
            };
            wildcards_name(world, &subject).iter().any(|world| {
                let ours = Ours::new(world, comparison.ours.now());
                let ours = ours.check(&resource, &permission, &subject, &context);
                let mut theirs = [&compared.theirs].into_iter().chain(&compared.their_check);
                theirs.any(|theirs| says_the_same(&ours, theirs))
            })
        },
    },
    Difference {
        name: "subjects with different relations are told apart",
        reason: "where a relation allows `user with x` and `user#y`, there one is taken to carry what the other does",
        is_it: |world, _, compared| is_answer(&compared.question) && confuses(world),
    },
    Difference {
        name: "wildcards are always seen",
        reason: "there one under an arrow or userset may be missed where two definitions have relations of one name",
        is_it: |_, comparison, compared| {
            is_only_there(compared)
                && has_problem(comparison, |problem| {
                    matches!(
                        problem.kind,
                        ProblemKind::ArrowOverWildcard { .. } | ProblemKind::UsersetOfWildcard { .. }
                    )
                })
        },
    },
    Difference {
        name: "loops in the data end",
        reason: "what repeats is no; there it is an error once the depth is exceeded, or a lookup that does not end",
        is_it: |world, _, compared| {
            is_answer(&compared.question)
                && ["max depth exceeded", "timed out"].iter().any(|text| is_error(&compared.theirs, text))
                && world.has_loop()
        },
    },
    Difference {
        name: "line breaks mean nothing",
        reason: "there they end a member",
        is_it: |_, comparison, compared| is_only_here(compared) && comparison.takes_printed,
    },
    Difference {
        name: "arrows may follow each other",
        reason: "there each needs a permission of its own",
        is_it: |_, comparison, compared| {
            is_only_here(compared) && comparison.ours.schema.as_ref().is_ok_and(has_long_arrows)
        },
    },
    Difference {
        name: "names may be short",
        reason: "there they have at least three letters, and do not end in `_`",
        is_it: |_, _, compared| is_only_here(compared) && is_error(&compared.theirs, "does not match regex"),
    },
    Difference {
        name: "no permission is computed from itself",
        reason: "there it is an error when it is asked for",
        is_it: |_, comparison, compared| {
            is_only_there(compared)
                && has_problem(comparison, |problem| matches!(problem.kind, ProblemKind::CyclicPermission { .. }))
        },
    },
    Difference {
        name: "something follows `and`",
        reason: "there `with when and` may end so, and means `with when`",
        is_it: |_, comparison, compared| {
            let after_and =
                |problem: &Problem| matches!(problem.kind, ProblemKind::Unexpected { expected: "`expiration`", .. });
            is_only_there(compared) && has_problem(comparison, after_and)
        },
    },
    Difference {
        name: "what fails every time in a caveat is refused",
        reason: "there it is an error when it is evaluated",
        is_it: |_, comparison, compared| {
            is_only_there(compared)
                && has_problem(
                    comparison,
                    |problem| matches!(&problem.kind, ProblemKind::Caveat(kind) if kind.to_string().contains("fails every time")),
                )
        },
    },
    Difference {
        name: "all missing parameters are named",
        reason: "there some of them may be named only once others are given",
        is_it: |_, _, compared| says_the_same(&compared.ours, &compared.theirs),
    },
    Difference {
        name: "a condition that fails counts where it matters",
        reason: "there it is an error wherever it is met",
        is_it: |_, _, compared| {
            is_answer(&compared.question)
                && (is_error(&compared.theirs, "evaluat") && is_error(&compared.theirs, "caveat"))
        },
    },
];

/// The difference that explains why two answers are not the same.
pub(crate) fn explain(world: &World, comparison: &Comparison, compared: &Compared) -> Option<&'static Difference> {
    DIFFERENCES.iter().find(|one| (one.is_it)(world, comparison, compared))
}

/// Whether two answers are the same but for missing parameters that are not named there.
pub(crate) fn says_the_same(ours: &Answer, theirs: &Answer) -> bool {
    match (ours, theirs) {
        (Answer::Missing(ours), Answer::Missing(theirs)) => theirs.is_subset(ours),
        _ => ours.agrees(theirs),
    }
}

fn is_error(answer: &Answer, text: &str) -> bool {
    matches!(answer, Answer::Error(message) if message.contains(text))
}

fn is_answer(question: &Question) -> bool {
    !matches!(question, Question::Schema | Question::Relationships)
}

fn is_only_here(compared: &Compared) -> bool {
    matches!(compared.question, Question::Schema) && compared.ours == Answer::Yes
}

fn is_only_there(compared: &Compared) -> bool {
    matches!(compared.question, Question::Schema) && compared.theirs == Answer::Yes
}

fn has_problem(comparison: &Comparison, is_it: impl Fn(&Problem) -> bool) -> bool {
    comparison.ours.schema.as_ref().is_err_and(|problems| problems.iter().any(is_it))
}

/// Worlds in which whatever is said of all objects of a userset's type is said of that userset, too: as it is said, and, since
/// SpiceDB does not expect a userset to carry what a wildcard does, without an end, and only what has no caveat.
fn wildcards_name(world: &World, subject: &Subject) -> Vec<World> {
    let Subject::Userset { object, .. } = subject else { return Vec::new() };
    let everyone = Subject::Wildcard(object.object_type.clone());
    let wildcards = world.tuples.iter().filter(|tuple| tuple.relationship.subject == everyone);
    let mut as_said: Vec<Tuple> = wildcards.cloned().collect();
    for tuple in &mut as_said {
        tuple.relationship.subject = subject.clone();
    }
    if as_said.is_empty() {
        return Vec::new();
    }
    let mut without_end = as_said.clone();
    for tuple in &mut without_end {
        tuple.qualifier.expires = None;
    }
    let without_caveat = without_end.iter().filter(|tuple| tuple.qualifier.is_none()).cloned().collect();
    let with_all = |tuples: Vec<Tuple>| [&tuples[..], &world.tuples].concat();
    let worlds = [as_said, without_end, without_caveat].map(with_all);
    worlds.map(|tuples| World { source: world.source.clone(), tuples }).into()
}

fn confuses(world: &World) -> bool {
    let Source::Sound(schema) = &world.source else { return false };
    let mut relations = schema.definitions.iter().flat_map(|one| &one.relations);
    relations.any(|relation| {
        let subjects = &relation.subjects;
        subjects.iter().any(|one| subjects.iter().any(|other| are_confused(one, other)))
    })
}

fn has_long_arrows(schema: &Schema) -> bool {
    schema.definitions().flat_map(Definition::permissions).any(|one| is_long(&one.expression))
}

fn is_long(expression: &Expression) -> bool {
    match expression {
        Expression::Nil | Expression::SelfObject | Expression::Computed(_) => false,
        Expression::Arrow(arrow) => arrow.steps.len() > 1,
        Expression::Union(operands) | Expression::Intersection(operands) => operands.iter().any(is_long),
        Expression::Exclusion(base, taken) => is_long(base) || is_long(taken),
    }
}
