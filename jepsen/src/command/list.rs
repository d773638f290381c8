//! `jepsen list`.

use std::collections::BTreeSet;

use portcullis_jepsen::checker::{Rule, agreement};
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::{mutants, workload};

pub(crate) fn run() {
    println!("workloads");
    for kind in workload::ALL {
        println!("  {:<12} {}", kind.name, kind.what);
    }
    println!("nemeses");
    for nemesis in Nemesis::ALL {
        println!("  {:<12} {}", nemesis.name(), nemesis.describe());
    }
    println!("rules that nodes can break on purpose");
    for mutant in mutants::ALL {
        println!("  {:<12} {}", mutant.name, mutant.what);
    }
    println!("judges");
    let mut told = BTreeSet::new();
    for judge in workload::ALL.iter().flat_map(|kind| kind.judges).chain([&agreement::JUDGE]) {
        if told.insert(judge.name) {
            println!("  {:<12} {}", judge.name, judge.what);
        }
    }
    println!("what a run fails by");
    for rule in Rule::ALL {
        println!("  {rule}");
    }
}
