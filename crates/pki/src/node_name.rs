//! The name of a node in its certificate.

use std::fmt;
use std::str::FromStr;

use portcullis_model::{ClusterId, NodeId};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SCHEME: &str = "spiffe://";
/// What follows the cluster id in the trust domain.
const DOMAIN: &str = ".portcullis";
const PATH: &str = "/node/";

/// A node of a cluster, as its certificate names it: `spiffe://CLUSTER.portcullis/node/ID`.
///
/// Source: the SPIFFE ID standard. The trust domain is the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeName {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
}

/// Why something does not name a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// It is no certificate.
    #[error("the certificate cannot be read")]
    Certificate,
    /// A certificate of a node has one URI, and no more.
    #[error("the certificate has {0} URIs: one of a node has one")]
    Uris(usize),
    /// It names something else.
    #[error("`{0}` is not the name of a node: it is of the form `spiffe://CLUSTER.portcullis/node/ID`")]
    Malformed(String),
}

impl NodeName {
    /// Whom a certificate, in DER, names. Its signature is not looked at.
    pub fn of_certificate(certificate: &[u8]) -> Result<Self, NodeNameError> {
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| NodeNameError::Certificate)?;
        let names = certificate.subject_alternative_name().map_err(|_| NodeNameError::Certificate)?;
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let uris: Vec<&str> = names
            .iter()
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        match uris.as_slice() {
            [uri] => uri.parse(),
            uris => Err(NodeNameError::Uris(uris.len())),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{DOMAIN}{PATH}{}", self.cluster, self.node)
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let parse = || {
            let (cluster, node) = text.strip_prefix(SCHEME)?.split_once(DOMAIN)?;
            let node: u64 = node.strip_prefix(PATH)?.parse().ok()?;
            let name = Self { cluster: cluster.parse().ok()?, node: NodeId(node) };
            // One name has one form: no zeros in front, no capitals.
            (node > 0 && name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| NodeNameError::Malformed(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form() {
        let name = NodeName { cluster: ClusterId([0xab; 16]), node: NodeId(7) };
        let text = format!("spiffe://{}.portcullis/node/7", "ab".repeat(16));
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse(), Ok(name));
        for wrong in [
            String::new(),
            "https://a".to_owned(),
            text.replace("ab", "AB"),
            text.replace("node/7", "node/07"),
            text.replace("node/7", "node/0"),
            text.replace("node/7", "node/"),
            text.replace("node/7", "node/7/x"),
            text.replace("node/7", "client/7"),
            text.replace(".portcullis", ".portcullis.example"),
            format!("{text}?a=b"),
        ] {
            assert_eq!(wrong.parse::<NodeName>(), Err(NodeNameError::Malformed(wrong.clone())));
        }
    }
}
