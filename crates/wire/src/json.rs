//! Messages as JSON, by the protobuf mapping.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::DESCRIPTORS;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("INVARIANT: the build wrote these descriptors"));

/// Whatever has a name in the descriptors, and so can be written as JSON.
pub trait Document: Message + Name {}

impl<M: Message + Name> Document for M {}

/// Something that JSON has no form for, such as a time behind year 9999.
#[derive(Debug, thiserror::Error)]
#[error("a message of the server, `{message}`, has no form in JSON")]
pub struct NoJson {
    /// The name of the message.
    message: String,
    /// What it holds.
    #[source]
    source: serde_json::Error,
}

/// A message as JSON, fields with their default value included, so that scripts find every name.
pub fn to_json<M: Document>(message: &M) -> Result<Value, NoJson> {
    let name = M::full_name();
    let descriptor = POOL.get_message_by_name(&name).expect("INVARIANT: every message is in the descriptors");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.merge(message.encode_to_vec().as_slice()).expect("INVARIANT: a message decodes as itself");
    let options = SerializeOptions::new().skip_default_fields(false).stringify_64_bit_integers(false);
    let json = dynamic.serialize_with_options(serde_json::value::Serializer, &options);
    json.map_err(|source| NoJson { message: name, source })
}

#[cfg(test)]
mod tests {
    use prost_types::{Duration, Timestamp};

    use crate::v1::{Grant, Position, Role};

    #[test]
    fn names_are_those_of_the_mapping() {
        let role = Role { id: "viewer".to_owned(), modified_revision: 7, ..Role::default() };
        let json = super::to_json(&role).unwrap();
        assert_eq!(json["id"], "viewer");
        assert_eq!(json["modifiedRevision"], 7);
        assert_eq!(json["permissions"], serde_json::json!([]));
        assert_eq!(super::to_json(&Position::default()).unwrap()["token"], "");
    }

    #[test]
    fn what_has_no_form_in_json_is_an_error() {
        let at = |seconds, nanos| Grant { end: Some(Timestamp { seconds, nanos }), ..Grant::default() };
        assert_eq!(super::to_json(&at(253_402_300_799, 999_000_000)).unwrap()["end"], "9999-12-31T23:59:59.999Z");
        assert_eq!(super::to_json(&at(-62_135_596_800, 0)).unwrap()["end"], "0001-01-01T00:00:00Z");
        for (seconds, nanos) in [(253_402_300_800, 0), (-62_135_596_801, 0), (i64::MAX, 0), (i64::MIN, 0)] {
            let error = super::to_json(&at(seconds, nanos)).unwrap_err();
            assert_eq!(error.to_string(), "a message of the server, `portcullis.v1.Grant`, has no form in JSON");
            assert!(std::error::Error::source(&error).is_some());
        }
        let duration = Duration { seconds: i64::MAX, nanos: 0 };
        assert!(super::to_json(&Position { visible_after: Some(duration), ..Position::default() }).is_err());
    }
}
