//! `authzed.api.v1`, the interface of SpiceDB: its messages from the crate that publishes them, its services, and the only
//! conversions between its messages and the model.

mod from_model;
mod to_model;

pub use from_model::*;
pub use prost_types::Struct;
pub use spicedb_grpc_tonic::v1;
pub use to_model::*;

/// The services, for whoever serves them.
#[expect(clippy::pedantic, reason = "generated; the comments are in the published interface")]
pub mod server {
    include!(concat!(env!("OUT_DIR"), "/authzed.api.v1.PermissionsService.rs"));
    include!(concat!(env!("OUT_DIR"), "/authzed.api.v1.SchemaService.rs"));
    include!(concat!(env!("OUT_DIR"), "/authzed.api.v1.WatchService.rs"));
    include!(concat!(env!("OUT_DIR"), "/authzed.api.v1.ExperimentalService.rs"));
}

/// How a subject is written that is no userset, where a relation is expected.
const ELLIPSIS: &str = "...";
