//! Who signs the certificates of nodes.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use portcullis_model::{Authority, ClusterId, Fingerprint};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use sha2::{Digest, Sha256};

use crate::cluster_key::random;
use crate::{ClusterKey, NodeName, OpenError};

/// How long an authority's certificate is good.
const AUTHORITY_VALID: Duration = Duration::from_hours(10 * 365 * 24);
/// How long a node's certificate is good. It is renewed when half of that is left.
pub const NODE_VALID: Duration = Duration::from_hours(30 * 24);
/// How far back the beginning of a certificate lies, since clocks differ.
const BACKDATED: Duration = Duration::from_hours(1);

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The authority's private key does not open.
    #[error("the private key of the authority: {0}")]
    Sealed(#[from] OpenError),
    /// What was asked for, or with, is not sound.
    #[error("the certificate cannot be made: {0}")]
    Unsound(#[from] rcgen::Error),
}

/// The fingerprint of a certificate in DER.
pub fn fingerprint(certificate: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

/// SHA-256 of the public key that a request, PKCS#10 in DER, asks a certificate for.
pub fn applicant(request: &[u8]) -> Result<[u8; 32], SignError> {
    let request = CertificateSigningRequestParams::from_der(&request.into())?;
    Ok(Sha256::digest(rcgen::PublicKeyData::der_bytes(&request.public_key)).into())
}

/// Makes an authority for a cluster. Nodes that know only the one before believe it, too.
pub fn found(
    cluster: ClusterId,
    key: &ClusterKey,
    before: Option<&Authority>,
    now: SystemTime,
) -> Result<Authority, SignError> {
    let keys = KeyPair::generate()?;
    let nth: [u8; 4] = random();
    let mut params = CertificateParams::default();
    let name = format!("Portcullis authority {:08x} of {cluster}", u32::from_be_bytes(nth));
    params.distinguished_name.push(DnType::CommonName, name);
    // It may sign for the one after it, which signs for nodes.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, now, AUTHORITY_VALID);
    let certificate = params.self_signed(&keys)?.der().to_vec();
    let cross_certificate = match before {
        Some(before) => params.signed_by(&keys, &issuer(before, key, cluster)?)?.der().to_vec(),
        None => Vec::new(),
    };
    let sealed_key = key.seal(cluster, keys.serialized_der());
    Ok(Authority { fingerprint: fingerprint(&certificate), certificate, cross_certificate, sealed_key })
}

/// Signs a certificate for a node, which asks for it by a PKCS#10 request in DER. Of the request only the public key counts.
/// `hosts` are the names and addresses that clients reach the node by. Returns the certificate in DER.
pub fn issue(
    authority: &Authority,
    key: &ClusterKey,
    name: NodeName,
    hosts: &[String],
    request: &[u8],
    now: SystemTime,
) -> Result<Vec<u8>, SignError> {
    let issuer = issuer(authority, key, name.cluster)?;
    let mut request = CertificateSigningRequestParams::from_der(&request.into())?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("node {}", name.node));
    params.subject_alt_names = vec![SanType::URI(name.to_string().try_into()?)];
    for host in hosts {
        params.subject_alt_names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.as_str().try_into()?),
        });
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, NODE_VALID);
    request.params = params;
    Ok(request.signed_by(&issuer)?.der().to_vec())
}

fn issuer(authority: &Authority, key: &ClusterKey, cluster: ClusterId) -> Result<Issuer<'static, KeyPair>, SignError> {
    let private = key.open(cluster, &authority.sealed_key)?;
    let keys = KeyPair::try_from(private.as_slice())?;
    Ok(Issuer::from_ca_cert_der(&authority.certificate.as_slice().into(), keys)?)
}

fn valid(params: &mut CertificateParams, now: SystemTime, lasting: Duration) {
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + lasting).into();
}
