//! Conditions in CEL, and what they are asked about.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use portcullis_caveat::{Error, Problem, Program, Type, Verdict, compile, limit};
use portcullis_model::{Context, Value};

/// What expressions are over.
static PARAMETERS: LazyLock<Vec<(String, Type)>> = LazyLock::new(|| {
    let list = |element| Type::List(Box::new(element));
    let map = |value| Type::Map(Box::new(value));
    let parameters = [
        ("p", Type::Bool),
        ("q", Type::Bool),
        ("i", Type::Int),
        ("u", Type::Uint),
        ("d", Type::Double),
        ("s", Type::String),
        ("t", Type::String),
        ("b", Type::Bytes),
        ("w", Type::Duration),
        ("n", Type::Timestamp),
        ("a", Type::IpAddress),
        ("l", list(Type::Int)),
        ("k", list(Type::String)),
        ("m", map(Type::Int)),
        ("o", map(Type::Any)),
        ("v", Type::Any),
    ];
    parameters.map(|(name, kind)| (name.to_owned(), kind)).into()
});

/// The expression; then, each after a line that begins so, what the relationship says and what the request says.
const SEPARATOR: &str = "\n---";

pub(crate) fn run(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let mut parts = text.split(SEPARATOR);
    let expression = parts.next().unwrap_or_default();
    let program = match compile(&PARAMETERS, expression) {
        Ok(program) => program,
        Err(problems) => return refused(expression, &problems),
    };
    let cost = program.cost_bound();
    assert!(cost.assumed_steps <= cost.most_steps && cost.most_steps <= limit::STEPS_MAX, "{cost:?}");
    assert_eq!(program.expression(), expression);
    let mut contexts = parts.map(|part| part.trim().parse::<Context>().unwrap_or_default());
    let (relationship, request) = (contexts.next().unwrap_or_default(), contexts.next().unwrap_or_default());
    let whole = joined(&relationship, &request);
    let verdict = evaluated(&program, &Context::default(), &whole);
    assert_eq!(evaluated(&program, &relationship, &request), verdict, "it matters who says what");
    assert_eq!(evaluated(&program, &whole, &request), verdict, "what the request says counts too much");
    less_is_known(&program, &whole, &verdict);
    if program.check_context(&whole).is_ok() {
        assert!(!matches!(verdict, Err(Error::WrongType { .. } | Error::UnknownParameter { .. })), "{verdict:?}");
    }
}

fn refused(expression: &str, problems: &[Problem]) {
    assert!((1..=limit::PROBLEMS_MAX).contains(&problems.len()), "{} problems", problems.len());
    for problem in problems {
        assert!(expression.get(problem.span.clone()).is_some(), "{problem} is about {:?}", problem.span);
        assert!(!problem.to_string().is_empty());
    }
}

/// The verdict, which takes no more than was said, and says no more than was asked.
fn evaluated(program: &Program, relationship: &Context, request: &Context) -> Result<Verdict, Error> {
    let (verdict, steps) = program.measure(relationship, request);
    assert_eq!(program.evaluate(relationship, request), verdict, "evaluated twice");
    let cost = program.cost_bound();
    let mut given = relationship.fields().values().chain(request.fields().values());
    let small = given.all(is_within_assumption);
    let (bound, kind) = if small { (cost.assumed_steps, "assumed") } else { (cost.most_steps, "most") };
    assert!(steps <= bound, "{steps} steps, and {kind} are {bound}");
    match &verdict {
        Ok(Verdict::Missing(names)) => {
            assert!(!names.is_empty(), "nothing is missing, and there is no answer");
            for name in names {
                let fields = [relationship, request].map(|context| context.fields().contains_key(name));
                assert_eq!(fields, [false, false], "{name} is given");
                assert!(program.referenced().any(|known| known == name), "{name} is not mentioned");
            }
        }
        Err(Error::CostExceeded { .. }) => {
            assert_eq!(bound, limit::STEPS_MAX, "out of steps, and {kind} are {bound}");
        }
        Ok(Verdict::Holds | Verdict::Fails) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    verdict
}

/// What was decided without a parameter stays decided with it, and what failed fails.
fn less_is_known(program: &Program, whole: &Context, with_all: &Result<Verdict, Error>) {
    if matches!(with_all, Err(Error::WrongType { .. } | Error::CostExceeded { .. })) {
        return;
    }
    for left_out in whole.fields().keys() {
        let fields = whole.fields().iter().filter(|(name, _)| *name != left_out);
        let less = context(fields.map(|(name, value)| (Arc::clone(name), value.clone())).collect());
        let with_less = evaluated(program, &Context::default(), &less);
        match &with_less {
            Ok(Verdict::Holds | Verdict::Fails) => {
                assert_eq!(&with_less, with_all, "decided otherwise without `{left_out}`");
            }
            Ok(Verdict::Missing(_)) | Err(Error::CostExceeded { .. }) => {}
            Err(error) => assert!(with_all.is_err(), "{error} without `{left_out}`, and {with_all:?} with it"),
        }
    }
}

/// Both contexts as one: the relationship counts.
fn joined(relationship: &Context, request: &Context) -> Context {
    let mut fields = request.fields().clone();
    fields.extend(relationship.fields().iter().map(|(name, value)| (Arc::clone(name), value.clone())));
    context(fields)
}

/// Too much is nothing.
fn context(fields: BTreeMap<Arc<str>, Value>) -> Context {
    Context::new(fields).unwrap_or_default()
}

/// Whether a value is as small as expressions are judged by, with whatever is in it.
fn is_within_assumption(value: &Value) -> bool {
    let (elements, bytes) = size(value);
    elements <= limit::ELEMENTS_ASSUMED && bytes <= limit::TEXT_BYTES_ASSUMED
}

/// Its elements and its bytes of text, those of its elements included.
fn size(value: &Value) -> (u64, u64) {
    let sum = |(elements, bytes): (u64, u64), (more, text): (u64, u64)| (elements + more, bytes + text);
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => (0, 0),
        Value::Text(text) => (0, text.len() as u64),
        Value::List(items) => items.iter().map(size).fold((items.len() as u64, 0), sum),
        Value::Map(fields) => {
            let keys = fields.keys().map(|key| (1, key.len() as u64));
            keys.chain(fields.values().map(size)).fold((0, 0), sum)
        }
    }
}
