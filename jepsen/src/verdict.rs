//! What a history proves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::checker::{Violation, agreement};
use crate::coverage::{Coverage, Shortfall};
use crate::history::{History, Phase};
use crate::workload;

/// How many violations are told in full.
pub const VIOLATIONS_MAX: usize = 50;

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
    /// What else the judges have to say.
    #[serde(default)]
    pub facts: Vec<String>,
}

/// Judges a history.
pub fn judge(history: &History) -> Judgement {
    let mut doubts = Vec::new();
    if !history.phases.contains_key(&Phase::End) {
        doubts.push("the history has no end: the run was broken off".to_owned());
    }
    let judges = workload::find(&history.run.workload).map(|kind| kind.judges);
    if judges.is_none() {
        doubts.push(format!("nothing here judges the workload `{}`", history.run.workload));
    }
    let coverage = Coverage::of(history);
    let mut shortfalls = coverage.shortfalls(history);
    let (mut violations, mut facts, mut margin_us) = (Vec::new(), Vec::new(), None);
    for judge in judges.unwrap_or_default().iter().chain([&agreement::JUDGE]) {
        let findings = (judge.judge)(history);
        violations.extend(findings.violations);
        doubts.extend(findings.doubts);
        shortfalls.extend(findings.untried.into_iter().map(Shortfall::Untried));
        facts.extend(findings.facts);
        margin_us = [margin_us, findings.margin_us].into_iter().flatten().min();
    }
    let verdict = if !violations.is_empty() {
        Verdict::Fail
    } else if !doubts.is_empty() {
        Verdict::Unknown
    } else if !shortfalls.is_empty() {
        Verdict::Rejected
    } else {
        Verdict::Pass
    };
    Judgement { verdict, violations, doubts, shortfalls, coverage, margin_us, facts }
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
        for violation in self.violations.iter().take(VIOLATIONS_MAX) {
            writeln!(f, "WRONG: {violation}")?;
        }
        if let Some(more) = self.violations.len().checked_sub(VIOLATIONS_MAX).filter(|more| *more > 0) {
            writeln!(f, "and {more} more")?;
        }
        for doubt in &self.doubts {
            writeln!(f, "not known: {doubt}")?;
        }
        for shortfall in &self.shortfalls {
            writeln!(f, "not covered: {shortfall}")?;
        }
        writeln!(f, "{}", self.coverage)?;
        for fact in &self.facts {
            writeln!(f, "{fact}")?;
        }
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
        let mut history = sound();
        history.run.workload = "weather".to_owned();
        assert_eq!(judge(&history).verdict, Verdict::Unknown, "nobody judges it");
    }

    #[test]
    fn each_workload_is_judged_by_its_own_judges() {
        let mut history = sound();
        history.run.workload = "new-enemy".to_owned();
        let judgement = judge(&history);
        assert_eq!(judgement.verdict, Verdict::Rejected, "nobody asked about new content");
        assert!(matches!(judgement.shortfalls.as_slice(), [Shortfall::Untried(_)]), "{judgement}");
    }

    #[test]
    fn of_another_system_states_and_revisions_are_not_judged() {
        let mut history = sound();
        (history.run.system, history.hashes) = (Some("another".to_owned()), Vec::new());
        assert_eq!(judge(&history).verdict, Verdict::Pass);
        history.operations.push(Operation { node: 3, ..check(Answer::Allow, 103, 104, 0) });
        let rules: Vec<Rule> = judge(&history).violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [Rule::AllowAfterRevoke, Rule::Linearizable]);
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
