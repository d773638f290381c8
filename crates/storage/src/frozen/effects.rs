//! Effects and outcomes.

use portcullis_lease::{Configuration, Parameters, Roster};
use portcullis_machine::{Effect, Outcome, Remembered, StoredSchema};
use portcullis_model::{
    Authority, ClusterId, Fingerprint, GrantState, JoinToken, NodeId, Revision, Tenant, Timestamp, Trust,
};

use super::{Frozen, grant, relationship, role, subject, tenant, tuple};

pub(super) fn check(frozen: &mut Frozen) {
    frozen.chain("Effect", effect_after);
    frozen.chain("Outcome", outcome_after);
    frozen.value("Remembered", &remembered());
}

fn remembered() -> Remembered {
    Remembered { digest: [5; 32], revision: Revision(7), at: Timestamp(1_000), result: Ok(Outcome::Done) }
}

/// A configuration that is not settled, so that every field is there.
fn leases() -> Configuration {
    let parameters = Parameters::wide();
    let raised = Configuration::default().changed(parameters, Roster::Only([1, 300].into()), 7);
    raised.changed(Parameters::local(), Roster::Everyone, 300)
}

pub(super) fn authority() -> Authority {
    Authority {
        fingerprint: Fingerprint([6; 32]),
        certificate: vec![1, 2],
        cross_certificate: vec![4],
        sealed_key: vec![3],
    }
}

fn join_token() -> JoinToken {
    JoinToken { proof: [7; 32], expires: Timestamp(2_000), used_by: Some(NodeId(300)) }
}

fn effect_after(previous: Option<&Effect>) -> Option<Effect> {
    let (tenant, relationship) = (tenant(), relationship());
    let (caller, key) = (subject(), "k".parse().unwrap());
    Some(match previous {
        None => Effect::Cluster(ClusterId([9; 16])),
        Some(Effect::Cluster(_)) => Effect::ActiveVersion(2),
        Some(Effect::ActiveVersion(_)) => Effect::AdmitNode(NodeId(3)),
        Some(Effect::AdmitNode(_)) => Effect::RetireNode(NodeId(3)),
        Some(Effect::RetireNode(_)) => Effect::PutTenant(Tenant { id: tenant, created: Revision(3) }),
        Some(Effect::PutTenant(_)) => Effect::DropTenant(tenant),
        Some(Effect::DropTenant(_)) => Effect::PutRole { tenant, role: role() },
        Some(Effect::PutRole { .. }) => Effect::DeleteRole { tenant, role: role().id },
        Some(Effect::DeleteRole { .. }) => Effect::PutGrant { tenant, grant: Box::new(grant(GrantState::Active)) },
        Some(Effect::PutGrant { .. }) => Effect::PutRelationship { tenant, relationship },
        Some(Effect::PutRelationship { .. }) => Effect::DeleteRelationship { tenant, relationship },
        Some(Effect::DeleteRelationship { .. }) => {
            Effect::Remember { tenant, caller, key, remembered: Box::new(remembered()) }
        }
        Some(Effect::Remember { .. }) => Effect::Forget { tenant, caller, key, revision: Revision(7) },
        Some(Effect::Forget { .. }) => Effect::Leases(Box::new(leases())),
        Some(Effect::Leases(_)) => Effect::HistoryFloor(Revision(300)),
        Some(Effect::HistoryFloor(_)) => Effect::PutTuple { tenant, tuple: Box::new(tuple()) },
        Some(Effect::PutTuple { .. }) => {
            let schema = Box::new(StoredSchema { text: "definition user {}".to_owned(), written: Revision(300) });
            Effect::PutSchema { tenant, schema }
        }
        Some(Effect::PutSchema { .. }) => Effect::Trust(Box::new(Trust {
            authorities: vec![authority()],
            join_tokens: [("t".parse().unwrap(), join_token())].into(),
        })),
        Some(Effect::Trust(_)) => return None,
    })
}

fn outcome_after(previous: Option<&Outcome>) -> Option<Outcome> {
    Some(match previous {
        None => Outcome::Done,
        Some(Outcome::Done) => Outcome::Tenant(Tenant { id: tenant(), created: Revision(3) }),
        Some(Outcome::Tenant(_)) => Outcome::Role(role()),
        Some(Outcome::Role(_)) => Outcome::Grant(Box::new(grant(GrantState::Active))),
        Some(Outcome::Grant(_)) => Outcome::Grants(vec!["g".parse().unwrap(), "h".parse().unwrap()]),
        Some(Outcome::Grants(_)) => Outcome::Relationships { created: 1, deleted: 300 },
        Some(Outcome::Relationships { .. }) => Outcome::Leases(Box::new(leases())),
        Some(Outcome::Leases(_)) => Outcome::Deleted { deleted: 300, more: true },
        Some(Outcome::Deleted { .. }) => return None,
    })
}
