//! The text of schemas.

use portcullis_schema::{Problems, Schema, compile, diff, limit, lint, print};

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match compile(text) {
        Ok(schema) => sound(&schema),
        Err(problems) => refused(text, &problems),
    }
}

fn sound(schema: &Schema) {
    assert!(diff(schema, schema).is_empty(), "a schema differs from itself");
    for warning in lint(schema) {
        assert!(schema.definition(&warning.object_type).is_some(), "a warning of a definition that there is none of");
    }
    let printed = print(schema);
    // Partials are printed where they are spread, so this may be much longer than what was written.
    if printed.len() > limit::TEXT_BYTES_MAX {
        return;
    }
    let again = compile(&printed).unwrap_or_else(|problems| panic!("printed and refused:\n{printed}\n{problems}"));
    assert_eq!(&again, schema, "printed: {printed}");
    assert_eq!(print(&again), printed, "the canonical text is not canonical");
    assert!(diff(schema, &again).is_empty(), "a schema differs from itself when printed");
}

fn refused(text: &str, problems: &Problems) {
    assert!(problems.iter().len() > 0, "refused without a problem");
    assert!(problems.iter().len() <= limit::PROBLEMS_MAX, "{} problems", problems.iter().len());
    assert!(!problems.to_string().is_empty());
    let lines = text.matches('\n').count() + 1;
    for problem in problems.iter() {
        assert!(text.get(problem.span.clone()).is_some(), "{problem} is about {:?}", problem.span);
        assert!((1..=lines).contains(&problem.line), "{problem} of {lines} lines");
        assert!(problem.column > 0, "{problem}");
        assert!(!problem.kind.to_string().is_empty());
    }
}
