//! openraft's own reads, which are not safe over our network, in place of a Confirm round: only where that rule is broken to see
//! whether it is noticed.
//!
//! The read index is stale where entries are sent before others are answered: an acknowledgement then counts for what was sent
//! later, too, if that ends at the same entry. Our network sends one request at a time, over which no such execution is known, so
//! with that rule broken it does not.

use futures::StreamExt;
use futures::stream::{BoxStream, Stream};
use openraft::ReadPolicy;
use openraft::errors::RPCError;
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use portcullis_lease::{Fault, Faults};

use crate::network::Connection;
use crate::read_index::ReadError;
use crate::types::{Raft, Types};

/// What a peer answers to requests, in their order.
pub(crate) type Answers<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

/// How many requests are under way to a peer at once.
const UNDER_WAY_MAX: usize = 8;

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

/// Sends requests to a peer before those before them are answered, until one of them fails.
pub(crate) fn pipelined<S>(connection: &Connection, requests: S, option: RPCOption) -> Answers<'_>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    let answers = requests.map(move |request| {
        let option = option.clone();
        let previous = request.prev_log_id;
        let last = request.entries.last().map_or(previous, |entry| Some(entry.log_id));
        async move { Ok(connection.append(request, option).await?.into_stream_result(previous, last)) }
    });
    let until_failed = |failed: &mut bool, answer: Result<StreamAppendResult<Types>, RPCError<Types>>| {
        let next = (!*failed).then_some(answer);
        *failed = !matches!(next, Some(Ok(Ok(_))));
        futures::future::ready(next)
    };
    answers.buffered(UNDER_WAY_MAX).scan(false, until_failed).boxed()
}
