//! Commands, and what travels with them.

use std::num::NonZeroU64;
use std::time::Duration;

use portcullis_lease::Roster;
use portcullis_machine::command::{
    AdmitByToken, AdmitNode, Annotated, CompactHistory, ConfigureLeases, CreateGrant, CreateJoinToken, CreateRole,
    CreateTenant, DeleteRelationships, DeleteRole, DeleteTenant, DeleteTuples, DropAuthority, DueEnd, DueRelationship,
    DueStart, End, ExpireGrants, ExpireRelationships, Initialise, InstallAuthority, RaiseVersion, RetireNode,
    RevokeByFilter, RevokeGrants, RevokeJoinToken, SettleLeases, StartGrants, Update, UpdateRole, WriteRelationships,
    WriteSchema,
};
use portcullis_machine::{Command, Idempotency, Precondition, Target};
use portcullis_model::{ClusterId, GrantFilter, NodeId, Revision, Timestamp};

use super::{Frozen, relationship, role, scope, subject, tenant, tuple};

pub(super) fn check(frozen: &mut Frozen) {
    frozen.chain("Command", after);
    frozen.chain("End", end_after);
    frozen.chain("Update", update_after);
    frozen.chain("Target", target_after);
    frozen.chain("Precondition", precondition_after);
    frozen.value("Idempotency", &Idempotency { key: "k".parse().unwrap(), digest: [5; 32] });
}

/// The command after another; the first one after none.
#[expect(clippy::too_many_lines, reason = "a chain has every variant in it")]
pub(super) fn after(previous: Option<&Command>) -> Option<Command> {
    let node = NodeId(300);
    let (id, tenant) = (role().id, tenant());
    Some(match previous {
        None => Command::Initialise(Initialise { cluster: ClusterId([9; 16]), node }),
        Some(Command::Initialise(_)) => Command::RaiseVersion(RaiseVersion { version: 2 }),
        Some(Command::RaiseVersion(_)) => Command::AdmitNode(AdmitNode { node }),
        Some(Command::AdmitNode(_)) => Command::RetireNode(RetireNode { node }),
        Some(Command::RetireNode(_)) => Command::CreateTenant(CreateTenant { id: tenant }),
        Some(Command::CreateTenant(_)) => Command::DeleteTenant(DeleteTenant { id: tenant }),
        Some(Command::DeleteTenant(_)) => {
            Command::CreateRole(CreateRole { id, permissions: role().permissions, inherits: role().inherits })
        }
        Some(Command::CreateRole(_)) => {
            Command::UpdateRole(UpdateRole { id, permissions: role().permissions, inherits: role().inherits })
        }
        Some(Command::UpdateRole(_)) => Command::DeleteRole(DeleteRole { id }),
        Some(Command::DeleteRole(_)) => Command::CreateGrant(Box::new(CreateGrant {
            id: "g".parse().unwrap(),
            subject: subject(),
            role: id,
            scope: scope(),
            start: Some(Timestamp(1_000)),
            end: End::At(Timestamp(2_000)),
        })),
        Some(Command::CreateGrant(_)) => Command::RevokeGrants(RevokeGrants { ids: ["g".parse().unwrap()].into() }),
        Some(Command::RevokeGrants(_)) => {
            let filter = GrantFilter { subject: Some(subject()), role: Some(id), scope: None };
            Command::RevokeByFilter(RevokeByFilter { filter })
        }
        Some(Command::RevokeByFilter(_)) => Command::StartGrants(StartGrants {
            due: vec![DueStart {
                tenant,
                id: "g".parse().unwrap(),
                version: Revision(7),
                subject: subject(),
                role: id,
                scope: scope(),
            }],
        }),
        Some(Command::StartGrants(_)) => Command::ExpireGrants(ExpireGrants {
            due: vec![DueEnd { tenant, id: "g".parse().unwrap(), version: Revision(7) }],
        }),
        Some(Command::ExpireGrants(_)) => {
            Command::WriteRelationships(WriteRelationships { updates: vec![Update::Touch(relationship())] })
        }
        Some(Command::WriteRelationships(_)) => {
            let filter = "group:g#member@user:a".parse().unwrap();
            Command::DeleteRelationships(DeleteRelationships { filter })
        }
        Some(Command::DeleteRelationships(_)) => Command::ConfigureLeases(ConfigureLeases {
            length: Some(Duration::from_millis(5_500)),
            renewal: Some(Duration::from_millis(250)),
            lag: None,
            drift_ppm: Some(10_000),
            roster: Some(Roster::Only([1, 300].into())),
        }),
        Some(Command::ConfigureLeases(_)) => Command::SettleLeases(SettleLeases { changed_at: 300 }),
        Some(Command::SettleLeases(_)) => Command::CompactHistory(CompactHistory { floor: Revision(300) }),
        Some(Command::CompactHistory(_)) => Command::WriteSchema(WriteSchema { text: "definition user {}".to_owned() }),
        Some(Command::WriteSchema(_)) => Command::ExpireRelationships(ExpireRelationships {
            due: vec![DueRelationship { tenant, relationship: relationship(), expires: Timestamp(2_000) }],
        }),
        Some(Command::ExpireRelationships(_)) => Command::DeleteTuples(tuples()),
        Some(Command::DeleteTuples(_)) => Command::Annotated(Annotated {
            metadata: r#"{"by":"sync"}"#.parse().unwrap(),
            command: Box::new(Command::DeleteTuples(tuples())),
        }),
        Some(Command::Annotated(_)) => {
            Command::InstallAuthority(InstallAuthority { authority: super::effects::authority() })
        }
        Some(Command::InstallAuthority(_)) => {
            Command::DropAuthority(DropAuthority { fingerprint: super::effects::authority().fingerprint })
        }
        Some(Command::DropAuthority(_)) => Command::CreateJoinToken(CreateJoinToken {
            id: "t".parse().unwrap(),
            proof: [7; 32],
            expires: Timestamp(2_000),
        }),
        Some(Command::CreateJoinToken(_)) => Command::RevokeJoinToken(RevokeJoinToken { id: "t".parse().unwrap() }),
        Some(Command::RevokeJoinToken(_)) => Command::AdmitByToken(AdmitByToken {
            node: NodeId(300),
            token: "t".parse().unwrap(),
            proof: [7; 32],
            applicant: [8; 32],
        }),
        Some(Command::AdmitByToken(_)) => return None,
    })
}

fn tuples() -> DeleteTuples {
    DeleteTuples { filter: "group:g…#member@group:*".parse().unwrap(), most: 300, partly: true }
}

fn end_after(previous: Option<&End>) -> Option<End> {
    match previous {
        None => Some(End::Never),
        Some(End::Never) => Some(End::At(Timestamp(2_000))),
        Some(End::At(_)) => NonZeroU64::new(3_000).map(End::After),
        Some(End::After(_)) => None,
    }
}

fn update_after(previous: Option<&Update>) -> Option<Update> {
    match previous {
        None => Some(Update::Create(relationship())),
        Some(Update::Create(_)) => Some(Update::Touch(relationship())),
        Some(Update::Touch(_)) => Some(Update::Delete(relationship())),
        Some(Update::Delete(_)) => Some(Update::CreateQualified(Box::new(tuple()))),
        Some(Update::CreateQualified(_)) => Some(Update::TouchQualified(Box::new(tuple()))),
        Some(Update::TouchQualified(_)) => None,
    }
}

fn target_after(previous: Option<&Target>) -> Option<Target> {
    match previous {
        None => Some(Target::Role(role().id)),
        Some(Target::Role(_)) => Some(Target::Grant("g".parse().unwrap())),
        Some(Target::Grant(_)) => Some(Target::Relationship("group#member".parse().unwrap())),
        Some(Target::Relationship(_)) => Some(Target::Tuples("group:g…@user:…#…".parse().unwrap())),
        Some(Target::Tuples(_)) => None,
    }
}

/// The precondition after another. Those about a thing are about a role.
pub(super) fn precondition_after(previous: Option<&Precondition>) -> Option<Precondition> {
    let target = Target::Role(role().id);
    match previous {
        None => Some(Precondition::Exists(target)),
        Some(Precondition::Exists(_)) => Some(Precondition::Missing(target)),
        Some(Precondition::Missing(_)) => Some(Precondition::At(target, Revision(4))),
        Some(Precondition::At(..)) => Some(Precondition::OnlyAdds),
        Some(Precondition::OnlyAdds) => None,
    }
}
