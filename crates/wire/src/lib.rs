//! The generated messages and services, and the only conversions between them and the model.
//!
//! Whatever arrives is parsed here, once; what leaves this crate inwards is valid by construction. Errors name the
//! field, the value and the remedy.

pub mod authzed;
mod error;
mod from_model;
pub mod json;
mod to_model;

pub use error::{Domain, FieldError};
pub use from_model::*;
pub use prost_types::{Duration, Timestamp};
pub use to_model::*;

/// The metadata with which an error of the code `UNAVAILABLE` says where the leader is, `host:port`, if the node knows: it is
/// the one that is most likely to do better.
pub const LEADER_HEADER: &str = "portcullis-leader";

/// The public interface.
#[expect(missing_docs, clippy::pedantic, reason = "generated; the comments are in the proto files")]
pub mod v1 {
    tonic::include_proto!("portcullis.v1");
}

/// What nodes say to each other.
#[expect(clippy::pedantic, reason = "generated")]
pub mod peer {
    tonic::include_proto!("portcullis.peer.v1");
}

/// The descriptors of all messages and services, for reflection and for JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests {
    use prost::Message;

    use crate::peer::{CallRequest, CallResponse};

    /// Nodes of different builds read these.
    #[test]
    fn what_carries_messages_between_nodes_is_frozen() {
        let request = CallRequest { cluster: vec![1, 2], group: 1, from: 300, to: 2, body: vec![9] };
        let bytes = [0x0a, 2, 1, 2, 0x10, 1, 0x18, 0xac, 2, 0x20, 2, 0x2a, 1, 9];
        assert_eq!(request.encode_to_vec(), bytes);
        assert_eq!(CallRequest::decode(&bytes[..]).unwrap(), request);
        let response = CallResponse { body: vec![9] };
        assert_eq!(response.encode_to_vec(), [0x0a, 1, 9]);
    }
}
