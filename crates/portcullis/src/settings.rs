//! The settings of a node: flag, then environment, then file, then default.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use portcullis_model::{Region, limit};
use serde::{Deserialize, Serialize};

use crate::args::Output;
use crate::output;
use crate::secret::Secret;

/// Entries between two snapshots: a few minutes of writes at a high rate, and some hundred megabytes of log.
const SNAPSHOT_EVERY: u64 = 100_000;

/// Enough for many hours of revocations after grants are refused.
const DISK_RESERVE_MIB: u64 = 512;
/// Some ten million grants with short ids.
const MEMORY_BUDGET_MIB: u64 = 4_096;

/// The settings of `serve`, each of which may stand on the command line, in the environment or in a file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Flags {
    /// This node's id, never used before by another node of the cluster.
    #[arg(long, value_name = "N")]
    node_id: Option<u64>,
    /// The folder for everything that this node knows.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// This node's region.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Where clients are listened for.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where other nodes are listened for.
    #[arg(long, value_name = "ADDRESS")]
    peer_listen: Option<String>,
    /// Where HTTP is served: health and metrics.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
    /// The host that other machines reach this node at, if not that of its listeners.
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Client addresses of the cluster to join.
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',')]
    join: Option<Vec<String>>,
    /// Listen beyond loopback though callers are not authenticated, and without `--tls` nodes neither.
    #[arg(long)]
    insecure: bool,
    /// Nodes prove to each other who they are, and everybody connects over TLS. The same at all nodes, from the beginning.
    #[arg(long)]
    tls: bool,
    /// A file with the join token that lets this node in, where nodes prove who they are.
    #[arg(long, value_name = "FILE")]
    join_token_file: Option<PathBuf>,
    /// The nodes of the cluster are in several regions: heartbeats and elections leave time for long ways. The same at all.
    #[arg(long)]
    wide_area: bool,
    /// The most that this machine's wall clock may be wrong, in milliseconds.
    #[arg(long, value_name = "MS")]
    max_clock_error_ms: Option<u64>,
    /// What follows when the machine says that nothing keeps its clock right: ignore, warn (an alarm) or require (an alarm, and
    /// the node is not ready).
    #[arg(long, value_name = "WHAT")]
    clock_sync: Option<ClockSync>,
    /// How long the state can be read as it was, in seconds. That of the leader counts, so give all nodes the same.
    #[arg(long, value_name = "SECONDS")]
    history_retention_s: Option<u64>,
    /// Entries between two snapshots, and kept behind the last one.
    #[arg(long, value_name = "ENTRIES")]
    snapshot_every: Option<u64>,
    /// Disk space that is kept for revocations, in MiB.
    #[arg(long, value_name = "MIB")]
    disk_reserve_mib: Option<u64>,
    /// Memory that what checks read may take before an alarm is raised, in MiB.
    #[arg(long, value_name = "MIB")]
    memory_budget_mib: Option<u64>,
    /// Watchers that this node serves at a time.
    #[arg(long, value_name = "COUNT")]
    watchers_max: Option<usize>,
    /// How long a watcher may leave a change untaken before it is disconnected, in seconds.
    #[arg(long, value_name = "SECONDS")]
    watcher_patience_s: Option<u64>,
    /// What callers of `authzed.api.v1` have to give as their bearer token; without, any token will do. Better in the
    /// environment, where other users of the machine do not see it.
    #[arg(long, value_name = "KEY")]
    authzed_key: Option<Secret>,
    /// How much is logged: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// A file with settings, in TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Settings as they may stand in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Configured {
    node_id: Option<u64>,
    data_dir: Option<PathBuf>,
    region: Option<String>,
    listen: Option<String>,
    peer_listen: Option<String>,
    http_listen: Option<String>,
    advertise: Option<String>,
    join: Option<Vec<String>>,
    insecure: Option<bool>,
    tls: Option<bool>,
    join_token_file: Option<PathBuf>,
    wide_area: Option<bool>,
    max_clock_error_ms: Option<u64>,
    clock_sync: Option<ClockSync>,
    history_retention_s: Option<u64>,
    snapshot_every: Option<u64>,
    disk_reserve_mib: Option<u64>,
    memory_budget_mib: Option<u64>,
    watchers_max: Option<usize>,
    watcher_patience_s: Option<u64>,
    authzed_key: Option<Secret>,
    log_level: Option<String>,
}

/// What follows when the machine says that nothing keeps its clock right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClockSync {
    /// Nothing.
    Ignore,
    /// An alarm.
    Warn,
    /// An alarm, and the node is not ready.
    Require,
}

impl FromStr for ClockSync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ValueEnum::from_str(text, false)
    }
}

impl fmt::Display for ClockSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Warn => "warn",
            Self::Require => "require",
        })
    }
}

/// A setting and where it comes from.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting<T> {
    pub value: T,
    source: &'static str,
}

/// The effective settings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Settings {
    pub node_id: Setting<Option<u64>>,
    pub data_dir: Setting<Option<PathBuf>>,
    pub region: Setting<Option<Region>>,
    pub listen: Setting<SocketAddr>,
    pub peer_listen: Setting<SocketAddr>,
    pub http_listen: Setting<SocketAddr>,
    pub advertise: Setting<Option<String>>,
    pub join: Setting<Vec<String>>,
    pub insecure: Setting<bool>,
    pub tls: Setting<bool>,
    pub join_token_file: Setting<Option<PathBuf>>,
    pub wide_area: Setting<bool>,
    pub max_clock_error_ms: Setting<u64>,
    pub clock_sync: Setting<ClockSync>,
    pub history_retention_s: Setting<u64>,
    pub snapshot_every: Setting<u64>,
    pub disk_reserve_mib: Setting<u64>,
    pub memory_budget_mib: Setting<u64>,
    pub watchers_max: Setting<usize>,
    pub watcher_patience_s: Setting<u64>,
    pub authzed_key: Setting<Option<Secret>>,
    pub log_level: Setting<String>,
}

impl Settings {
    /// Reads the effective settings.
    pub(crate) fn read(flags: Flags) -> anyhow::Result<Self> {
        let config = flags.config.clone().or_else(|| std::env::var_os("PORTCULLIS_CONFIG").map(PathBuf::from));
        let file = config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let listen = |name, flag, file, default: &str| {
            let setting = pick(name, flag, file, default.to_owned())?;
            let address: SocketAddr = setting.value.parse().with_context(|| {
                format!("{name}: `{}` is not an address: give one such as `127.0.0.1:8620`", setting.value)
            })?;
            anyhow::Ok(Setting { value: address, source: setting.source })
        };
        let region = maybe("region", flags.region, file.region)?;
        let region_value = region.value.as_deref().map(Region::new).transpose().context("region")?;
        let join = pick("join", flags.join.map(|join| join.join(",")), file.join.map(|j| j.join(",")), String::new())?;
        Ok(Self {
            node_id: maybe("node-id", flags.node_id, file.node_id)?,
            data_dir: maybe("data-dir", flags.data_dir, file.data_dir)?,
            region: Setting { value: region_value, source: region.source },
            listen: listen("listen", flags.listen, file.listen, "127.0.0.1:8620")?,
            peer_listen: listen("peer-listen", flags.peer_listen, file.peer_listen, "127.0.0.1:8621")?,
            http_listen: listen("http-listen", flags.http_listen, file.http_listen, "127.0.0.1:8622")?,
            advertise: maybe("advertise", flags.advertise, file.advertise)?,
            join: Setting {
                value: join.value.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
                source: join.source,
            },
            insecure: pick("insecure", flags.insecure.then_some(true), file.insecure, false)?,
            tls: pick("tls", flags.tls.then_some(true), file.tls, false)?,
            join_token_file: maybe("join-token-file", flags.join_token_file, file.join_token_file)?,
            wide_area: pick("wide-area", flags.wide_area.then_some(true), file.wide_area, false)?,
            max_clock_error_ms: pick(
                "max-clock-error-ms",
                flags.max_clock_error_ms,
                file.max_clock_error_ms,
                limit::CLOCK_ERROR_MS,
            )?,
            clock_sync: pick("clock-sync", flags.clock_sync, file.clock_sync, ClockSync::Warn)?,
            history_retention_s: pick(
                "history-retention-s",
                flags.history_retention_s,
                file.history_retention_s,
                limit::HISTORY_RETENTION_S,
            )?,
            snapshot_every: pick("snapshot-every", flags.snapshot_every, file.snapshot_every, SNAPSHOT_EVERY)?,
            disk_reserve_mib: pick(
                "disk-reserve-mib",
                flags.disk_reserve_mib,
                file.disk_reserve_mib,
                DISK_RESERVE_MIB,
            )?,
            memory_budget_mib: pick(
                "memory-budget-mib",
                flags.memory_budget_mib,
                file.memory_budget_mib,
                MEMORY_BUDGET_MIB,
            )?,
            watchers_max: pick("watchers-max", flags.watchers_max, file.watchers_max, limit::WATCHERS_MAX)?,
            watcher_patience_s: pick(
                "watcher-patience-s",
                flags.watcher_patience_s,
                file.watcher_patience_s,
                limit::WATCHER_PATIENCE_S,
            )?,
            authzed_key: maybe("authzed-key", flags.authzed_key, file.authzed_key)?,
            log_level: pick("log-level", flags.log_level, file.log_level, "info".to_owned())?,
        })
    }

    fn rows(&self) -> Vec<(&'static str, String, &'static str)> {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            ("node-id", or_none(self.node_id.value.map(|id| id.to_string())), self.node_id.source),
            (
                "data-dir",
                or_none(self.data_dir.value.as_ref().map(|dir| dir.display().to_string())),
                self.data_dir.source,
            ),
            ("region", or_none(self.region.value.as_ref().map(ToString::to_string)), self.region.source),
            ("listen", self.listen.value.to_string(), self.listen.source),
            ("peer-listen", self.peer_listen.value.to_string(), self.peer_listen.source),
            ("http-listen", self.http_listen.value.to_string(), self.http_listen.source),
            ("advertise", or_none(self.advertise.value.clone()), self.advertise.source),
            ("join", self.join.value.join(","), self.join.source),
            ("insecure", self.insecure.value.to_string(), self.insecure.source),
            ("tls", self.tls.value.to_string(), self.tls.source),
            (
                "join-token-file",
                or_none(self.join_token_file.value.as_ref().map(|file| file.display().to_string())),
                self.join_token_file.source,
            ),
            ("wide-area", self.wide_area.value.to_string(), self.wide_area.source),
            ("max-clock-error-ms", self.max_clock_error_ms.value.to_string(), self.max_clock_error_ms.source),
            ("clock-sync", self.clock_sync.value.to_string(), self.clock_sync.source),
            ("history-retention-s", self.history_retention_s.value.to_string(), self.history_retention_s.source),
            ("snapshot-every", self.snapshot_every.value.to_string(), self.snapshot_every.source),
            ("disk-reserve-mib", self.disk_reserve_mib.value.to_string(), self.disk_reserve_mib.source),
            ("memory-budget-mib", self.memory_budget_mib.value.to_string(), self.memory_budget_mib.source),
            ("watchers-max", self.watchers_max.value.to_string(), self.watchers_max.source),
            ("watcher-patience-s", self.watcher_patience_s.value.to_string(), self.watcher_patience_s.source),
            ("authzed-key", or_none(self.authzed_key.value.as_ref().map(ToString::to_string)), self.authzed_key.source),
            ("log-level", self.log_level.value.clone(), self.log_level.source),
        ]
    }
}

/// Prints the effective settings.
pub(crate) fn print(flags: Flags, output: Output) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(flags)?;
    match output {
        Output::Json => output::line(serde_json::to_string(&settings)?),
        Output::Table => {
            for (name, value, source) in settings.rows() {
                output::line(format_args!("{name:<20} {value:<24} {source}"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read_file(path: &Path) -> anyhow::Result<Configured> {
    let text = std::fs::read_to_string(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("`{}` is not a valid configuration", path.display()))
}

/// The environment variable of a setting.
fn variable(name: &str) -> String {
    format!("PORTCULLIS_{}", name.to_uppercase().replace('-', "_"))
}

fn from_environment<T: std::str::FromStr>(name: &str) -> anyhow::Result<Option<T>> {
    let variable = variable(name);
    match std::env::var(&variable) {
        Ok(text) => match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => bail!("{variable}: `{text}` is not a valid {name}"),
        },
        Err(_) => Ok(None),
    }
}

fn maybe<T: std::str::FromStr>(name: &str, flag: Option<T>, file: Option<T>) -> anyhow::Result<Setting<Option<T>>> {
    if let Some(value) = flag {
        return Ok(Setting { value: Some(value), source: "flag" });
    }
    if let Some(value) = from_environment(name)? {
        return Ok(Setting { value: Some(value), source: "environment" });
    }
    match file {
        Some(value) => Ok(Setting { value: Some(value), source: "file" }),
        None => Ok(Setting { value: None, source: "default" }),
    }
}

fn pick<T: std::str::FromStr>(name: &str, flag: Option<T>, file: Option<T>, default: T) -> anyhow::Result<Setting<T>> {
    let found = maybe(name, flag, file)?;
    Ok(Setting { value: found.value.unwrap_or(default), source: found.source })
}
