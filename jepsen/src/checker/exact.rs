//! Reads of the past: what was true at a revision stays true of it, at every node, at every time, by whichever call.
//!
//! Two things must hold of answers `at_exact` a revision. All of them agree; and the answer is what the writes up to that
//! revision say, where all writes of the key are known. A node may refuse, by name, to look so far back; that is no answer.

use std::collections::BTreeMap;

use crate::history::{Event, History, Told};
use crate::workload::exact::Deed;

use super::{Findings, Judge, Rule, about, unreadable};

/// The judge.
pub const JUDGE: Judge = Judge { name: "exact", what: "answers as of a revision repeat exactly", judge };

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let written = written(&told);
    let mut answers: BTreeMap<(u64, u64), Vec<(&Event, bool)>> = BTreeMap::new();
    for Told { deed, answer, event } in &told {
        if let (Deed::Ask { key, revision, .. }, Some(Some(answer))) = (deed, answer) {
            answers.entry((*key, *revision)).or_default().push((event, *answer));
        }
    }
    let mut findings = Findings::default();
    let (mut repeated, mut known) = (0_u64, 0_u64);
    for ((key, revision), answers) in &answers {
        let (first, said) = answers[0];
        repeated += answers.len() as u64 - 1;
        let other = answers.iter().find(|(_, other)| *other != said);
        findings.violations.extend(other.map(|(other, _)| about(Rule::ExactDiffers, &[first, other])));
        if let Some(expected) = written.get(key).and_then(|writes| at(writes, *revision)) {
            known += 1;
            let wrong = answers.iter().find(|(_, said)| *said != expected);
            findings.violations.extend(wrong.map(|(wrong, _)| about(Rule::AnswerOfRevision, &[wrong])));
        }
    }
    let elsewhere = told.iter().filter(|told| matches!(told.deed, Deed::Ask { revision, .. } if told.event.revision().is_some_and(|at| at != revision)));
    findings.violations.extend(elsewhere.map(|told| about(Rule::AnswerOfRevision, &[told.event])));
    if repeated == 0 {
        findings.untried.push("no question about the past was answered twice".to_owned());
    }
    let questions = answers.len();
    findings.facts.push(format!(
        "{questions} questions about the past, answered {repeated} times more, {known} known from writes"
    ));
    findings
}

/// The writes of each key, in the order of the log: where, and whether it is given then. Nothing for a write that is not known.
fn written(told: &[Told<'_, Deed>]) -> BTreeMap<u64, Vec<Option<(u64, bool)>>> {
    let mut written: BTreeMap<u64, Vec<Option<(u64, bool)>>> = BTreeMap::new();
    for Told { deed, event, .. } in told.iter().filter(|told| told.event.may_have_happened()) {
        let (key, gives) = match deed {
            Deed::Give { key } => (key, true),
            Deed::Take { key } => (key, false),
            Deed::Ask { .. } => continue,
        };
        written.entry(*key).or_default().push(event.revision().map(|revision| (revision, gives)));
    }
    for writes in written.values_mut() {
        writes.sort_unstable();
    }
    written
}

/// Whether it is given at a revision, if all writes are known.
fn at(writes: &[Option<(u64, bool)>], revision: u64) -> Option<bool> {
    let writes: Vec<(u64, bool)> = writes.iter().copied().collect::<Option<_>>()?;
    Some(writes.iter().rev().find(|(at, _)| *at <= revision).is_some_and(|(_, gives)| *gives))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{event, lost, of_events, ok, refused};
    use crate::workload::exact::Way;

    fn give(revision: u64) -> Event {
        event(&Deed::Give { key: 1 }, 0, 5, ok(None::<bool>, revision))
    }

    fn take(revision: u64) -> Event {
        event(&Deed::Take { key: 1 }, 10, 15, ok(None::<bool>, revision))
    }

    fn ask(revision: u64, answer: bool) -> Event {
        event(&Deed::Ask { key: 1, revision, way: Way::Check }, 20, 25, ok(answer, revision))
    }

    fn found(events: Vec<Event>) -> Vec<Rule> {
        judge(&of_events(events)).violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn answers_that_repeat_and_are_those_of_their_revision_pass() {
        let asked = [ask(2, false), ask(3, true), ask(4, true), ask(4, true), ask(5, false), ask(9, false)];
        assert_eq!(found([vec![give(3), take(5)], asked.to_vec()].concat()), []);
        let not_kept = event(&Deed::Ask { key: 1, revision: 3, way: Way::Check }, 20, 25, refused());
        assert_eq!(found(vec![give(3), ask(3, true), not_kept]), []);
    }

    #[test]
    fn answers_that_differ_are_found() {
        let lost = event(&Deed::Take { key: 1 }, 10, 15, lost());
        assert_eq!(found(vec![give(3), lost.clone(), ask(4, true), ask(4, false)]), [Rule::ExactDiffers]);
        assert_eq!(found(vec![give(3), lost, ask(4, false), ask(5, true)]), [], "nobody knows");
    }

    #[test]
    fn an_answer_of_another_revision_is_found() {
        assert_eq!(found(vec![give(3), take(5), ask(3, false)]), [Rule::AnswerOfRevision]);
        assert_eq!(found(vec![give(3), take(5), ask(5, true)]), [Rule::AnswerOfRevision]);
        let elsewhere = event(&Deed::Ask { key: 1, revision: 4, way: Way::Check }, 20, 25, ok(true, 3));
        assert_eq!(found(vec![give(3), elsewhere]), [Rule::AnswerOfRevision]);
    }

    #[test]
    fn a_run_without_repetition_proves_nothing() {
        assert_eq!(judge(&of_events([give(3), ask(3, true)])).untried.len(), 1);
    }
}
