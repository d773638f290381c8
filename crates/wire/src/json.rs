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

/// A message as JSON, fields with their default value included, so that scripts find every name.
pub fn to_json<M: Document>(message: &M) -> Value {
    let name = M::full_name();
    let descriptor = POOL.get_message_by_name(&name).expect("INVARIANT: every message is in the descriptors");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.merge(message.encode_to_vec().as_slice()).expect("INVARIANT: a message decodes as itself");
    let options = SerializeOptions::new().skip_default_fields(false).stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .expect("INVARIANT: a message can be written as JSON")
}

#[cfg(test)]
mod tests {
    use crate::v1::{Position, Role};

    #[test]
    fn names_are_those_of_the_mapping() {
        let role = Role { id: "viewer".to_owned(), modified_revision: 7, ..Role::default() };
        let json = super::to_json(&role);
        assert_eq!(json["id"], "viewer");
        assert_eq!(json["modifiedRevision"], 7);
        assert_eq!(json["permissions"], serde_json::json!([]));
        assert_eq!(super::to_json(&Position::default())["token"], "");
    }
}
