//! What a node holds to prove who it is: one file beside its data, which nobody else may read.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use portcullis_model::{Authority, ClusterId, NodeId};
use rcgen::{CertificateParams, KeyPair};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::authority::{self, NODE_VALID, SignError};
use crate::{ClusterKey, NodeName};

/// The folder within the node's data folder.
const FOLDER: &str = "tls";
/// What the node holds.
const FILE: &str = "papers.json";
/// The private key of a node that is yet to be let in.
const APPLICANT_FILE: &str = "applicant.der";
/// The certificates of the authorities, for whoever connects to the node.
const AUTHORITIES_FILE: &str = "ca.crt";
/// How much of a certificate's time is left when it is renewed.
const RENEW_WITHIN: Duration = Duration::from_secs(NODE_VALID.as_secs() / 2);

/// What a node holds to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Papers {
    /// Who it is.
    pub name: NodeName,
    /// Its private key, PKCS#8 in DER. Never shown.
    private: Private,
    /// Its certificate, in DER.
    pub certificate: Vec<u8>,
    /// Whose signatures count, in DER; the last one signs.
    pub authorities: Vec<Vec<u8>>,
    /// The last one's certificate as the one before has signed it; empty where there was none.
    pub cross_certificate: Vec<u8>,
    /// What opens the secrets of the cluster.
    pub cluster_key: ClusterKey,
    /// The authority that the node has made for a cluster that is yet to be initialised.
    pub founding: Option<Authority>,
}

#[derive(Clone, PartialEq, Eq)]
struct Private(Vec<u8>);

impl std::fmt::Debug for Private {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Why papers were not read, written or made.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// The file cannot be read or written.
    #[error("`{}` cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something else.
    #[error("`{}` is damaged: restore it, or wipe the node's data folder and let it join under a new id", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Papers as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    cluster: String,
    node: u64,
    private_key: String,
    certificate: String,
    authorities: Vec<String>,
    cross_certificate: String,
    cluster_key: String,
    founding: Option<(String, String)>,
}

/// The private key of a node that has no certificate yet.
pub struct Applicant {
    private: Private,
    /// What it asks for a certificate by: PKCS#10, in DER.
    pub request: Vec<u8>,
}

impl Applicant {
    /// Makes a private key.
    pub fn new() -> Result<Self, PapersError> {
        Self::with(&KeyPair::generate().map_err(SignError::from)?)
    }

    /// The private key that a data folder keeps for a node that has no certificate yet, made if there is none: a node that died
    /// while it was let in is the same when it asks again.
    pub fn of(data_dir: &Path) -> Result<Self, PapersError> {
        let folder = data_dir.join(FOLDER);
        let path = folder.join(APPLICANT_FILE);
        match std::fs::read(&path) {
            Ok(private) => {
                let keys = KeyPair::try_from(private.as_slice()).map_err(|_| PapersError::Damaged { path })?;
                Self::with(&keys)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let applicant = Self::new()?;
                let written = write_whole(&folder, &path, &applicant.private.0);
                written.map_err(|source| PapersError::File { path, source })?;
                Ok(applicant)
            }
            Err(source) => Err(PapersError::File { path, source }),
        }
    }

    fn with(keys: &KeyPair) -> Result<Self, PapersError> {
        Ok(Self { private: Private(keys.serialize_der()), request: request(keys)? })
    }

    /// What it holds once it was let in.
    pub fn admitted(
        self,
        name: NodeName,
        certificate: Vec<u8>,
        authorities: &[Authority],
        cluster_key: ClusterKey,
    ) -> Papers {
        let cross_certificate = authorities.last().map(|signer| signer.cross_certificate.clone()).unwrap_or_default();
        let authorities = authorities.iter().map(|authority| authority.certificate.clone()).collect();
        Papers { name, private: self.private, certificate, authorities, cross_certificate, cluster_key, founding: None }
    }
}

impl Papers {
    /// Papers of the first node of a cluster that is yet to be initialised, with an authority of its own.
    pub fn found(cluster: ClusterId, node: NodeId, hosts: &[String], now: SystemTime) -> Result<Self, PapersError> {
        let cluster_key = ClusterKey::generate();
        let founding = authority::found(cluster, &cluster_key, None, now)?;
        let (applicant, name) = (Applicant::new()?, NodeName { cluster, node });
        let certificate = authority::issue(&founding, &cluster_key, name, hosts, &applicant.request, now)?;
        let papers = applicant.admitted(name, certificate, std::slice::from_ref(&founding), cluster_key);
        Ok(Self { founding: Some(founding), ..papers })
    }

    /// The same with certificates of today: the authorities that the cluster trusts now, and a new certificate for the node
    /// where its own is about to end, is signed by another than the last of them, or lacks a host. `None` if all is well.
    pub fn renewed(
        &self,
        authorities: &[Authority],
        hosts: &[String],
        now: SystemTime,
    ) -> Result<Option<Self>, PapersError> {
        let trusted: Vec<Vec<u8>> = authorities.iter().map(|authority| authority.certificate.clone()).collect();
        let Some(signer) = authorities.last() else { return Ok(None) };
        let is_signer_known = self.authorities.last() == Some(&signer.certificate);
        let is_long = self.ends().is_some_and(|end| end > now + RENEW_WITHIN);
        if self.authorities == trusted && self.founding.is_none() && is_long && self.has_hosts(hosts) {
            return Ok(None);
        }
        let cross_certificate = signer.cross_certificate.clone();
        let mut renewed = Self { authorities: trusted, cross_certificate, founding: None, ..self.clone() };
        if !is_signer_known || !is_long || !self.has_hosts(hosts) {
            let keys = KeyPair::try_from(self.private.0.as_slice()).map_err(SignError::from)?;
            renewed.certificate = authority::issue(signer, &self.cluster_key, self.name, hosts, &request(&keys)?, now)?;
        }
        Ok(Some(renewed))
    }

    /// The node's private key, PKCS#8 in DER, for whoever proves that it is held.
    pub fn reveal_private(&self) -> &[u8] {
        &self.private.0
    }

    /// When the node's certificate ends; `None` if it cannot be read.
    pub fn ends(&self) -> Option<SystemTime> {
        let (_, certificate) = X509Certificate::from_der(&self.certificate).ok()?;
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    fn has_hosts(&self, hosts: &[String]) -> bool {
        use x509_parser::prelude::GeneralName;
        let Ok((_, certificate)) = X509Certificate::from_der(&self.certificate) else { return false };
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
        let address = |bytes: &[u8]| match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
            _ => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::IpAddr::from(bytes).to_string()),
        };
        hosts.iter().all(|host| {
            names.value.general_names.iter().any(|name| match name {
                GeneralName::DNSName(dns) => dns == host,
                GeneralName::IPAddress(bytes) => address(bytes).as_ref() == Some(host),
                _ => false,
            })
        })
    }

    /// Whether a data folder holds papers.
    pub fn are_in(data_dir: &Path) -> bool {
        data_dir.join(FOLDER).join(FILE).exists()
    }

    /// Reads the papers in a data folder; `None` if there are none.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, PapersError> {
        let path = data_dir.join(FOLDER).join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(PapersError::File { path, source }),
        };
        let parse = || {
            let written: Written = serde_json::from_str(&text).ok()?;
            let bytes = |text: &String| BASE64_STANDARD.decode(text).ok();
            let founding = match &written.founding {
                Some((certificate, sealed_key)) => {
                    let certificate = bytes(certificate)?;
                    let fingerprint = authority::fingerprint(&certificate);
                    let (cross_certificate, sealed_key) = (Vec::new(), bytes(sealed_key)?);
                    Some(Authority { fingerprint, certificate, cross_certificate, sealed_key })
                }
                None => None,
            };
            Some(Self {
                name: NodeName { cluster: written.cluster.parse().ok()?, node: NodeId(written.node) },
                private: Private(bytes(&written.private_key)?),
                certificate: bytes(&written.certificate)?,
                authorities: written.authorities.iter().map(bytes).collect::<Option<_>>()?,
                cross_certificate: bytes(&written.cross_certificate)?,
                cluster_key: ClusterKey::from_bytes(&bytes(&written.cluster_key)?)?,
                founding,
            })
        };
        parse().map(Some).ok_or(PapersError::Damaged { path })
    }

    /// Writes the papers into a data folder, all of them or nothing, readable by the owner alone; beside them the certificates
    /// of the authorities, for whoever connects to the node.
    pub fn write(&self, data_dir: &Path) -> Result<(), PapersError> {
        let folder = data_dir.join(FOLDER);
        let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        let founding = self.founding.as_ref();
        let written = Written {
            cluster: self.name.cluster.to_string(),
            node: self.name.node.0,
            private_key: text(&self.private.0),
            certificate: text(&self.certificate),
            authorities: self.authorities.iter().map(|der| text(der)).collect(),
            cross_certificate: text(&self.cross_certificate),
            cluster_key: text(self.cluster_key.reveal()),
            founding: founding.map(|founding| (text(&founding.certificate), text(&founding.sealed_key))),
        };
        let json = serde_json::to_string(&written).expect("INVARIANT: texts and numbers have a form in JSON");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            write_whole(&folder, &path, text.as_bytes()).map_err(|source| PapersError::File { path, source })
        };
        // The papers come last: whoever dies in between finds the old ones, and writes both again.
        write(AUTHORITIES_FILE, &self.authorities_pem())?;
        write(FILE, &json)
    }

    /// The certificates of the authorities, in PEM.
    pub fn authorities_pem(&self) -> String {
        self.authorities.iter().map(|der| pem(der)).collect()
    }
}

/// A certificate in PEM.
pub fn pem(certificate: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).expect("INVARIANT: base64 is ASCII"));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn request(keys: &KeyPair) -> Result<Vec<u8>, SignError> {
    Ok(CertificateParams::default().serialize_request(keys)?.der().to_vec())
}

/// Temporary files are the owner's alone from the beginning, and so is what they become.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    std::fs::File::open(folder)?.sync_all()
}
