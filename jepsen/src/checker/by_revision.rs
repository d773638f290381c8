//! The same question as [`linearizable`](super::linearizable), answered without a search, by believing revisions.
//!
//! The writes of a grant, in the order of their revisions, make its versions; writes that change nothing make none. A check
//! at a revision has seen the version that was current there. Then two things must hold: the answer is that of the version,
//! and no operation shows an older version than one that had returned before it was invoked, nor the version that a write
//! made before that write was invoked. One pass over the invocations and returns in their order decides that.
//!
//! A grant with a write whose outcome is not known has versions that nobody knows, and is left to the search.

use crate::history::{Action, Answer, History, Key, Operation};

use super::{Findings, Judge, Rule, Violation, wrong};

/// The judge.
pub const JUDGE: Judge =
    Judge { name: "revision", what: "answers are those of their revisions, which never go back", judge };

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// What is wrong, once for a grant.
    pub violations: Vec<Violation>,
    /// Grants whose versions are not known.
    pub unknown: Vec<Key>,
}

fn judge(history: &History) -> Findings {
    if let Some(system) = &history.run.system {
        let facts = vec![format!("nothing judged by revision: those of {system} are not known")];
        return Findings { facts, ..Findings::default() };
    }
    let Passed { violations, unknown } = check(history);
    let judged = history.by_key().len() - unknown.len();
    Findings { violations, facts: vec![format!("{judged} grants judged by revision")], ..Findings::default() }
}

/// Looks at every grant.
pub fn check(history: &History) -> Passed {
    let mut passed = Passed::default();
    for (key, operations) in history.by_key() {
        match Versions::of(&operations) {
            Some(versions) => passed.violations.extend(wrong_among(&operations, &versions)),
            None => passed.unknown.push(key),
        }
    }
    passed
}

/// The versions of a grant: from which revision on it has which value.
struct Versions(Vec<(u64, bool)>);

impl Versions {
    fn of(operations: &[&Operation]) -> Option<Self> {
        let mut writes = Vec::new();
        for operation in operations.iter().filter(|operation| operation.may_have_written()) {
            writes.push((operation.revision()?, operation.action == Action::Grant));
        }
        writes.sort_unstable();
        writes.insert(0, (0, false));
        writes.dedup_by_key(|(_, allows)| *allows);
        Some(Self(writes))
    }

    /// The number of the version that is current at a revision, and its value.
    fn at(&self, revision: u64) -> (usize, bool) {
        // INVARIANT: the first version begins at 0.
        let number = self.0.partition_point(|(from, _)| *from <= revision) - 1;
        (number, self.0[number].1)
    }

    /// Whether an operation is the write that made this version.
    fn is_made_by(&self, operation: &Operation, number: usize) -> bool {
        operation.action.is_write() && operation.revision() == Some(self.0[number].0)
    }
}

/// The first thing that is wrong.
fn wrong_among(operations: &[&Operation], versions: &Versions) -> Option<Violation> {
    let answered: Vec<(&Operation, usize)> =
        operations.iter().filter_map(|operation| Some((*operation, versions.at(operation.revision()?).0))).collect();
    for (operation, _) in &answered {
        let expected = operation.revision().map(|revision| versions.at(revision).1);
        let told = match operation.answer() {
            Some(Answer::Allow) => Some(true),
            Some(Answer::Deny) => Some(false),
            Some(Answer::Done) | None => expected,
        };
        if told != expected {
            return Some(wrong(Rule::AnswerOfRevision, &[operation]));
        }
    }
    // INVARIANT: operations come in the order of their invocations.
    let mut returns = answered.clone();
    returns.sort_by_key(|(operation, _)| operation.completed_us);
    let mut returned = returns.into_iter().peekable();
    let mut newest: Option<(&Operation, usize)> = None;
    for (operation, version) in answered {
        while let Some(before) = returned.next_if(|(before, _)| before.completed_us < operation.invoked_us) {
            newest = newest.filter(|(_, newest)| *newest >= before.1).or(Some(before));
        }
        let made = versions.is_made_by(operation, version);
        if let Some((before, _)) = newest.filter(|(_, newest)| *newest > version || made && *newest == version) {
            return Some(wrong(Rule::RevisionOrder, &[before, operation]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::checker::linearizable;
    use crate::history::samples::{check as asked, done, fail, history, unknown};
    use Answer::{Allow, Deny};

    fn found(operations: &[Operation]) -> Vec<Rule> {
        check(&history(operations.to_vec())).violations.into_iter().map(|violation| violation.rule).collect()
    }

    fn grant() -> Operation {
        done(Action::Grant, 0, 10, 5)
    }

    fn revoke() -> Operation {
        done(Action::Revoke, 50, 60, 7)
    }

    #[test]
    fn what_is_possible_passes() {
        assert!(found(&[grant(), revoke(), asked(Allow, 20, 21, 6), asked(Deny, 61, 62, 7)]).is_empty());
        assert!(found(&[grant(), revoke(), asked(Allow, 51, 70, 6), asked(Deny, 51, 52, 7)]).is_empty());
        assert!(found(&[grant(), fail(Action::Revoke, 11, 12), asked(Allow, 20, 21, 6)]).is_empty());
    }

    #[test]
    fn an_answer_that_is_not_of_its_revision_is_found() {
        assert_eq!(found(&[grant(), asked(Deny, 11, 12, 5)]), [Rule::AnswerOfRevision]);
        assert_eq!(found(&[grant(), revoke(), asked(Allow, 51, 52, 7)]), [Rule::AnswerOfRevision]);
        assert_eq!(found(&[asked(Allow, 1, 2, 9)]), [Rule::AnswerOfRevision]);
    }

    #[test]
    fn an_older_version_after_a_newer_one_is_found() {
        assert_eq!(found(&[grant(), revoke(), asked(Allow, 61, 62, 6)]), [Rule::RevisionOrder]);
        assert_eq!(found(&[grant(), asked(Deny, 11, 12, 4)]), [Rule::RevisionOrder]);
        let back = [grant(), revoke(), asked(Deny, 51, 52, 7), asked(Allow, 53, 54, 6)];
        assert_eq!(found(&back), [Rule::RevisionOrder]);
        let writes = [grant(), done(Action::Revoke, 11, 12, 4)];
        assert_eq!(found(&writes), [Rule::RevisionOrder], "the later write has the smaller revision");
        let foreseen = [asked(Allow, 0, 1, 5), done(Action::Grant, 2, 10, 5)];
        assert_eq!(found(&foreseen), [Rule::RevisionOrder], "the check has seen what was not asked for yet");
    }

    #[test]
    fn a_write_that_changes_nothing_makes_no_version() {
        let again = done(Action::Revoke, 70, 80, 9);
        assert!(found(&[grant(), revoke(), again, asked(Deny, 90, 91, 8)]).is_empty());
    }

    #[test]
    fn a_grant_with_an_unknown_write_is_left_to_the_search() {
        let passed = check(&history([grant(), unknown(Action::Revoke, 11, 12), asked(Allow, 20, 21, 5)]));
        assert_eq!((passed.violations.len(), passed.unknown), (0, vec![Key(1)]));
    }

    /// Calls that may contradict each other, each with the revision that an honest node would have told.
    fn calls() -> impl Strategy<Value = Vec<Operation>> {
        let call = (0..3_u8, 0..40_u64, 0..12_u64, any::<bool>(), 0..12_u64);
        proptest::collection::vec(call, 1..9).prop_map(|calls| {
            let calls =
                calls.into_iter().enumerate().map(|(place, (action, from, lasts, allows, revision))| match action {
                    0 => done(Action::Grant, from, from + lasts, 2 * place as u64 + 1),
                    1 => done(Action::Revoke, from, from + lasts, 2 * place as u64 + 1),
                    _ => asked(if allows { Allow } else { Deny }, from, from + lasts, 2 * revision),
                });
            calls.collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whoever believes the revisions accepts nothing that the search refuses: it asks for one order out of many.
        #[test]
        fn what_passes_here_passes_the_search(operations in calls()) {
            let history = history(operations);
            if check(&history).violations.is_empty() {
                prop_assert!(linearizable::check(&history).violations.is_empty());
            }
        }
    }
}
