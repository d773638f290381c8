//! `authzed.api.v1`, the interface of SpiceDB, for those who have clients of it.
//!
//! Every call is answered by the same node functions as the calls of `portcullis.v1`, for the tenant that the metadata
//! `portcullis-tenant` names, or the default tenant. `docs/spicedb.md` says where the answers differ from SpiceDB's.

mod bulk;
mod check;
mod error;
mod expand;
mod lookup;
mod permissions;
mod read;
mod reflect;
mod schema;
mod trace;
mod watching;
mod write;

use std::sync::Arc;

use portcullis_model::{Revision, TenantId, limit};
use portcullis_node::{Node, Served};
use portcullis_wire::authzed::server::experimental_service_server::ExperimentalServiceServer;
use portcullis_wire::authzed::server::permissions_service_server::PermissionsServiceServer;
use portcullis_wire::authzed::server::schema_service_server::SchemaServiceServer;
use portcullis_wire::authzed::server::watch_service_server::WatchServiceServer;
use portcullis_wire::authzed::{self as wire, v1};
use portcullis_wire::tenant;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Code, Request, Status};

use crate::call::Call;

/// The metadata in which a call names its tenant.
const TENANT: &str = "portcullis-tenant";
/// How the value of the metadata `authorization` begins.
const BEARER: &str = "Bearer ";

/// The services, for one node.
#[derive(Clone)]
struct Front {
    node: Arc<Node>,
    /// What callers have to know, if anything.
    key: Option<Arc<str>>,
    /// Whether the listener takes no more calls.
    stopped: watch::Receiver<bool>,
}

/// Adds the services to others.
pub(crate) fn add_to(routes: Routes, node: &Arc<Node>, key: Option<&str>, stopped: &watch::Receiver<bool>) -> Routes {
    let front = || Front { node: Arc::clone(node), key: key.map(Arc::from), stopped: stopped.clone() };
    let most = limit::MESSAGE_BYTES_MAX;
    routes
        .add_service(PermissionsServiceServer::new(front()).max_decoding_message_size(most))
        .add_service(SchemaServiceServer::new(front()).max_decoding_message_size(most))
        .add_service(WatchServiceServer::new(front()).max_decoding_message_size(most))
        .add_service(ExperimentalServiceServer::new(front()).max_decoding_message_size(most))
}

impl Front {
    /// Takes a request apart, if its caller knows the key.
    fn call<T>(&self, request: Request<T>) -> Result<(Call<T>, TenantId), Status> {
        let tenant = self.admit(&request)?;
        Ok((Call::new(&self.node, request)?, tenant))
    }

    /// The same where the answer is a stream.
    fn streamed<T>(&self, request: Request<T>) -> Result<(Call<T>, TenantId), Status> {
        let tenant = self.admit(&request)?;
        Ok((Call::streamed(&self.node, request)?, tenant))
    }

    fn admit<T>(&self, request: &Request<T>) -> Result<TenantId, Status> {
        let metadata = request.metadata();
        if let Some(key) = &self.key {
            let given = metadata.get("authorization").and_then(|value| value.to_str().ok());
            let given = given.and_then(|given| given.strip_prefix(BEARER));
            let given = given.ok_or_else(|| Status::new(Code::Unauthenticated, "no key: give the bearer token"))?;
            if !is_same(given.as_bytes(), key.as_bytes()) {
                return Err(Status::new(Code::PermissionDenied, "the bearer token is not the key of this server"));
            }
        }
        let named = metadata.get(TENANT).map(|value| value.to_str().unwrap_or("?")).unwrap_or_default();
        tenant(named).map_err(crate::error::field)
    }
}

/// Compares in a time that does not depend on where two keys differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// The token of what an answer was given from.
#[expect(clippy::unnecessary_wraps, reason = "messages have it as an option")]
fn token(node: &Node, served: &Served) -> Option<v1::ZedToken> {
    Some(wire::zed_token(node.group_id(), served.token))
}

/// The token of what is read of one revision.
#[expect(clippy::unnecessary_wraps, reason = "messages have it as an option")]
fn token_at(node: &Node, revision: Revision) -> Option<v1::ZedToken> {
    Some(wire::zed_token(node.group_id(), revision))
}

/// How fresh an answer has to be.
fn freshness(given: Option<&v1::Consistency>) -> Result<portcullis_node::Freshness, Status> {
    Ok(crate::call::node_freshness(wire::freshness(given).map_err(crate::error::field)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_only_if_they_are() {
        for (one, other, expected) in [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false)] {
            assert_eq!(is_same(one.as_bytes(), other.as_bytes()), expected);
        }
    }
}
