//! How nodes of a cluster call themselves in their certificates.

use std::fmt;

use portcullis_model::{ClusterId, NodeId};

use crate::spiffe::SpiffeId;

/// What the trust domain of a cluster ends with. No public domain does, so no certificate of another authority has it.
const SUFFIX: &str = ".portcullis";
const PATH: &str = "/node/";

/// A node of a cluster, as its certificate names it: `spiffe://<cluster>.portcullis/node/<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName {
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// Its id within the cluster.
    pub node: NodeId,
}

/// The SPIFFE id is not that of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{id}` is no node: give `spiffe://<cluster id>.portcullis/node/<node id>`, with a certificate made for that node"
)]
pub struct NodeNameError {
    /// The id.
    pub id: SpiffeId,
}

impl NodeName {
    /// The name as a URI, to put it into a certificate.
    pub fn to_uri(&self) -> String {
        self.to_string()
    }

    /// Reads the name of a node. Each has one spelling.
    pub fn from_spiffe(id: &SpiffeId) -> Result<Self, NodeNameError> {
        let cluster = id.trust_domain().strip_suffix(SUFFIX).and_then(|cluster| cluster.parse().ok());
        let node = id.path().strip_prefix(PATH).and_then(|node| node.parse().ok());
        let name = cluster.zip(node).map(|(cluster, node)| Self { cluster, node: NodeId(node) });
        // Upper-case digits, signs and leading zeroes would be other spellings.
        name.filter(|name| name.to_string() == id.as_str()).ok_or_else(|| NodeNameError { id: id.clone() })
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}{SUFFIX}{PATH}{}", self.cluster, self.node)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_names_of_nodes_are_read() {
        let cluster = "00112233445566778899aabbccddeeff";
        for (uri, good) in [
            (format!("spiffe://{cluster}.portcullis/node/7"), true),
            (format!("spiffe://{cluster}.portcullis/node/07"), false),
            (format!("spiffe://{cluster}.portcullis/node/-7"), false),
            (format!("spiffe://{cluster}.portcullis/node/7/8"), false),
            (format!("spiffe://{cluster}.portcullis/node/18446744073709551616"), false),
            (format!("spiffe://{cluster}.portcullis/nodes/7"), false),
            (format!("spiffe://{cluster}.example/node/7"), false),
            (format!("spiffe://x{}.portcullis/node/7", &cluster[1..]), false),
            (format!("spiffe://{}.portcullis/node/7", &cluster[1..]), false),
            (format!("spiffe://a.{cluster}.portcullis/node/7"), false),
        ] {
            let name = NodeName::from_spiffe(&uri.parse().unwrap());
            assert_eq!(name.is_ok(), good, "{uri}");
            assert!(name.is_ok() || name.unwrap_err().to_string().contains(&uri));
        }
    }

    proptest! {
        #[test]
        fn a_name_reads_as_it_prints(cluster: [u8; 16], node: u64) {
            let name = NodeName { cluster: ClusterId(cluster), node: NodeId(node) };
            prop_assert_eq!(NodeName::from_spiffe(&name.to_uri().parse().unwrap()), Ok(name));
        }
    }
}
