//! openraft's network over our [`Transport`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::{FutureExt, Stream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, stream_append_sequential};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use portcullis_fault::{Fault, Point};
use portcullis_model::NodeId;
use portcullis_storage::codec;

use crate::convert::{self, log_id, position, vote, wire_vote};
use crate::leases::Leases;
use crate::peer::{Request, Response, Transfer, TransferAnswer};
use crate::raft_read;
use crate::snapshot::{self, SnapshotData};
use crate::transport::{Transport, TransportError};
use crate::types::{Peer, Types, Vote};

/// Makes connections to peers.
pub(crate) struct Network {
    pub(crate) me: u64,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) leases: Arc<Leases>,
}

/// The way to one peer.
pub(crate) struct Connection {
    me: u64,
    to: u64,
    peer: Peer,
    transport: Arc<dyn Transport>,
    pub(crate) leases: Arc<Leases>,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Connection {
        let (transport, leases) = (Arc::clone(&self.transport), Arc::clone(&self.leases));
        Connection { me: self.me, to: target, peer: node.clone(), transport, leases }
    }
}

impl Connection {
    /// Sends a request to the peer and waits for its answer.
    pub(crate) async fn exchange(&self, request: Request, timeout: Duration) -> Result<Response, TransportError> {
        self.leases.points.wait(sent(&request)).await;
        let message = codec::encode(&request);
        let answer = self.transport.call(NodeId(self.to), &self.peer.peer, message, timeout).await?;
        codec::decode(&answer).map_err(|error| TransportError::Refused { to: NodeId(self.to), why: error.to_string() })
    }

    /// Sends entries, or a heartbeat.
    pub(crate) async fn append(
        &self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let request = Request::Append(convert::wire_append(&rpc));
        match self.call(RPCTypes::AppendEntries, request, &option).await? {
            Response::Append(answer) => Ok(convert::append_answer(&answer)),
            _ => Err(self.confused()),
        }
    }

    async fn call(&self, kind: RPCTypes, request: Request, option: &RPCOption) -> Result<Response, RPCError<Types>> {
        let timeout = option.soft_ttl();
        self.exchange(request, timeout).await.map_err(|error| self.failed(kind, timeout, &error))
    }

    fn failed(&self, action: RPCTypes, timeout: Duration, error: &TransportError) -> RPCError<Types> {
        match error {
            TransportError::TimedOut { .. } => Timeout { action, id: self.me, target: self.to, timeout }.into(),
            TransportError::Unreachable { .. } | TransportError::Refused { .. } => {
                RPCError::Unreachable(Unreachable::new(error))
            }
        }
    }

    /// A peer that answers another question than it was asked is as good as none.
    fn confused(&self) -> RPCError<Types> {
        RPCError::Unreachable(Unreachable::from_string(format!("node {} answered another question", self.to)))
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        self.append(rpc, option).await
    }

    fn stream_append<S>(
        &mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'_, Result<raft_read::Answers<'_>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        if self.leases.faults().has(Fault::ReadIndexOfRaft) {
            let answers = raft_read::pipelined(self, input, option);
            return future::ready(Ok(answers)).boxed();
        }
        stream_append_sequential(self, input, option)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(RPCTypes::Vote, Request::Vote(convert::ballot(&rpc)), &option).await? {
            Response::Vote(answer) => {
                if answer.granted {
                    // Noted before openraft counts the vote, so that it is there when this node leads.
                    let silent = Duration::from_nanos(answer.silent_ns);
                    self.leases.promised(rpc.vote.leader_id.term, self.to, silent);
                }
                Ok(convert::vote_response(&answer))
            }
            _ => Err(self.confused()),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        match self.call(RPCTypes::Vote, Request::PreVote(convert::ballot(&rpc)), &option).await? {
            Response::Vote(answer) => Ok(convert::vote_response(&answer)),
            _ => Err(self.confused()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        snapshot::send(self, vote, snapshot, cancel).await
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let transfer = Transfer {
            from: wire_vote(req.from_leader()),
            to: *req.to_node_id(),
            last: req.last_log_id().map(position),
        };
        match self.call(RPCTypes::TransferLeader, Request::TransferLeader(transfer), &option).await? {
            Response::TransferLeader(TransferAnswer::Accepted) => Ok(Ok(())),
            Response::TransferLeader(TransferAnswer::VoteChanged { expected, actual }) => {
                Ok(Err(TransferLeaderError::VoteChanged { expected: vote(expected), actual: vote(actual) }))
            }
            Response::TransferLeader(TransferAnswer::NotFlushed { expected, actual }) => {
                let (expected, actual) = (expected.map(log_id), actual.map(log_id));
                Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual }))
            }
            _ => Err(self.confused()),
        }
    }
}

/// The point at which a request is about to be sent.
pub(crate) fn sent(request: &Request) -> Point {
    match request {
        Request::Append(_) => Point::TransportAppendBeforeSend,
        Request::Vote(_) => Point::TransportVoteBeforeSend,
        Request::PreVote(_) => Point::TransportPreVoteBeforeSend,
        Request::TransferLeader(_) => Point::TransportTransferBeforeSend,
        Request::Confirm(_) => Point::TransportConfirmBeforeSend,
        Request::ReadIndex => Point::TransportReadIndexBeforeSend,
        Request::Snapshot(_) => Point::TransportSnapshotBeforeSend,
        Request::Application(_) => Point::TransportApplicationBeforeSend,
    }
}

/// The point at which a request has come in.
pub(crate) fn received(request: &Request) -> Point {
    match request {
        Request::Append(_) => Point::TransportAppendReceived,
        Request::Vote(_) => Point::TransportVoteReceived,
        Request::PreVote(_) => Point::TransportPreVoteReceived,
        Request::TransferLeader(_) => Point::TransportTransferReceived,
        Request::Confirm(_) => Point::TransportConfirmReceived,
        Request::ReadIndex => Point::TransportReadIndexReceived,
        Request::Snapshot(_) => Point::TransportSnapshotReceived,
        Request::Application(_) => Point::TransportApplicationReceived,
    }
}
