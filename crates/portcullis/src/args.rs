//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use portcullis_model::{
    Object, PermissionPattern, RoleId, Subject, Timestamp, Tuple, TupleError, TupleFilter, TypeName,
};

use crate::bench;
use crate::command::{cluster, grants, relationship, role, schema, tenant};
use crate::dev;
use crate::settings;

/// A strongly consistent, distributed authorization store.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every client command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Nodes to call, nearest first.
    #[arg(
        long,
        global = true,
        env = "PORTCULLIS_ENDPOINT",
        value_name = "HOST:PORT,…",
        value_delimiter = ',',
        default_value = "127.0.0.1:8620"
    )]
    pub endpoint: Vec<String>,
    /// The tenant.
    #[arg(long, global = true, env = "PORTCULLIS_TENANT", value_name = "TENANT", default_value = "default")]
    pub tenant: String,
    /// Table for people, JSON for programs.
    #[arg(long, short, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
    /// How long a command may take.
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub timeout: Duration,
    /// Talk to nodes over TLS, and only to those that an authority in this file has signed for: PEM, such as `tls/ca.crt` in a
    /// node's data folder.
    #[arg(long, global = true, value_name = "FILE", env = "PORTCULLIS_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// Whom the command runs as, on a listener without authentication.
    #[arg(long = "as", global = true, value_name = "SUBJECT", env = "PORTCULLIS_AS")]
    pub run_as: Option<Subject>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON document, or one a line for lists.
    Json,
}

/// Options of every command that changes something.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Write {
    /// Why; kept in the change record.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Name the write, so that sending it again does not do it again.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// What those who watch are told of it.
    #[arg(long, value_name = "JSON")]
    pub metadata: Option<String>,
    /// When to return.
    #[arg(long, value_name = "WHEN", default_value = "everywhere")]
    pub ack: Ack,
}

/// What a write has reached when its command returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// No node can show the state before it.
    #[default]
    Everywhere,
    /// A majority has it; nodes may still deny what it allows. Only for writes that only add.
    Quorum,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local cluster for development; Ctrl-C stops it.
    Dev(dev::Flags),
    /// Run a node.
    Serve(settings::Flags),
    /// Manage the cluster.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Manage tenants.
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Manage roles.
    #[command(subcommand)]
    Role(role::Command),
    /// Grant a role to a subject on an object and everything below it; prints the grant's id.
    Grant(Grant),
    /// List and show grants.
    #[command(subcommand)]
    Grants(grants::Command),
    /// Revoke grants, by their ids or by what they match; returns once no node can still say yes.
    Revoke(Revoke),
    /// Manage the schema: types of objects, their relations, and the permissions that are computed from them.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Manage relationships: who stands in which relation to what.
    #[command(subcommand)]
    Relationship(relationship::Command),
    /// May a subject do something with an object? Exit status 0 allow, 1 deny, 2 error, 3 conditional.
    Check(Check),
    /// Look up what is allowed.
    #[command(subcommand)]
    Lookup(Lookup),
    /// Print changes as they are committed: relationships, grants, roles and the schema. Ctrl-C ends it.
    Watch(Watch),
    /// Run validation files, with schema, relationships, assertions and expected relations; no server is needed.
    Validate {
        /// The files, in the form that SpiceDB's tools use.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Measure a running cluster, beside a reference in the same run.
    Bench(bench::Flags),
    /// Serve a service that does nothing; `bench` compares with it.
    #[command(hide = true)]
    EmptyService,
    /// Print the effective settings of `serve`, and where each comes from.
    Config(settings::Flags),
    /// Print a script that completes commands in a shell: `portcullis completion bash > /etc/bash_completion.d/portcullis`.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the version.
    Version,
    /// Print whom commands run as.
    Whoami,
}

/// `portcullis grant`.
#[derive(Args, Debug)]
pub(crate) struct Grant {
    /// Who: `user:alice`, `group:eng#member`, `user:*`.
    pub subject: Subject,
    /// The role.
    pub role: RoleId,
    /// On what: `folder:q3`.
    pub scope: Object,
    /// End after this long.
    #[arg(
        long = "for",
        value_name = "DURATION",
        value_parser = duration,
        allow_hyphen_values = true,
        conflicts_with = "until"
    )]
    pub duration: Option<Duration>,
    /// End at this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Begin at this time.
    #[arg(long, value_name = "TIME")]
    pub from: Option<Timestamp>,
    /// The grant's id, instead of one that is made.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    #[command(flatten)]
    pub write: Write,
}

/// `portcullis revoke`.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The grants.
    #[arg(value_name = "GRANT_ID", required_unless_present_any = ["subject", "role", "scope"])]
    pub ids: Vec<String>,
    /// Every grant of this subject.
    #[arg(long, conflicts_with = "ids")]
    pub subject: Option<Subject>,
    /// Every grant of this role.
    #[arg(long, conflicts_with = "ids")]
    pub role: Option<RoleId>,
    /// Every grant on this object.
    #[arg(long, conflicts_with = "ids")]
    pub scope: Option<Object>,
    #[command(flatten)]
    pub write: Write,
}

/// `portcullis check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Who: `user:alice`.
    pub subject: Subject,
    /// What: `view`.
    pub permission: String,
    /// With what: `document:plan`.
    pub resource: Object,
    /// What is known for the caveats on the way: `{"ip": "10.0.0.1"}`.
    #[arg(long, value_name = "JSON")]
    pub context: Option<String>,
    #[command(flatten)]
    pub consistency: Consistency,
    /// Say why.
    #[arg(long)]
    pub explain: bool,
}

/// How fresh an answer has to be.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Consistency {
    /// How fresh the answer has to be.
    #[arg(id = "consistency", long, value_name = "MODE", default_value = "linearizable")]
    pub mode: Mode,
    /// The token of `at-least-as-fresh`.
    #[arg(long, value_name = "TOKEN", required_if_eq("consistency", "at-least-as-fresh"))]
    pub token: Option<String>,
    /// Answer as of this moment, while it is kept: a revision, a token, or a time such as `2026-12-01T09:00:00Z`.
    #[arg(long, value_name = "REVISION|TIME", conflicts_with_all = ["consistency", "token"])]
    pub at: Option<String>,
}

/// As of when a list or a record is shown.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct AsOf {
    /// As of this moment, while it is kept: a revision, a token, or a time such as `2026-12-01T09:00:00Z`.
    #[arg(long, value_name = "REVISION|TIME")]
    pub at: Option<String>,
}

/// A consistency mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// As everything that was acknowledged anywhere.
    #[default]
    #[value(alias = "linearizable")]
    Linearizable,
    /// The same, and a decision that is being changed at this very moment is a denial at once.
    #[value(alias = "fail_closed")]
    FailClosed,
    /// At least as fresh as a token.
    #[value(alias = "at_least_as_fresh")]
    AtLeastAsFresh,
    /// Whatever the node has, with its age.
    #[value(alias = "minimize_latency")]
    MinimizeLatency,
}

/// `portcullis lookup`.
#[derive(Debug, Subcommand)]
pub(crate) enum Lookup {
    /// On which objects of a type does a subject have a permission?
    Resources {
        /// Who.
        subject: Subject,
        /// What.
        permission: String,
        /// The type of the objects.
        #[arg(value_name = "TYPE")]
        object_type: TypeName,
        #[command(flatten)]
        part: Part,
    },
    /// Which subjects of a type have a permission on an object?
    Subjects {
        /// What.
        permission: String,
        /// With what.
        resource: Object,
        /// The type of the subjects: `user`, or `group#member` for usersets.
        subject_type: String,
        #[command(flatten)]
        part: Part,
    },
    /// What may a subject do with an object?
    Permissions {
        /// Who.
        subject: Subject,
        /// With what.
        resource: Object,
        /// What is known for the caveats on the way: `{"ip": "10.0.0.1"}`.
        #[arg(long, value_name = "JSON")]
        context: Option<String>,
        #[command(flatten)]
        consistency: Consistency,
    },
}

/// Which part of what a lookup finds.
#[derive(Args, Debug)]
pub(crate) struct Part {
    /// What is known for the caveats on the way: `{"ip": "10.0.0.1"}`.
    #[arg(long, value_name = "JSON")]
    pub context: Option<String>,
    /// Print so many at most, and the cursor behind them on standard error.
    #[arg(long, value_name = "N")]
    pub limit: Option<std::num::NonZeroU32>,
    /// Go on behind a cursor, as of its revision.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    #[command(flatten)]
    pub consistency: Consistency,
}

/// `portcullis watch`.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Begin behind this revision, while it is kept: a token or a number. Without it the watch begins now.
    #[arg(long, value_name = "TOKEN")]
    pub since: Option<String>,
    /// Of relationships and grants only those on objects of this type; may be given many times.
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<TypeName>,
    /// Only this kind of changes; may be given many times.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<ChangeKind>,
    /// Of relationships only those that match, `type[:id][#relation][@subject]`; may be given many times.
    #[arg(long = "relationship", value_name = "FILTER", value_parser = filter)]
    pub relationships: Vec<TupleFilter>,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChangeKind {
    /// Relationships that exist, or no longer.
    Relationship,
    /// Grants that were made, have begun, ended or were revoked.
    Grant,
    /// Roles that were made, changed or deleted.
    Role,
    /// A schema that was written.
    Schema,
}

/// What a role holds.
#[derive(Args, Clone, Debug)]
pub(crate) struct RoleContents {
    /// A permission, `document#view` or `document#*`; may be given many times.
    #[arg(long = "permission", value_name = "TYPE#PERMISSION", num_args = 1..)]
    pub permissions: Vec<PermissionPattern>,
    /// A role whose permissions it has too; may be given many times.
    #[arg(long, value_name = "ROLE", num_args = 1..)]
    pub inherits: Vec<RoleId>,
}

/// Parses a duration such as `90s`, `2h`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is not a duration: give one such as `90s`, `2h` or `7d`"))?;
    if duration < Duration::from_millis(1) {
        return Err(format!("`{text}` is not above zero: give at least `1ms`"));
    }
    Ok(duration)
}

/// Parses a relationship with what it holds under.
pub(crate) fn tuple(text: &str) -> Result<Tuple, String> {
    text.parse().map_err(|error: TupleError| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

/// Parses a filter over relationships, `type[:id][#relation][@subject]`.
pub(crate) fn filter(text: &str) -> Result<TupleFilter, String> {
    text.parse().map_err(|error: portcullis_model::NameError| error.to_string())
}
