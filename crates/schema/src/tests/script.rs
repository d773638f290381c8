//! Scripts: schemas and questions as text, with the answers written in.
//!
//! Playing one writes its answers anew, so a test compares the result with the script itself, and a script grows by adding
//! questions and copying what was answered.
//!
//! ```text
//! # A comment.
//! schema
//! | definition user {}
//! -> ok
//! print
//! -> definition user {}
//! ```
//!
//! A schema is everything behind `| ` on the lines after it; once it is found sound, questions are about it: `print`, `lint`,
//! `diff` (from the sound schema before it), and `dependencies`, `dependents` and `takes-away` of a `type#name`.

use std::fmt::Write;

use crate::{Reference, Schema, compile, diff, lint, print};

/// What begins a line of a schema.
const LINE: &str = "| ";
/// What begins an answer, and what each line of it that follows.
const ARROW: &str = "-> ";
const INDENT: &str = "   ";

/// Plays a script, and returns it with the answers that were given.
pub(super) fn play(script: &str) -> String {
    let mut stage = Stage::default();
    let mut played = String::new();
    let mut rest: Vec<&str> = script.lines().rev().collect();
    while let Some(line) = rest.pop() {
        played.push_str(line);
        played.push('\n');
        let mut text = String::new();
        while let Some(line) = rest.pop_if(|line| line.starts_with(LINE.trim_end())) {
            played.push_str(line);
            played.push('\n');
            text.push_str(line.strip_prefix(LINE).unwrap_or_default());
            text.push('\n');
        }
        skip_answer(&mut rest);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let answer = stage.answer(line, &text);
        for (index, line) in answer.lines().enumerate() {
            let start = if index == 0 { ARROW } else { INDENT };
            played.push_str(format!("{start}{line}").trim_end());
            played.push('\n');
        }
    }
    played
}

/// Answers are written anew. Empty lines before an indented one belong to it.
fn skip_answer(rest: &mut Vec<&str>) {
    loop {
        let next = rest.iter().rposition(|line| !line.is_empty());
        match next.map(|at| (at, rest[at])) {
            Some((at, line)) if line.starts_with(INDENT) => rest.truncate(at),
            Some((at, line)) if line.starts_with(ARROW) && at + 1 == rest.len() => rest.truncate(at),
            _ => return,
        }
    }
}

#[derive(Default)]
struct Stage {
    before: Option<Schema>,
    schema: Option<Schema>,
    text: String,
}

impl Stage {
    fn answer(&mut self, question: &str, text: &str) -> String {
        let words: Vec<&str> = question.split(' ').collect();
        if words == ["schema"] {
            return match compile(text) {
                Ok(schema) => {
                    self.before = self.schema.replace(schema);
                    text.clone_into(&mut self.text);
                    "ok".to_owned()
                }
                Err(problems) => problems.to_string(),
            };
        }
        let Some(schema) = &self.schema else { return "no schema".to_owned() };
        match words.as_slice() {
            ["print"] => print(schema),
            ["lint"] => {
                let place = |place: crate::Place| place.line_and_column(&self.text);
                listed(lint(schema).iter().map(|warning| {
                    let (line, column) = place(warning.place);
                    format!("{line}:{column} {warning}")
                }))
            }
            ["diff"] => {
                let before = self.before.as_ref().expect("two schemas before they are compared");
                listed(diff(before, schema).iter().map(ToString::to_string))
            }
            [question @ ("dependencies" | "dependents" | "takes-away"), member] => {
                let (object_type, name) = member.split_once('#').expect("`type#name`");
                let object_type = object_type.parse().expect("a type");
                match *question {
                    "dependencies" => named(schema.dependencies(&object_type, name)),
                    "dependents" => named(schema.dependents(&object_type, name)),
                    _ => schema.takes_away(&object_type, name).to_string(),
                }
            }
            _ => panic!("`{question}` is nothing that a script can ask"),
        }
    }
}

fn named(references: Option<Vec<Reference>>) -> String {
    let Some(references) = references else { return "unknown".to_owned() };
    listed(references.iter().map(|reference| {
        let kind = if reference.is_permission { "permission" } else { "relation" };
        format!("{kind} {}#{}", reference.object_type, reference.name)
    }))
}

fn listed(lines: impl Iterator<Item = String>) -> String {
    let mut listed = String::new();
    for line in lines {
        let _ = writeln!(listed, "{line}");
    }
    if listed.is_empty() { "nothing".to_owned() } else { listed }
}
