//! Retries: what is sent under one key takes place once, and is answered the same every time.
//!
//! Each key has one request, for a grant whose id the cluster makes. So a request that was carried out twice leaves two grants,
//! and its answers name two. A refusal is an answer too, and stays one when what it missed is there. Of a request of which
//! nobody knows what came of it, there is one grant in the end or none, and the same at every node.

use std::collections::BTreeMap;

use crate::history::{Came, Event, History, Phase, Told};
use crate::workload::retry::{Answer, Deed};

use super::{Findings, Judge, Rule, Violation, about, unreadable};

/// The judge.
pub const JUDGE: Judge = Judge { name: "retry", what: "what is sent under one key takes place once", judge };

/// What an acceptance under the wrong request, or none, comes to.
const REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
/// Refusals of a node that is in no state to decide, which are no outcome and are not kept.
const PASSING: [&str; 3] = ["TOO_MANY_PENDING", "DISK_RESERVE", "CLOCK_DEVIATES"];

/// What is known of one key.
#[derive(Default)]
struct Request<'a> {
    /// Requests, in the order of their invocations.
    sent: Vec<&'a Event>,
    /// Answers that decide, with what they say.
    answered: Vec<(&'a Event, Said)>,
    /// Requests of another kind under the same key.
    misused: Vec<&'a Event>,
    /// What nodes had in the end.
    had: Vec<(&'a Event, Vec<String>)>,
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Made { id: String, revision: u64 },
    Refused { reason: String },
}

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let finally_us = history.phases.get(&Phase::FinalReads).copied().unwrap_or(u64::MAX);
    let requests = requests(&told, finally_us);
    let mut findings = Findings::default();
    let (mut repeated, mut open) = (0, 0);
    for request in requests.values() {
        repeated += u64::from(request.answered.len() > 1);
        open += u64::from(request.answered.is_empty());
        findings.violations.extend(request.answers_differ());
        findings.violations.extend(request.misused());
        findings.violations.extend(request.had.iter().find_map(|(look, had)| request.wrong_about(look, had)));
        findings.violations.extend(request.nodes_differ());
    }
    if repeated == 0 {
        findings.untried.push("no request was answered twice".to_owned());
    }
    let keys = requests.len();
    findings.facts.push(format!("of {keys} keys {repeated} were answered more than once, and {open} never"));
    findings
}

fn requests<'a>(told: &'a [Told<'a, Deed>], finally_us: u64) -> BTreeMap<u64, Request<'a>> {
    let mut requests: BTreeMap<u64, Request<'a>> = BTreeMap::new();
    for Told { deed, answer, event } in told {
        match (deed, answer) {
            (Deed::Make { key, .. }, _) => {
                let request = requests.entry(*key).or_default();
                request.sent.push(event);
                request.answered.extend(said(event, answer.as_ref()).map(|said| (*event, said)));
            }
            (Deed::Misuse { key }, _) => requests.entry(*key).or_default().misused.push(event),
            (Deed::List { key }, Some(Answer::Had(had))) if event.invoked_us >= finally_us => {
                requests.entry(*key).or_default().had.push((event, had.clone()));
            }
            (Deed::List { .. } | Deed::Revoke { .. } | Deed::Provide { .. }, _) => {}
        }
    }
    requests
}

fn said(event: &Event, answer: Option<&Answer>) -> Option<Said> {
    match (&event.came, answer) {
        (Came::Ok { revision, .. }, Some(Answer::Made(id))) => Some(Said::Made { id: id.clone(), revision: *revision }),
        (Came::Fail { reason, .. }, _) if !PASSING.contains(&reason.as_str()) => {
            Some(Said::Refused { reason: reason.clone() })
        }
        (Came::Ok { .. } | Came::Fail { .. } | Came::Unknown { .. }, _) => None,
    }
}

impl<'a> Request<'a> {
    fn answers_differ(&self) -> Option<Violation> {
        let (first, said) = self.answered.first()?;
        let (other, _) = self.answered.iter().find(|(_, other)| other != said)?;
        Some(about(Rule::AnswerChanged, &[first, other]))
    }

    /// The other request was accepted, or this one was not the first under its key any more.
    fn misused(&self) -> Option<Violation> {
        if self.came_too_late() {
            return None;
        }
        let first_us = self.answered.iter().map(|(event, _)| event.completed_us).min()?;
        let is_wrong = |misuse: &&Event| {
            misuse.invoked_us > first_us
                && match &misuse.came {
                    Came::Ok { .. } => true,
                    Came::Fail { reason, .. } => reason != REUSED && !PASSING.contains(&reason.as_str()),
                    Came::Unknown { .. } => false,
                }
        };
        let misuse = self.misused.iter().copied().find(|misuse| is_wrong(misuse))?;
        Some(about(Rule::KeyReused, &[self.answered[0].0, misuse]))
    }

    /// Whether the other request was carried out under this key, and this one never: what the cluster has is that of the other.
    fn came_too_late(&self) -> bool {
        let is_reuse = |said: &Said| matches!(said, Said::Refused { reason } if reason == REUSED);
        self.answered.first().is_some_and(|(_, said)| is_reuse(said))
            && self.misused.iter().any(|misuse| misuse.may_have_happened())
    }

    fn wrong_about(&self, look: &'a Event, had: &[String]) -> Option<Violation> {
        let wrong = |rule, event| Some(about(rule, &[event, look]));
        match self.answered.first() {
            _ if had.len() > 1 => wrong(Rule::AppliedTwice, self.sent[0]),
            Some((event, Said::Made { id, .. })) if *had != [id.clone()] => wrong(Rule::Lost, event),
            Some((event, Said::Refused { .. })) if !had.is_empty() && !self.came_too_late() => {
                wrong(Rule::Undead, event)
            }
            Some(_) | None => None,
        }
    }

    /// One node has it, and another, no earlier, has not.
    fn nodes_differ(&self) -> Option<Violation> {
        let present = self.had.iter().filter(|(_, had)| !had.is_empty()).min_by_key(|(look, _)| look.revision())?.0;
        let absent = self.had.iter().filter(|(_, had)| had.is_empty());
        let absent = absent.map(|(look, _)| *look).find(|look| look.revision() >= present.revision())?;
        self.answered.is_empty().then(|| about(Rule::Torn, &[present, absent]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{event, lost, of_events, ok};

    fn make(invoked_us: u64, came: Came) -> Event {
        event(&Deed::Make { key: 1, is_early: false }, invoked_us, invoked_us + 5, came)
    }

    fn made(invoked_us: u64, id: &str, revision: u64) -> Event {
        make(invoked_us, ok(Answer::Made(id.to_owned()), revision))
    }

    fn refused(reason: &str) -> Came {
        Came::Fail { reason: reason.to_owned(), error: "no".to_owned() }
    }

    fn had(had: &[&str], revision: u64) -> Event {
        let had = had.iter().map(|id| (*id).to_owned()).collect();
        event(&Deed::List { key: 1 }, 100, 101, ok(Answer::Had(had), revision))
    }

    fn found(events: Vec<Event>) -> Vec<Rule> {
        let mut history = of_events(events);
        history.phases.insert(Phase::FinalReads, 90);
        judge(&history).violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn one_outcome_and_one_grant_pass() {
        assert_eq!(found(vec![made(0, "a", 3), make(1, lost()), made(20, "a", 3), had(&["a"], 9), had(&["a"], 9)]), []);
        let no = || refused("ROLE_NOT_FOUND");
        assert_eq!(found(vec![make(0, no()), make(10, no()), had(&[], 9)]), []);
    }

    #[test]
    fn an_answer_that_changes_is_found() {
        assert_eq!(found(vec![made(0, "a", 3), made(10, "b", 4)]), [Rule::AnswerChanged]);
        assert_eq!(found(vec![made(0, "a", 3), made(10, "a", 4)]), [Rule::AnswerChanged]);
        assert_eq!(found(vec![make(0, refused("ROLE_NOT_FOUND")), made(10, "a", 4)]), [Rule::AnswerChanged]);
        assert_eq!(found(vec![make(0, refused("TOO_MANY_PENDING")), made(10, "a", 4)]), [], "nothing was decided");
    }

    #[test]
    fn what_took_place_twice_is_found() {
        assert_eq!(found(vec![made(0, "a", 3), make(10, lost()), had(&["a", "b"], 9)]), [Rule::AppliedTwice]);
        assert_eq!(found(vec![make(0, lost()), make(10, lost()), had(&["a", "b"], 9)]), [Rule::AppliedTwice]);
    }

    #[test]
    fn what_is_there_is_what_was_said() {
        assert_eq!(found(vec![made(0, "a", 3), had(&[], 9)]), [Rule::Lost]);
        assert_eq!(found(vec![make(0, refused("ROLE_NOT_FOUND")), had(&["a"], 9)]), [Rule::Undead]);
        assert_eq!(found(vec![make(0, lost()), had(&["a"], 9), had(&["a"], 9)]), []);
        assert_eq!(found(vec![make(0, lost()), had(&["a"], 9), had(&[], 9)]), [Rule::Torn]);
        assert_eq!(found(vec![make(0, lost()), had(&["a"], 9), had(&[], 8)]), [], "it came in between");
    }

    #[test]
    fn a_key_has_one_request() {
        let misuse = |came| event(&Deed::Misuse { key: 1 }, 20, 25, came);
        assert_eq!(found(vec![made(0, "a", 3), misuse(refused(REUSED)), misuse(lost())]), []);
        assert_eq!(found(vec![made(0, "a", 3), misuse(ok(Answer::Made("b".to_owned()), 4))]), [Rule::KeyReused]);
        assert_eq!(found(vec![make(0, lost()), misuse(ok(Answer::Made("b".to_owned()), 4))]), [], "it was the first");
        let other = misuse(ok(Answer::Made("b".to_owned()), 4));
        assert_eq!(
            found(vec![make(0, lost()), other, make(30, refused(REUSED)), had(&["b"], 9)]),
            [],
            "it was the first"
        );
        assert_eq!(found(vec![make(0, refused(REUSED)), had(&["b"], 9)]), [Rule::Undead], "nobody sent another");
    }
}
