//! Which cluster the node belongs to.

use std::sync::{Arc, RwLock};

use portcullis_model::ClusterId;

/// Writes the identity to the node's disk.
pub(crate) type Persist = Arc<dyn Fn(ClusterId) -> Result<(), String> + Send + Sync>;

/// The cluster that the node belongs to: none at first, then one for ever.
pub(crate) struct Identity {
    cluster: RwLock<Option<ClusterId>>,
    persist: Persist,
}

impl Identity {
    pub(crate) fn new(cluster: Option<ClusterId>, persist: Persist) -> Self {
        Self { cluster: RwLock::new(cluster), persist }
    }

    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        *self.cluster.read().expect("INVARIANT: nothing panics while holding the identity")
    }

    /// Makes the node one of a cluster. It is on disk before anybody can see it.
    pub(crate) fn adopt(&self, cluster: ClusterId) -> Result<ClusterId, String> {
        let mut own = self.cluster.write().expect("INVARIANT: nothing panics while holding the identity");
        match *own {
            Some(own) if own == cluster => {}
            Some(own) => return Err(format!("this node belongs to cluster {own} and cannot join cluster {cluster}")),
            None => {
                (self.persist)(cluster)?;
                *own = Some(cluster);
            }
        }
        Ok(cluster)
    }
}
