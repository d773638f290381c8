//! From text to schema.

use crate::check::check;
use crate::excerpt::Found;
use crate::limit;
use crate::parse::parse;
use crate::place::Place;
use crate::problem::{ProblemKind, Problems};
use crate::schema::Schema;

/// Parses and checks a text. On failure nothing of it may be used; correct it and compile again.
pub fn compile(text: &str) -> Result<Schema, Problems> {
    let mut found = Found::new();
    let mut schema = None;
    if text.len() > limit::TEXT_BYTES_MAX {
        let kind = ProblemKind::TextTooLong { length: text.len(), most: limit::TEXT_BYTES_MAX };
        found.add(Place::default(), kind);
    } else {
        let file = parse(text, &mut found);
        schema = check(file, &mut found);
    }
    found.into_result(text)?;
    // INVARIANT: whatever makes no schema has a problem.
    Ok(schema.expect("what is not a schema has a problem"))
}
