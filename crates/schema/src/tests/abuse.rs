//! Texts that nobody writes: large, deep or wide. Each is refused by name or compiled, soon and with a small stack.

use std::fmt::Write;
use std::thread;

use crate::{Problems, Schema, compile, diff, limit, lint, print};

/// Smaller than what any thread has, in bytes.
const STACK_BYTES: usize = 512 * 1_024;

/// Compiles a text, and prints and compares what comes of it, with a small stack.
fn compiled(text: String) -> Result<Schema, Problems> {
    let work = move || {
        let schema = compile(&text)?;
        let again = compile(&print(&schema));
        // A printed text may be too long where the text was not.
        if let Ok(again) = &again {
            assert_eq!(&schema, again);
        }
        assert!(diff(&schema, &schema).is_empty());
        drop(lint(&schema));
        Ok(schema)
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap()
}

/// What is wrong with a text, without the places.
fn refused(text: String) -> Vec<String> {
    let problems = compiled(text).expect_err("a text that is refused");
    assert!(problems.to_string().len() < 1_000 * limit::PROBLEMS_MAX);
    problems.iter().map(|problem| problem.kind.to_string()).collect()
}

fn permission(expression: &str) -> String {
    format!("definition t {{ relation a: t\n permission p = {expression} }}")
}

#[test]
fn a_text_that_is_too_long_is_not_read() {
    let text = "definition user {}\n".repeat(600_000);
    assert_eq!(refused(text), ["the schema is 11400000 bytes long: the most is 4194304"]);
}

#[test]
fn deep_expressions_are_refused_by_name() {
    let deep = "this expression is nested more than 200 levels deep: move parts of it into permissions of their own";
    let parens = |depth: usize| permission(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
    assert!(compiled(parens(200)).is_ok());
    assert_eq!(refused(parens(201)), [deep]);
    assert_eq!(refused(parens(10_000)), [deep]);
    let nested = |depth: usize| permission(&format!("{}a{}", "a - (a & (".repeat(depth), "))".repeat(depth)));
    assert!(compiled(nested(99)).is_ok());
    assert_eq!(refused(nested(5_000)), [deep]);
    let row = |length: usize| permission(&format!("a{}", " - a".repeat(length)));
    assert!(compiled(row(199)).is_ok());
    assert_eq!(refused(row(100_000)), [deep]);
}

#[test]
fn long_rows_are_compiled() {
    for sign in [" + a", " & a", " + (a & a)", " + a->a"] {
        assert!(compiled(permission(&format!("a{}", sign.repeat(100_000)))).is_ok(), "{sign}");
    }
}

#[test]
fn long_chains_are_walked_without_a_stack() {
    let mut chain = "definition t { relation a: t\n permission p0 = a\n".to_owned();
    let mut usersets = "definition u {} definition t { relation r0: u:*\n".to_owned();
    let mut partials = "use partial\npartial p0 { relation a: t }\n".to_owned();
    for index in 1..20_000 {
        let before = index - 1;
        let _ = writeln!(chain, "permission p{index} = p{before}");
        let _ = writeln!(usersets, "relation r{index}: t#r{before}");
        let _ = writeln!(partials, "partial p{index} {{ ...p{before} }}");
    }
    assert!(compiled(format!("{chain}}}")).is_ok());
    assert_eq!(refused(format!("{chain} permission p{} = p1 relation p1: t }}", 0)).len(), 2);
    let round = chain.replace("permission p0 = a", "permission p0 = p19999");
    let [circle] = refused(format!("{round}}}")).try_into().unwrap();
    assert!(circle.contains("… (19990 more)"), "{circle}");
    assert!(compiled(format!("{usersets}}}")).is_ok());
    let far = refused(format!("{usersets}}} definition v {{ relation x: t#r19999 }}"));
    assert!(far[0].starts_with("`t#r19999` allows `u:*` through `t#r0`"), "{far:?}");
    assert!(compiled(format!("{partials} definition t {{ ...p19999 }}")).is_ok());
}

#[test]
fn what_multiplies_is_limited() {
    // One relation with many types, followed by many permissions.
    let count = 20_000;
    let types: Vec<String> = (0..count).map(|index| format!("definition t{index} {{}}")).collect();
    let allowed: Vec<String> = (0..count).map(|index| format!("t{index}")).collect();
    let mut wide = format!("{} definition d {{ relation r: {}\n", types.join("\n"), allowed.join(" | "));
    for index in 0..count {
        let _ = writeln!(wide, "permission p{index} = r->x{index}");
    }
    let problems = refused(format!("{wide}}}"));
    assert!(problems[0].contains("more than 2000000 references"), "{problems:?}");
    // One partial with many members, spread often.
    let mut spread = "use partial\npartial many {\n".to_owned();
    for index in 0..count {
        let _ = writeln!(spread, "relation r{index}: t");
    }
    spread.push_str("}\ndefinition t {}\n");
    for index in 0..count {
        let _ = writeln!(spread, "definition d{index} {{ ...many }}");
    }
    let problems = refused(spread);
    assert!(problems[0].contains("more than 1000000 names"), "{problems:?}");
    // Partials that spread each other twice.
    let mut doubling = "use partial\npartial p0 { relation a: t }\n".to_owned();
    for index in 1..1_000 {
        let _ = writeln!(doubling, "partial p{index} {{ ...p{0} ...p{0} }}", index - 1);
    }
    assert_eq!(refused(doubling).len(), limit::PROBLEMS_MAX);
    // Declared types of many permissions that all reach far.
    let mut declared = "use typechecking\ndefinition t { relation a: t\n permission p0: t = a\n".to_owned();
    for index in 1..count {
        let _ = writeln!(declared, "permission p{index}: t = p{}", index - 1);
    }
    let problems = refused(format!("{declared}}}"));
    assert!(problems[0].contains("takes more than"), "{problems:?}");
}

#[test]
fn many_problems_are_cut_off() {
    let most = limit::TEXT_BYTES_MAX;
    for part in [
        "(",
        "{",
        "}",
        "@",
        "?",
        "\"",
        "'",
        "/*",
        "a ",
        "use x\n",
        "import ",
        "definition ",
        "definition d {",
        "caveat c(",
        "caveat c(a int) {",
        "caveat c(a int) {}",
        "relation ",
        "permission p = ",
        "...",
        "partial p {",
        "\u{10ffff}",
        "definition d { relation r: ",
        "definition d { permission p = (",
        "definition d { permission p = a->",
        "caveat c(a list<list<",
        "definition d { relation r: x } ",
    ] {
        let text = part.repeat(most / part.len());
        let problems = refused(text);
        assert!(problems.len() <= limit::PROBLEMS_MAX, "{part}");
    }
}

#[test]
fn large_schemas_are_compiled() {
    let mut text = String::new();
    let mut index = 0;
    while text.len() < limit::TEXT_BYTES_MAX - 200 {
        let _ = writeln!(
            text,
            "/** number {index} */ definition d{index} {{ relation a: d{index} | d{0}#b permission b = a + a->b }}",
            index / 2
        );
        index += 1;
    }
    let schema = compile(&text).unwrap();
    assert_eq!(schema.definitions().count(), index);
    assert_eq!(lint(&schema).len(), index);
    assert!(diff(&schema, &compile(&text).unwrap()).is_empty());
}
