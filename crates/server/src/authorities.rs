//! Who signs the certificates of nodes.

use std::time::SystemTime;

use portcullis_model::{Authority, Fingerprint, TenantId};
use portcullis_node::Action;
use portcullis_pki::authority;
use portcullis_pki::tls::Credentials;
use portcullis_wire::{self as wire, v1};
use tonic::Status;

use crate::call::{Call, position};
use crate::error;
use crate::join_tokens::trust;

pub(crate) async fn rotate(
    call: Call<v1::RotateAuthorityRequest>,
    credentials: Option<&Credentials>,
) -> Result<v1::RotateAuthorityResponse, Status> {
    let trust = trust(&call).await?;
    let (Some(credentials), Some(before)) = (credentials, trust.authorities.last()) else {
        return Err(error::proves_nothing("nobody signs for them"));
    };
    let papers = credentials.papers();
    let made = authority::found(papers.name.cluster, &papers.cluster_key, Some(before), SystemTime::now());
    let made = made.map_err(|problem| Status::internal(problem.to_string()))?;
    let (node, options) = (call.node.clone(), call.message.options.clone());
    let action = Action::InstallAuthority(Box::new(made.clone()));
    let written = call.write(TenantId::system(), options.as_ref(), action).await?;
    let position = Some(position(&node, &written));
    Ok(v1::RotateAuthorityResponse { authority: Some(self::wire(&made)), position })
}

pub(crate) async fn list(call: Call<v1::ListAuthoritiesRequest>) -> Result<v1::ListAuthoritiesResponse, Status> {
    let trust = trust(&call).await?;
    Ok(v1::ListAuthoritiesResponse { authorities: trust.authorities.iter().map(self::wire).collect() })
}

pub(crate) async fn drop(call: Call<v1::DropAuthorityRequest>) -> Result<v1::DropAuthorityResponse, Status> {
    let fingerprint: Fingerprint = wire::field("fingerprint", &call.message.fingerprint).map_err(error::field)?;
    let (node, options) = (call.node.clone(), call.message.options.clone());
    let written = call.write(TenantId::system(), options.as_ref(), Action::DropAuthority(fingerprint)).await?;
    Ok(v1::DropAuthorityResponse { position: Some(position(&node, &written)) })
}

/// An authority without its private key.
pub(crate) fn wire(authority: &Authority) -> v1::Authority {
    v1::Authority {
        fingerprint: authority.fingerprint.to_string(),
        certificate: authority.certificate.clone(),
        cross_certificate: authority.cross_certificate.clone(),
    }
}
