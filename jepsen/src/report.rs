//! One page about one run, which needs nothing beside itself: no script, no font, no other file.

mod bands;
mod timeline;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::history::{Action, Answer, Call, History, Strike};
use crate::verdict::{Judgement, VIOLATIONS_MAX, Verdict};

const STYLE: &str = "
body { font: 14px/1.5 system-ui, sans-serif; max-width: 1280px; margin: 2em auto; padding: 0 1em; color: #1c1c1c; background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
.verdict { padding: .15em .6em; border-radius: .3em; color: #fff }
.pass { background: #1a7f37 } .fail { background: #c62828 } .unknown, .rejected { background: #9a6700 }
table { border-collapse: collapse } th, td { text-align: left; padding: .2em .9em .2em 0; border-bottom: 1px solid #ddd; vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
pre { background: #f5f5f5; padding: .8em; overflow-x: auto; white-space: pre-wrap }
svg { width: 100%; height: auto } svg text { font: 110px system-ui, sans-serif; fill: #444 }
.key span { display: inline-block; width: 1em; height: .8em; margin: 0 .3em 0 1em; vertical-align: -1px }
";

/// The page.
pub fn page(history: &History, judgement: &Judgement) -> String {
    let sections = [
        head(history, judgement),
        wrong(judgement),
        timeline::section(history, judgement),
        faults(history),
        latencies(history),
    ];
    let title = format!("{} seed {}: {}", history.run.workload, history.run.seed, judgement.verdict);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head>\n\
         <body>\n{}</body></html>\n",
        escape(&title),
        sections.concat()
    )
}

fn head(history: &History, judgement: &Judgement) -> String {
    let run = &history.run;
    let class = match judgement.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
        Verdict::Rejected => "rejected",
    };
    let listed = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let rows = [
        ("covered", judgement.coverage.to_string()),
        ("judged", judgement.facts.join("\n")),
        ("seed", run.seed.to_string()),
        ("nemeses", listed(&run.nemeses)),
        ("skipped", listed(&run.skipped)),
        ("nodes", format!("{}, joined by {}, version {}", run.nodes, run.network, run.version)),
        ("broken on purpose", run.planted.clone().unwrap_or_else(|| "nothing".to_owned())),
        ("clients", run.clients.to_string()),
        (
            "of a hundred calls write",
            run.writes.map_or_else(|| "as the workload has it".to_owned(), |share| share.to_string()),
        ),
        ("time", format!("{} s of faults", run.time_s)),
    ];
    let mut table = String::new();
    for (name, value) in rows {
        // INVARIANT: writing to a String succeeds.
        writeln!(table, "<tr><th>{name}</th><td>{}</td></tr>", escape(&value)).expect("a String grows");
    }
    format!(
        "<h1>{} <span class=\"verdict {class}\">{}</span></h1>\n<table>\n{table}</table>\n",
        escape(&run.workload),
        judgement.verdict
    )
}

fn wrong(judgement: &Judgement) -> String {
    let mut lines: Vec<String> =
        judgement.violations.iter().take(VIOLATIONS_MAX).map(|violation| format!("WRONG: {violation}")).collect();
    if let Some(more) = judgement.violations.len().checked_sub(VIOLATIONS_MAX).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.extend(judgement.doubts.iter().map(|doubt| format!("not known: {doubt}")));
    lines.extend(judgement.shortfalls.iter().map(|shortfall| format!("not covered: {shortfall}")));
    if lines.is_empty() { String::new() } else { format!("<h2>Why</h2>\n<pre>{}</pre>\n", escape(&lines.join("\n"))) }
}

fn faults(history: &History) -> String {
    let mut rows = String::new();
    for strike in &history.strikes {
        let Strike { step, at_us, nemesis, what, leader, holders, .. } = strike;
        let lasted = history.relief_us(*step).map_or_else(|| "to the end".to_owned(), |end| seconds(end - at_us));
        let leader = leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string());
        let holders: Vec<String> = holders.iter().map(u64::to_string).collect();
        let (what, holders) = (escape(what), holders.join(", "));
        let cells = format!("<td>{nemesis}</td><td>{what}</td><td>{leader}</td><td>{holders}</td>");
        // INVARIANT: writing to a String succeeds.
        writeln!(
            rows,
            "<tr><td class=\"number\">{}</td><td class=\"number\">{lasted}</td>{cells}</tr>",
            seconds(*at_us)
        )
        .expect("a String grows");
    }
    let names = "<th class=\"number\">at</th><th class=\"number\">lasted</th><th>nemesis</th><th>what</th><th>led</th><th>held leases</th>";
    format!("<h2>Faults</h2>\n<table>\n<tr>{names}</tr>\n{rows}</table>\n")
}

/// How long acknowledged calls took, by what was asked and of which node.
fn latencies(history: &History) -> String {
    let mut asked: BTreeMap<(&str, u64), Asked> = BTreeMap::new();
    for operation in &history.operations {
        let name = match operation.action {
            Action::Check => "check",
            Action::Grant => "grant",
            Action::Revoke => "revoke",
        };
        let about = asked.entry((name, operation.node)).or_default();
        about.add(operation.into());
        about.allows += u64::from(operation.answer() == Some(Answer::Allow));
    }
    for event in &history.events {
        asked.entry((&event.f, event.node)).or_default().add(event.into());
    }
    let mut rows = String::new();
    for ((name, node), mut about) in asked {
        about.took.sort_unstable();
        let took = &about.took;
        let of = |share: usize| took.get((took.len() * share / 1_000).min(took.len().saturating_sub(1))).copied();
        let counts = [Some(took.len() as u64), Some(about.allows), Some(about.unanswered)];
        let cells = counts.into_iter().chain([of(500), of(990), of(1_000)]);
        let cells = row("td", cells.map(|cell| cell.map_or_else(String::new, |cell| cell.to_string())));
        writeln!(rows, "<tr><td>{}</td><td>node {node}</td>{cells}</tr>", escape(name)).expect("a String grows");
    }
    let names = ["answered", "allows", "not answered", "p50 µs", "p99 µs", "most µs"];
    let names = row("th", names.map(str::to_owned));
    format!("<h2>Calls</h2>\n<table>\n<tr><th></th><th></th>{names}</tr>\n{rows}</table>\n")
}

/// Calls of one kind at one node.
#[derive(Default)]
struct Asked {
    /// How long those took that were answered.
    took: Vec<u64>,
    allows: u64,
    unanswered: u64,
}

impl Asked {
    fn add(&mut self, call: Call) {
        if call.answered {
            self.took.push(call.completed_us - call.invoked_us);
        } else {
            self.unanswered += 1;
        }
    }
}

/// Cells with numbers.
fn row(tag: &str, texts: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = texts.into_iter().map(|text| format!("<{tag} class=\"number\">{text}</{tag}>")).collect();
    cells.concat()
}

fn seconds(us: u64) -> String {
    format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000)
}

/// Text as it stands in a page.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{check, done, history};
    use crate::history::{Phase, Relief, Sample, Seen};
    use crate::verdict::judge;

    fn told() -> History {
        let mut history =
            history([done(Action::Grant, 0, 10, 5), done(Action::Revoke, 50, 70, 7), check(Answer::Allow, 80, 90, 6)]);
        history.phases.extend([(Phase::Traffic, 0), (Phase::Healed, 900), (Phase::End, 1_000)]);
        let what = "isolate <node> 1".to_owned();
        let (nemesis, holders) = ("partition".to_owned(), vec![1, 2]);
        history.strikes.push(Strike { step: 1, at_us: 60, nemesis, what, victims: vec![1], leader: Some(1), holders });
        history.reliefs.push(Relief { step: 1, at_us: 800 });
        let seen = Seen { leader: Some(1), term: 1, holds: true, visible: 5 };
        history.samples.push(Sample { node: 1, at_us: 10, seen: Some(seen) });
        history.samples.push(Sample { node: 1, at_us: 500, seen: None });
        history
    }

    #[test]
    fn the_page_says_what_happened_and_needs_nothing_else() {
        let history = told();
        let page = page(&history, &judge(&history));
        for part in
            ["FAIL", "an allow after the revocation returned", "isolate &lt;node&gt; 1", "<svg", "node 3", "seed 7"]
        {
            assert!(page.contains(part), "{part}");
        }
        for foreign in ["src=", "href=", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert!(page.contains("isolate &lt;node&gt; 1") && !page.contains("<node>"));
    }

    #[test]
    fn a_run_that_was_broken_off_at_once_has_a_page() {
        let history = history([]);
        assert!(page(&history, &judge(&history)).contains("UNKNOWN"));
    }
}
