//! Cases that scripts and histories made at random do not reach.

mod coverage;
mod footprints;
mod histories;
mod properties;
mod scripts;

use portcullis_model::{Actor, Grant, GrantState, Revision, Tenant, TenantId, Timestamp, Verified, Window, limit};

use crate::command::RaiseVersion;
use crate::memory::Memory;
use crate::script::play;
use crate::{Change, Command, Effect, Outcome};

fn admin() -> Actor {
    Actor { caller: "user:admin".parse().unwrap(), on_behalf_of: None, verified: Verified::Assumed }
}

/// A grant from id, subject, role and scope.
fn granted([id, subject, role, scope]: [&str; 4], state: GrantState) -> Grant {
    Grant {
        id: id.parse().unwrap(),
        subject: subject.parse().unwrap(),
        role: role.parse().unwrap(),
        scope: scope.parse().unwrap(),
        window: Window::default(),
        reason: None,
        granted_by: admin(),
        granted_at: Timestamp(0),
        created: Revision(1),
        modified: Revision(1),
        state,
    }
}

/// A state after `effects`.
fn state(effects: Vec<Effect>) -> Memory {
    let mut state = Memory::default();
    state.carry_out(&Change {
        revision: Revision(1),
        tenant: TenantId::system(),
        actor: admin(),
        reason: None,
        at: Timestamp(0),
        salt: [0; 16],
        command: Command::RaiseVersion(RaiseVersion { version: 1 }),
        result: Ok(Outcome::Done),
        repeats: None,
        effects,
    });
    state
}

/// As many grants as this are too many to make one by one.
#[test]
fn a_filter_revokes_so_many_grants_and_no_more() {
    let tenant = TenantId::default_tenant;
    let mut effects = vec![Effect::PutTenant(Tenant { id: tenant(), created: Revision(1) })];
    effects.extend((0..=limit::ENDED_BY_FILTER_MAX).map(|n| {
        let grant = granted([&format!("g{n:06}"), "user:alice", "viewer", "document:plan"], GrantState::Active);
        Effect::PutGrant { tenant: tenant(), grant: Box::new(grant) }
    }));
    let script = "\
revoke-by-filter role viewer -> 1: REFUSED FILTER_TOO_WIDE: the filter selects more than 100000: narrow it
revoke-grants g000000 -> 2: g000000
revoke-by-filter role viewer -> 3: g000001 … g100000, 100000 in all
show live -> nothing
";
    assert_eq!(play(script, || state(effects)).unwrap(), script);
}
