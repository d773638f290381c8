//! `jepsen run --system`: another system than a cluster of ours.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use portcullis_jepsen::cluster::make_folder;
use portcullis_jepsen::foreign::{Plan, run as run_plan};
use portcullis_jepsen::run::REPORT;
use portcullis_jepsen::system::spicedb::{Consistency, SpiceDb};
use portcullis_jepsen::workload::revocation;

use super::{output, run, tell};

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Which system is asked, and judged by the same rules; another than ours is not started, and meets no faults
    #[arg(long, value_enum, default_value = "portcullis")]
    system: Kind,
    /// Where the nodes of the other system listen, `host:port`
    #[arg(long, value_delimiter = ',', required_if_eq("system", "spicedb"))]
    address: Vec<String>,
    /// The key that the other system asks for
    #[arg(long, default_value = "")]
    token: String,
    /// How fresh the other system has to answer
    #[arg(long, value_enum, default_value = "minimize-latency")]
    consistency: Freshness,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A cluster of our nodes, which is started for the run
    Portcullis,
    /// Whatever answers `authzed.api.v1`
    Spicedb,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Freshness {
    /// As is fastest
    MinimizeLatency,
    /// As fresh as can be
    Full,
}

impl Flags {
    pub(super) fn is_asked_for(&self) -> bool {
        self.system != Kind::Portcullis
    }
}

pub(super) fn run(flags: &run::Flags, elsewhere: &Flags) -> anyhow::Result<ExitCode> {
    ensure!(
        flags.workload.name == revocation::NAME,
        "another system is asked by the workload `{}` only",
        revocation::NAME
    );
    make_folder(&flags.dir)?;
    let (consistency, name) = match elsewhere.consistency {
        Freshness::MinimizeLatency => (Consistency::MinimizeLatency, "minimize-latency"),
        Freshness::Full => (Consistency::Full, "full"),
    };
    let system = SpiceDb { addresses: elsewhere.address.clone(), token: elsewhere.token.clone(), consistency };
    let plan = Plan {
        system: format!("spicedb, {name}"),
        seed: flags.seed,
        clients: flags.clients,
        writes: flags.writes,
        time: Duration::from_secs(flags.time),
        revokes_min: flags.revokes_min,
        folder: flags.dir.canonicalize()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let judgement = runtime.block_on(run_plan(&plan, &system))?;
    output::line(plan.folder.join(REPORT).display());
    Ok(tell(&judgement))
}
