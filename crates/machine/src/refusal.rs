//! Why a command was not carried out.

use portcullis_lease::ParametersError;
use portcullis_model::{
    CaveatName, Fingerprint, GrantId, IdempotencyKey, JoinTokenId, NodeId, RelationName, Relationship, Revision,
    RoleId, Subject, TenantId, Timestamp, Tuple, TupleFilter, TypeName,
};
use serde::{Deserialize, Serialize};

/// Why a command was not carried out. Nothing was changed by it. The same command may be given again, with the same
/// refusal as long as the state stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The tenant does not exist.
    #[error("tenant `{0}` does not exist: create it with `tenant create {0}`, or name another with `--tenant`")]
    TenantMissing(TenantId),
    /// The tenant exists already.
    #[error("tenant `{0}` exists already")]
    TenantExists(TenantId),
    /// The tenant is needed by the cluster itself.
    #[error("tenant `{0}` is built in and cannot be deleted")]
    TenantBuiltIn(TenantId),
    /// The role does not exist.
    #[error("role `{0}` does not exist: create it first, or see `role list`")]
    RoleMissing(RoleId),
    /// The role exists already.
    #[error("role `{0}` exists already: update it, or choose another id")]
    RoleExists(RoleId),
    /// Grants of the role are live.
    #[error("role `{role}` is in use by grant `{grant}`: revoke its grants first")]
    RoleGranted {
        /// The role.
        role: RoleId,
        /// One of its live grants.
        grant: GrantId,
    },
    /// Another role inherits it.
    #[error("role `{role}` is inherited by role `{heir}`: update that role first")]
    RoleInherited {
        /// The role.
        role: RoleId,
        /// One of the roles that inherit it.
        heir: RoleId,
    },
    /// The role would inherit itself.
    #[error("role inheritance would be cyclic: {}: remove one of these steps", arrows(.0))]
    InheritanceCycle(
        /// The cycle, its first role repeated at its end.
        Vec<RoleId>,
    ),
    /// The chain of inherited roles is too long.
    #[error("role `{role}` would inherit through more than {most} roles: flatten the hierarchy")]
    InheritanceTooDeep {
        /// The role.
        role: RoleId,
        /// The limit.
        most: u32,
    },
    /// The grant does not exist.
    #[error("grant `{0}` does not exist: see `grants list`")]
    GrantMissing(GrantId),
    /// The grant exists already.
    #[error("grant `{0}` exists already: choose another id, or leave it out to have one made")]
    GrantExists(GrantId),
    /// The grant would end before it begins.
    #[error("the grant would end at {end}, which is not after its start at {start}: give a later end")]
    EndsBeforeStart {
        /// The start.
        start: Timestamp,
        /// The end.
        end: Timestamp,
    },
    /// The grant would have ended already.
    #[error("the grant would end at {end}, which is not after the cluster's time {now}: give a later end")]
    EndsInThePast {
        /// The end.
        end: Timestamp,
        /// The leader's time.
        now: Timestamp,
    },
    /// The userset can have no members.
    #[error("subject `{0}` can have no members without a schema: use its `member` relation")]
    UsersetNeedsSchema(Subject),
    /// The relation means nothing without a schema.
    #[error("relation `{0}` means nothing without a schema: use `member` for groups and `parent` for scopes")]
    RelationNeedsSchema(RelationName),
    /// A parent is one object.
    #[error("`{0}` is not possible: the parent of an object is an object, not a userset or a wildcard")]
    ParentNotObject(Box<Relationship>),
    /// The relationship exists already.
    #[error("relationship `{0}` exists already: use `touch` where that is all right")]
    RelationshipExists(Box<Relationship>),
    /// A precondition does not hold.
    #[error("precondition failed: {what} {expected}")]
    PreconditionFailed {
        /// What it is about.
        what: String,
        /// What was expected of it.
        expected: Expected,
    },
    /// Too much for one call.
    #[error("{what}: {given} given, the most is {most}: split the call")]
    TooMany {
        /// What there is too much of.
        what: String,
        /// How much there is.
        given: u64,
        /// The limit.
        most: u64,
    },
    /// A filter selects too much for one call.
    #[error("the filter selects more than {most}: narrow it")]
    FilterTooWide {
        /// The limit.
        most: u64,
    },
    /// The key was used for another request.
    #[error("idempotency key `{0}` was used for another request: take a new key for a new request")]
    IdempotencyKeyReused(IdempotencyKey),
    /// What the leader copied into the command is not what is stored.
    #[error("grant `{0}` is not what the command says: the command is out of date")]
    GrantDiffers(GrantId),
    /// The cluster has an identity already.
    #[error("the cluster is initialised already")]
    AlreadyInitialised,
    /// The cluster has no identity.
    #[error("the cluster is not initialised: run `cluster init` on one node")]
    NotInitialised,
    /// The version is not above the active one.
    #[error("version {asked} is not above the active version {active}")]
    VersionNotAbove {
        /// The version asked for.
        asked: u32,
        /// The active version.
        active: u32,
    },
    /// A node has this id already.
    #[error(
        "a node joined under id {0} before: if it lost its data folder, remove it with `cluster remove-node {0}` and \
         start it with an id that was never used"
    )]
    NodeAdmitted(NodeId),
    /// The node id is used up.
    #[error("node id {0} was used before and is retired: give the node a new id")]
    NodeRetired(NodeId),
    /// Leases cannot be granted so.
    #[error("{0}")]
    LeaseParameters(ParametersError),
    /// A roster that names nobody.
    #[error("the roster names no node: name those that may hold leases, or give `all`")]
    RosterEmpty,
    /// No node was let in under this id.
    #[error("node {0} cannot be on the roster: no node joined under this id; see `cluster status`")]
    RosterNodeUnknown(NodeId),
    /// The node was removed.
    #[error("node {0} cannot be on the roster: it was removed; leave it out")]
    RosterNodeRetired(NodeId),
    /// What was waited for is not what is configured.
    #[error(
        "the leases were configured anew at revision {changed_at}, after revision {waited_for} that was waited for"
    )]
    LeasesChanged {
        /// The entry that the leader has waited for.
        waited_for: u64,
        /// The entry that brought what is configured now.
        changed_at: u64,
    },
    /// The command is about the cluster, and was given for another tenant than the cluster's own.
    #[error("tenant `{0}` is not `system`: what is about the cluster and its tenants is done there")]
    TenantNotSystem(TenantId),
    /// History cannot begin there.
    #[error("history cannot begin at revision {asked}: it begins at {floor}, and this command is at {revision}")]
    HistoryFloorOutOfRange {
        /// Where it was to begin.
        asked: Revision,
        /// Where it begins.
        floor: Revision,
        /// Where the command stands.
        revision: Revision,
    },
    /// The text is no schema.
    #[error("the schema is not sound: {0}")]
    SchemaInvalid(
        /// Every problem with its place.
        String,
    ),
    /// Relationships are stored that the new schema does not allow.
    #[error(
        "the schema does not allow relationships that are stored: {}{}: delete them first, or allow them",
        listed(in_the_way),
        if *more { " and more" } else { "" }
    )]
    SchemaInUse {
        /// Some of them.
        in_the_way: Vec<Tuple>,
        /// Whether there are more.
        more: bool,
    },
    /// The schema has no such type.
    #[error("the schema has no definition `{0}`: correct the type, or add a definition")]
    TypeUnknown(TypeName),
    /// The type has no such relation.
    #[error("the schema has no relation `{relation}` in `{object_type}`: correct the name, or add the relation")]
    RelationUnknown {
        /// The type.
        object_type: TypeName,
        /// The relation.
        relation: RelationName,
    },
    /// Nothing is stored under a permission.
    #[error(
        "`{object_type}#{permission}` is a permission, which is computed: write a relation that it is computed from"
    )]
    NotARelation {
        /// The type.
        object_type: TypeName,
        /// The permission.
        permission: RelationName,
    },
    /// The relation does not allow such a subject, or not so.
    #[error("the schema does not allow `{tuple}`: the relation allows {allowed}")]
    SubjectNotAllowed {
        /// What was to be stored.
        tuple: Box<Tuple>,
        /// What the relation allows.
        allowed: String,
    },
    /// What a relationship says for its caveat does not fit the caveat.
    #[error("the context of `{relationship}` does not fit the caveat `{caveat}`: {problem}")]
    CaveatContext {
        /// What was to be stored.
        relationship: Box<Relationship>,
        /// The caveat.
        caveat: CaveatName,
        /// What does not fit.
        problem: String,
    },
    /// Conditions come with a schema.
    #[error("`{0}` carries a caveat or an expiration, and these need a schema: write one, or leave them out")]
    QualifierNeedsSchema(Box<Tuple>),
    /// A write that was to be answered early may take something away.
    #[error(
        "a permission is reduced by `{object_type}#{relation}`, so a relationship added to it can take access away: leave out `ack = quorum`"
    )]
    MayTakeAway {
        /// The type.
        object_type: TypeName,
        /// The relation.
        relation: RelationName,
    },
    /// The authority is known.
    #[error("the authority with fingerprint {0} is trusted already: make another")]
    AuthorityExists(Fingerprint),
    /// The authority is not known.
    #[error("no authority with fingerprint {0} is trusted: see `cluster authority list`")]
    AuthorityMissing(Fingerprint),
    /// It is the one that signs.
    #[error(
        "the authority with fingerprint {0} signs the certificates of nodes: make another with `cluster authority rotate` first"
    )]
    AuthoritySigns(Fingerprint),
    /// As many are trusted as can be.
    #[error("the authority before this one is still trusted: drop it with `cluster authority drop {oldest}` first")]
    AuthoritiesFull {
        /// The one that was trusted first.
        oldest: Fingerprint,
    },
    /// The id is taken.
    #[error("join token `{0}` exists already: choose another id, or leave it out to have one made")]
    JoinTokenExists(JoinTokenId),
    /// There is no such token, or the secret is another.
    #[error("join token `{0}` is none of this cluster, or was revoked: make one with `cluster join-token create`")]
    JoinTokenMissing(JoinTokenId),
    /// The token is too old.
    #[error("join token `{id}` expired at {expires}: make another with `cluster join-token create`")]
    JoinTokenExpired {
        /// The token.
        id: JoinTokenId,
        /// Its end.
        expires: Timestamp,
    },
    /// The token has let somebody in.
    #[error(
        "join token `{id}` has let in node {node}: each lets in one; make another with `cluster join-token create`"
    )]
    JoinTokenUsed {
        /// The token.
        id: JoinTokenId,
        /// Whom.
        node: NodeId,
    },
    /// The token would be good for no time, or for too long.
    #[error("the join token would expire at {expires}: give a time after {now}, {latest} at the latest")]
    JoinTokenExpiry {
        /// Its end.
        expires: Timestamp,
        /// The leader's time.
        now: Timestamp,
        /// The latest end that is possible now.
        latest: Timestamp,
    },
    /// As many tokens wait as can.
    #[error(
        "{most} join tokens wait to be used: revoke some with `cluster join-token revoke`, or wait until they expire"
    )]
    JoinTokensFull {
        /// The limit.
        most: u64,
    },
    /// Nodes prove who they are, and this one came without a token.
    #[error(
        "node {0} needs a join token: make one with `cluster join-token create`, and start the node with \
         `--join-token-file FILE`"
    )]
    JoinTokenRequired(NodeId),
}

fn listed(tuples: &[Tuple]) -> String {
    tuples.iter().map(|tuple| format!("`{tuple}`")).collect::<Vec<_>>().join(", ")
}

/// What a precondition expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// That it exists.
    Exists,
    /// That it does not.
    Missing,
    /// That it was last changed at a revision.
    At {
        /// The revision that was expected.
        expected: Revision,
        /// The revision at which it was last changed, if it exists.
        actual: Option<Revision>,
    },
    /// That it was last changed at a revision, though things of its kind have none.
    Unversioned,
}

/// What a caller can do about a refusal, in the standard terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Something named is not there.
    NotFound,
    /// Something is there already.
    AlreadyExists,
    /// The state does not allow it now.
    FailedPrecondition,
    /// The request makes no sense in any state.
    InvalidArgument,
    /// A limit is exceeded.
    ResourceExhausted,
}

impl Refusal {
    /// The kind of the refusal, for callers to branch on.
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::TenantMissing(_)
            | Self::RoleMissing(_)
            | Self::GrantMissing(_)
            | Self::AuthorityMissing(_)
            | Self::JoinTokenMissing(_) => RefusalKind::NotFound,
            Self::TenantExists(_)
            | Self::RoleExists(_)
            | Self::GrantExists(_)
            | Self::RelationshipExists(_)
            | Self::AuthorityExists(_)
            | Self::JoinTokenExists(_)
            | Self::AlreadyInitialised => RefusalKind::AlreadyExists,
            Self::TenantBuiltIn(_)
            | Self::RoleGranted { .. }
            | Self::RoleInherited { .. }
            | Self::PreconditionFailed { .. }
            | Self::GrantDiffers(_)
            | Self::NotInitialised
            | Self::VersionNotAbove { .. }
            | Self::NodeAdmitted(_)
            | Self::NodeRetired(_)
            | Self::RosterNodeUnknown(_)
            | Self::RosterNodeRetired(_)
            | Self::LeasesChanged { .. }
            | Self::HistoryFloorOutOfRange { .. }
            | Self::SchemaInUse { .. }
            | Self::TypeUnknown(_)
            | Self::RelationUnknown { .. }
            | Self::AuthoritySigns(_)
            | Self::AuthoritiesFull { .. }
            | Self::JoinTokenExpired { .. }
            | Self::JoinTokenUsed { .. }
            | Self::JoinTokenRequired(_) => RefusalKind::FailedPrecondition,
            Self::InheritanceCycle(_)
            | Self::EndsBeforeStart { .. }
            | Self::EndsInThePast { .. }
            | Self::UsersetNeedsSchema(_)
            | Self::RelationNeedsSchema(_)
            | Self::ParentNotObject(_)
            | Self::IdempotencyKeyReused(_)
            | Self::LeaseParameters(_)
            | Self::RosterEmpty
            | Self::TenantNotSystem(_)
            | Self::SchemaInvalid(_)
            | Self::NotARelation { .. }
            | Self::SubjectNotAllowed { .. }
            | Self::CaveatContext { .. }
            | Self::QualifierNeedsSchema(_)
            | Self::MayTakeAway { .. }
            | Self::JoinTokenExpiry { .. } => RefusalKind::InvalidArgument,
            Self::InheritanceTooDeep { .. }
            | Self::TooMany { .. }
            | Self::FilterTooWide { .. }
            | Self::JoinTokensFull { .. } => RefusalKind::ResourceExhausted,
        }
    }

    /// The reason as programs see it, documented in `docs/errors.md`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TenantMissing(_) => "TENANT_NOT_FOUND",
            Self::TenantExists(_) => "TENANT_EXISTS",
            Self::TenantBuiltIn(_) => "TENANT_BUILT_IN",
            Self::RoleMissing(_) => "ROLE_NOT_FOUND",
            Self::RoleExists(_) => "ROLE_EXISTS",
            Self::RoleGranted { .. } | Self::RoleInherited { .. } => "ROLE_IN_USE",
            Self::InheritanceCycle(_) => "INHERITANCE_CYCLE",
            Self::InheritanceTooDeep { .. } => "INHERITANCE_TOO_DEEP",
            Self::GrantMissing(_) => "GRANT_NOT_FOUND",
            Self::GrantExists(_) => "GRANT_EXISTS",
            Self::EndsBeforeStart { .. } => "ENDS_BEFORE_START",
            Self::EndsInThePast { .. } => "ENDS_IN_THE_PAST",
            Self::UsersetNeedsSchema(_) | Self::RelationNeedsSchema(_) | Self::QualifierNeedsSchema(_) => {
                "SCHEMA_REQUIRED"
            }
            Self::ParentNotObject(_) => "PARENT_NOT_OBJECT",
            Self::RelationshipExists(_) => "RELATIONSHIP_EXISTS",
            Self::PreconditionFailed { .. } => "PRECONDITION_FAILED",
            Self::TooMany { .. } | Self::JoinTokensFull { .. } => "TOO_MANY",
            Self::FilterTooWide { .. } => "FILTER_TOO_WIDE",
            Self::IdempotencyKeyReused(_) => "IDEMPOTENCY_KEY_REUSED",
            Self::GrantDiffers(_) => "GRANT_DIFFERS",
            Self::AlreadyInitialised => "ALREADY_INITIALISED",
            Self::NotInitialised => "NOT_INITIALISED",
            Self::VersionNotAbove { .. } => "VERSION_NOT_ABOVE",
            Self::NodeAdmitted(_) => "NODE_ADMITTED",
            Self::NodeRetired(_) => "NODE_RETIRED",
            Self::LeaseParameters(_) => "LEASE_CONFIG_INVALID",
            Self::RosterEmpty | Self::RosterNodeUnknown(_) | Self::RosterNodeRetired(_) => "LEASE_ROSTER_INVALID",
            Self::LeasesChanged { .. } => "LEASES_CHANGED",
            Self::TenantNotSystem(_) => "TENANT_NOT_SYSTEM",
            Self::HistoryFloorOutOfRange { .. } => "HISTORY_FLOOR_OUT_OF_RANGE",
            Self::SchemaInvalid(_) => "SCHEMA_INVALID",
            Self::SchemaInUse { .. } => "SCHEMA_IN_USE",
            Self::TypeUnknown(_) => "TYPE_NOT_FOUND",
            Self::RelationUnknown { .. } => "RELATION_NOT_FOUND",
            Self::NotARelation { .. } => "NOT_A_RELATION",
            Self::SubjectNotAllowed { .. } => "SUBJECT_NOT_ALLOWED",
            Self::CaveatContext { .. } => "CAVEAT_CONTEXT_INVALID",
            Self::MayTakeAway { .. } => "ACK_TOO_EARLY",
            Self::AuthorityExists(_) => "AUTHORITY_EXISTS",
            Self::AuthorityMissing(_) => "AUTHORITY_NOT_FOUND",
            Self::AuthoritySigns(_) | Self::AuthoritiesFull { .. } => "AUTHORITY_IN_USE",
            Self::JoinTokenExists(_) => "JOIN_TOKEN_EXISTS",
            Self::JoinTokenMissing(_) => "JOIN_TOKEN_NOT_FOUND",
            Self::JoinTokenExpired { .. } => "JOIN_TOKEN_EXPIRED",
            Self::JoinTokenUsed { .. } => "JOIN_TOKEN_USED",
            Self::JoinTokenExpiry { .. } => "JOIN_TOKEN_EXPIRY_INVALID",
            Self::JoinTokenRequired(_) => "JOIN_TOKEN_REQUIRED",
        }
    }

    pub(crate) fn filter(filter: &TupleFilter, expected: Expected) -> Self {
        Self::PreconditionFailed { what: format!("a relationship that matches `{filter}`"), expected }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exists => f.write_str("does not exist"),
            Self::Missing => f.write_str("exists"),
            Self::At { expected, actual: Some(actual) } => {
                write!(f, "was last changed at revision {actual}, not {expected}: read it again and decide anew")
            }
            Self::At { expected, actual: None } => write!(f, "does not exist, let alone at revision {expected}"),
            Self::Unversioned => f.write_str("has no revision: require that it exists, or that none does"),
        }
    }
}

fn arrows(cycle: &[RoleId]) -> String {
    cycle.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" → ")
}
