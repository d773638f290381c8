//! Is there an order in which everything happened, one thing after another, each between its invocation and its return?
//!
//! Each grant is a register of its own that holds whether it allows. The search is that of the crate `porcupine-rs`, which
//! knows nothing of revisions. An operation whose outcome is not known never returns, so the search may put it anywhere
//! after its invocation; at the end, where nobody sees it, is as good as never.
//!
//! A check whose time contains that of another with the same answer is left out: wherever the other has its place, it can have
//! its own beside it. Many clients ask about few grants, and a search among hundreds of concurrent checks would not end.

use std::collections::BTreeSet;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, check_operations_timeout};

use crate::history::{Action, Answer, History, Key, Operation};

use super::{Findings, Judge, Rule, Violation, wrong};

/// The judge.
pub const JUDGE: Judge = Judge { name: "order", what: "there is an order of all calls about a grant", judge };
/// How long the search may take for one grant.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// What the search came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Grants for which there is no such order.
    pub violations: Vec<Violation>,
    /// Grants for which the search took too long.
    pub undecided: Vec<Key>,
    /// How many grants were looked at.
    pub keys: usize,
}

fn judge(history: &History) -> Findings {
    let Searched { violations, undecided, keys } = check(history);
    let slow = |key: &Key| format!("the search for an order for grant {key} took too long");
    let (doubts, facts) = (undecided.iter().map(slow).collect(), vec![format!("{keys} grants searched for an order")]);
    Findings { violations, doubts, facts, ..Findings::default() }
}

/// Looks for an order for each grant.
pub fn check(history: &History) -> Searched {
    let by_key = history.by_key();
    let mut searched = Searched { keys: by_key.len(), ..Searched::default() };
    for (key, operations) in by_key {
        match check_operations_timeout::<Register>(&register(&operations), SEARCH_TIMEOUT) {
            CheckResult::Ok => {}
            CheckResult::Unknown => searched.undecided.push(key),
            CheckResult::Illegal => searched.violations.push(wrong(Rule::Linearizable, &shortest(&operations))),
        }
    }
    searched
}

/// A grant: whether it allows.
#[derive(Clone, Debug)]
struct Register;

/// What happens to it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write(bool),
    Read(bool),
}

impl Model for Register {
    type State = bool;
    type Op = Step;
    type Metadata = ();

    fn init() -> bool {
        false
    }

    fn step(state: &bool, step: &Step) -> (bool, bool) {
        match *step {
            Step::Write(value) => (true, value),
            Step::Read(value) => (value == *state, *state),
        }
    }
}

/// The operations that constrain the order: whatever wrote or may have, and whatever was answered.
fn register(operations: &[&Operation]) -> Vec<porcupine_rs::Operation<Register>> {
    let known = operations.iter().filter_map(|operation| {
        let step = match (operation.action, operation.answer()) {
            (Action::Grant, _) if operation.may_have_written() => Step::Write(true),
            (Action::Revoke, _) if operation.may_have_written() => Step::Write(false),
            (Action::Check, Some(Answer::Allow)) => Step::Read(true),
            (Action::Check, Some(Answer::Deny)) => Step::Read(false),
            (Action::Grant | Action::Revoke | Action::Check, _) => return None,
        };
        Some((step, *operation))
    });
    let known: Vec<(Step, &Operation)> = known.collect();
    let is_needed = needed(&known);
    let kept = known.into_iter().zip(is_needed).filter(|(_, is_needed)| *is_needed).map(|((step, operation), _)| {
        porcupine_rs::Operation {
            client_id: Some(operation.client),
            call_time: time(operation.invoked_us),
            return_time: time(operation.until_us()),
            op: step,
            metadata: None,
        }
    });
    kept.collect()
}

/// Which operations are no checks that contain another with the same answer. They come in the order of their invocations.
fn needed(known: &[(Step, &Operation)]) -> Vec<bool> {
    let mut first_us = [u64::MAX; 2];
    let mut needed: Vec<bool> = known
        .iter()
        .rev()
        .map(|(step, operation)| {
            let Step::Read(value) = step else { return true };
            // Of what was invoked at the same time or later, and answered the same, nothing has returned by then.
            let first_us = &mut first_us[usize::from(*value)];
            let is_needed = operation.completed_us < *first_us;
            *first_us = operation.completed_us.min(*first_us);
            is_needed
        })
        .collect();
    needed.reverse();
    needed
}

fn time(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// The operations up to the return of the first without which there would be an order: what a reader has to look at. What
/// returns later stays in as open, since it may have been seen.
fn shortest<'a>(operations: &[&'a Operation]) -> Vec<&'a Operation> {
    let answered = operations.iter().filter(|operation| operation.answer().is_some());
    let ends: BTreeSet<u64> = answered.map(|operation| operation.completed_us).collect();
    let ends: Vec<u64> = ends.into_iter().collect();
    let seen = |end_us: u64| -> Vec<&'a Operation> {
        let begun = operations.iter().copied().filter(|operation| operation.invoked_us <= end_us);
        begun.filter(|operation| operation.action.is_write() || operation.completed_us <= end_us).collect()
    };
    // What comes later takes no contradiction away, so halving finds the first end at which there is one.
    let is_possible = |end_us: &u64| {
        check_operations_timeout::<Register>(&register(&seen(*end_us)), SEARCH_TIMEOUT) != CheckResult::Illegal
    };
    let first = ends.partition_point(is_possible);
    ends.get(first).map_or_else(|| operations.to_vec(), |end_us| seen(*end_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{check as asked, done, fail, history, unknown};
    use Answer::{Allow, Deny};

    fn is_linearizable(operations: &[Operation]) -> bool {
        let searched = check(&history(operations.to_vec()));
        assert!(searched.undecided.is_empty());
        searched.violations.is_empty()
    }

    fn grant() -> Operation {
        done(Action::Grant, 0, 10, 5)
    }

    fn revoke() -> Operation {
        done(Action::Revoke, 50, 60, 7)
    }

    #[test]
    fn what_is_possible_passes() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&[asked(Deny, 0, 1, 1)]));
        assert!(is_linearizable(&[grant(), revoke(), asked(Allow, 20, 21, 5), asked(Deny, 61, 62, 7)]));
        assert!(is_linearizable(&[
            grant(),
            revoke(),
            asked(Allow, 51, 70, 6),
            asked(Deny, 51, 52, 7),
            asked(Deny, 61, 62, 7)
        ]));
        assert!(is_linearizable(&[grant(), revoke(), asked(Allow, 60, 61, 6)]), "at the same time is concurrent");
    }

    #[test]
    fn stale_answers_are_found_either_way() {
        assert!(!is_linearizable(&[grant(), revoke(), asked(Allow, 61, 62, 6)]));
        assert!(!is_linearizable(&[grant(), asked(Deny, 11, 12, 4)]), "a denial after the grant returned");
        assert!(!is_linearizable(&[asked(Allow, 0, 1, 1)]));
        let back = [grant(), revoke(), asked(Deny, 51, 52, 7), asked(Allow, 53, 54, 6)];
        assert!(!is_linearizable(&back), "no way back, even while the revocation is under way");
        let early = [done(Action::Grant, 0, 100, 5), asked(Allow, 10, 11, 5), asked(Deny, 12, 13, 4)];
        assert!(!is_linearizable(&early), "no way back, even while the grant is under way");
    }

    #[test]
    fn what_is_unknown_may_happen_late_or_never_but_once() {
        let lost = unknown(Action::Revoke, 20, 30);
        assert!(is_linearizable(&[grant(), lost.clone(), asked(Allow, 40, 41, 5)]));
        assert!(is_linearizable(&[grant(), lost.clone(), asked(Allow, 40, 41, 5), asked(Deny, 42, 43, 6)]));
        assert!(!is_linearizable(&[grant(), lost, asked(Deny, 40, 41, 6), asked(Allow, 42, 43, 5)]));
        assert!(
            !is_linearizable(&[grant(), fail(Action::Revoke, 20, 30), asked(Deny, 40, 41, 6)]),
            "it never happened"
        );
    }

    #[test]
    fn only_checks_that_contain_no_other_are_searched() {
        let told = [
            asked(Allow, 0, 9, 5),
            asked(Deny, 1, 4, 5),
            asked(Allow, 2, 8, 5),
            asked(Allow, 3, 9, 5),
            done(Action::Grant, 3, 4, 5),
        ];
        let told: Vec<&Operation> = told.iter().collect();
        let kept: Vec<i64> = register(&told).iter().map(|kept| kept.call_time).collect();
        assert_eq!(kept, [1, 2, 3, 3]);
    }

    #[test]
    fn hundreds_of_concurrent_checks_are_decided() {
        let mut told = vec![grant(), unknown(Action::Revoke, 20, 30), unknown(Action::Revoke, 40, 50), revoke()];
        told.extend((0..400).map(|at| asked(if at % 2 == 0 { Allow } else { Deny }, 41 + at % 7, 60 + at % 11, 6)));
        assert!(is_linearizable(&told));
        told.extend([asked(Deny, 61, 80, 7), asked(Allow, 81, 82, 6)]);
        assert!(!is_linearizable(&told));
    }

    #[test]
    fn a_violation_shows_what_a_reader_has_to_look_at() {
        let later = asked(Deny, 90, 91, 9);
        let searched = check(&history([grant(), revoke(), asked(Allow, 61, 62, 6), later]));
        let shown = &searched.violations[0].operations;
        assert_eq!(shown.iter().map(|operation| operation.invoked_us).collect::<Vec<_>>(), [0, 50, 61]);
    }
}
