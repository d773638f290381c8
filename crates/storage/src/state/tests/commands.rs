//! Random commands of every kind, over few names, so that they meet one another.
//!
//! Names are the beginnings of other names wherever a key could confuse them.

use std::num::NonZeroU64;
use std::time::Duration;

use portcullis_lease::Roster;
use portcullis_machine::command::{
    AdmitByToken, AdmitNode, Annotated, CompactHistory, ConfigureLeases, CreateGrant, CreateJoinToken, CreateRole,
    DeleteRelationships, DeleteRole, DeleteTuples, DropAuthority, End, ExpireGrants, ExpireRelationships,
    InstallAuthority, RaiseVersion, RetireNode, RevokeByFilter, RevokeGrants, RevokeJoinToken, SettleLeases,
    StartGrants, UpdateRole, WriteSchema,
};
use portcullis_machine::{Idempotency, MemoryKey, Precondition, Target, VERSION_SUPPORTED};
use portcullis_model::{Authority, Fingerprint, GrantFilter, JoinTokenId, Relationship, RelationshipFilter, limit};

use super::*;
use crate::dice::Dice;
use crate::state::Due;

pub(super) const TENANTS: [&str; 5] = ["default", "system", "t", "t1", "t10"];
pub(super) const ROLES: [&str; 4] = ["r", "r1", "r10", "r-"];
pub(super) const GRANTS: [&str; 12] = ["g", "g1", "g10", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9", "g-"];
pub(super) const SUBJECTS: [&str; 5] = ["user:a", "user:ab", "user:*", "group:g#member", "group:g1#member"];
pub(super) const SCOPES: [&str; 4] = ["document:a", "document:ab", "folder:f", "folder:f1"];
/// All of what is written without a schema may be written with any of these, and more.
pub(super) const SCHEMAS: [&str; 2] = [
    "use expiration caveat c(k int) { k == 1 } definition user {}
     definition group { relation member: user | user with c | user with expiration | user:* | group#member }
     definition folder { relation parent: folder permission view = nil permission edit = parent->edit permission burn = nil }
     definition document { relation parent: folder permission view = parent->view permission edit = nil permission burn = nil }",
    "use expiration caveat c(k int) { k == 1 } definition user {}
     definition group { relation member: user | user with c | user with expiration | user:* | group#member }
     definition folder { relation parent: folder permission view = parent->edit permission edit = nil permission burn = nil }
     definition document { relation parent: folder permission view = nil permission edit = nil permission burn = nil }",
];
pub(super) const CALLERS: [&str; 2] = ["user:admin", "user:admin2"];
pub(super) const IDEMPOTENCY_KEYS: [&str; 4] = ["k", "k1", "k10", "!"];
/// How many kinds of commands there are.
pub(super) const KINDS: usize = 28;

/// A source of commands.
pub(super) struct Commands {
    pub(super) dice: Dice,
    pub(super) deletes_tenants: bool,
    pub(super) now: Timestamp,
    /// How often each kind was drawn.
    pub(super) drawn: [u32; KINDS],
}

impl Commands {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), deletes_tenants: true, now: NOW, drawn: [0; KINDS] }
    }

    /// The next command. `due` is what the leader found to have come.
    pub(super) fn next(&mut self, due: &Due) -> Envelope {
        self.now = self.now.plus_ms(u64::try_from(self.dice.below(3_000)).unwrap());
        if self.dice.below(60) == 0 {
            // A day on, everything that was remembered is outdated.
            self.now = self.now.plus_ms(limit::IDEMPOTENCY_RETENTION_MS.unsigned_abs());
        }
        let kind = self.kind();
        self.drawn[kind] += 1;
        let command = self.command(kind, due);
        // Most of what is about the cluster is asked for where it belongs.
        let of_system = matches!(kind, 0..=5 | 12 | 13 | 15..=17 | 22..=26) && self.dice.below(6) > 0;
        let tenant = if of_system { "system" } else { self.dice.one_of(&TENANTS) };
        let mut envelope = envelope(&tenant.parse().unwrap(), command);
        envelope.version = self.dice.one_of(&[1, VERSION_SUPPORTED, VERSION_SUPPORTED]);
        // The leader's clock may go back; the state's does not.
        let back = u64::try_from(self.dice.below(5_000)).unwrap();
        envelope.stamp.reading_ms = self.now.minus_ms(back).0;
        envelope.actor.caller = self.dice.one_of(&CALLERS).parse().unwrap();
        envelope.reason = (self.dice.below(4) == 0).then(|| "because".parse().unwrap());
        if self.dice.below(2) == 0 {
            let digest = [u8::try_from(self.dice.below(3)).unwrap(); 32];
            let key = self.dice.one_of(&IDEMPOTENCY_KEYS).parse().unwrap();
            envelope.idempotency = Some(Idempotency { key, digest });
        }
        if self.dice.below(8) == 0 {
            envelope.preconditions.push(self.precondition());
        }
        envelope
    }

    /// Most commands are about what checks read.
    fn kind(&mut self) -> usize {
        match self.dice.below(10) {
            0..3 => self.dice.below(KINDS),
            3..5 => 9,
            5..8 => 14,
            _ => self.dice.one_of(&[4, 6, 7, 10, 12, 13]),
        }
    }

    fn command(&mut self, kind: usize, due: &Due) -> Command {
        let node = NodeId(u64::try_from(self.dice.below(5)).unwrap());
        match kind {
            0 => Command::Initialise(Initialise { cluster: ClusterId([3; 16]), node }),
            1 => Command::RaiseVersion(RaiseVersion { version: u32::try_from(self.dice.below(4)).unwrap() }),
            2 => Command::AdmitNode(AdmitNode { node }),
            3 => Command::RetireNode(RetireNode { node }),
            5 if self.deletes_tenants => Command::DeleteTenant(DeleteTenant { id: self.tenant() }),
            4 | 5 => Command::CreateTenant(CreateTenant { id: self.tenant() }),
            6 => {
                let (permissions, inherits) = self.holdings();
                Command::CreateRole(CreateRole { id: self.role(), permissions, inherits })
            }
            7 => {
                let (permissions, inherits) = self.holdings();
                Command::UpdateRole(UpdateRole { id: self.role(), permissions, inherits })
            }
            8 => Command::DeleteRole(DeleteRole { id: self.role() }),
            9 => Command::CreateGrant(Box::new(self.create_grant())),
            10 => {
                let ids = (0..=self.dice.below(2)).map(|_| self.dice.one_of(&GRANTS).parse().unwrap()).collect();
                Command::RevokeGrants(RevokeGrants { ids })
            }
            11 => Command::RevokeByFilter(RevokeByFilter { filter: self.grant_filter() }),
            12 => {
                let mut due = due.starts.clone();
                for one in &mut due {
                    one.version.0 += u64::from(self.dice.below(9) == 0);
                }
                Command::StartGrants(StartGrants { due })
            }
            13 => {
                let mut due = due.ends.clone();
                for one in &mut due {
                    one.version.0 += u64::from(self.dice.below(9) == 0);
                }
                Command::ExpireGrants(ExpireGrants { due })
            }
            14 => {
                let updates = (0..=self.dice.below(5)).map(|_| self.update()).collect();
                Command::WriteRelationships(WriteRelationships { updates })
            }
            15 => {
                let length = Duration::from_secs(self.dice.one_of(&[0, 1, 2, 5]));
                let roster = self.dice.one_of(&[Roster::Everyone, Roster::Only([node.0].into())]);
                let changed = ConfigureLeases { length: Some(length), roster: Some(roster), ..<_>::default() };
                Command::ConfigureLeases(changed)
            }
            16 => Command::SettleLeases(SettleLeases { changed_at: self.dice.one_of(&[0, 20, 40]) }),
            17 => {
                // So far that most of the history stays.
                let half = usize::try_from(self.drawn.iter().sum::<u32>() / 2).unwrap();
                let floor = Revision(u64::try_from(self.dice.below(half + 2)).unwrap());
                Command::CompactHistory(CompactHistory { floor })
            }
            18 => Command::WriteSchema(WriteSchema { text: self.dice.one_of(&SCHEMAS).to_owned() }),
            19 => Command::ExpireRelationships(ExpireRelationships { due: due.relationships.clone() }),
            20 => Command::DeleteRelationships(DeleteRelationships { filter: self.filter() }),
            21 => {
                // Which are the first of those of a subject depends on where it is looked for.
                let (most, partly) = (self.dice.below(4) as u64, self.dice.below(2) == 0);
                let filters = ["*", "group", "group:e…", "document:plan#viewer@user:…#…", "*@user:…", "*@user:alice#…"];
                let filters = if partly { &filters[..4] } else { &filters[..] };
                Command::DeleteTuples(DeleteTuples { filter: self.dice.one_of(filters).parse().unwrap(), most, partly })
            }
            22..=26 => self.about_trust(kind, node),
            _ => {
                let updates = (0..=self.dice.below(3)).map(|_| self.update()).collect();
                let command = Box::new(Command::WriteRelationships(WriteRelationships { updates }));
                Command::Annotated(Annotated { metadata: r#"{"by":"sync"}"#.parse().unwrap(), command })
            }
        }
    }

    fn about_trust(&mut self, kind: usize, node: NodeId) -> Command {
        match kind {
            22 => {
                let fingerprint = self.fingerprint();
                let authority =
                    Authority { fingerprint, certificate: vec![1], cross_certificate: vec![3], sealed_key: vec![2] };
                Command::InstallAuthority(InstallAuthority { authority })
            }
            23 => Command::DropAuthority(DropAuthority { fingerprint: self.fingerprint() }),
            24 => {
                let expires = self.now.plus_ms(self.dice.one_of(&[0, 1_000, 100_000]));
                Command::CreateJoinToken(CreateJoinToken { id: self.token(), proof: [1; 32], expires })
            }
            25 => Command::RevokeJoinToken(RevokeJoinToken { id: self.token() }),
            _ => Command::AdmitByToken(AdmitByToken { node, token: self.token(), proof: [1; 32], applicant: [2; 32] }),
        }
    }

    fn fingerprint(&mut self) -> Fingerprint {
        Fingerprint([self.dice.one_of(&[1, 2, 3]); 32])
    }

    fn token(&mut self) -> JoinTokenId {
        self.dice.one_of(&["t1", "t2", "t3"]).parse().unwrap()
    }

    fn tenant(&mut self) -> TenantId {
        tenant(self.dice.one_of(&TENANTS))
    }

    fn role(&mut self) -> RoleId {
        role(self.dice.one_of(&ROLES))
    }

    fn holdings<P: FromIterator<portcullis_model::PermissionPattern>, R: FromIterator<RoleId>>(&mut self) -> (P, R) {
        let patterns = ["document#view", "document#edit", "folder#*", "document#*"];
        let permissions = (0..self.dice.below(3)).map(|_| self.dice.one_of(&patterns).parse().unwrap()).collect();
        let inherits = (0..self.dice.below(3).saturating_sub(1)).map(|_| self.role()).collect();
        (permissions, inherits)
    }

    fn create_grant(&mut self) -> CreateGrant {
        let ms = u64::try_from(self.dice.below(20_000)).unwrap();
        let start = [None, None, Some(self.now.plus_ms(ms))][self.dice.below(3)];
        let end = match self.dice.below(4) {
            0 => End::Never,
            1 => End::At(self.now.plus_ms(ms + 7_000)),
            _ => End::After(NonZeroU64::new(ms + 1).unwrap()),
        };
        CreateGrant {
            id: self.dice.one_of(&GRANTS).parse().unwrap(),
            subject: self.dice.one_of(&SUBJECTS).parse().unwrap(),
            role: self.role(),
            scope: self.dice.one_of(&SCOPES).parse().unwrap(),
            start,
            end,
        }
    }

    fn update(&mut self) -> Update {
        let relationship = self.dice.one_of(&relationships());
        let expires = self.now.plus_ms(u64::try_from(self.dice.below(20_000)).unwrap());
        let under = match self.dice.below(9) {
            0 => "[c]".to_owned(),
            1 => r#"[c:{"k":1}]"#.to_owned(),
            2 => format!("[expiration:{expires}]"),
            _ => String::new(),
        };
        let tuple = format!("{relationship}{under}").parse().unwrap();
        match self.dice.below(8) {
            0 => Update::create(tuple),
            1..5 => Update::touch(tuple),
            _ => Update::Delete(relationship),
        }
    }

    fn filter(&mut self) -> RelationshipFilter {
        self.dice.one_of(&relationship_filters())
    }

    fn grant_filter(&mut self) -> GrantFilter {
        self.dice.one_of(&grant_filters())
    }

    fn precondition(&mut self) -> Precondition {
        let target = match self.dice.below(3) {
            0 => Target::Role(self.role()),
            1 => Target::Grant(self.dice.one_of(&GRANTS).parse().unwrap()),
            _ => Target::Relationship(self.filter()),
        };
        match self.dice.below(3) {
            0 => Precondition::Exists(target),
            1 => Precondition::Missing(target),
            _ => Precondition::At(target, Revision(u64::try_from(self.dice.below(100)).unwrap())),
        }
    }
}

/// The relationships that are written.
pub(super) fn relationships() -> Vec<Relationship> {
    let mut all: Vec<Relationship> = Vec::new();
    for subject in SUBJECTS {
        all.extend(["group:g", "group:g1"].map(|group| format!("{group}#member@{subject}").parse().unwrap()));
    }
    for (child, parent) in [("document:a", "folder:f"), ("document:ab", "folder:f1"), ("folder:f", "folder:f1")] {
        all.push(format!("{child}#parent@{parent}").parse().unwrap());
    }
    all
}

/// Every way to select relationships, and ways to select none.
pub(super) fn relationship_filters() -> Vec<RelationshipFilter> {
    let texts = [
        "*",
        "group",
        "document",
        "folder",
        "grou",
        "group:g",
        "group:g1",
        "group:g2",
        "document:a",
        "document:ab",
        "*#member",
        "*#parent",
        "group:g#member",
        "*@user:a",
        "*@user:ab",
        "*@user:*",
        "*@group:g#member",
        "group:g1@user:ab",
        "group@user:a",
        "*#member@user:a",
        "document:a#parent@folder:f",
        "document#parent@folder:f",
    ];
    texts.map(|text| text.parse().unwrap()).into()
}

/// Every way to select grants.
pub(super) fn grant_filters() -> Vec<GrantFilter> {
    let mut all = vec![GrantFilter::default()];
    let subjects = SUBJECTS.map(|subject| Some(subject.parse().unwrap()));
    all.extend(subjects.clone().map(|subject| GrantFilter { subject, ..GrantFilter::default() }));
    all.extend(ROLES.map(|name| GrantFilter { role: Some(role(name)), ..GrantFilter::default() }));
    all.extend(SCOPES.map(|scope| GrantFilter { scope: Some(scope.parse().unwrap()), ..GrantFilter::default() }));
    let subject = subjects[0].clone();
    all.push(GrantFilter { subject: subject.clone(), role: Some(role("r")), scope: None });
    all.push(GrantFilter { subject, role: Some(role("r")), scope: Some("document:a".parse().unwrap()) });
    all
}

/// Every name under which an outcome may be remembered for a tenant.
pub(super) fn memory_keys(tenant: &TenantId) -> Vec<MemoryKey> {
    let of = |caller: &str, key: &str| MemoryKey {
        tenant: tenant.clone(),
        caller: caller.parse().unwrap(),
        key: key.parse().unwrap(),
    };
    CALLERS.iter().flat_map(|caller| IDEMPOTENCY_KEYS.map(|key| of(caller, key))).collect()
}
