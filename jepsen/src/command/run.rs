//! `jepsen run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use portcullis_jepsen::cluster::facility::{Facility, Lab};
use portcullis_jepsen::cluster::leftovers::{self, Mark};
use portcullis_jepsen::cluster::network::{Network, Wanted, Wires};
use portcullis_jepsen::cluster::{binary, make_folder};
use portcullis_jepsen::run::{Plan, REPORT, run as run_plan};
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::workload::{self, Kind, revocation};
use tokio::signal::unix::{SignalKind, signal};

use super::{foreign, output, tell};

/// What a process ends with that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// What clients do: see `jepsen list`
    #[arg(long, default_value = revocation::NAME, value_parser = known)]
    pub(super) workload: Kind,
    /// Who makes faults, as `jepsen list` names them, or `none`
    #[arg(long, default_value = "partition,kill", value_delimiter = ',')]
    nemesis: Vec<Asked>,
    /// How many nodes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// How long faults happen, in seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) time: u64,
    /// The seed of the schedule of faults
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// How many clients
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(3..=1_000))]
    pub(super) clients: u32,
    /// How many calls of a hundred write; as the workload has it, unless given
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=90))]
    pub(super) writes: Option<u8>,
    /// How many revocations, or other writes, have to be acknowledged for the run to prove anything
    #[arg(long, default_value_t = 30)]
    pub(super) revokes_min: u64,
    /// The folder for the history, the logs and the page; it has to be empty
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// The binary `portcullis`; else that of `PORTCULLIS_BIN`, else the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How nodes are joined
    #[arg(long, value_enum, default_value = "any")]
    network: Joined,
    #[command(flatten)]
    elsewhere: foreign::Flags,
}

pub(super) fn known(name: &str) -> Result<Kind, String> {
    workload::find(name).copied().ok_or_else(|| "no such workload: see `jepsen list`".to_owned())
}

/// A nemesis, or none.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Nobody,
    Somebody(Nemesis),
}

impl Asked {
    fn needs_switch(self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Somebody(nemesis) => nemesis.needs().contains(&Facility::Switch),
        }
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Nemesis::named(text).map(Self::Somebody);
        let nobody = (text == "none").then_some(Self::Nobody);
        found.or(nobody).ok_or_else(|| "no such nemesis: see `jepsen list`".to_owned())
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Joined {
    /// By namespaces where they work, else by loopback
    Any,
    /// By namespaces, or not at all
    Namespaces,
    /// By loopback: only processes can be tormented
    Loopback,
}

pub(crate) fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    if flags.elsewhere.is_asked_for() {
        return foreign::run(flags, &flags.elsewhere);
    }
    let removed = leftovers::remove()?;
    if removed != leftovers::Removed::default() {
        eprintln!("removed what a harness that died had left: {removed}");
    }
    let binary = binary::find(flags.binary.as_deref())?;
    make_folder(&flags.dir)?;
    let folder = flags.dir.canonicalize()?;
    let wanted = match flags.network {
        Joined::Any => Wanted::Any,
        Joined::Namespaces => Wanted::Namespaces,
        Joined::Loopback => Wanted::Loopback,
    };
    let mark = Mark::own()?;
    let wires = if flags.nemesis.iter().copied().any(Asked::needs_switch) { Wires::Switch } else { Wires::Kernel };
    let joined = Network::make(wanted, wires, flags.nodes, mark);
    // Without a switch everything else still works, and who needs it is skipped.
    let (network, lesser) = joined.or_else(|error| match wires {
        Wires::Switch => Network::make(wanted, Wires::Kernel, flags.nodes, mark),
        Wires::Kernel => Err(error),
    })?;
    let (nemeses, skipped) =
        choose(flags.workload, &flags.nemesis, &Lab::new(&network, lesser.as_deref(), mark, &folder));
    for skipped in &skipped {
        eprintln!("SKIPPED: {skipped}");
    }
    let plan = Plan {
        workload: flags.workload,
        writes: flags.writes,
        seed: flags.seed,
        needs: nemeses.iter().flat_map(|nemesis| nemesis.needs()).copied().collect(),
        nemeses,
        skipped,
        nodes: flags.nodes,
        clients: flags.clients,
        time: Duration::from_secs(flags.time),
        revokes_min: flags.revokes_min,
        binary,
        folder,
    };
    // Before there is any other thread, since a thread is where the one was that started it.
    network.enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(until_stopped(&plan, network))
}

/// Runs until the end, or until somebody ends it. Whichever way, the cluster is dropped, and with it its processes and
/// namespaces.
async fn until_stopped(plan: &Plan, network: Network) -> anyhow::Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = run_plan(plan, network) => {
            let judgement = ended.with_context(|| format!("the logs of the nodes are in `{}`", plan.folder.display()))?;
            output::line(plan.folder.join(REPORT).display());
            Ok(tell(&judgement))
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(interrupted_run())
        }
        _ = terminate.recv() => Ok(interrupted_run()),
    }
}

fn interrupted_run() -> ExitCode {
    eprintln!("interrupted: the nodes and their namespaces are removed, the history up to here stays");
    ExitCode::from(INTERRUPTED)
}

/// Who can act here, and who cannot, with the reason.
fn choose(workload: Kind, asked: &[Asked], lab: &Lab<'_>) -> (Vec<Nemesis>, Vec<String>) {
    let (mut acting, mut skipped) = (Vec::new(), Vec::new());
    for asked in asked {
        match asked {
            Asked::Nobody => {}
            Asked::Somebody(nemesis) if acting.contains(nemesis) => {}
            Asked::Somebody(nemesis) => {
                match obstacle(workload, *nemesis, &acting).or_else(|| lab.obstacle(nemesis.needs())) {
                    Some(why) => skipped.push(format!("{}: {why}", nemesis.name())),
                    None => acting.push(*nemesis),
                }
            }
        }
    }
    (acting, skipped)
}

fn obstacle(workload: Kind, nemesis: Nemesis, acting: &[Nemesis]) -> Option<String> {
    workload.obstacle(nemesis).map(str::to_owned).or_else(|| conflict(nemesis, acting))
}

/// What keeps somebody from acting beside those who act already, if anything does.
fn conflict(nemesis: Nemesis, acting: &[Nemesis]) -> Option<String> {
    let [wall, all] = [Facility::WallClocks, Facility::Clocks];
    let other = if nemesis.needs().contains(&wall) { all } else { wall };
    let moves = |nemesis: &Nemesis| nemesis.needs().iter().any(|need| [wall, all].contains(need));
    let first = acting.iter().find(|acting| moves(&nemesis) && acting.needs().contains(&other))?;
    Some(format!("a run moves either wall clocks or all clocks, and `{}` acts in this one", first.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_loopback_only_processes_are_tormented() {
        let (network, lesser) = Network::make(Wanted::Loopback, Wires::Kernel, 3, Mark::own().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lab = Lab::new(&network, lesser.as_deref(), Mark::own().unwrap(), folder.path());
        let asked = [Nemesis::Partition, Nemesis::Kill, Nemesis::Pause, Nemesis::Restart, Nemesis::Loss];
        let (acting, skipped) = choose(revocation::KIND, &asked.map(Asked::Somebody), &lab);
        assert_eq!(acting, [Nemesis::Kill, Nemesis::Pause, Nemesis::Restart]);
        assert_eq!(skipped, ["partition: loopback was asked for", "loss: loopback was asked for"]);
    }

    #[test]
    fn what_a_workload_cannot_tell_is_no_run() {
        let obstacle = |workload, nemesis| obstacle(workload, nemesis, &[]).is_some();
        assert!(obstacle(workload::expiry::KIND, Nemesis::ClockRate));
        assert!(!obstacle(workload::expiry::KIND, Nemesis::Clock) && !obstacle(revocation::KIND, Nemesis::ClockRate));
    }
}
