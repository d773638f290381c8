//! What is known for caveats, as JSON.

use portcullis_model::{Context, ContextError, Value, limit};
use portcullis_wire::authzed;

pub(crate) fn run(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    match text.parse::<Context>() {
        Ok(context) => sound(&context),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What holds for every context, wherever it comes from.
pub(crate) fn sound(context: &Context) {
    let printed = context.to_string();
    assert!(printed.len() <= limit::CONTEXT_BYTES_MAX, "{} bytes", printed.len());
    assert_eq!(printed.parse().as_ref(), Ok(context), "{printed}");
    assert_eq!(portcullis_wire::context("context", &printed).as_ref(), Ok(context));
    assert_eq!(Context::new(context.fields().clone()).as_ref(), Ok(context));
    let told = authzed::context("context", Some(&authzed::struct_of(context)));
    if context.fields().values().all(is_told_exactly) {
        assert_eq!(told.as_ref(), Ok(context), "{printed}");
    } else if let Err(error) = told {
        // What a number becomes may be longer.
        let long = ContextError::TooLong { length: 0, most: limit::CONTEXT_BYTES_MAX }.to_string();
        let (_, ending) = long.split_once(" bytes").expect("the error tells bytes");
        assert!(error.problem.ends_with(ending), "{error}: {printed}");
    }
}

/// Whether floating-point numbers can tell it apart from all others.
fn is_told_exactly(value: &Value) -> bool {
    /// The first whole number that a floating-point number cannot tell from its neighbour.
    const WHOLE_END: u64 = 1 << f64::MANTISSA_DIGITS;
    match value {
        Value::Int(whole) => whole.unsigned_abs() < WHOLE_END,
        Value::Uint(_) => false,
        Value::Null | Value::Bool(_) | Value::Double(_) | Value::Text(_) => true,
        Value::List(items) => items.iter().all(is_told_exactly),
        Value::Map(fields) => fields.values().all(is_told_exactly),
    }
}
