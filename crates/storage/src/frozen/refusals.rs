//! Refusals, which change records and remembered outcomes hold.

use std::time::Duration;

use portcullis_lease::ParametersError;
use portcullis_machine::command::{CreateRole, Initialise};
use portcullis_machine::memory::Memory;
use portcullis_machine::{Command, Precondition, Refusal, apply};
use portcullis_model::{ClusterId, Fingerprint, GrantId, JoinTokenId, NodeId, Revision, RoleId, TenantId, Timestamp};

use super::{Frozen, commands, envelope, relationship, role, scope, tenant, tuple};

pub(super) fn check(frozen: &mut Frozen) {
    frozen.chain("Refusal", refusal_after);
    frozen.chain("ParametersError", parameters_after);
    let mut precondition = commands::precondition_after(None);
    while let Some(one) = precondition {
        precondition = commands::precondition_after(Some(&one));
        let name = match one {
            Precondition::Exists(_) => "Expected::Exists",
            Precondition::Missing(_) => "Expected::Missing",
            Precondition::At(..) => "Expected::At",
            // What it does not allow is refused for a reason of its own.
            Precondition::OnlyAdds => continue,
        };
        frozen.value(name, &refused(one));
    }
}

/// The refusal of a command whose precondition does not hold. The role exists unless that is what is asked for.
fn refused(precondition: Precondition) -> Refusal {
    let mut state = Memory::default();
    let mut do_next = |revision, command, preconditions| {
        let tenant = TenantId::system();
        let envelope = portcullis_machine::Envelope { tenant, preconditions, ..envelope(command) };
        let applied = apply(&state, Revision(revision), envelope).unwrap();
        state.carry_out(&applied.change);
        applied.result
    };
    let initialise = Command::Initialise(Initialise { cluster: ClusterId([1; 16]), node: NodeId(1) });
    do_next(1, initialise, Vec::new()).unwrap();
    let create = |id: &str| {
        let id = id.parse().unwrap();
        Command::CreateRole(CreateRole { id, permissions: [].into(), inherits: [].into() })
    };
    if !matches!(precondition, Precondition::Exists(_)) {
        do_next(2, create("r"), Vec::new()).unwrap();
    }
    do_next(3, create("other"), vec![precondition]).unwrap_err()
}

#[expect(clippy::too_many_lines, reason = "a chain has every variant in it")]
fn refusal_after(previous: Option<&Refusal>) -> Option<Refusal> {
    let (role, grant): (RoleId, GrantId) = (role().id, "g".parse().unwrap());
    let (tenant, node) = (tenant(), NodeId(300));
    let token: JoinTokenId = "t".parse().unwrap();
    let relationship = Box::new(relationship());
    Some(match previous {
        None => Refusal::TenantMissing(tenant),
        Some(Refusal::TenantMissing(_)) => Refusal::TenantExists(tenant),
        Some(Refusal::TenantExists(_)) => Refusal::TenantBuiltIn(tenant),
        Some(Refusal::TenantBuiltIn(_)) => Refusal::RoleMissing(role),
        Some(Refusal::RoleMissing(_)) => Refusal::RoleExists(role),
        Some(Refusal::RoleExists(_)) => Refusal::RoleGranted { role, grant },
        Some(Refusal::RoleGranted { .. }) => Refusal::RoleInherited { role, heir: "h".parse().unwrap() },
        Some(Refusal::RoleInherited { .. }) => Refusal::InheritanceCycle(vec![role.clone(), role]),
        Some(Refusal::InheritanceCycle(_)) => Refusal::InheritanceTooDeep { role, most: 50 },
        Some(Refusal::InheritanceTooDeep { .. }) => Refusal::GrantMissing(grant),
        Some(Refusal::GrantMissing(_)) => Refusal::GrantExists(grant),
        Some(Refusal::GrantExists(_)) => Refusal::EndsBeforeStart { start: Timestamp(2_000), end: Timestamp(1_000) },
        Some(Refusal::EndsBeforeStart { .. }) => Refusal::EndsInThePast { end: Timestamp(1), now: Timestamp(2) },
        Some(Refusal::EndsInThePast { .. }) => Refusal::UsersetNeedsSchema("group:g#owner".parse().unwrap()),
        Some(Refusal::UsersetNeedsSchema(_)) => Refusal::RelationNeedsSchema("owner".parse().unwrap()),
        Some(Refusal::RelationNeedsSchema(_)) => Refusal::ParentNotObject(relationship),
        Some(Refusal::ParentNotObject(_)) => Refusal::RelationshipExists(relationship),
        Some(Refusal::RelationshipExists(_)) => {
            refused(commands::precondition_after(None).expect("INVARIANT: there is a first one"))
        }
        Some(Refusal::PreconditionFailed { .. }) => {
            Refusal::TooMany { what: "updates".to_owned(), given: 1_001, most: 1_000 }
        }
        Some(Refusal::TooMany { .. }) => Refusal::FilterTooWide { most: 100_000 },
        Some(Refusal::FilterTooWide { .. }) => Refusal::IdempotencyKeyReused("k".parse().unwrap()),
        Some(Refusal::IdempotencyKeyReused(_)) => Refusal::GrantDiffers(grant),
        Some(Refusal::GrantDiffers(_)) => Refusal::AlreadyInitialised,
        Some(Refusal::AlreadyInitialised) => Refusal::NotInitialised,
        Some(Refusal::NotInitialised) => Refusal::VersionNotAbove { asked: 1, active: 2 },
        Some(Refusal::VersionNotAbove { .. }) => Refusal::NodeAdmitted(node),
        Some(Refusal::NodeAdmitted(_)) => Refusal::NodeRetired(node),
        Some(Refusal::NodeRetired(_)) => Refusal::LeaseParameters(parameters_after(None).expect("INVARIANT: one")),
        Some(Refusal::LeaseParameters(_)) => Refusal::RosterEmpty,
        Some(Refusal::RosterEmpty) => Refusal::RosterNodeUnknown(node),
        Some(Refusal::RosterNodeUnknown(_)) => Refusal::RosterNodeRetired(node),
        Some(Refusal::RosterNodeRetired(_)) => Refusal::LeasesChanged { waited_for: 7, changed_at: 300 },
        Some(Refusal::LeasesChanged { .. }) => Refusal::TenantNotSystem(tenant),
        Some(Refusal::TenantNotSystem(_)) => {
            Refusal::HistoryFloorOutOfRange { asked: Revision(7), floor: Revision(300), revision: Revision(301) }
        }
        Some(Refusal::HistoryFloorOutOfRange { .. }) => Refusal::SchemaInvalid("no".to_owned()),
        Some(Refusal::SchemaInvalid(_)) => Refusal::SchemaInUse { in_the_way: vec![tuple()], more: true },
        Some(Refusal::SchemaInUse { .. }) => Refusal::TypeUnknown(scope().object_type),
        Some(Refusal::TypeUnknown(object_type)) => {
            Refusal::RelationUnknown { object_type: object_type.clone(), relation: relationship.relation }
        }
        Some(Refusal::RelationUnknown { object_type, relation }) => {
            Refusal::NotARelation { object_type: object_type.clone(), permission: relation.clone() }
        }
        Some(Refusal::NotARelation { .. }) => {
            Refusal::SubjectNotAllowed { tuple: Box::new(tuple()), allowed: "user".to_owned() }
        }
        Some(Refusal::SubjectNotAllowed { .. }) => {
            Refusal::CaveatContext { relationship, caveat: "c".parse().unwrap(), problem: "no".to_owned() }
        }
        Some(Refusal::CaveatContext { .. }) => Refusal::QualifierNeedsSchema(Box::new(tuple())),
        Some(Refusal::QualifierNeedsSchema(_)) => {
            Refusal::MayTakeAway { object_type: scope().object_type, relation: relationship.relation }
        }
        Some(Refusal::MayTakeAway { .. }) => Refusal::AuthorityExists(Fingerprint([6; 32])),
        Some(Refusal::AuthorityExists(fingerprint)) => Refusal::AuthorityMissing(*fingerprint),
        Some(Refusal::AuthorityMissing(fingerprint)) => Refusal::AuthoritySigns(*fingerprint),
        Some(Refusal::AuthoritySigns(fingerprint)) => Refusal::AuthoritiesFull { oldest: *fingerprint },
        Some(Refusal::AuthoritiesFull { .. }) => Refusal::JoinTokenExists(token),
        Some(Refusal::JoinTokenExists(_)) => Refusal::JoinTokenMissing(token),
        Some(Refusal::JoinTokenMissing(_)) => Refusal::JoinTokenExpired { id: token, expires: Timestamp(2_000) },
        Some(Refusal::JoinTokenExpired { .. }) => Refusal::JoinTokenUsed { id: token, node },
        Some(Refusal::JoinTokenUsed { .. }) => {
            Refusal::JoinTokenExpiry { expires: Timestamp(2_000), now: Timestamp(500), latest: Timestamp(1_000) }
        }
        Some(Refusal::JoinTokenExpiry { .. }) => Refusal::JoinTokensFull { most: 300 },
        Some(Refusal::JoinTokensFull { .. }) => Refusal::JoinTokenRequired(node),
        Some(Refusal::JoinTokenRequired(_)) => return None,
    })
}

fn parameters_after(previous: Option<&ParametersError>) -> Option<ParametersError> {
    let (length, renewal, lag) = (Duration::from_millis(199), Duration::from_millis(100), Duration::from_nanos(5));
    Some(match previous {
        None => ParametersError::Length { length, renewal },
        Some(ParametersError::Length { .. }) => ParametersError::LengthMax { length },
        Some(ParametersError::LengthMax { .. }) => ParametersError::Renewal { renewal },
        Some(ParametersError::Renewal { .. }) => ParametersError::Lag { lag },
        Some(ParametersError::Lag { .. }) => ParametersError::Drift { ppm: 199 },
        Some(ParametersError::Drift { .. }) => return None,
    })
}
