//! How a cluster moves to a newer version of commands, records and rules: once every member can carry them out.

use std::time::Duration;

use portcullis_machine::VERSION_SUPPORTED;
use portcullis_model::NodeId;
use tokio::time::Instant;

use crate::draft::Action;
use crate::node::Node;

/// How long a raise may take before it is tried at the next look.
const RAISE_TIMEOUT: Duration = Duration::from_secs(1);

impl Node {
    /// The newest version of commands that this node carries out.
    pub fn command_version(&self) -> u32 {
        VERSION_SUPPORTED
    }

    /// Raises the active version as far as this leader and all other members can follow; `None` is a member that has not
    /// answered.
    pub(crate) async fn raise_version(&self, others: impl Iterator<Item = Option<u32>>) {
        let Ok(active) = self.reader.active_version() else { return };
        let Some(version) = next(active, others.chain([Some(self.command_version())])) else { return };
        match self.write(self.own_draft(Action::RaiseVersion(version)), Instant::now() + RAISE_TIMEOUT).await {
            Ok(_) => tracing::info!(version, "the active version was raised"),
            Err(error) => tracing::warn!(%error, version, "the active version was not raised yet"),
        }
    }

    /// Whether a node may join that carries out commands up to a version; if not, why.
    pub(crate) fn check_version(&self, id: NodeId, command_version: u32) -> Result<(), String> {
        match self.reader.active_version() {
            Ok(active) if command_version >= active => Ok(()),
            Ok(active) => Err(format!(
                "node {id} carries out commands up to version {command_version}, and the cluster is at version {active}: \
                 upgrade the node's binary"
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The newest version that all members carry out, if it is above the active one.
fn next(active: u32, mut members: impl Iterator<Item = Option<u32>>) -> Option<u32> {
    let common = members.try_fold(u32::MAX, |least, version| Some(least.min(version?)))?;
    (common > active).then_some(common)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_rises_once_every_member_can_follow() {
        let next = |active, members: &[Option<u32>]| next(active, members.iter().copied());
        assert_eq!(next(1, &[Some(2), Some(2), Some(2)]), Some(2));
        assert_eq!(next(1, &[Some(4), Some(3), Some(5)]), Some(3));
        assert_eq!(next(1, &[Some(2), Some(1), Some(2)]), None, "one cannot follow");
        assert_eq!(next(1, &[Some(2), None, Some(2)]), None, "one has not answered");
        assert_eq!(next(2, &[Some(2), Some(2)]), None, "it is there already");
        assert_eq!(next(3, &[Some(2), Some(2)]), None, "it never falls");
    }
}
