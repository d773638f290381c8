//! Connections between nodes: both ends show a certificate of their cluster, and are who they say.

use std::fmt;
use std::sync::Arc;

use portcullis_model::NodeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig,
    SignatureScheme,
};

use super::{Credentials, CredentialsError, H2, provider};
use crate::NodeName;

/// Whether a node that was let in is one of the cluster still.
pub type Members = Arc<dyn Fn(NodeId) -> bool + Send + Sync>;

/// Why the other end of a connection is not talked to, though its certificate is signed by an authority of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefused {
    /// It is nobody's.
    #[error(transparent)]
    Name(#[from] crate::NodeNameError),
    /// Another cluster's.
    #[error("the certificate is of `{0}`, which is a node of another cluster")]
    OtherCluster(String),
    /// It was removed.
    #[error("node {0} is not a member: it was removed")]
    NotMember(NodeId),
    /// Another node than was to be reached.
    #[error("node {found} answers where node {expected} was to be")]
    OtherNode {
        /// Who answers.
        found: NodeId,
        /// Who was to.
        expected: NodeId,
    },
}

impl From<PeerRefused> for Error {
    fn from(refused: PeerRefused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
    }
}

pub(super) fn accept(credentials: &Credentials, members: Members) -> Result<ServerConfig, CredentialsError> {
    let verifier = Arc::new(Callers { credentials: credentials.clone(), members });
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
    let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = vec![H2.to_vec()];
    // A session that is resumed is not asked for its certificate again, and the node may have been removed meanwhile.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

pub(super) fn connect(credentials: &Credentials, expected: NodeId) -> Result<ClientConfig, CredentialsError> {
    let verifier = Arc::new(Called { credentials: credentials.clone(), expected });
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = builder.with_client_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = vec![H2.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl Credentials {
    /// The node of this cluster that a certificate names.
    fn node_of(&self, certificate: &CertificateDer<'_>) -> Result<NodeId, PeerRefused> {
        let name = NodeName::of_certificate(certificate)?;
        if name.cluster != self.held().papers.name.cluster {
            return Err(PeerRefused::OtherCluster(name.to_string()));
        }
        Ok(name.node)
    }
}

impl ResolvesClientCert for Credentials {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.held().certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Looks at who calls.
struct Callers {
    credentials: Credentials,
    members: Members,
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let roots = Arc::clone(&self.credentials.held().roots);
        let chain = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
        let chain = chain.map_err(|error| Error::General(error.to_string()))?;
        let verified = chain.verify_client_cert(end_entity, intermediates, now)?;
        let node = self.credentials.node_of(end_entity)?;
        if (self.members)(node) { Ok(verified) } else { Err(PeerRefused::NotMember(node).into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").finish_non_exhaustive()
    }
}

/// Looks at who answers.
#[derive(Debug)]
struct Called {
    credentials: Credentials,
    expected: NodeId,
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let (held, provider) = (self.credentials.held(), provider());
        let algorithms = provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &held.roots, intermediates, now, algorithms)?;
        let found = self.credentials.node_of(end_entity)?;
        if found == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(PeerRefused::OtherNode { found, expected: self.expected }.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
