//! Messages in their binary form.

use std::fmt::Debug;

use portcullis_wire::FieldError;
use prost::Message;

/// Reads a message. What it says stays the same when it is written again; bytes are compared, because numbers that are none
/// are not equal to themselves.
pub(crate) fn decoded<M: Message + Default>(input: &[u8]) -> Option<M> {
    let message = M::decode(input).ok()?;
    let bytes = message.encode_to_vec();
    let again = M::decode(bytes.as_slice()).expect("a message that was written can be read");
    assert_eq!(again.encode_to_vec(), bytes);
    Some(message)
}

/// What a message means, unless it is refused; then the error names a field of it.
pub(crate) fn meant<T: Debug>(field: &str, result: Result<T, FieldError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(error.field.starts_with(field), "{error} is about `{field}`");
            assert!(!error.problem.is_empty(), "{error} says nothing");
            None
        }
    }
}

/// Runs the property that the first byte stands for.
pub(crate) fn chosen(properties: &[fn(&[u8])], input: &[u8]) {
    if let Some((first, rest)) = input.split_first() {
        properties[usize::from(*first) % properties.len()](rest);
    }
}
