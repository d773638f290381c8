//! Watches: everything once, in order, each commit as a whole, the same to everybody, from whichever node.
//!
//! What a watcher has to be told lies between its first message and its last, however often it went on at another node
//! meanwhile: every acknowledged write there, with exactly what it changed, and whatever anybody else was told of there. What
//! nobody acknowledged may be told if its outcome is unknown.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, History, Told};
use crate::workload::watch::{Answer, Deed, is_final};

use super::{Findings, Judge, Rule, Violation, about, unreadable};

/// The judge.
pub const JUDGE: Judge = Judge { name: "watch", what: "watches tell everything once, in order, and the same", judge };

/// Something that a watcher was told.
struct Message<'a> {
    event: &'a Event,
    revision: u64,
    /// Nothing is a checkpoint.
    changes: Option<&'a [String]>,
}

/// What was done, or told, at a revision.
type Commits<'a> = BTreeMap<u64, (&'a Event, &'a [String])>;

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let watchers = watchers(&told);
    let mut commits = acknowledged(&told);
    let acknowledged = commits.len();
    let last = commits.last_key_value().map_or(0, |(revision, _)| *revision);
    let mut findings = Findings::default();
    for messages in watchers.values() {
        findings.violations.extend(out_of_order(messages));
        for message in messages {
            let Some(changes) = message.changes else { continue };
            if let Some((done, expected)) = commits.get(&message.revision) {
                let differs = (*expected != changes).then(|| about(Rule::WatchDiffers, &[done, message.event]));
                findings.violations.extend(differs);
            } else {
                commits.insert(message.revision, (message.event, changes));
                findings.violations.extend(never_written(&told, message, changes));
            }
        }
    }
    for messages in watchers.values() {
        findings.violations.extend(gaps(messages, &commits));
    }
    let reached = watchers.iter().filter(|(client, _)| is_final(**client));
    let short = reached.filter(|(_, messages)| messages.last().is_none_or(|message| message.revision < last));
    findings.doubts.extend(short.map(|(client, _)| format!("watcher {client} was not told up to the end")));
    let moves = moves(&watchers);
    if moves == 0 {
        findings.untried.push("no watcher went on at another node".to_owned());
    }
    let messages: usize = watchers.values().map(Vec::len).sum();
    findings.facts.push(format!(
        "{messages} messages to {} watchers, which went on elsewhere {moves} times, about {acknowledged} acknowledged writes",
        watchers.len()
    ));
    findings
}

fn watchers<'a>(told: &'a [Told<'a, Deed>]) -> BTreeMap<u32, Vec<Message<'a>>> {
    let mut watchers: BTreeMap<u32, Vec<Message<'a>>> = BTreeMap::new();
    for Told { deed, answer, event } in told {
        if let (Deed::Watch, Some(answer), Some(revision)) = (deed, answer, event.revision()) {
            let changes = match answer {
                Answer::Changed(changes) => Some(changes.as_slice()),
                Answer::Checkpoint | Answer::Done => None,
            };
            watchers.entry(event.client).or_default().push(Message { event, revision, changes });
        }
    }
    watchers
}

fn acknowledged<'a>(told: &'a [Told<'a, Deed>]) -> Commits<'a> {
    let done = told.iter().filter_map(|told| match &told.deed {
        Deed::Change(changes) => Some((told.event.revision()?, (told.event, changes.as_slice()))),
        Deed::Watch => None,
    });
    done.collect()
}

/// A message that comes before one that came before it, or again. A checkpoint may repeat.
fn out_of_order(messages: &[Message<'_>]) -> Option<Violation> {
    let is_wrong = |pair: &&[Message<'_>]| {
        let (before, after) = (pair[0].revision, pair[1].revision);
        after < before || after == before && pair[1].changes.is_some()
    };
    messages.windows(2).find(is_wrong).map(|pair| about(Rule::WatchOrder, &[pair[0].event, pair[1].event]))
}

/// A message about what nobody can have done.
fn never_written(told: &[Told<'_, Deed>], message: &Message<'_>, changes: &[String]) -> Option<Violation> {
    let is_it = |told: &Told<'_, Deed>| match &told.deed {
        Deed::Change(done) => done == changes && !told.event.is_ok() && told.event.may_have_happened(),
        Deed::Watch => false,
    };
    let violation = about(Rule::NeverWritten, &[message.event]);
    (!told.iter().any(is_it)).then_some(violation)
}

/// What a watcher was not told between its first message and its last.
fn gaps(messages: &[Message<'_>], commits: &Commits<'_>) -> Option<Violation> {
    let (first, last) = (messages.first()?, messages.last()?);
    if first.revision >= last.revision {
        return None;
    }
    let told: BTreeSet<u64> =
        messages.iter().filter(|message| message.changes.is_some()).map(|message| message.revision).collect();
    let mut between = commits.range(first.revision + 1..=last.revision);
    let (revision, (done, _)) = between.find(|(revision, _)| !told.contains(revision))?;
    let next = messages.iter().find(|message| message.revision >= *revision).unwrap_or(last);
    Some(about(Rule::WatchGap, &[done, next.event]))
}

fn moves(watchers: &BTreeMap<u32, Vec<Message<'_>>>) -> usize {
    let moved = |messages: &Vec<Message<'_>>| {
        messages.windows(2).filter(|pair| pair[0].event.node != pair[1].event.node).count()
    };
    watchers.values().map(moved).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Came;
    use crate::history::samples::{event, lost, of_events, ok, refused};

    fn changes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn change(names: &[&str], came: Came) -> Event {
        event(&Deed::Change(changes(names)), 0, 5, came)
    }

    fn done(names: &[&str], revision: u64) -> Event {
        change(names, ok(Answer::Done, revision))
    }

    /// What a watcher is told at a node: names of changes, or a checkpoint.
    fn tell(client: u32, node: u64, at_us: u64, revision: u64, names: &[&str]) -> Event {
        let answer = if names.is_empty() { Answer::Checkpoint } else { Answer::Changed(changes(names)) };
        Event { client, node, ..event(&Deed::Watch, at_us, at_us, ok(answer, revision)) }
    }

    fn found(events: Vec<Event>) -> Vec<Rule> {
        judge(&of_events(events)).violations.into_iter().map(|violation| violation.rule).collect()
    }

    fn sound() -> Vec<Event> {
        vec![
            done(&["a", "b"], 3),
            done(&["c"], 5),
            tell(1, 1, 10, 2, &[]),
            tell(1, 1, 11, 3, &["a", "b"]),
            tell(1, 2, 12, 3, &[]),
            tell(1, 2, 13, 5, &["c"]),
            tell(2, 1, 14, 3, &[]),
            tell(2, 1, 15, 5, &["c"]),
        ]
    }

    #[test]
    fn everything_once_in_order_passes() {
        assert_eq!(found(sound()), []);
        assert_eq!(judge(&of_events(sound())).untried, Vec::<String>::new());
    }

    #[test]
    fn what_is_told_twice_or_late_is_found() {
        let mut twice = sound();
        twice.push(tell(2, 3, 16, 5, &["c"]));
        assert_eq!(found(twice), [Rule::WatchOrder]);
        let mut late = sound();
        late.push(tell(1, 3, 16, 3, &["a", "b"]));
        assert_eq!(found(late), [Rule::WatchOrder]);
    }

    #[test]
    fn what_is_left_out_is_found() {
        let mut left_out = sound();
        left_out.remove(3);
        assert_eq!(found(left_out), [Rule::WatchGap]);
        let mut behind = sound();
        behind[7] = tell(2, 1, 15, 6, &[]);
        assert_eq!(found(behind), [Rule::WatchGap], "a checkpoint says that everything before it was told");
    }

    #[test]
    fn a_commit_is_told_as_a_whole_and_to_everybody() {
        let mut part = sound();
        part[3] = tell(1, 1, 11, 3, &["a"]);
        assert_eq!(found(part), [Rule::WatchDiffers]);
        let unknown = change(&["d"], lost());
        let mut some = sound();
        some.extend([unknown, tell(1, 2, 16, 7, &["d"]), tell(2, 1, 17, 8, &[])]);
        assert_eq!(found(some), [Rule::WatchGap]);
    }

    #[test]
    fn what_nobody_did_is_not_told() {
        let mut foreign = sound();
        foreign.push(tell(1, 2, 16, 7, &["d"]));
        assert_eq!(found(foreign.clone()), [Rule::NeverWritten]);
        foreign.push(change(&["d"], refused()));
        assert_eq!(found(foreign.clone()), [Rule::NeverWritten]);
        foreign.push(change(&["d"], lost()));
        assert_eq!(found(foreign), []);
    }

    #[test]
    fn a_watch_that_does_not_reach_the_end_leaves_it_open() {
        let mut short = sound();
        let last = crate::workload::watch::last_watcher(1);
        short.extend([tell(last, 1, 20, 2, &[]), tell(last, 1, 21, 3, &["a", "b"])]);
        assert_eq!(judge(&of_events(short)).doubts.len(), 1);
    }
}
