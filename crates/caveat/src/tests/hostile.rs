//! Input that wishes no good: it ends in a named problem or error, soon, and on a small stack.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use portcullis_model::Context;
use proptest::prelude::*;

use super::expressions::{Dice, context, parameters};
use crate::{Error, ProblemKind, Verdict, compile, limit};

/// What threads get by default.
const STACK_BYTES: usize = 2 * 1_024 * 1_024;

/// Long enough for a busy machine, and much shorter than what has no end.
const SOON: Duration = Duration::from_secs(10);

/// What evaluations may take of it: they begin far down in the evaluation of a check.
const EVALUATION_STACK_BYTES: usize = STACK_BYTES / 4;

fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    on_a_stack(STACK_BYTES, run);
}

fn on_a_stack(bytes: usize, run: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(bytes).spawn(run).unwrap().join().unwrap();
}

/// A name, and what makes an expression of so many levels.
type Nesting = (&'static str, fn(usize) -> String);

const NESTINGS: [Nesting; 14] = [
    ("parentheses", |levels| format!("{}p{}", "(".repeat(levels), ")".repeat(levels))),
    ("not", |levels| format!("{}p", "!".repeat(levels * 2))),
    ("negative", |levels| format!("{}i == 0", "-".repeat(levels * 2))),
    ("lists", |levels| format!("{}i{} != []", "[".repeat(levels), "]".repeat(levels))),
    ("maps", |levels| format!("{}i{} != {{}}", "{\"a\": ".repeat(levels), "}".repeat(levels))),
    ("choices", |levels| format!("{}q", "p ? q : ".repeat(levels))),
    ("choices in front", |levels| format!("{}q{}", "(".repeat(levels), " ? p : q)".repeat(levels))),
    ("calls", |levels| format!("{}i{} == i", "int(".repeat(levels), ")".repeat(levels))),
    ("fields", |levels| format!("v{} == 1", ".a".repeat(levels))),
    ("indexes", |levels| format!("v{} == 1", "[0]".repeat(levels))),
    ("indexes within", |levels| format!("{}0{} == 0", "l[".repeat(levels), "]".repeat(levels))),
    ("sums", |levels| format!("i{} == i", " + 0".repeat(levels))),
    ("chains", |levels| format!("l{} == []", ".map(x, [x])".repeat(levels))),
    ("macros", |levels| format!("{}p{}", "[i].all(x, ".repeat(levels), ")".repeat(levels))),
];

#[test]
fn two_hundred_levels_work_on_a_small_stack() {
    on_a_small_stack(|| {
        for (name, nested) in NESTINGS {
            // `!` and `-` come in pairs.
            let levels = if matches!(name, "not" | "negative") { 100 } else { 200 };
            let program = compile(&parameters(), &nested(levels)).unwrap_or_else(|found| panic!("{name}: {found:?}"));
            on_a_stack(EVALUATION_STACK_BYTES, move || {
                for seed in 0..8 {
                    let _ = program.evaluate(&Context::default(), &context(&mut Dice::new(seed)));
                }
                let verdict = program.evaluate(&Context::default(), &Context::default());
                assert!(matches!(verdict, Ok(Verdict::Missing(_))), "{name}: {verdict:?}");
            });
        }
    });
}

#[test]
fn too_many_levels_are_a_named_problem() {
    on_a_small_stack(|| {
        for (name, nested) in NESTINGS {
            for levels in [limit::NESTING_MAX + 1, 1_000, 5_000, 10_000] {
                let problems = compile(&parameters(), &nested(levels)).unwrap_err();
                let named = matches!(problems[0].kind, ProblemKind::NestedTooDeep { .. } | ProblemKind::TooLong { .. });
                assert!(named, "{levels} {name}: {:?}", problems[0]);
            }
            // None of them ends here.
            let open: String = nested(9_000).chars().take(40_000).collect();
            assert!(compile(&parameters(), &open).is_err(), "{name}");
        }
    });
}

/// Values that become deeper than expressions are: chains of macros, each of which adds levels.
#[test]
fn deep_values_are_an_error() {
    on_a_small_stack(|| {
        let levels = "[".repeat(100) + "x" + &"]".repeat(100);
        for element in [levels.clone(), levels.replacen('x', "dyn(x)", 1)] {
            let chain = format!("l{} == []", format!(".map(x, {element})").repeat(100));
            let program = compile(&parameters(), &chain).unwrap();
            let request: Context = r#"{"l": [1]}"#.parse().unwrap();
            let most = limit::VALUE_NESTING_MAX;
            assert_eq!(program.evaluate(&Context::default(), &request), Err(Error::TooDeep { most }));
        }
    });
}

#[test]
fn long_rows_are_not_deep_and_not_slow() {
    let start = Instant::now();
    on_a_small_stack(|| {
        for operator in [" && ", " || "] {
            let row = vec!["p"; 15_000].join(operator);
            let program = compile(&parameters(), &row).unwrap();
            let request: Context = r#"{"p": true}"#.parse().unwrap();
            assert_eq!(program.evaluate(&Context::default(), &request), Ok(Verdict::Holds));
        }
        let list = format!("i in [{}]", vec!["7"; 30_000].join(", "));
        assert!(compile(&parameters(), &list).is_ok());
        let problems = compile(&parameters(), &"p".repeat(limit::EXPRESSION_BYTES_MAX + 1)).unwrap_err();
        assert!(matches!(problems[0].kind, ProblemKind::TooLong { .. }));
    });
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// As short as they are, they would take seconds, or more memory than there is.
#[test]
fn work_that_multiplies_is_refused_or_stopped() {
    let list = "[1,2,3,4,5,6,7,8,9]";
    let refused = format!(
        "{list}.all(a, {list}.all(b, {list}.all(c, {list}.all(d, {list}.all(e, {list}.all(f, {list}.all(g, a+b+c+d+e+f+g > i)))))))"
    );
    let problems = compile(&parameters(), &refused).unwrap_err();
    assert!(matches!(problems[0].kind, ProblemKind::TooCostly { .. }), "{problems:?}");
    let doubled = format!("[s]{}.size() > 0", ".map(x, x + x)".repeat(60));
    assert!(matches!(compile(&parameters(), &doubled).unwrap_err()[0].kind, ProblemKind::TooCostly { .. }));

    let start = Instant::now();
    let numbers = vec!["1"; 10_000].join(",");
    let long: Context = format!(r#"{{"l": [{numbers}], "s": "{}"}}"#, "a".repeat(20_000)).parse().unwrap();
    for (expression, error) in [
        ("l.all(x, l.all(y, x == y))", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.all(x, l == l)", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.map(x, s + s).size() > 0", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.all(x, !s.contains(\"b\"))", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.all(x, !s.matches(\"(a?){50}(a|b)*c\"))", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.all(x, s.matches(string(x) + \"|a\"))", Error::CostExceeded { most: limit::STEPS_MAX }),
        ("l.map(x, l).map(x, l + l).size() > 0", Error::CostExceeded { most: limit::STEPS_MAX }),
    ] {
        let program = compile(&parameters(), expression).unwrap_or_else(|found| panic!("{expression}: {found:?}"));
        assert_eq!(program.evaluate(&Context::default(), &long), Err(error), "{expression}");
    }
    let patterns = format!("{}p", "s.matches(\"a\") || ".repeat(limit::PATTERNS_MAX + 1));
    assert!(matches!(compile(&parameters(), &patterns).unwrap_err()[0].kind, ProblemKind::Pattern { .. }));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// Reporting what is wrong is work, too.
#[test]
fn many_problems_are_found_soon_and_not_all_reported() {
    let start = Instant::now();
    for wrong in ["nobody + ", "s.nothing() + ", "s - s + ", "s.startsWith(i) + "] {
        let expression = format!("[{}, 1]", vec![format!("{wrong}i"); 2_000].join(", "));
        let problems = compile(&parameters(), &expression).unwrap_err();
        assert_eq!(problems.len(), limit::PROBLEMS_MAX, "{wrong}");
    }
    let many: Vec<_> = (0..=limit::PARAMETERS_MAX).map(|number| (format!("p{number}"), crate::Type::Bool)).collect();
    assert!(matches!(compile(&many, "p1").unwrap_err()[0].kind, ProblemKind::TooManyParameters { .. }));
    assert!(compile(&many[1..], "p1").is_ok());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

/// Compiles what may be anything, and evaluates it if it is an expression.
fn try_out(text: &str, dice: &mut Dice) {
    match compile(&parameters(), text) {
        Ok(program) => {
            let _ = program.evaluate(&context(dice), &Context::default());
            let _ = program.evaluate(&Context::default(), &Context::default());
        }
        Err(problems) => {
            assert!(!problems.is_empty() && problems.len() <= limit::PROBLEMS_MAX, "{text}");
            for problem in problems {
                assert!(text.get(problem.span.clone()).is_some(), "{:?} of {text}", problem.span);
                assert!(!problem.to_string().is_empty());
            }
        }
    }
}

/// The expressions of all scripts.
fn corpus() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts");
    let scripts = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let lines = scripts.flat_map(|script| script.lines().map(str::to_owned).collect::<Vec<_>>());
    let caveats = lines.filter_map(|line| Some(line.strip_prefix("caveat (")?.split_once(')')?.1.trim().to_owned()));
    caveats.map(|text| text.strip_suffix(" -> ok").unwrap_or(&text).to_owned()).collect()
}

/// Pieces that mean something, so that changes lead somewhere.
const PIECES: [&str; 32] = [
    "(", ")", "[", "]", "{", "}", "\"", "'", "'''", "\\", "//", ".", ",", "?", ":", "&&", "||", "!", "-", "==", " in ",
    "i", "v", "s", "l", "x", "0", "1e9", "0x", ".all(x, ", ".size()", "é",
];

fn changed(text: &str, other: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(letters.len() + 1);
        let end = (at + dice.below(6)).min(letters.len());
        let piece: Vec<char> = match dice.below(4) {
            0 => Vec::new(),
            1 => other.chars().skip(dice.below(other.len() + 1)).take(dice.below(20)).collect(),
            _ => dice.one(&PIECES).chars().collect(),
        };
        letters.splice(at..end, piece);
    }
    letters.into_iter().collect()
}

#[test]
fn changed_expressions_do_no_harm() {
    let corpus = corpus();
    assert!(corpus.len() > 100, "{} expressions", corpus.len());
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let (one, other) = (&corpus[dice.below(corpus.len())], &corpus[dice.below(corpus.len())]);
        try_out(&changed(one, other, &mut dice), &mut dice);
    }
}

proptest! {
    #[test]
    fn any_text_does_no_harm(text: String, seed: u64) {
        try_out(&text, &mut Dice::new(seed));
    }

    #[test]
    fn any_pieces_do_no_harm(pieces in proptest::collection::vec(0..PIECES.len(), 0..40), seed: u64) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        try_out(&text, &mut Dice::new(seed));
    }
}
