//! `jepsen doctor`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use portcullis_jepsen::cluster::binary;
use portcullis_jepsen::cluster::facility::{Facility, Lab};
use portcullis_jepsen::cluster::leftovers::Mark;
use portcullis_jepsen::cluster::machine::Machine;
use portcullis_jepsen::cluster::network::{Network, Wanted, Wires};
use portcullis_jepsen::schedule::Nemesis;

use super::output;

/// How many nodes it takes to see whether a cut cuts and a loss loses.
const NODES: u64 = 2;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let machine = Machine::look();
    row("root", machine.root, if machine.root { "" } else { "most facilities need it" });
    row("ip", machine.ip, "");
    let cutter = machine.cutter.map_or_else(|| "neither nft nor iptables".to_owned(), |cutter| format!("{cutter:?}"));
    row("packet filter", machine.cutter.is_some(), &cutter.to_lowercase());
    match binary::find(None) {
        Ok(path) => row("portcullis", true, &path.display().to_string()),
        Err(error) => row("portcullis", false, &format!("{error:#}")),
    }
    // What is there may still not work, so it is tried.
    let mark = Mark::own()?;
    let (network, lesser) = match join(Wanted::Any, mark) {
        Ok(made) => made,
        Err(error) => (join(Wanted::Loopback, mark)?.0, Some(format!("{error:#}"))),
    };
    let folder = std::env::temp_dir().join(format!("jepsen-{mark}-doctor"));
    std::fs::create_dir_all(&folder)?;
    let lab = Lab::new(&network, lesser.as_deref(), mark, &folder);
    let tried: BTreeMap<Facility, Result<(), String>> =
        Facility::ALL.into_iter().map(|facility| (facility, lab.try_out(facility))).collect();
    std::fs::remove_dir_all(&folder)?;
    for (facility, works) in &tried {
        row(facility.name(), works.is_ok(), works.as_ref().err().map_or(facility.proof(), |why| why));
    }
    let works = |nemesis: &Nemesis| nemesis.needs().iter().all(|facility| tried[facility].is_ok());
    let (can, cannot): (Vec<_>, Vec<_>) = Nemesis::ALL.into_iter().partition(works);
    output::line(format_args!("{} nemeses can act here: {}", can.len(), names(&can)));
    if !cannot.is_empty() {
        output::line(format_args!("{} are skipped: {}", cannot.len(), names(&cannot)));
    }
    if !network.can_cut() {
        output::line("nodes run on loopback, and the network between them is left alone");
    }
    Ok(ExitCode::SUCCESS)
}

/// By a switch of ours if that works, since what else is tried works with it, too.
fn join(wanted: Wanted, mark: Mark) -> anyhow::Result<(Network, Option<String>)> {
    let switched = Network::make(wanted, Wires::Switch, NODES, mark);
    switched.or_else(|_| Network::make(wanted, Wires::Kernel, NODES, mark))
}

fn row(what: &str, is_there: bool, detail: &str) {
    output::line(format_args!("{what:<14} {:<8} {detail}", if is_there { "yes" } else { "MISSING" }));
}

fn names(nemeses: &[Nemesis]) -> String {
    nemeses.iter().map(|nemesis| nemesis.name()).collect::<Vec<_>>().join(", ")
}
