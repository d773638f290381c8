//! Histories made at random: commands of all kinds on few names, and the runner that makes them.

use std::fmt::Debug;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use portcullis_lease::Roster;
use portcullis_model::{
    Actor, Authority, ClusterId, Fingerprint, GrantFilter, GrantId, IdempotencyKey, JoinTokenId, NodeId, Object,
    Reason, Relationship, RelationshipFilter, Revision, RoleId, Subject, TenantId, Timestamp, TupleFilter, Verified,
};
use proptest::collection::{btree_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};

use crate::command::{
    AdmitByToken, AdmitNode, Annotated, CompactHistory, ConfigureLeases, CreateGrant, CreateJoinToken, CreateRole,
    CreateTenant, DeleteRelationships, DeleteRole, DeleteTenant, DeleteTuples, DropAuthority, DueEnd, DueRelationship,
    DueStart, End, ExpireGrants, ExpireRelationships, Initialise, InstallAuthority, RaiseVersion, RetireNode,
    RevokeByFilter, RevokeGrants, RevokeJoinToken, SettleLeases, StartGrants, Update, UpdateRole, WriteRelationships,
    WriteSchema,
};
use crate::memory::Memory;
use crate::script::Machine;
use crate::{Applied, Command, Envelope, Idempotency, Precondition, Stamp, State, Target, VERSION_SUPPORTED};

pub(super) const TENANTS: &[&str] = &["default", "acme", "system", "nobody"];
pub(super) const ROLES: &[&str] = &["r0", "r1", "r2", "r3", "r4"];
pub(super) const GRANTS: &[&str] =
    &["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g10", "g11", "g12", "g13", "g14", "g15"];
const SUBJECTS: &[&str] = &["user:u0", "user:u1", "user:u2", "user:*", "group:a#member"];
const SCOPES: &[&str] = &["document:d0", "document:d1", "folder:f0"];
const RELATIONSHIPS: &[&str] = &[
    "group:a#member@user:u0",
    "group:a#member@user:u1",
    "group:b#member@group:a#member",
    "document:d0#parent@folder:f0",
    "document:d1#parent@folder:f0",
    "group:b#member@group:a#manager",
    "document:d0#parent@folder:*",
    "document:d0#viewer@user:u0",
];
/// What a relationship may hold under, without a schema and with the first two of [`SCHEMAS`].
const QUALIFIERS: &[&str] = &["", "", "", "[c]", "[expiration:2027-01-15T08:00:30Z]"];
const SCHEMAS: &[&str] = &[
    "use expiration caveat c(k int) { k == 1 } definition user {} definition folder {}
     definition group { relation member: user | user with c | user with expiration | group#member }
     definition document { relation parent: folder }",
    "use expiration caveat c(k int) { k == 1 } definition user {} definition folder {}
     definition group { relation member: user | user with c | user with expiration | group#member | user:* }
     definition document { relation parent: folder relation viewer: user permission view = viewer - parent->none }",
    "definition user {} definition group { relation member: user }",
    "definition user {} definition group { relation member: nobody }",
];
const FILTERS: &[&str] = &["*", "group", "group:a", "*#member", "*@user:u0", "document:d0#parent@folder:f0", "folder"];
/// Filters of the kind that can say more.
const WIDE: &[&str] = &["*", "group", "group:a…", "*@user:…", "*#member@group:…#…", "document:d…"];
/// When histories begin.
const DAWN: Timestamp = Timestamp(1_800_000_000_000);

/// One command, as far as it can be said before the state is known that it meets.
#[derive(Clone, Debug)]
pub(super) struct Step {
    version: u32,
    tenant: TenantId,
    caller: Subject,
    reason: Option<Reason>,
    idempotency: Option<(IdempotencyKey, u8)>,
    wishes: Vec<Wish>,
    /// How much later than the one before, by the leader's clock; new leaders may be behind.
    later_ms: i64,
    error_ms: u64,
    act: Act,
}

#[derive(Clone, Debug)]
struct Wish {
    target: Target,
    expected: Expected,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Exists,
    Missing,
    /// So many revisions before the one that it is at.
    Before(u64),
}

#[derive(Clone, Debug)]
enum Act {
    Plain(Command),
    Grant { grant: Box<CreateGrant>, start_ms: Option<i64>, end_ms: Option<i64> },
    Start(Vec<Due>),
    Expire(Vec<Due>),
}

#[derive(Clone, Debug)]
struct Due {
    tenant: TenantId,
    id: GrantId,
    /// So many revisions before the one that it is at.
    before: u64,
    /// What the leader takes for its scope, where that is wrong.
    scope: Option<Object>,
}

/// One command of a history, with the states before and after it.
pub(super) struct Moment<'a> {
    pub(super) before: &'a Memory,
    pub(super) envelope: &'a Envelope,
    pub(super) applied: &'a Applied,
    pub(super) after: &'a Memory,
}

/// Plays a history from an empty state, looks at every moment of it, and returns the state that it leaves.
pub(super) fn walk(
    history: &[Step],
    mut look: impl FnMut(&Moment<'_>) -> Result<(), TestCaseError>,
) -> Result<Memory, TestCaseError> {
    let (mut state, mut now) = (Memory::default(), DAWN);
    for (revision, step) in (1..).map(Revision).zip(history) {
        now = Timestamp(now.0 + step.later_ms);
        let (before, envelope) = (state.clone(), step.envelope(&state, now));
        let applied = Machine::apply(&mut state, revision, envelope.clone()).unwrap();
        look(&Moment { before: &before, envelope: &envelope, applied: &applied, after: &state })?;
    }
    Ok(state)
}

/// A runner that makes the same histories every time. A failure prints its history; `PROPTEST_SEED` makes other ones.
pub(super) fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("PROPTEST_SEED").map_or(7, |seed| seed.parse().expect("a number"));
    println!("replay with PROPTEST_SEED={seed}");
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    })
}

impl Step {
    fn plain((tenant, command): &(TenantId, Command)) -> Self {
        Self {
            version: VERSION_SUPPORTED,
            tenant: tenant.clone(),
            caller: "user:admin".parse().unwrap(),
            reason: None,
            idempotency: None,
            wishes: Vec::new(),
            later_ms: 1,
            error_ms: 250,
            act: Act::Plain(command.clone()),
        }
    }

    fn envelope(&self, state: &Memory, now: Timestamp) -> Envelope {
        Envelope {
            version: self.version,
            tenant: self.tenant.clone(),
            actor: Actor { caller: self.caller.clone(), on_behalf_of: None, verified: Verified::Assumed },
            reason: self.reason.clone(),
            idempotency: self.idempotency.clone().map(|(key, digest)| Idempotency { key, digest: [digest; 32] }),
            preconditions: self.wishes.iter().map(|wish| wish.precondition(state, &self.tenant)).collect(),
            stamp: Stamp { reading_ms: now.0, error_ms: self.error_ms },
            salt: [7; 16],
            command: self.act.command(state, now),
        }
    }
}

impl Wish {
    fn precondition(&self, state: &Memory, tenant: &TenantId) -> Precondition {
        let target = self.target.clone();
        let at = match &target {
            Target::Role(role) => state.role(tenant, role).unwrap().map(|role| role.modified),
            Target::Grant(grant) => state.grant(tenant, grant).unwrap().map(|grant| grant.modified),
            Target::Relationship(_) | Target::Tuples(_) => None,
        };
        match self.expected {
            Expected::Exists => Precondition::Exists(target),
            Expected::Missing => Precondition::Missing(target),
            Expected::Before(count) => Precondition::At(target, earlier(at.unwrap_or_default(), count)),
        }
    }
}

impl Act {
    fn is_of_system(&self) -> bool {
        match self {
            Self::Plain(command) => command.is_of_system(),
            Self::Start(_) | Self::Expire(_) => true,
            Self::Grant { .. } => false,
        }
    }

    fn command(&self, state: &Memory, now: Timestamp) -> Command {
        let at = |ms: i64| Timestamp(now.0 + ms);
        match self {
            Self::Plain(command) => command.clone(),
            Self::Grant { grant, start_ms, end_ms } => {
                let end = end_ms.map_or(grant.end, |ms| End::At(at(ms)));
                Command::CreateGrant(Box::new(CreateGrant { start: start_ms.map(at), end, ..(**grant).clone() }))
            }
            Self::Start(due) => {
                Command::StartGrants(StartGrants { due: due.iter().map(|due| due.start(state)).collect() })
            }
            Self::Expire(due) => {
                Command::ExpireGrants(ExpireGrants { due: due.iter().map(|due| due.end(state)).collect() })
            }
        }
    }
}

impl Due {
    fn start(&self, state: &Memory) -> DueStart {
        let DueEnd { tenant, id, version } = self.end(state);
        let known = state.grant(&tenant, &id).unwrap();
        let (subject, role, scope) = known.map_or_else(
            || ("user:u0".parse().unwrap(), "r0".parse().unwrap(), "document:d0".parse().unwrap()),
            |grant| (grant.subject, grant.role, grant.scope),
        );
        DueStart { tenant, id, version, subject, role, scope: self.scope.clone().unwrap_or(scope) }
    }

    fn end(&self, state: &Memory) -> DueEnd {
        let at = state.grant(&self.tenant, &self.id).unwrap().map(|grant| grant.modified);
        let version = earlier(at.unwrap_or_default(), self.before);
        DueEnd { tenant: self.tenant.clone(), id: self.id.clone(), version }
    }
}

fn earlier(revision: Revision, count: u64) -> Revision {
    Revision(revision.0.saturating_sub(count))
}

/// A history: the cluster is initialised and has a tenant and a few roles, and then anything may be asked of it.
pub(super) fn history() -> impl Strategy<Value = Vec<Step>> {
    let (default, acme) = (TenantId::default_tenant(), TenantId::new("acme").unwrap());
    let role = |id: &str| {
        let (id, permissions) = (id.parse().unwrap(), ["document#view".parse().unwrap()].into());
        Command::CreateRole(CreateRole { id, permissions, inherits: [].into() })
    };
    let first = [
        (TenantId::system(), Command::Initialise(Initialise { cluster: ClusterId([1; 16]), node: NodeId(1) })),
        (TenantId::system(), Command::CreateTenant(CreateTenant { id: acme.clone() })),
        (default.clone(), role("r0")),
        (default.clone(), role("r1")),
        (default, role("r2")),
        (acme.clone(), role("r0")),
        (acme, role("r1")),
    ];
    // Nodes of some clusters prove who they are.
    let token =
        CreateJoinToken { id: "t1".parse().unwrap(), proof: [1; 32], expires: "2027-01-18T08:00:00Z".parse().unwrap() };
    let trusting =
        [install(1), install(2), Command::CreateJoinToken(token)].map(|command| (TenantId::system(), command));
    (weighted(0.3, Just(trusting)), vec(step(), 60..120)).prop_map(move |(trusting, steps)| {
        let first = first.iter().cloned().chain(trusting.into_iter().flatten());
        first.map(|command| Step::plain(&command)).chain(steps).collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let call = (
        tenant(),
        named(&["user:admin", "user:bob"]),
        weighted(0.3, named(&["an audit", "an accident"])),
        weighted(0.3, (named(&["k0", "k1", "k2", "k3", "k4"]), 0..2_u8)),
        prop_oneof![7 => Just(Vec::new()), 1 => vec(wish(), 1..3)],
    );
    let hour = 3_600_000_i64;
    let later = prop_oneof![8 => 0..60_000_i64, 1 => -hour..0, 1 => hour..20 * hour];
    // Until a cluster was raised as a whole, its commands are of the version before.
    let version = prop_oneof![1 => Just(1), 3 => Just(VERSION_SUPPORTED)];
    let strays = prop_oneof![1 => Just(true), 5 => Just(false)];
    (version, strays, call, later, 0..500_u64, act()).prop_map(|(version, strays, call, later_ms, error_ms, act)| {
        let (tenant, caller, reason, idempotency, wishes) = call;
        let tenant = if act.is_of_system() && !strays { TenantId::system() } else { tenant };
        Step { version, tenant, caller, reason, idempotency, wishes, later_ms, error_ms, act }
    })
}

fn tenant() -> impl Strategy<Value = TenantId> {
    prop_oneof![12 => named(&TENANTS[..1]), 5 => named(&TENANTS[1..2]), 1 => named(&TENANTS[2..])]
}

fn wish() -> impl Strategy<Value = Wish> {
    let target = prop_oneof![
        named(ROLES).prop_map(Target::Role),
        named(GRANTS).prop_map(Target::Grant),
        named(FILTERS).prop_map(Target::Relationship),
    ];
    let expected = prop_oneof![
        2 => Just(Expected::Exists),
        2 => Just(Expected::Missing),
        1 => Just(Expected::Before(0)),
        1 => Just(Expected::Before(1)),
    ];
    (target, expected).prop_map(|(target, expected)| Wish { target, expected })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => create_grant(),
        4 => vec(due(), 1..9).prop_map(Act::Start),
        2 => vec(due(), 1..6).prop_map(Act::Expire),
        18 => plain().prop_map(Act::Plain),
    ]
}

fn plain() -> impl Strategy<Value = Command> {
    let node = || (1..9_u64).prop_map(NodeId);
    let tenant = || named::<TenantId>(&["acme", "other", "other", "default"]);
    prop_oneof![
        1 => Just(Command::Initialise(Initialise { cluster: ClusterId([2; 16]), node: NodeId(2) })),
        1 => (0..9_u32).prop_map(|version| Command::RaiseVersion(RaiseVersion { version })),
        1 => node().prop_map(|node| Command::AdmitNode(AdmitNode { node })),
        1 => node().prop_map(|node| Command::RetireNode(RetireNode { node })),
        1 => configure_leases(),
        5 => trust(),
        1 => prop_oneof![2 => Just(0), 1 => 0..40_u64]
            .prop_map(|changed_at| Command::SettleLeases(SettleLeases { changed_at })),
        1 => (1..90_u64).prop_map(|floor| Command::CompactHistory(CompactHistory { floor: Revision(floor) })),
        2 => tenant().prop_map(|id| Command::CreateTenant(CreateTenant { id })),
        1 => tenant().prop_map(|id| Command::DeleteTenant(DeleteTenant { id })),
        5 => role(),
        2 => named(ROLES).prop_map(|id| Command::DeleteRole(DeleteRole { id })),
        2 => btree_set(named::<GrantId>(GRANTS), 0..3)
            .prop_map(|ids| Command::RevokeGrants(RevokeGrants { ids })),
        2 => grant_filter().prop_map(|filter| Command::RevokeByFilter(RevokeByFilter { filter })),
        4 => vec(update(), 0..4).prop_map(|updates| Command::WriteRelationships(WriteRelationships { updates })),
        1 => named::<RelationshipFilter>(FILTERS)
            .prop_map(|filter| Command::DeleteRelationships(DeleteRelationships { filter })),
        1 => (named::<TupleFilter>(WIDE), 0..3_u64, any::<bool>())
            .prop_map(|(filter, most, partly)| Command::DeleteTuples(DeleteTuples { filter, most, partly })),
        1 => role().prop_map(|command| Command::Annotated(Annotated {
            metadata: r#"{"by":"sync"}"#.parse().unwrap(),
            command: Box::new(command),
        })),
        1 => named::<String>(SCHEMAS).prop_map(|text| Command::WriteSchema(WriteSchema { text })),
        1 => vec((tenant(), named(&RELATIONSHIPS[..5]), named(&["2027-01-15T08:00:30Z"])), 1..3).prop_map(|due| {
            let due = due.into_iter().map(|(tenant, relationship, expires)| DueRelationship { tenant, relationship, expires });
            Command::ExpireRelationships(ExpireRelationships { due: due.collect() })
        }),
    ]
}

/// About who is trusted. So few names that most are taken sooner or later.
fn trust() -> impl Strategy<Value = Command> {
    let token = || named::<JoinTokenId>(&["t1", "t2", "t3"]);
    let proof = || prop::sample::select(vec![[1_u8; 32], [1; 32], [1; 32], [1; 32], [1; 32], [2; 32]]);
    let fingerprint = || prop::sample::select(vec![1_u8, 2]).prop_map(|byte| Fingerprint([byte; 32]));
    prop_oneof![
        2 => (1..3_u8).prop_map(install),
        2 => fingerprint().prop_map(|fingerprint| Command::DropAuthority(DropAuthority { fingerprint })),
        9 => (token(), Just([1; 32]), named(&["2027-01-16T08:00:00Z", "2027-01-18T08:00:00Z", "2027-01-21T08:00:00Z", "2026-01-01T00:00:00Z"]))
            .prop_map(|(id, proof, expires)| Command::CreateJoinToken(CreateJoinToken { id, proof, expires })),
        6 => token().prop_map(|id| Command::RevokeJoinToken(RevokeJoinToken { id })),
        3 => (token(), proof(), (9..90_u64).prop_map(NodeId))
            .prop_map(|(token, proof, node)| Command::AdmitByToken(AdmitByToken { node, token, proof, applicant: [3; 32] })),
    ]
}

fn install(nth: u8) -> Command {
    let authority = Authority {
        fingerprint: Fingerprint([nth; 32]),
        certificate: vec![nth],
        cross_certificate: Vec::new(),
        sealed_key: vec![2],
    };
    Command::InstallAuthority(InstallAuthority { authority })
}

fn configure_leases() -> impl Strategy<Value = Command> {
    let time = |ms: [u64; 3]| weighted(0.5, prop::sample::select(ms.to_vec()).prop_map(Duration::from_millis));
    let roster = prop_oneof![
        1 => Just(Roster::Everyone),
        2 => btree_set(1..4_u64, 0..3).prop_map(Roster::Only),
    ];
    let times = (time([150, 2_000, 61_000]), time([0, 100, 250]), time([0, 500, 900]));
    let drift = weighted(0.3, prop::sample::select(vec![0, 10_000, 50_000_u32]));
    (times, drift, weighted(0.5, roster)).prop_map(|((length, renewal, lag), drift_ppm, roster)| {
        Command::ConfigureLeases(ConfigureLeases { length, renewal, lag, drift_ppm, roster })
    })
}

fn role() -> impl Strategy<Value = Command> {
    let permissions = btree_set(named(&["document#view", "document#edit", "folder#*"]), 0..3);
    let inherits = btree_set(named(ROLES), 0..3);
    (any::<bool>(), named::<RoleId>(ROLES), permissions, inherits).prop_map(|(is_new, id, permissions, inherits)| {
        if is_new {
            Command::CreateRole(CreateRole { id, permissions, inherits })
        } else {
            Command::UpdateRole(UpdateRole { id, permissions, inherits })
        }
    })
}

fn create_grant() -> impl Strategy<Value = Act> {
    let duration = prop_oneof![
        1 => Just(End::Never),
        2 => (1..100_000_u64).prop_map(|ms| End::After(NonZeroU64::new(ms).unwrap())),
    ];
    // The first roles exist to begin with.
    let role = prop_oneof![5 => named(&ROLES[..2]), 1 => named(ROLES)];
    let words = (named(GRANTS), named(SUBJECTS), role, named(SCOPES));
    let times = (weighted(0.7, -60_000..600_000_i64), weighted(0.2, -60_000..600_000_i64));
    (words, duration, times).prop_map(|((id, subject, role, scope), end, (start_ms, end_ms))| Act::Grant {
        grant: Box::new(CreateGrant { id, subject, role, scope, start: None, end }),
        start_ms,
        end_ms,
    })
}

fn grant_filter() -> impl Strategy<Value = GrantFilter> {
    (weighted(0.4, named(SUBJECTS)), weighted(0.4, named(ROLES)), weighted(0.4, named(SCOPES)))
        .prop_map(|(subject, role, scope)| GrantFilter { subject, role, scope })
}

fn due() -> impl Strategy<Value = Due> {
    let before = prop_oneof![9 => Just(0_u64), 1 => Just(1)];
    let scope = weighted(0.1, named(&["document:elsewhere"]));
    (tenant(), named(GRANTS), before, scope).prop_map(|(tenant, id, before, scope)| Due { tenant, id, before, scope })
}

fn update() -> impl Strategy<Value = Update> {
    // The first are those that may be stored.
    let relationship = || prop_oneof![9 => named(&RELATIONSHIPS[..5]), 1 => named(RELATIONSHIPS)];
    let tuple = || {
        let qualifier = prop::sample::select(QUALIFIERS);
        (relationship(), qualifier)
            .prop_map(|(one, under): (Relationship, &str)| format!("{one}{under}").parse().unwrap())
    };
    prop_oneof![
        tuple().prop_map(Update::create),
        tuple().prop_map(Update::touch),
        relationship().prop_map(Update::Delete),
    ]
}

fn named<T: FromStr<Err: Debug> + Debug>(names: &'static [&'static str]) -> impl Strategy<Value = T> {
    prop::sample::select(names).prop_map(|name| name.parse().unwrap())
}
