//! `jepsen list`.

use std::collections::BTreeSet;

use portcullis_fault::{Kind, Point};
use portcullis_jepsen::checker::{Rule, agreement};
use portcullis_jepsen::schedule::Nemesis;
use portcullis_jepsen::{mutants, workload};

use super::output::line;

pub(crate) fn run() {
    line("workloads");
    for kind in workload::ALL {
        line(format_args!("  {:<12} {}", kind.name, kind.what));
    }
    line("nemeses");
    for nemesis in Nemesis::ALL {
        line(format_args!("  {:<12} {}", nemesis.name(), nemesis.describe()));
    }
    line("rules that nodes can break on purpose");
    for mutant in mutants::ALL {
        line(format_args!("  {:<12} {}", mutant.name, mutant.what));
    }
    line("judges");
    let mut told = BTreeSet::new();
    for judge in workload::ALL.iter().flat_map(|kind| kind.judges).chain([&agreement::JUDGE]) {
        if told.insert(judge.name) {
            line(format_args!("  {:<12} {}", judge.name, judge.what));
        }
    }
    line("points at which a node can be stopped, held (or, with !, made to fail) on purpose");
    for point in Point::ALL {
        let mark = if point.kind() == Kind::Fails { "!" } else { " " };
        line(format_args!("  {:<36} {mark} {}", point.name(), point.about()));
    }
    line("what a run fails by");
    for rule in Rule::ALL {
        line(format_args!("  {rule}"));
    }
}
