//! Connections that are encrypted, to nodes that prove that they belong to the cluster. TLS 1.3 only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use portcullis_model::Fingerprint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long a connection may take to be made, its handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Whom a client takes for a node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Who shows a certificate for the host that is connected to, signed by one of these authorities: certificates in PEM.
    Authorities(String),
    /// Who shows a certificate that an authority with this fingerprint has signed, whatever host it is for.
    Fingerprint(Fingerprint),
}

/// Why no connections can be made so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// There is no certificate in the text.
    #[error("the authorities: there is no certificate in PEM, which begins with `-----BEGIN CERTIFICATE-----`")]
    NoCertificate,
    /// One of them is of no use.
    #[error("the authorities: {0}")]
    Unusable(String),
}

impl Trust {
    pub(crate) fn connector(&self) -> Result<TlsConnector, TlsError> {
        let unusable = |error: Error| TlsError::Unusable(error.to_string());
        let builder =
            ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13]);
        let builder = builder.map_err(unusable)?;
        let mut config = match self {
            Self::Authorities(pem) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|error| TlsError::Unusable(error.to_string()))?;
                    roots.add(certificate).map_err(unusable)?;
                }
                if roots.is_empty() {
                    return Err(TlsError::NoCertificate);
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Self::Fingerprint(fingerprint) => {
                let pinned = Arc::new(Pinned(*fingerprint));
                builder.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// A channel whose connections are made by a connector.
pub(crate) fn channel(endpoint: &Endpoint, connector: TlsConnector) -> Channel {
    endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
        let connector = connector.clone();
        async move {
            let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(&connector, &uri)).await;
            connected.map_err(io::Error::from)?.map(TokioIo::new)
        }
    }))
}

async fn connect(connector: &TlsConnector, uri: &Uri) -> io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or_default())).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    connector.connect(name, stream).await
}

/// An authority that is known by its fingerprint, and comes along with the certificate that it has signed.
#[derive(Debug)]
struct Pinned(Fingerprint);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let is_pinned = |shown: &&CertificateDer<'_>| Sha256::digest(shown)[..] == self.0.0;
        let authority = intermediates.iter().find(is_pinned);
        let authority = authority.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
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

/// The one implementation of cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_by_name() {
        let refused = |pem: &str| Trust::Authorities(pem.to_owned()).connector().err().map(|error| error.to_string());
        assert!(refused("").unwrap().contains("there is no certificate"));
        assert!(refused("hunter2").unwrap().contains("there is no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(refused(broken).unwrap().starts_with("the authorities: "));
        assert!(Trust::Fingerprint(Fingerprint([0; 32])).connector().is_ok());
    }
}
