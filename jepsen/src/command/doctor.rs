//! `jepsen doctor`.

use std::process::ExitCode;

use portcullis_jepsen::cluster::binary;
use portcullis_jepsen::cluster::leftovers::Mark;
use portcullis_jepsen::cluster::machine::Machine;
use portcullis_jepsen::cluster::network::{Network, Wanted};
use portcullis_jepsen::schedule::Nemesis;

/// How many nodes it takes to see whether a cut cuts and a loss loses.
const NODES: u64 = 2;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let machine = Machine::look();
    line("root", machine.root, if machine.root { "" } else { "network namespaces need it" });
    line("ip", machine.ip, "");
    let cutter = machine.cutter.map_or_else(|| "neither nft nor iptables".to_owned(), |cutter| format!("{cutter:?}"));
    line("packet filter", machine.cutter.is_some(), &cutter.to_lowercase());
    // What is there may still not work, so it is tried.
    let tried = Network::make(Wanted::Namespaces, NODES, Mark::own()?);
    let why = tried
        .as_ref()
        .err()
        .map_or_else(|| "two were joined, cut apart and healed".to_owned(), |error| format!("{error:#}"));
    line("namespaces", tried.is_ok(), &why);
    let lossy = tried.as_ref().ok().map(|(network, _)| network.can_lose());
    let why = match &lossy {
        None => "takes namespaces",
        Some(Ok(())) => "of packets between the two, some were lost as they should be",
        Some(Err(why)) => why,
    };
    let loses = matches!(lossy, Some(Ok(())));
    line("packet loss", loses, why);
    match binary::find(None) {
        Ok(path) => line("portcullis", true, &path.display().to_string()),
        Err(error) => line("portcullis", false, &format!("{error:#}")),
    }
    let (can, cannot): (Vec<_>, Vec<_>) = Nemesis::ALL.into_iter().partition(|nemesis| match nemesis {
        Nemesis::Loss => loses,
        other => tried.is_ok() || !other.needs_namespaces(),
    });
    println!("{} nemeses can act here: {}", can.len(), names(&can));
    if !cannot.is_empty() {
        println!("{} are skipped: {}", cannot.len(), names(&cannot));
    }
    if tried.is_err() {
        println!("nodes run on loopback, and only processes are tormented");
    }
    Ok(ExitCode::SUCCESS)
}

fn line(what: &str, is_there: bool, detail: &str) {
    println!("{what:<14} {:<8} {detail}", if is_there { "yes" } else { "MISSING" });
}

fn names(nemeses: &[Nemesis]) -> String {
    nemeses.iter().map(|nemesis| nemesis.name()).collect::<Vec<_>>().join(", ")
}
