//! What a certificate says about its holder.
//!
//! The TLS library has verified the chain, the time and the purpose before; here only the leaf's names are read. A
//! certificate whose names are ambiguous is refused, since two programs might read them in two ways: a second URI or common
//! name, a name twice, control characters, anything behind the end.

mod pattern;
mod rules;

use portcullis_model::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

pub use rules::{Rules, RulesError, Unmapped};

use crate::Shown;
use crate::spiffe::{SpiffeError, SpiffeId};

/// Largest certificate that is looked at, in bytes.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1_024;

/// The names in a leaf certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The only URI among its names, if that is a SPIFFE id.
    pub spiffe: Option<SpiffeId>,
    /// The common name of its subject.
    pub common_name: Option<String>,
    /// Its names in the DNS, in lower case and in the certificate's order.
    pub dns: Vec<String>,
    /// When it becomes valid.
    pub not_before: Timestamp,
    /// When it ceases to be valid.
    pub not_after: Timestamp,
}

/// Why a certificate is not taken. It has to be issued anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("the certificate is no X.509 certificate in DER: present one of version 3")]
    Malformed,
    /// Bytes follow on it, or there are too many of them.
    #[error("the certificate is {length} bytes long and ends elsewhere, or is longer than 65536: present it alone")]
    Length {
        /// The bytes that were given.
        length: usize,
    },
    /// It has a list of names that cannot be read, or two lists.
    #[error("the subject alternative names of the certificate are malformed: issue it with one list of valid names")]
    AlternativeNames,
    /// It has two URIs, so that it is not clear which of them is meant.
    #[error("the certificate has {count} URIs among its names, `{first}` and others: issue it with one")]
    Uris {
        /// How many.
        count: usize,
        /// The first of them.
        first: Shown,
    },
    /// Its URI claims to be a SPIFFE id and is none.
    #[error("the certificate has a malformed SPIFFE id: issue it with a valid one")]
    Spiffe(#[source] SpiffeError),
    /// It may sign others, which a workload's must not.
    #[error("the certificate of `{id}` may sign others, which that of a workload must not: present a leaf")]
    Authority {
        /// Its SPIFFE id.
        id: SpiffeId,
    },
    /// Its subject has two common names.
    #[error("the subject of the certificate has {count} common names: issue it with one")]
    CommonNames {
        /// How many.
        count: usize,
    },
    /// A name is empty or has characters that no name has.
    #[error(
        "the certificate has the name `{name}`, which is empty or has unprintable characters: issue it with another"
    )]
    Name {
        /// The name.
        name: Shown,
    },
}

impl Names {
    /// Reads the names of a certificate in DER.
    pub fn of(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::Length { length: der.len() });
        }
        let (behind, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
        if !behind.is_empty() {
            return Err(CertificateError::Length { length: der.len() });
        }
        let (uris, dns) = alternative_names(&certificate)?;
        let spiffe = match uris.as_slice() {
            [uri] if SpiffeId::is_claimed(uri) => Some(uri.parse::<SpiffeId>().map_err(CertificateError::Spiffe)?),
            [] | [_] => None,
            [first, ..] => return Err(CertificateError::Uris { count: uris.len(), first: Shown::new(first) }),
        };
        if let Some(id) = spiffe.as_ref().filter(|_| may_sign(&certificate)) {
            return Err(CertificateError::Authority { id: id.clone() });
        }
        let time = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp().saturating_mul(1_000));
        Ok(Self {
            spiffe,
            common_name: common_name(&certificate)?,
            dns,
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
        })
    }
}

/// URIs and names in the DNS.
fn alternative_names<'c>(certificate: &X509Certificate<'c>) -> Result<(Vec<&'c str>, Vec<String>), CertificateError> {
    let (mut uris, mut dns) = (Vec::new(), Vec::new());
    let lists = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.oid == x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME);
    for (nth, list) in lists.enumerate() {
        let ParsedExtension::SubjectAlternativeName(list) = list.parsed_extension() else {
            return Err(CertificateError::AlternativeNames);
        };
        if nth > 0 {
            return Err(CertificateError::AlternativeNames);
        }
        for name in &list.general_names {
            match name {
                GeneralName::URI(uri) => uris.push(*uri),
                GeneralName::DNSName(name) => dns.push(printable(name)?.to_ascii_lowercase()),
                GeneralName::Invalid(..) => return Err(CertificateError::AlternativeNames),
                // Nothing is mapped by these.
                GeneralName::OtherName(..)
                | GeneralName::RFC822Name(_)
                | GeneralName::X400Address(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EDIPartyName(_)
                | GeneralName::IPAddress(_)
                | GeneralName::RegisteredID(..) => {}
            }
        }
    }
    Ok((uris, dns))
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<Option<String>, CertificateError> {
    let names: Vec<_> = certificate.subject().iter_common_name().collect();
    match names.as_slice() {
        [] => Ok(None),
        [name] => {
            let name = name.as_str().map_err(|_| CertificateError::Name { name: Shown::new("") })?;
            Ok(Some(printable(name)?.to_owned()))
        }
        names => Err(CertificateError::CommonNames { count: names.len() }),
    }
}

fn printable(name: &str) -> Result<&str, CertificateError> {
    let fit = !name.is_empty() && !name.contains(char::is_control);
    if fit { Ok(name) } else { Err(CertificateError::Name { name: Shown::new(name) }) }
}

/// Whether it is that of an authority. What cannot be read counts as such.
fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    let authority = certificate.basic_constraints().map_or(true, |found| found.is_some_and(|found| found.value.ca));
    let signs = certificate
        .key_usage()
        .map_or(true, |found| found.is_some_and(|found| found.value.key_cert_sign() || found.value.crl_sign()));
    authority || signs
}
