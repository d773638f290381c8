//! Scripts: caveats and contexts as text, with the answers written in.
//!
//! Playing a script writes its answers anew, so a test compares the result with the script itself, and a script grows by
//! adding questions and copying what was answered.
//!
//! ```text
//! # A comment. What follows a caveat is asked of it.
//! caveat (ip ipaddress, allowed list<string>) allowed.exists(range, ip.in_cidr(range)) -> ok
//! evaluate {"allowed": ["10.0.0.0/8"]} with {"ip": "10.1.2.3"} -> holds
//! evaluate {"ip": "10.1.2.3"} -> missing allowed
//! write {"up": "10.1.2.3"} -> error: there is no parameter `up`: leave it out, or did you mean `ip`?
//! referenced -> ip, allowed
//! cost -> 82 steps, at most 1000000
//! caveat (n int) n + "x"
//!   0..7 `+` does not take int and string: …
//! ```
//!
//! Before `with` stands what the relationship says; without it everything comes from the request.

use std::fmt::Write;

use portcullis_model::Context;

use crate::{Error, Problem, Program, Type, Verdict, compile};

/// What separates a question from its answer.
const ARROW: &str = " ->";

/// Plays a script, and returns it with the answers that were given.
pub(crate) fn play(script: &str) -> String {
    let mut played = String::new();
    let mut program = None;
    // Indented lines are problems, which are written anew.
    for line in script.lines().filter(|line| !line.starts_with("  ")) {
        let said = line.rsplit_once(ARROW).map_or(line, |(said, _)| said);
        played.push_str(said);
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        match word {
            "" | "#" => {}
            "caveat" => {
                let (answer, compiled) = compiled(rest);
                played.push_str(&answer);
                program = compiled;
            }
            _ => {
                let answer = program.as_ref().map(|program| answer(program, word, rest));
                write!(played, "{ARROW} {}", answer.as_deref().unwrap_or("there is no caveat")).unwrap();
            }
        }
        played.push('\n');
    }
    played
}

fn compiled(rest: &str) -> (String, Option<Program>) {
    let (parameters, expression) = parameters(rest);
    match compile(&parameters, expression) {
        Ok(program) => (format!("{ARROW} ok"), Some(program)),
        Err(problems) => (problems.iter().map(|problem| shown(problem, expression)).collect(), None),
    }
}

fn shown(problem: &Problem, expression: &str) -> String {
    let about = expression.get(problem.span.clone()).expect("a span is within the expression, between characters");
    let about: String = about.chars().take(20).collect();
    format!("\n  {}..{} [{about}] {problem}", problem.span.start, problem.span.end)
}

fn answer(program: &Program, word: &str, rest: &str) -> String {
    let context = |text: &str| text.parse::<Context>().unwrap_or_else(|error| panic!("`{text}`: {error}"));
    match word {
        "evaluate" => {
            let (relationship, request) = rest.split_once(" with ").unwrap_or(("{}", rest));
            verdict(&program.evaluate(&context(relationship), &context(request)))
        }
        "write" => match program.check_context(&context(rest)) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("error: {error}"),
        },
        "referenced" => program.referenced().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
        "cost" => {
            let cost = program.cost_bound();
            format!("{} steps, at most {}", cost.assumed_steps, cost.most_steps)
        }
        _ => panic!("`{word}` is nothing that a script can say"),
    }
}

/// As scripts show it.
pub(crate) fn verdict(verdict: &Result<Verdict, Error>) -> String {
    match verdict {
        Ok(Verdict::Holds) => "holds".to_owned(),
        Ok(Verdict::Fails) => "fails".to_owned(),
        Ok(Verdict::Missing(names)) => {
            format!("missing {}", names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
        }
        Err(error) => format!("error: {error}"),
    }
}

/// Reads `(name type, …) EXPRESSION`.
fn parameters(text: &str) -> (Vec<(String, Type)>, &str) {
    let (list, expression) = text.strip_prefix('(').and_then(|text| text.split_once(')')).expect("parameters");
    let declared = list.split(", ").filter(|parameter| !parameter.is_empty());
    let read = declared.map(|parameter| {
        let (name, kind) = parameter.split_once(' ').expect("a name and a type");
        (name.to_owned(), parameter_type(kind))
    });
    (read.collect(), expression.trim_start())
}

/// Reads a type.
pub(crate) fn parameter_type(text: &str) -> Type {
    let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>').map(parameter_type);
    match text {
        "any" => Type::Any,
        "bool" => Type::Bool,
        "string" => Type::String,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "ipaddress" => Type::IpAddress,
        _ => inner("list")
            .map(|element| Type::List(Box::new(element)))
            .or_else(|| inner("map").map(|value| Type::Map(Box::new(value))))
            .unwrap_or_else(|| panic!("`{text}` is no type")),
    }
}
