//! Clusters, groups and nodes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NameError;
pub use crate::name::RegionName as Region;

/// A node of a cluster. Ids are never used again, neither after a removal nor after a wiped disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

/// A Raft group. Every key, message and metric carries it, though there is one group today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The only group there is today.
    pub const FIRST: Self = Self(1);
}

/// The identity of a cluster, made once when it is initialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId(pub [u8; 16]);

/// Where a node of the cluster is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Its region, if it was given one.
    pub region: Option<Region>,
    /// `host:port` of its peer listener.
    pub peer: String,
    /// `host:port` of its client listener.
    pub client: String,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ClusterId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed =
            || NameError::Malformed { kind: "cluster id", value: text.to_owned(), expected: "32 hexadecimal digits" };
        if text.len() != 32 {
            return Err(malformed());
        }
        let value = u128::from_str_radix(text, 16).map_err(|_| malformed())?;
        Ok(Self(value.to_be_bytes()))
    }
}
