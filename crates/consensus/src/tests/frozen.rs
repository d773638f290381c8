//! Bytes that nodes send each other, and what entries hold: nodes of different builds read them.

use std::time::Duration;

use portcullis_lease::{Epoch, Grant, Listed, Position as Place, Refusal, Registered, Release, Request as Ask, Stored};
use portcullis_machine::{Outcome, Refusal as Refused};
use portcullis_model::{NodeId, Revision};
use portcullis_storage::freeze::Frozen;
use portcullis_storage::state::{Header, Piece};

use crate::leases::{Direct, Note};
use crate::peer::*;
use crate::propose::{Ack, Acked, Proposed};
use crate::types::{Peer, Reply};

const VOTE: WireVote = WireVote { term: 4, node: 300, committed: true };
const POSITION: Position = Position { term: 3, index: 70_000 };
const PLACE: Place = Place { epoch: Epoch(3), index: 70_000 };

fn peer() -> Peer {
    Peer { peer: "p:1".to_owned(), client: "c:2".to_owned(), region: "north".parse().ok() }
}

fn header() -> Header {
    Header { applied: Some((2, 9)), membership: Some(vec![1, 2]), sum: [4; 32] }
}

fn request_after(previous: Option<&Request>) -> Option<Request> {
    let ballot = Ballot { vote: VOTE, last: Some(POSITION), transfer: true };
    Some(match previous {
        None => Request::Append(Append {
            vote: VOTE,
            previous: Some(POSITION),
            entries: vec![WireEntry { position: POSITION, payload: vec![1, 2, 3] }],
            committed: Some(Position { term: 2, index: 5 }),
        }),
        Some(Request::Append(_)) => Request::Vote(ballot),
        Some(Request::Vote(_)) => Request::PreVote(ballot),
        Some(Request::PreVote(_)) => Request::TransferLeader(Transfer { from: VOTE, to: 5, last: Some(POSITION) }),
        Some(Request::TransferLeader(_)) => Request::Confirm(Confirm { vote: VOTE, round: 300 }),
        Some(Request::Confirm(_)) => Request::ReadIndex,
        Some(Request::ReadIndex) => {
            let piece = Piece { after: Some(vec![1]), rows: vec![2, 3], checksum: 0x0102_0304, last: true };
            Request::Snapshot(Box::new(SnapshotPart { vote: VOTE, header: header(), piece: Some(piece) }))
        }
        Some(Request::Snapshot(_)) => Request::Application(vec![4, 5]),
        Some(Request::Application(_)) => return None,
    })
}

fn response_after(previous: Option<&Response>) -> Option<Response> {
    Some(match previous {
        None => Response::Append(AppendAnswer::Success),
        Some(Response::Append(_)) => {
            Response::Vote(BallotAnswer { vote: VOTE, granted: true, last: Some(POSITION), silent_ns: 1_000_000 })
        }
        Some(Response::Vote(_)) => Response::TransferLeader(TransferAnswer::Accepted),
        Some(Response::TransferLeader(_)) => {
            Response::Confirm(ConfirmAnswer { round: 300, confirmed: true, wall_ms: -5 })
        }
        Some(Response::Confirm(_)) => Response::ReadIndex(ReadIndexAnswer::Index(9)),
        Some(Response::ReadIndex(_)) => Response::Snapshot(SnapshotAnswer::Done { vote: VOTE }),
        Some(Response::Snapshot(_)) => Response::Application(vec![4, 5]),
        Some(Response::Application(_)) => return None,
    })
}

fn append_after(previous: Option<&AppendAnswer>) -> Option<AppendAnswer> {
    Some(match previous {
        None => AppendAnswer::Success,
        Some(AppendAnswer::Success) => AppendAnswer::Partial(Some(POSITION)),
        Some(AppendAnswer::Partial(_)) => AppendAnswer::Conflict,
        Some(AppendAnswer::Conflict) => AppendAnswer::HigherVote(VOTE),
        Some(AppendAnswer::HigherVote(_)) => return None,
    })
}

fn transfer_after(previous: Option<&TransferAnswer>) -> Option<TransferAnswer> {
    Some(match previous {
        None => TransferAnswer::Accepted,
        Some(TransferAnswer::Accepted) => {
            TransferAnswer::VoteChanged { expected: VOTE, actual: WireVote { committed: false, ..VOTE } }
        }
        Some(TransferAnswer::VoteChanged { .. }) => {
            TransferAnswer::NotFlushed { expected: Some(POSITION), actual: None }
        }
        Some(TransferAnswer::NotFlushed { .. }) => return None,
    })
}

fn index_after(previous: Option<&ReadIndexAnswer>) -> Option<ReadIndexAnswer> {
    Some(match previous {
        None => ReadIndexAnswer::Index(300),
        Some(ReadIndexAnswer::Index(_)) => ReadIndexAnswer::Unproven("why".to_owned()),
        Some(ReadIndexAnswer::Unproven(_)) => return None,
    })
}

fn snapshot_after(previous: Option<&SnapshotAnswer>) -> Option<SnapshotAnswer> {
    Some(match previous {
        None => SnapshotAnswer::Continue { after: Some(vec![7]) },
        Some(SnapshotAnswer::Continue { .. }) => SnapshotAnswer::Done { vote: VOTE },
        Some(SnapshotAnswer::Done { .. }) => return None,
    })
}

/// These are on disks, too.
fn payload_after(previous: Option<&Payload>) -> Option<Payload> {
    Some(match previous {
        None => Payload::Blank,
        Some(Payload::Blank) => Payload::Command(vec![6, 7].into()),
        Some(Payload::Command(_)) => Payload::Membership(WireMembership {
            voters: vec![[1, 2].into(), [2, 300].into()],
            nodes: [(1, peer()), (300, Peer { region: None, ..peer() })].into(),
        }),
        Some(Payload::Membership(_)) => return None,
    })
}

fn proposed() -> Proposed {
    let reply = Reply { revision: Revision(9), result: Ok(Outcome::Done) };
    Proposed { reply, acked: Acked::Everywhere { after_commit: Some(Duration::from_millis(3)) } }
}

fn acked_after(previous: Option<&Acked>) -> Option<Acked> {
    Some(match previous {
        None => Acked::Everywhere { after_commit: None },
        Some(Acked::Everywhere { .. }) => Acked::Quorum,
        Some(Acked::Quorum) => return None,
    })
}

fn ack_after(previous: Option<&Ack>) -> Option<Ack> {
    Some(match previous {
        None => Ack::Everywhere,
        Some(Ack::Everywhere) => Ack::Quorum,
        Some(Ack::Quorum) => return None,
    })
}

fn note_after(previous: Option<&Note>) -> Option<Note> {
    let epoch = Epoch(3);
    Some(match previous {
        None => Note::Request(Ask { node: 2, incarnation: 5, number: 300, registered: PLACE, base: 60_000 }),
        Some(Note::Request(_)) => {
            let length = Duration::from_millis(1_990);
            Note::Granted(Grant { epoch, incarnation: 5, number: 300, length, barrier: PLACE, visible: 69_999 })
        }
        Some(Note::Granted(_)) => Note::Refused { epoch, refusal: Refusal::Unconfirmed, visible: 69_999 },
        Some(Note::Refused { .. }) => Note::Registered(Registered { node: 2, incarnation: 5, entry: PLACE }),
        Some(Note::Registered(_)) => Note::Visible { epoch, visible: 69_999 },
        Some(Note::Visible { .. }) => Note::Release(Release { node: 2, incarnation: 5, up_to: 300 }),
        Some(Note::Release(_)) => Note::Dropped { epoch, node: 2 },
        Some(Note::Dropped { .. }) => Note::Watch { node: 2 },
        Some(Note::Watch { .. }) => {
            let (sessions, voters) = ([(1, 4), (2, 5)].into(), vec![[1, 2].into()]);
            let listed = Listed { entry: PLACE, sessions, voters };
            let reply = Reply { revision: Revision(9), result: Err(Refused::NodeRetired(NodeId(300))) };
            Note::Direct(Box::new(Direct { ticket: [8; 16], listed, reply }))
        }
        Some(Note::Direct(_)) => Note::Committed([8; 16]),
        Some(Note::Committed(_)) => Note::Stored(Stored { node: 2, entry: PLACE }),
        Some(Note::Stored(_)) => return None,
    })
}

fn refusal_after(previous: Option<&Refusal>) -> Option<Refusal> {
    let (node, time) = (300, Duration::from_millis(501));
    Some(match previous {
        None => Refusal::Unconfirmed,
        Some(Refusal::Unconfirmed) => Refusal::NotRostered { node },
        Some(Refusal::NotRostered { .. }) => Refusal::BaseBehind { node, behind: 70_000 },
        Some(Refusal::BaseBehind { .. }) => Refusal::NoProgress { node, since: time },
        Some(Refusal::NoProgress { .. }) => Refusal::Quarantined { node, left: time },
        Some(Refusal::Quarantined { .. }) => Refusal::Stale { node, number: 7 },
        Some(Refusal::Stale { .. }) => return None,
    })
}

#[test]
fn messages_and_entries_are_frozen() {
    let mut frozen = Frozen::new(include_str!("../../frozen/peer-v1.txt"));
    frozen.chain("Request", request_after);
    frozen.chain("Response", response_after);
    frozen.chain("AppendAnswer", append_after);
    frozen.chain("TransferAnswer", transfer_after);
    frozen.chain("ReadIndexAnswer", index_after);
    frozen.chain("SnapshotAnswer", snapshot_after);
    frozen.chain("Payload", payload_after);
    frozen.chain("Note", note_after);
    frozen.chain("Refusal", refusal_after);
    frozen.chain("Ack", ack_after);
    frozen.chain("Acked", acked_after);
    frozen.value("Proposed", &proposed());
    frozen.finish();
}
