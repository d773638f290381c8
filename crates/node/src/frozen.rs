//! Bytes that nodes send each other above consensus: nodes of different builds read them.

use std::time::Duration;

use portcullis_consensus::{Ack, Acked, Proposed, Reply};
use portcullis_lease::Roster;
use portcullis_machine::command::{AdmitByToken, ConfigureLeases, CreateJoinToken, DeleteTuples, End, Update};
use portcullis_machine::{Outcome, Precondition, Target};
use portcullis_model::{Actor, Authority, ClusterId, Fingerprint, GrantFilter, NodeId, Revision, Timestamp, Verified};
use portcullis_storage::freeze::Frozen;

use crate::draft::{Action, Draft};
use crate::health::{Alarm, LowDisk};
use crate::internal::{About, Answer, Change, Message};
use crate::node::Lease;

fn draft(action: Action) -> Draft {
    Draft {
        tenant: "t".parse().unwrap(),
        actor: Actor {
            caller: "user:a".parse().unwrap(),
            on_behalf_of: Some("user:b".parse().unwrap()),
            verified: Verified::Assumed,
        },
        reason: Some("because".parse().unwrap()),
        idempotency_key: Some("k".parse().unwrap()),
        preconditions: vec![Precondition::At(Target::Role("r".parse().unwrap()), Revision(4))],
        ack: Ack::Quorum,
        action,
    }
}

fn action_after(previous: Option<&Action>) -> Option<Action> {
    let (node, tenant) = (NodeId(300), "t".parse().unwrap());
    let id = "r".parse().unwrap();
    let (permissions, inherits) = (["document#*".parse().unwrap()].into(), ["q".parse().unwrap()].into());
    Some(match previous {
        None => Action::Initialise(ClusterId([9; 16]), node),
        Some(Action::Initialise(..)) => Action::AdmitNode(node),
        Some(Action::AdmitNode(_)) => Action::RetireNode(node),
        Some(Action::RetireNode(_)) => Action::RaiseVersion(2),
        Some(Action::RaiseVersion(_)) => Action::CreateTenant(tenant),
        Some(Action::CreateTenant(_)) => Action::DeleteTenant(tenant),
        Some(Action::DeleteTenant(_)) => Action::CreateRole { id, permissions, inherits },
        Some(Action::CreateRole { .. }) => Action::UpdateRole { id, permissions, inherits },
        Some(Action::UpdateRole { .. }) => Action::DeleteRole(id),
        Some(Action::DeleteRole(_)) => Action::CreateGrant {
            id: Some("g".parse().unwrap()),
            subject: "user:a".parse().unwrap(),
            role: id,
            scope: "document:a".parse().unwrap(),
            start: Some(Timestamp(1_000)),
            end: End::At(Timestamp(2_000)),
        },
        Some(Action::CreateGrant { .. }) => Action::RevokeGrants(["g".parse().unwrap()].into()),
        Some(Action::RevokeGrants(_)) => {
            let (subject, role, scope) = ("user:a".parse().ok(), Some(id), None);
            Action::RevokeByFilter(GrantFilter { subject, role, scope })
        }
        Some(Action::RevokeByFilter(_)) => {
            Action::WriteRelationships(vec![Update::Touch("group:g#member@user:a".parse().unwrap())])
        }
        Some(Action::WriteRelationships(_)) => Action::DeleteRelationships("group#member".parse().unwrap()),
        Some(Action::DeleteRelationships(_)) => Action::ConfigureLeases(ConfigureLeases {
            length: Some(Duration::from_millis(5_500)),
            renewal: None,
            lag: Some(Duration::from_millis(500)),
            drift_ppm: Some(10_000),
            roster: Some(Roster::Only([1, 300].into())),
        }),
        Some(Action::ConfigureLeases(_)) => Action::SettleLeases { changed_at: 300 },
        Some(Action::SettleLeases { .. }) => Action::WriteSchema("definition user {}".to_owned()),
        Some(Action::WriteSchema(_)) => Action::DeleteTuples(DeleteTuples {
            filter: "group:g…#member@user:…#…".parse().unwrap(),
            most: 300,
            partly: true,
        }),
        Some(Action::DeleteTuples(_)) => {
            Action::Annotated(r#"{"by":"sync"}"#.parse().unwrap(), Box::new(Action::RaiseVersion(2)))
        }
        Some(Action::Annotated(..)) => Action::InstallAuthority(Box::new(Authority {
            fingerprint: Fingerprint([6; 32]),
            certificate: vec![1, 2],
            cross_certificate: vec![4],
            sealed_key: vec![3],
        })),
        Some(Action::InstallAuthority(_)) => Action::DropAuthority(Fingerprint([6; 32])),
        Some(Action::DropAuthority(_)) => Action::CreateJoinToken(CreateJoinToken {
            id: "t".parse().unwrap(),
            proof: [7; 32],
            expires: Timestamp(2_000),
        }),
        Some(Action::CreateJoinToken(_)) => Action::RevokeJoinToken("t".parse().unwrap()),
        Some(Action::RevokeJoinToken(_)) => {
            Action::AdmitByToken(AdmitByToken { node, token: "t".parse().unwrap(), proof: [7; 32], applicant: [8; 32] })
        }
        Some(Action::AdmitByToken(_)) => return None,
    })
}

fn change_after(previous: Option<&Change>) -> Option<Change> {
    let (id, peer, client) = (NodeId(300), "p:1".to_owned(), "c:2".to_owned());
    let region = "north".parse().ok();
    Some(match previous {
        None => Change::Join { id, peer, client, region, command_version: 2 },
        Some(Change::Join { .. }) => Change::AddNode { id, peer, client, region },
        Some(Change::AddNode { .. }) => Change::Promote { id },
        Some(Change::Promote { .. }) => Change::Remove { id },
        Some(Change::Remove { .. }) => Change::TransferLeader { to: Some(id) },
        Some(Change::TransferLeader { .. }) => {
            Change::JoinUnder { id, peer, client, region, command_version: 2, key: "k".parse().unwrap() }
        }
        Some(Change::JoinUnder { .. }) => Change::JoinByToken {
            id,
            peer,
            client,
            region,
            command_version: 2,
            key: "k".parse().ok(),
            admission: AdmitByToken { node: id, token: "t".parse().unwrap(), proof: [7; 32], applicant: [8; 32] },
        },
        Some(Change::JoinByToken { .. }) => return None,
    })
}

fn message_after(previous: Option<&Message>) -> Option<Message> {
    Some(match previous {
        None => Message::Write(Box::new(draft(Action::RaiseVersion(2))), Some([8; 16])),
        Some(Message::Write(..)) => Message::Administer(Change::Promote { id: NodeId(3) }),
        Some(Message::Administer(_)) => Message::About,
        Some(Message::About) => Message::MayLead,
        Some(Message::MayLead) => return None,
    })
}

fn about() -> About {
    About {
        cluster: Some(ClusterId([9; 16])),
        last_log: Some(70_000),
        applied: Some(300),
        visible: 299,
        version: "0.1.0".to_owned(),
        command_version: 2,
        wall_ms: -5,
        disk_free_bytes: Some(1 << 40),
        disk_reserve_bytes: 1 << 20,
        alarms: vec![Alarm::ClockUnsynchronised],
        lease: Lease {
            epoch: Some(3),
            left: Duration::from_millis(1_990),
            refusal: Some("why".to_owned()),
            pending: 7,
        },
    }
}

fn alarm_after(previous: Option<&Alarm>) -> Option<Alarm> {
    Some(match previous {
        None => Alarm::DiskReserve { free_bytes: 5, reserve_bytes: 300 },
        Some(Alarm::DiskReserve { .. }) => Alarm::MemoryBudget { used_bytes: 300, budget_bytes: 5 },
        Some(Alarm::MemoryBudget { .. }) => Alarm::ClockDeviates { by_ms: -2_500 },
        Some(Alarm::ClockDeviates { .. }) => Alarm::ClockUnsynchronised,
        Some(Alarm::ClockUnsynchronised) => Alarm::ClockError { error_ms: 300, most_ms: 250 },
        Some(Alarm::ClockError { .. }) => Alarm::TenantsSpilled { tenants: 300 },
        Some(Alarm::TenantsSpilled { .. }) => Alarm::CertificateEnds { hours: -300 },
        Some(Alarm::CertificateEnds { .. }) => return None,
    })
}

fn answer_after(previous: Option<&Answer>) -> Option<Answer> {
    Some(match previous {
        None => {
            let reply = Reply { revision: Revision(9), result: Ok(Outcome::Done) };
            Answer::Wrote(Proposed { reply, acked: Acked::Quorum })
        }
        Some(Answer::Wrote(_)) => Answer::Administered(NodeId(3)),
        Some(Answer::Administered(_)) => Answer::About(about()),
        Some(Answer::About(_)) => Answer::LowDisk(LowDisk { node: NodeId(3), free_bytes: 5, reserve_bytes: 300 }),
        Some(Answer::LowDisk(_)) => Answer::TooManyPending(70_000),
        Some(Answer::TooManyPending(_)) => Answer::ClockDeviates(-2_500),
        Some(Answer::ClockDeviates(_)) => Answer::NotLeader,
        Some(Answer::NotLeader) => Answer::Unknown,
        Some(Answer::Unknown) => Answer::Failed("why".to_owned()),
        Some(Answer::Failed(_)) => Answer::MayLead(true),
        Some(Answer::MayLead(_)) => return None,
    })
}

#[test]
fn messages_are_frozen() {
    let mut frozen = Frozen::new(include_str!("../frozen/internal-v1.txt"));
    frozen.chain("Message", message_after);
    frozen.chain("Change", change_after);
    frozen.chain("Action", action_after);
    frozen.chain("Answer", answer_after);
    frozen.chain("Alarm", alarm_after);
    frozen.finish();
}
