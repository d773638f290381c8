//! What holds of every text.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::worlds::{laid_out, separators, tokens};
use crate::{Problems, Reference, Schema, compile, diff, lint, print};

fn sound(text: &str) -> Schema {
    compile(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// What is wrong can be shown, and is where it is said to be.
fn shown(text: &str, problems: &Problems) {
    assert!(problems.iter().len() > 0);
    for problem in problems.iter() {
        let before = &text[..problem.span.start];
        assert!(text.get(problem.span.clone()).is_some(), "{problem}");
        assert_eq!(problem.line, 1 + before.matches('\n').count());
        assert_eq!(problem.column, 1 + before.rsplit('\n').next().unwrap().chars().count());
    }
    assert!(problems.to_string().lines().all(|line| line == line.trim_end()));
}

proptest! {
    #[test]
    fn what_is_printed_compiles_to_the_same(tokens in tokens(), between in separators()) {
        let schema = sound(&laid_out(&tokens, &between));
        let printed = print(&schema);
        let again = sound(&printed);
        prop_assert_eq!(&schema, &again);
        prop_assert_eq!(print(&again), printed);
        prop_assert_eq!(diff(&schema, &again), vec![]);
        // Layout is nothing but layout, and comments are nothing but comments.
        let plain = sound(&laid_out(&tokens, &[" "]));
        prop_assert!(diff(&schema, &plain).iter().all(|change| !change.takes_access && !change.orphans));
        prop_assert_eq!(lint(&schema).len(), lint(&plain).len());
    }

    #[test]
    fn no_comment_is_lost(tokens in tokens(), between in separators()) {
        let comments = |text: &str| ["// why", "/* a", "/** d */"].map(|comment| text.matches(comment).count());
        let text = laid_out(&tokens, &between);
        prop_assert_eq!(comments(&print(&sound(&text))), comments(&text));
    }

    #[test]
    fn dependents_are_those_that_depend(tokens in tokens()) {
        let schema = sound(&laid_out(&tokens, &[" "]));
        let members: Vec<Reference> = schema
            .definitions()
            .flat_map(|definition| definition.members().map(|member| Reference {
                object_type: definition.name().clone(),
                name: member.name().parse().unwrap(),
                is_permission: member.is_permission(),
            }))
            .collect();
        for on in &members {
            let dependents = schema.dependents(&on.object_type, on.name.as_str()).unwrap();
            for of in &members {
                let dependencies = schema.dependencies(&of.object_type, of.name.as_str()).unwrap();
                prop_assert_eq!(dependents.contains(of), dependencies.contains(on), "{:?} on {:?}", of, on);
            }
        }
    }

    #[test]
    fn a_text_that_was_damaged_is_refused_or_sound(
        tokens in tokens(),
        between in separators(),
        damages in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), select(INSERTED.to_vec())), 1..6),
    ) {
        let mut letters: Vec<char> = laid_out(&tokens, &between).chars().collect();
        for (from, length, inserted) in damages {
            let from = from.index(letters.len() + 1);
            let end = from + length.index(4).min(letters.len() - from);
            letters.splice(from..end, inserted.chars());
        }
        either_way(&letters.into_iter().collect::<String>());
    }

    #[test]
    fn any_row_of_words_is_refused_or_sound(words in vec(select(INSERTED.to_vec()), 0..60)) {
        either_way(&words.concat());
        either_way(&words.join(" "));
    }

    #[test]
    fn any_text_is_refused_or_sound(text in any::<String>()) {
        either_way(&text);
    }
}

const INSERTED: [&str; 44] = [
    "",
    " ",
    "\n",
    "\r",
    "{",
    "}",
    "(",
    ")",
    "|",
    "+",
    "-",
    "&",
    "/",
    "=",
    ":",
    ";",
    ",",
    "#",
    "*",
    ".",
    "...",
    "->",
    "<",
    ">",
    "@",
    "\"",
    "'",
    "\\",
    "/*",
    "*/",
    "//",
    "é",
    "\0",
    "definition a {",
    "relation b: a",
    "permission c = b",
    "caveat d(",
    "e int) {",
    "use self",
    "use partial",
    "partial f {",
    "nil",
    "with",
    "a",
];

fn either_way(text: &str) {
    match compile(text) {
        Ok(schema) => assert_eq!(sound(&print(&schema)), schema, "{text}"),
        Err(problems) => shown(text, &problems),
    }
}
