//! Lists that grow: is there one order in which every transaction can have happened, that agrees with real time?
//!
//! The answer of Adya ("Weak Consistency", 1999) and of Elle (Kingsbury and Alvaro, VLDB 2020) needs no search. What each list
//! held one after the other follows from what was read and written, and with it which transaction must come before which: who
//! wrote before who overwrote it (*ww*), who wrote before who read it (*wr*), who read before who overwrote that (*rw*), and who
//! had returned before who was invoked. Where that goes round in a circle, no order exists; where it does not, one does, and the
//! history is strictly serializable.
//!
//! Groups are sets, which tell nothing of an order. It is that of the revisions that writes were acknowledged at. A write of
//! unknown outcome is where it was seen first; one that was never seen is left out, since it may never have happened. Revisions
//! are believed for that alone, and are looked at too: what is read at a revision has to be what was written up to there.

mod graph;

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Came, Event, History, Told};
use crate::workload::append::{Content, Deed, Step, Verb};

use super::{Findings, Judge, Rule, Violation, about, presence, unreadable};
use graph::Graph;

/// The judge.
pub const JUDGE: Judge = Judge { name: "append", what: "transactions on lists are strictly serializable", judge };

/// An element of a list.
type Place = (u64, u64);

/// A transaction.
struct Txn<'a> {
    event: &'a Event,
    appends: Vec<Place>,
    reads: Vec<(u64, BTreeSet<u64>)>,
}

/// Who wrote each element, and where it stands.
#[derive(Default)]
struct Written {
    /// The transaction that wrote an element, by its number.
    by: BTreeMap<Place, usize>,
    /// Where a transaction stands in the log, or was seen there first.
    at: BTreeMap<usize, u64>,
}

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let txns: Vec<Txn<'_>> = told.iter().map(Txn::of).collect();
    let written = Written::of(&txns);
    let mut findings = presence::check(&presence(history, &told));
    findings.violations.extend(txns.iter().filter_map(|txn| wrong_by_itself(txn, &txns, &written)));
    let graph = graph(&txns, &written);
    findings.violations.extend(graph.circles().map(|circle| {
        let events: Vec<&Event> = circle.iter().map(|number| txns[*number].event).collect();
        let violation = about(Rule::Serializable, &events);
        Violation { detail: "each must come before the next, and the last before the first".to_owned(), ..violation }
    }));
    let seen = txns.iter().flat_map(|txn| &txn.reads).filter(|(_, read)| !read.is_empty()).count();
    if seen == 0 {
        findings.untried.push("nobody read a list that held something".to_owned());
    }
    findings.facts.push(format!("{} transactions ordered, {seen} lists read that held something", txns.len()));
    findings
}

/// The calls with what was read in the order in which it was added, which is what Elle takes for granted.
pub fn in_order(history: &History) -> Vec<Event> {
    let Ok(told) = history.told::<Deed>() else { return history.events.clone() };
    let txns: Vec<Txn<'_>> = told.iter().map(Txn::of).collect();
    let written = Written::of(&txns);
    let ordered = told.iter().map(|told| {
        let mut event = told.event.clone();
        if let (Some(mut steps), Came::Ok { answer, .. }) = (told.answer.clone(), &mut event.came) {
            for Step(_, list, content) in &mut steps {
                if let Content::List(elements) = content {
                    elements.sort_by_key(|element| (written.place((*list, *element)), *element));
                }
            }
            *answer = serde_json::to_value(steps).expect("INVARIANT: steps are a value");
        }
        event
    });
    ordered.collect()
}

impl<'a> Txn<'a> {
    fn of(told: &Told<'a, Deed>) -> Self {
        let Deed::Txn(asked) = &told.deed;
        let (mut appends, mut reads) = (Vec::new(), Vec::new());
        for Step(verb, list, content) in told.answer.as_ref().unwrap_or(asked) {
            match (verb, content) {
                (Verb::Append, Content::Element(element)) => appends.push((*list, *element)),
                (Verb::R, Content::List(elements)) => reads.push((*list, elements.iter().copied().collect())),
                (Verb::Append | Verb::R, Content::Unread | Content::Element(_) | Content::List(_)) => {}
            }
        }
        Self { event: told.event, appends, reads }
    }
}

impl Written {
    fn of(txns: &[Txn<'_>]) -> Self {
        let mut written = Self::default();
        for (number, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.event.may_have_happened()) {
            written.by.extend(txn.appends.iter().map(|place| (*place, number)));
            if let Some(revision) = txn.event.revision().filter(|_| !txn.appends.is_empty()) {
                written.at.insert(number, revision);
            }
        }
        for txn in txns {
            let Some(revision) = txn.event.revision() else { continue };
            for place in txn.places() {
                let Some(number) = written.by.get(&place).copied() else { continue };
                if txns[number].event.revision().is_none() {
                    let first = written.at.entry(number).or_insert(revision);
                    *first = revision.min(*first);
                }
            }
        }
        written
    }

    /// Where an element stands; behind all others if nobody knows.
    fn place(&self, place: Place) -> u64 {
        self.by.get(&place).and_then(|number| self.at.get(number)).copied().unwrap_or(u64::MAX)
    }

    /// Who wrote to a list, in the order of the log.
    fn writers(&self) -> BTreeMap<u64, Vec<(u64, usize)>> {
        let mut writers: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
        for ((list, _), number) in &self.by {
            if let Some(at) = self.at.get(number) {
                writers.entry(*list).or_default().push((*at, *number));
            }
        }
        for writers in writers.values_mut() {
            writers.sort_unstable();
        }
        writers
    }
}

impl Txn<'_> {
    /// The elements that were read.
    fn places(&self) -> impl Iterator<Item = Place> {
        self.reads.iter().flat_map(|(list, read)| read.iter().map(|element| (*list, *element)))
    }
}

/// What a transaction has read and cannot have, whatever came before or after: what nobody wrote, or not what its revision has.
fn wrong_by_itself(txn: &Txn<'_>, txns: &[Txn<'_>], written: &Written) -> Option<Violation> {
    let unwritten = |place: &Place| !written.by.contains_key(place);
    if let Some((list, element)) = txn.places().find(unwritten) {
        let detail = format!("nobody added {element} to {list}");
        return Some(Violation { detail, ..about(Rule::NeverWritten, &[txn.event]) });
    }
    let revision = txn.event.revision()?;
    for (list, read) in &txn.reads {
        for ((_, element), number) in written.by.range((*list, 0)..=(*list, u64::MAX)) {
            let Some(at) = txns[*number].event.revision() else { continue };
            if read.contains(element) != (at <= revision) {
                return Some(about(Rule::AnswerOfRevision, &[txns[*number].event, txn.event]));
            }
        }
    }
    None
}

fn graph(txns: &[Txn<'_>], written: &Written) -> Graph {
    let mut graph = Graph::default();
    let takes_part = |number: usize| txns[number].appends.is_empty() || written.at.contains_key(&number);
    for (number, txn) in txns.iter().enumerate().filter(|(number, _)| takes_part(*number)) {
        if txn.event.is_ok() || !txn.appends.is_empty() {
            graph.add(number, txn.event.invoked_us, txn.event.until_us());
        }
    }
    let writers = written.writers();
    for of_list in writers.values() {
        for pair in of_list.windows(2) {
            graph.before(pair[0].1, pair[1].1);
        }
    }
    for (number, txn) in txns.iter().enumerate() {
        for (list, read) in &txn.reads {
            let of_list = writers.get(list).map(Vec::as_slice).unwrap_or_default();
            let is_read =
                |writer: usize| txns[writer].appends.iter().any(|(to, what)| to == list && read.contains(what));
            // The last that was read, and the first that was not, stand for those before and behind them.
            if let Some((_, last)) = of_list.iter().rev().find(|(_, writer)| is_read(*writer)) {
                graph.before(*last, number);
            }
            if let Some((_, next)) = of_list.iter().find(|(_, writer)| !is_read(*writer)) {
                graph.before(number, *next);
            }
        }
    }
    graph
}

/// What was to be added, and who was seen to be there at the end.
fn presence<'a>(history: &History, told: &[Told<'a, Deed>]) -> presence::Presence<'a, Place> {
    let mut presence = presence::Presence::of(history);
    for told in told {
        let Deed::Txn(asked) = &told.deed;
        for Step(verb, list, content) in told.answer.as_ref().unwrap_or(asked) {
            match (verb, content) {
                (Verb::Append, Content::Element(element)) => presence.add((*list, *element), told.event),
                (Verb::R, Content::List(elements)) => {
                    presence.look(told.event, |(of, element)| (of == list).then(|| elements.contains(element)));
                }
                (Verb::Append | Verb::R, Content::Unread | Content::Element(_) | Content::List(_)) => {}
            }
        }
    }
    presence
}

#[cfg(test)]
mod tests;
