//! Connections that prove who is at their ends. TLS 1.3 only.
//!
//! What a node proves itself with can be replaced while connections are open: each new connection uses what is there then.

mod peers;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};

use crate::Papers;

pub use peers::{Members, PeerRefused};

/// The protocol of gRPC.
const H2: &[u8] = b"h2";
/// The protocol of plain HTTP.
const HTTP1: &[u8] = b"http/1.1";

/// What a node proves itself with now.
#[derive(Clone)]
pub struct Credentials(Arc<ArcSwap<Held>>);

/// Papers in the form that connections take.
struct Held {
    papers: Papers,
    certified: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
}

/// Why papers are of no use for connections.
#[derive(Debug, thiserror::Error)]
#[error("the certificates that this node holds cannot be used: {0}")]
pub struct CredentialsError(#[from] rustls::Error);

impl Credentials {
    /// Credentials from papers.
    pub fn new(papers: Papers) -> Result<Self, CredentialsError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(Held::new(papers)?))))
    }

    /// Has connections that are made from now on use other papers.
    pub fn replace(&self, papers: Papers) -> Result<(), CredentialsError> {
        self.0.store(Arc::new(Held::new(papers)?));
        Ok(())
    }

    /// The papers.
    pub fn papers(&self) -> Papers {
        self.0.load().papers.clone()
    }

    /// How connections from other nodes are accepted: from those of the cluster that `members` knows.
    pub fn accept_peers(&self, members: Members) -> Result<Arc<ServerConfig>, CredentialsError> {
        peers::accept(self, members).map(Arc::new)
    }

    /// How another node is connected to: who answers has to be that node.
    pub fn connect_peer(&self, node: portcullis_model::NodeId) -> Result<Arc<ClientConfig>, CredentialsError> {
        peers::connect(self, node).map(Arc::new)
    }

    /// How gRPC connections from clients are accepted. They need no certificate.
    pub fn accept_clients(&self) -> Result<Arc<ServerConfig>, CredentialsError> {
        self.accept(&[H2])
    }

    /// The same for plain HTTP.
    pub fn accept_http(&self) -> Result<Arc<ServerConfig>, CredentialsError> {
        self.accept(&[HTTP1])
    }

    fn accept(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, CredentialsError> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn held(&self) -> Arc<Held> {
        self.0.load_full()
    }
}

impl Held {
    fn new(papers: Papers) -> Result<Self, CredentialsError> {
        let provider = provider();
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(papers.reveal_private().to_vec()));
        // The authority comes along twice: as the one before has signed it for those who know that one only, and by itself
        // for those who know it by its fingerprint.
        let chain = [&papers.certificate, &papers.cross_certificate].into_iter().chain(papers.authorities.iter().rev());
        let chain = chain.filter(|der| !der.is_empty()).cloned().map(CertificateDer::from).collect();
        let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(private)?);
        certified.keys_match()?;
        let mut roots = RootCertStore::empty();
        for authority in &papers.authorities {
            roots.add(CertificateDer::from(authority.clone()))?;
        }
        Ok(Self { papers, certified: Arc::new(certified), roots: Arc::new(roots) })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.0.load().papers.name)
    }
}

impl ResolvesServerCert for Credentials {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

/// Why a handshake came to nothing, in words.
pub fn explain(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(why)) => why.0.to_string(),
        error => error.to_string(),
    }
}

/// The one implementation of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests;
