//! Conversions between openraft's types and ours.

use std::time::Duration;

use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use portcullis_storage::codec::{self, DecodeError};

use crate::peer::{Append, AppendAnswer, Ballot, BallotAnswer, Payload, Position, WireEntry, WireMembership, WireVote};
use crate::types::{Entry, LogId, Membership, Proposal, Types, Vote};

/// Why a message or an entry is not one.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Its bytes are not what they should be.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A membership lacks a node that it names as voter.
    #[error("the membership is malformed: {0}")]
    Membership(String),
}

pub(crate) fn position(id: &LogId) -> Position {
    Position { term: id.committed_leader_id().term, index: id.index }
}

pub(crate) fn log_id(position: Position) -> LogId {
    LogId::new_term_index(position.term, position.index)
}

pub(crate) fn wire_vote(vote: &Vote) -> WireVote {
    WireVote { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
}

pub(crate) fn vote(vote: WireVote) -> Vote {
    if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) }
}

pub(crate) fn wire_membership(membership: &Membership) -> WireMembership {
    WireMembership {
        voters: membership.get_joint_config().clone(),
        nodes: membership.nodes().map(|(id, peer)| (*id, peer.clone())).collect(),
    }
}

pub(crate) fn membership(wire: WireMembership) -> Result<Membership, ConvertError> {
    Membership::new(wire.voters, wire.nodes).map_err(|error| ConvertError::Membership(error.to_string()))
}

/// The payload of an entry as it stands in the log and on the wire.
pub(crate) fn payload(entry: &Entry) -> Vec<u8> {
    codec::encode(&match &entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(proposal) => Payload::Command(proposal.command.clone()),
        EntryPayload::Membership(membership) => Payload::Membership(wire_membership(membership)),
    })
}

pub(crate) fn entry(position: Position, payload: &[u8]) -> Result<Entry, ConvertError> {
    let payload = match codec::decode(payload)? {
        Payload::Blank => EntryPayload::Blank,
        Payload::Command(bytes) => EntryPayload::Normal(Proposal::new(bytes)),
        Payload::Membership(wire) => EntryPayload::Membership(membership(wire)?),
    };
    Ok(Entry::new(log_id(position), payload))
}

pub(crate) fn wire_append(request: &AppendEntriesRequest<Types>) -> Append {
    let wire_entry = |entry: &Entry| WireEntry { position: position(&entry.log_id()), payload: payload(entry) };
    Append {
        vote: wire_vote(&request.vote),
        previous: request.prev_log_id.as_ref().map(position),
        entries: request.entries.iter().map(wire_entry).collect(),
        committed: request.leader_commit.as_ref().map(position),
    }
}

pub(crate) fn append(wire: &Append) -> Result<AppendEntriesRequest<Types>, ConvertError> {
    let entries = wire.entries.iter().map(|wire| entry(wire.position, &wire.payload));
    Ok(AppendEntriesRequest {
        vote: vote(wire.vote),
        prev_log_id: wire.previous.map(log_id),
        entries: entries.collect::<Result<_, _>>()?,
        leader_commit: wire.committed.map(log_id),
    })
}

pub(crate) fn wire_append_answer(answer: &AppendEntriesResponse<Types>) -> AppendAnswer {
    match answer {
        AppendEntriesResponse::Success => AppendAnswer::Success,
        AppendEntriesResponse::PartialSuccess(last) => AppendAnswer::Partial(last.as_ref().map(position)),
        AppendEntriesResponse::Conflict => AppendAnswer::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendAnswer::HigherVote(wire_vote(vote)),
    }
}

pub(crate) fn append_answer(wire: &AppendAnswer) -> AppendEntriesResponse<Types> {
    match wire {
        AppendAnswer::Success => AppendEntriesResponse::Success,
        AppendAnswer::Partial(last) => AppendEntriesResponse::PartialSuccess((*last).map(log_id)),
        AppendAnswer::Conflict => AppendEntriesResponse::Conflict,
        AppendAnswer::HigherVote(higher) => AppendEntriesResponse::HigherVote(vote(*higher)),
    }
}

pub(crate) fn ballot(request: &VoteRequest<Types>) -> Ballot {
    Ballot {
        vote: wire_vote(&request.vote),
        last: request.last_log_id.as_ref().map(position),
        transfer: request.leadership_transfer,
    }
}

pub(crate) fn vote_request(wire: &Ballot) -> VoteRequest<Types> {
    let mut request = VoteRequest::new(vote(wire.vote), wire.last.map(log_id));
    request.leadership_transfer = wire.transfer;
    request
}

pub(crate) fn ballot_answer(answer: &VoteResponse<Types>, silent: Duration) -> BallotAnswer {
    BallotAnswer {
        vote: wire_vote(&answer.vote),
        granted: answer.vote_granted,
        last: answer.last_log_id.as_ref().map(position),
        silent_ns: u64::try_from(silent.as_nanos()).unwrap_or(0),
    }
}

pub(crate) fn vote_response(wire: &BallotAnswer) -> VoteResponse<Types> {
    VoteResponse::new(vote(wire.vote), wire.last.map(log_id), wire.granted)
}
