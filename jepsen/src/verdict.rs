//! What a history proves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checker::{Violation, agreement, by_revision, linearizable, revocation};
use crate::coverage::{Coverage, Shortfall};
use crate::history::{History, Phase};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything held, and enough was tried.
    Pass,
    /// Something happened that must not.
    Fail,
    /// A judge could not decide, or the history has no end.
    Unknown,
    /// Too little was tried to prove anything.
    Rejected,
}

/// A verdict, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// What could not be decided, in words.
    pub doubts: Vec<String>,
    /// What was not tried.
    pub shortfalls: Vec<Shortfall>,
    /// What was tried.
    pub coverage: Coverage,
    /// The shortest time, in microseconds, between the invocation of a check that was answered by an allow and the return of
    /// a revocation behind it.
    pub margin_us: Option<u64>,
    /// Grants that the search for an order looked at, and those that could be judged by their revisions as well.
    pub searched: usize,
    /// See `searched`.
    pub by_revision: usize,
}

/// Judges a history.
pub fn judge(history: &History) -> Judgement {
    let (mut violations, margin) = revocation::check(history);
    let searched = linearizable::check(history);
    let passed = by_revision::check(history);
    let agreed = agreement::check(history);
    violations.extend(searched.violations);
    violations.extend(passed.violations);
    violations.extend(agreed.violations);

    let mut doubts = Vec::new();
    if !history.phases.contains_key(&Phase::End) {
        doubts.push("the history has no end: the run was broken off".to_owned());
    }
    doubts
        .extend(searched.undecided.iter().map(|key| format!("the search for an order for grant {key} took too long")));
    doubts.extend(agreed.silent.iter().map(|node| format!("node {node} did not say what its state came to")));

    let coverage = Coverage::of(history);
    let shortfalls = coverage.shortfalls(history);
    let verdict = if !violations.is_empty() {
        Verdict::Fail
    } else if !doubts.is_empty() {
        Verdict::Unknown
    } else if !shortfalls.is_empty() {
        Verdict::Rejected
    } else {
        Verdict::Pass
    };
    Judgement {
        verdict,
        violations,
        doubts,
        shortfalls,
        coverage,
        margin_us: margin.smallest_us,
        searched: searched.keys,
        by_revision: searched.keys - passed.unknown.len(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTED",
        })
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "WRONG: {violation}")?;
        }
        for doubt in &self.doubts {
            writeln!(f, "not known: {doubt}")?;
        }
        for shortfall in &self.shortfalls {
            writeln!(f, "not covered: {shortfall}")?;
        }
        writeln!(f, "{}", self.coverage)?;
        writeln!(f, "{} grants searched for an order, {} also judged by revision", self.searched, self.by_revision)?;
        let margin = match self.margin_us {
            Some(margin_us) => format!("{margin_us} us from an allow's question to its revocation's return"),
            None => "none, no allow was followed by a revocation".to_owned(),
        };
        writeln!(f, "smallest margin: {margin}")?;
        write!(f, "{}", self.verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::Rule;
    use crate::history::samples::{check, done, history};
    use crate::history::{Action, Answer, Operation, StateHash};

    /// A run without faults that covers what it has to.
    fn sound() -> History {
        let mut operations =
            vec![done(Action::Grant, 0, 10, 5), check(Answer::Allow, 45, 46, 5), done(Action::Revoke, 50, 70, 7)];
        operations.extend((1..=3).map(|node| Operation { node, ..check(Answer::Deny, 101, 102, 7) }));
        let mut history = history(operations);
        history.run.nemeses.clear();
        history.phases.extend([(Phase::Traffic, 0), (Phase::Healed, 90), (Phase::FinalReads, 100), (Phase::End, 110)]);
        history.hashes = (1..=3).map(|node| StateHash { node, revision: 7, hash: "ab".to_owned() }).collect();
        history
    }

    #[test]
    fn a_sound_run_passes() {
        let judgement = judge(&sound());
        assert_eq!((judgement.verdict, judgement.margin_us), (Verdict::Pass, Some(25)), "{judgement}");
    }

    #[test]
    fn all_judges_see_a_stale_allow() {
        let mut history = sound();
        history.operations.push(Operation { node: 3, ..check(Answer::Allow, 103, 104, 6) });
        let judgement = judge(&history);
        assert_eq!(judgement.verdict, Verdict::Fail);
        let rules: Vec<Rule> = judgement.violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [Rule::AllowAfterRevoke, Rule::Linearizable, Rule::RevisionOrder]);
    }

    #[test]
    fn what_is_not_known_is_no_pass() {
        let mut history = sound();
        history.phases.remove(&Phase::End);
        assert_eq!(judge(&history).verdict, Verdict::Unknown);
        let mut history = sound();
        history.hashes.pop();
        assert_eq!(judge(&history).verdict, Verdict::Unknown);
    }

    #[test]
    fn too_little_coverage_is_no_pass_and_hides_no_failure() {
        let mut history = sound();
        history.run.revokes_min = 2;
        assert_eq!(judge(&history).verdict, Verdict::Rejected);
        history.hashes[0].hash = "cd".to_owned();
        assert_eq!(judge(&history).verdict, Verdict::Fail);
    }
}
