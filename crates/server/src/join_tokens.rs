//! Letting nodes in by tokens.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use portcullis_machine::command::{AdmitByToken, CreateJoinToken};
use portcullis_model::{JoinTokenId, NodeId, TenantId, Trust};
use portcullis_node::Action;
use portcullis_pki::tls::Credentials;
use portcullis_pki::{JoinSecret, NodeName, authority};
use portcullis_wire::{self as wire, v1};
use tonic::Status;

use crate::call::{Call, position};
use crate::{authorities, error};

/// For how long a token is good whose caller says nothing.
const LASTING: Duration = Duration::from_hours(1);

/// What lets in the node that asks: nothing where it gives no token.
pub(crate) fn admission(request: &v1::JoinRequest, node: NodeId) -> Result<Option<AdmitByToken>, Status> {
    if request.token.is_empty() {
        return Ok(None);
    }
    let secret: JoinSecret = request.token.parse().map_err(|problem| error::invalid("token", &format!("{problem}")))?;
    let applicant = authority::applicant(&request.certificate_request);
    let applicant = applicant.map_err(|problem| error::invalid("certificate_request", &problem.to_string()))?;
    Ok(Some(AdmitByToken { node, token: secret.id(), proof: secret.proof(), applicant }))
}

/// Gives a node that was let in what it needs to prove who it is.
pub(crate) async fn admit(
    call: &Call<v1::JoinRequest>,
    credentials: &Credentials,
    answer: v1::JoinResponse,
) -> Result<v1::JoinResponse, Status> {
    let trust = trust(call).await?;
    let signer = trust.authorities.last().ok_or_else(|| Status::internal("the cluster has no authority"))?;
    let papers = credentials.papers();
    let name = NodeName { cluster: papers.name.cluster, node: NodeId(call.message.id) };
    let hosts = hosts([call.message.peer.as_str(), &call.message.client]);
    let request = &call.message.certificate_request;
    let certificate = authority::issue(signer, &papers.cluster_key, name, &hosts, request, SystemTime::now());
    Ok(v1::JoinResponse {
        certificate: certificate.map_err(|problem| error::invalid("certificate_request", &problem.to_string()))?,
        authorities: trust.authorities.iter().map(authorities::wire).collect(),
        cluster_key: papers.cluster_key.reveal().to_vec(),
        ..answer
    })
}

/// The hosts of addresses, each once.
pub(crate) fn hosts<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let host = |address: &str| {
        let (host, _) = address.rsplit_once(':')?;
        Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
    };
    let hosts: BTreeSet<String> = addresses.into_iter().filter_map(host).collect();
    hosts.into_iter().collect()
}

pub(crate) async fn create(call: Call<v1::CreateJoinTokenRequest>) -> Result<v1::CreateJoinTokenResponse, Status> {
    let lasting = match &call.message.lasting {
        None => LASTING,
        Some(lasting) => Duration::try_from(*lasting)
            .map_err(|_| error::invalid("lasting", "it is negative, or too long: give a time such as `1h`"))?,
    };
    let trust = trust(&call).await?;
    let signer = trust.authorities.last().ok_or_else(|| error::proves_nothing("nodes are let in without tokens"))?;
    let secret = JoinSecret::generate(signer.fingerprint);
    let lasting_ms = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX);
    let expires = call.node.wall().reading.plus_ms(lasting_ms);
    let command = CreateJoinToken { id: secret.id(), proof: secret.proof(), expires };
    let (node, options) = (call.node.clone(), call.message.options.clone());
    let written = call.write(TenantId::system(), options.as_ref(), Action::CreateJoinToken(command)).await?;
    let expires = Some(wire::wire_timestamp(expires));
    Ok(v1::CreateJoinTokenResponse {
        token: secret.reveal(),
        join_token: Some(v1::JoinToken { id: secret.id().to_string(), expires, used_by: 0 }),
        position: Some(position(&node, &written)),
    })
}

pub(crate) async fn list(call: Call<v1::ListJoinTokensRequest>) -> Result<v1::ListJoinTokensResponse, Status> {
    let trust = trust(&call).await?;
    let join_tokens = trust.join_tokens.iter().map(|(id, token)| v1::JoinToken {
        id: id.to_string(),
        expires: Some(wire::wire_timestamp(token.expires)),
        used_by: token.used_by.map_or(0, |node| node.0),
    });
    Ok(v1::ListJoinTokensResponse { join_tokens: join_tokens.collect() })
}

pub(crate) async fn revoke(call: Call<v1::RevokeJoinTokenRequest>) -> Result<v1::RevokeJoinTokenResponse, Status> {
    let id: JoinTokenId = wire::field("id", &call.message.id).map_err(error::field)?;
    let (node, options) = (call.node.clone(), call.message.options.clone());
    let written = call.write(TenantId::system(), options.as_ref(), Action::RevokeJoinToken(id)).await?;
    Ok(v1::RevokeJoinTokenResponse { position: Some(position(&node, &written)) })
}

/// What the cluster trusts, as fresh as can be.
pub(crate) async fn trust<T>(call: &Call<T>) -> Result<Trust, Status> {
    call.node.trust(call.deadline).await.map_err(|error| call.hinted(error::view(&error)))
}
