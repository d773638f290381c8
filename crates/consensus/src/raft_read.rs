//! openraft's own reads, which are not safe over our network, in place of a Confirm round: only where that rule is broken to see
//! whether it is noticed.

use openraft::ReadPolicy;
use portcullis_lease::{Fault, Faults};

use crate::read_index::ReadError;
use crate::types::Raft;

/// By which of them the leader reads; none in a sound node.
pub(crate) fn policy(faults: Faults) -> Option<ReadPolicy> {
    if faults.has(Fault::ReadIndexOfRaft) {
        Some(ReadPolicy::ReadIndex)
    } else {
        faults.has(Fault::LeaseReadOfRaft).then_some(ReadPolicy::LeaseRead)
    }
}

/// Returns an index that is taken to cover everything acknowledged before the call.
pub(crate) async fn read_index(raft: &Raft, policy: ReadPolicy) -> Result<u64, ReadError> {
    let linearizer = raft.get_read_linearizer(policy).await.map_err(|_| ReadError::NotLeader)?;
    Ok(linearizer.read_log_id().index())
}
