//! `portcullis.v1.Cluster`.

use std::sync::Arc;

use portcullis_consensus::NodeRole;
use portcullis_machine::Outcome;
use portcullis_model::{NodeId, Revision, TenantId};
use portcullis_node::{Action, Lease, MemberStatus, Newcomer, Node};
use portcullis_pki::tls::Credentials;
use portcullis_wire::v1::cluster_server::Cluster;
use portcullis_wire::{self as wire, v1};
use tonic::{Request, Response, Status};

use crate::call::{Call, position};
use crate::{authorities, error, join_tokens, lease_config};

pub(crate) struct Service {
    pub(crate) node: Arc<Node>,
    /// What the node proves itself with, if it does.
    pub(crate) credentials: Option<Credentials>,
}

#[tonic::async_trait]
impl Cluster for Service {
    async fn init(&self, request: Request<v1::InitRequest>) -> Result<Response<v1::InitResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let papers = self.credentials.as_ref().map(Credentials::papers);
        let founded = papers.and_then(|papers| Some((papers.name.cluster, papers.founding?)));
        let cluster = call.node.initialise(founded, call.deadline).await.map_err(|error| error::administer(&error))?;
        Ok(Response::new(v1::InitResponse { cluster_id: cluster.to_string() }))
    }

    async fn status(&self, request: Request<v1::StatusRequest>) -> Result<Response<v1::StatusResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let (status, members) = call.node.status().await;
        Ok(Response::new(v1::StatusResponse {
            cluster_id: call.node.cluster().map(|cluster| cluster.to_string()).unwrap_or_default(),
            leader: status.leader.map_or(0, |leader| leader.0),
            term: status.term,
            nodes: members.iter().map(member).collect(),
            answered_by: call.node.id().0,
        }))
    }

    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let id = node_id(call.message.id)?;
        let region = wire::optional("region", &call.message.region).map_err(error::field)?;
        let addresses = addresses(&call.message.peer, &call.message.client)?;
        let key = wire::optional("idempotency_key", &call.message.idempotency_key).map_err(error::field)?;
        let admission = join_tokens::admission(&call.message, id)?;
        let proves = admission.is_some();
        let command_version = call.message.command_version;
        let newcomer = Newcomer { id, addresses, region, command_version, key, admission };
        let cluster = call.node.join(newcomer, call.deadline).await;
        let cluster = cluster.map_err(|error| error::administer(&error))?;
        let answer = v1::JoinResponse { cluster_id: cluster.to_string(), ..v1::JoinResponse::default() };
        match &self.credentials {
            Some(credentials) if proves => Ok(Response::new(join_tokens::admit(&call, credentials, answer).await?)),
            Some(_) | None => Ok(Response::new(answer)),
        }
    }

    async fn add_node(&self, request: Request<v1::AddNodeRequest>) -> Result<Response<v1::AddNodeResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let id = node_id(call.message.id)?;
        let region = wire::optional("region", &call.message.region).map_err(error::field)?;
        let addresses = addresses(&call.message.peer, &call.message.client)?;
        let added = call.node.add_node(id, addresses, region, call.deadline).await;
        added.map_err(|error| error::administer(&error))?;
        Ok(Response::new(v1::AddNodeResponse {}))
    }

    async fn promote_node(
        &self,
        request: Request<v1::PromoteNodeRequest>,
    ) -> Result<Response<v1::PromoteNodeResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let promoted = call.node.promote(node_id(call.message.id)?, call.deadline).await;
        promoted.map_err(|error| error::administer(&error))?;
        Ok(Response::new(v1::PromoteNodeResponse {}))
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let removed = call.node.remove(node_id(call.message.id)?, call.deadline).await;
        removed.map_err(|error| error::administer(&error))?;
        Ok(Response::new(v1::RemoveNodeResponse {}))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Result<Response<v1::TransferLeaderResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let to = Some(NodeId(call.message.to)).filter(|to| to.0 != 0);
        let leader = call.node.transfer_leader(to, call.deadline).await;
        let leader = leader.map_err(|error| error::administer(&error))?;
        Ok(Response::new(v1::TransferLeaderResponse { leader: leader.0 }))
    }

    async fn state_hash(
        &self,
        request: Request<v1::StateHashRequest>,
    ) -> Result<Response<v1::StateHashResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let revision = match call.message.revision {
            0 => call.node.visible(),
            asked => Revision(asked),
        };
        let hash = call.node.state_hash(revision).ok_or_else(|| {
            let message = format!("the state hash at revision {revision} is not kept at this node, or not reached");
            error::not_found("STATE_HASH_NOT_KEPT", message)
        })?;
        let hash = wire::page_token(Some(&hash.to_bytes()));
        Ok(Response::new(v1::StateHashResponse { revision: revision.0, hash }))
    }

    async fn get_lease_config(
        &self,
        request: Request<v1::GetLeaseConfigRequest>,
    ) -> Result<Response<v1::GetLeaseConfigResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let source = call.source_of_now(call.message.consistency.as_ref()).await?;
        let read = call.node.lease_configuration(&source).map_err(|error| error::view(&error))?;
        let position = Some(wire::position(call.node.group_id(), read.revision));
        Ok(Response::new(v1::GetLeaseConfigResponse { config: Some(lease_config::wire(&read.found)), position }))
    }

    async fn set_lease_config(
        &self,
        request: Request<v1::SetLeaseConfigRequest>,
    ) -> Result<Response<v1::SetLeaseConfigResponse>, Status> {
        let call = Call::new(&self.node, request)?;
        let change = lease_config::change(&call.message).map_err(error::field)?;
        let options = call.message.options.clone();
        let written = call.write(TenantId::system(), options.as_ref(), Action::ConfigureLeases(change)).await?;
        let position = Some(position(&self.node, &written));
        let Outcome::Leases(leases) = written.outcome else { return Err(error::unexpected(&written.outcome)) };
        Ok(Response::new(v1::SetLeaseConfigResponse { config: Some(lease_config::wire(&leases)), position }))
    }

    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        join_tokens::create(Call::new(&self.node, request)?).await.map(Response::new)
    }

    async fn list_join_tokens(
        &self,
        request: Request<v1::ListJoinTokensRequest>,
    ) -> Result<Response<v1::ListJoinTokensResponse>, Status> {
        join_tokens::list(Call::new(&self.node, request)?).await.map(Response::new)
    }

    async fn revoke_join_token(
        &self,
        request: Request<v1::RevokeJoinTokenRequest>,
    ) -> Result<Response<v1::RevokeJoinTokenResponse>, Status> {
        join_tokens::revoke(Call::new(&self.node, request)?).await.map(Response::new)
    }

    async fn rotate_authority(
        &self,
        request: Request<v1::RotateAuthorityRequest>,
    ) -> Result<Response<v1::RotateAuthorityResponse>, Status> {
        authorities::rotate(Call::new(&self.node, request)?, self.credentials.as_ref()).await.map(Response::new)
    }

    async fn list_authorities(
        &self,
        request: Request<v1::ListAuthoritiesRequest>,
    ) -> Result<Response<v1::ListAuthoritiesResponse>, Status> {
        authorities::list(Call::new(&self.node, request)?).await.map(Response::new)
    }

    async fn drop_authority(
        &self,
        request: Request<v1::DropAuthorityRequest>,
    ) -> Result<Response<v1::DropAuthorityResponse>, Status> {
        authorities::drop(Call::new(&self.node, request)?).await.map(Response::new)
    }
}

fn node_id(id: u64) -> Result<NodeId, Status> {
    if id == 0 { Err(error::invalid("id", "`0` is not a node id: give one above 0")) } else { Ok(NodeId(id)) }
}

/// The addresses of a node's peer and client listeners.
fn addresses(peer: &str, client: &str) -> Result<(String, String), Status> {
    for (name, address) in [("peer", peer), ("client", client)] {
        if !is_address(address) {
            return Err(error::invalid(name, &format!("`{address}` is not an address: give `host:port`")));
        }
    }
    Ok((peer.to_owned(), client.to_owned()))
}

fn is_address(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0))
}

fn member(member: &MemberStatus) -> v1::Node {
    let role = match member.node.role {
        NodeRole::Leader => v1::NodeRole::Leader,
        NodeRole::Follower => v1::NodeRole::Follower,
        NodeRole::Learner => v1::NodeRole::Learner,
    };
    v1::Node {
        id: member.node.id.0,
        region: member.node.peer.region.as_ref().map(ToString::to_string).unwrap_or_default(),
        role: role.into(),
        client: member.node.peer.client.clone(),
        peer: member.node.peer.peer.clone(),
        last_log: member.last_log.unwrap_or(0),
        applied: member.applied.unwrap_or(0),
        visible: member.visible.unwrap_or(0),
        version: member.version.clone().unwrap_or_default(),
        reachable: member.version.is_some(),
        disk_free_bytes: member.disk_free_bytes.unwrap_or(0),
        alarms: member.alarms.iter().map(ToString::to_string).collect(),
        lease: member.lease.as_ref().map(lease),
    }
}

fn lease(lease: &Lease) -> v1::Lease {
    v1::Lease {
        held: lease.epoch.is_some(),
        seconds_left: lease.left.as_secs_f64(),
        reason: lease.refusal.clone().unwrap_or_default(),
        epoch: lease.epoch.unwrap_or(0),
        pending: lease.pending,
    }
}
