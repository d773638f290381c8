//! The promise: when a revocation returns, no node may still say yes.
//!
//! For every allow, no revocation of its grant had returned before the check was invoked; and no denial that showed the
//! revocation had been answered before, by whichever node. An allow may have another reason, which is looked for first: a
//! grant that can have taken effect after that revocation. One whose outcome is not known can take effect at any time, until
//! an allow has shown that it did: a write takes effect once.

use crate::history::{Action, Answer, History, Operation};

use super::{Findings, Judge, Rule, Violation, wrong};

/// The judge.
pub const JUDGE: Judge =
    Judge { name: "revocation", what: "no allow once a revocation has returned or was seen", judge };

/// How close it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// The shortest time, in microseconds, between the invocation of a check that was answered by an allow and the return of a
    /// revocation behind it.
    pub smallest_us: Option<u64>,
}

fn judge(history: &History) -> Findings {
    let (violations, Margin { smallest_us: margin_us }) = check(history);
    let margin = match margin_us {
        Some(margin_us) => format!("{margin_us} us from an allow's question to its revocation's return"),
        None => "none, no allow was followed by a revocation".to_owned(),
    };
    let mut facts = vec![format!("smallest margin: {margin}")];
    if let Some((stale_us, count)) = staleness(&violations) {
        facts.push(format!(
            "largest staleness: {stale_us} us from the return of a revocation to the question of an allow; {count} in all"
        ));
    }
    Findings { violations, facts, margin_us, ..Findings::default() }
}

/// How long after the return of its revocation an allow was asked for, at the most, and how many such allows there are.
fn staleness(violations: &[Violation]) -> Option<(u64, usize)> {
    let stale = violations.iter().filter(|violation| violation.rule == Rule::AllowAfterRevoke);
    let stale = stale.filter_map(|violation| match violation.operations.as_slice() {
        [revoked, allow] => Some(allow.invoked_us - revoked.completed_us),
        _ => None,
    });
    Some((stale.clone().max()?, stale.count()))
}

/// Every allow that must not have been given, and how close the others were.
pub fn check(history: &History) -> (Vec<Violation>, Margin) {
    let (mut violations, mut margin) = (Vec::new(), Margin::default());
    for operations in history.by_key().values() {
        let grant = Grant::of(operations);
        for allow in operations.iter().copied().filter(|operation| operation.is_check_answered(Answer::Allow)) {
            violations.extend(grant.wrong_about(allow));
            margin.smallest_us = [margin.smallest_us, grant.margin_us(allow)].into_iter().flatten().min();
        }
    }
    (violations, margin)
}

/// The calls about one grant, by what they say of it.
struct Grant<'a> {
    /// What grants, or may have, with the time by which it had taken effect.
    grants: Vec<(&'a Operation, u64)>,
    /// Revocations that returned.
    revoked: Vec<&'a Operation>,
    denials: Vec<&'a Operation>,
}

impl<'a> Grant<'a> {
    fn of(operations: &[&'a Operation]) -> Self {
        let all =
            |wanted: fn(&Operation) -> bool| operations.iter().copied().filter(move |operation| wanted(operation));
        let grants: Vec<&Operation> =
            all(|operation| operation.action == Action::Grant && operation.may_have_written()).collect();
        // With a second grant it could be that one which the allow shows.
        let shown_us = all(|operation| operation.is_check_answered(Answer::Allow))
            .map(Operation::until_us)
            .min()
            .filter(|_| grants.len() == 1);
        let until_us = |grant: &Operation| shown_us.unwrap_or(u64::MAX).min(grant.until_us());
        Self {
            grants: grants.into_iter().map(|grant| (grant, until_us(grant))).collect(),
            revoked: all(|operation| operation.action == Action::Revoke && operation.answer().is_some()).collect(),
            denials: all(|operation| operation.is_check_answered(Answer::Deny)).collect(),
        }
    }

    fn wrong_about(&self, allow: &Operation) -> Option<Violation> {
        let mut reasons = self.reasons(allow).peekable();
        if reasons.peek().is_none() {
            return Some(wrong(Rule::AllowBeforeGrant, &[allow]));
        }
        let latest_us = reasons.map(|(_, until_us)| *until_us).max().unwrap_or_default();
        // Everything that can have granted had done so before it was invoked.
        let ends = |end: &&&Operation| end.completed_us < allow.invoked_us && latest_us < end.invoked_us;
        if let Some(revoked) = self.revoked.iter().find(ends) {
            return Some(wrong(Rule::AllowAfterRevoke, &[revoked, allow]));
        }
        self.denials.iter().find(ends).map(|denial| wrong(Rule::AllowAfterDeny, &[denial, allow]))
    }

    /// What can have granted what an allow shows.
    fn reasons(&self, allow: &Operation) -> impl Iterator<Item = &(&'a Operation, u64)> {
        let completed_us = allow.completed_us;
        self.grants.iter().filter(move |(grant, _)| grant.invoked_us <= completed_us)
    }

    fn margin_us(&self, allow: &Operation) -> Option<u64> {
        let margins = self.revoked.iter().filter_map(|revoked| revoked.completed_us.checked_sub(allow.invoked_us));
        margins.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{check as asked, done, fail, history, unknown};
    use Answer::{Allow, Deny};

    fn found(operations: &[Operation]) -> Vec<Rule> {
        check(&history(operations.to_vec())).0.into_iter().map(|violation| violation.rule).collect()
    }

    fn grant() -> Operation {
        done(Action::Grant, 0, 10, 5)
    }

    fn revoke() -> Operation {
        done(Action::Revoke, 50, 60, 7)
    }

    #[test]
    fn what_is_possible_passes() {
        assert!(
            found(&[grant(), revoke(), asked(Allow, 20, 21, 5), asked(Allow, 60, 70, 6), asked(Deny, 61, 62, 7)])
                .is_empty()
        );
        assert!(found(&[grant(), revoke(), asked(Deny, 52, 53, 7), asked(Allow, 40, 55, 6)]).is_empty());
        assert!(found(&[grant(), asked(Deny, 1, 2, 4), asked(Allow, 3, 4, 5)]).is_empty(), "the grant was under way");
    }

    #[test]
    fn an_allow_after_the_revocation_returned_is_found() {
        assert_eq!(found(&[grant(), revoke(), asked(Allow, 61, 62, 6)]), [Rule::AllowAfterRevoke]);
        let history = history([grant(), revoke(), asked(Allow, 61, 62, 6)]);
        let shown = &check(&history).0[0].operations;
        assert_eq!((shown[0].action, shown[1].invoked_us), (Action::Revoke, 61));
    }

    #[test]
    fn the_largest_staleness_is_told() {
        let stale = [grant(), revoke(), asked(Allow, 61, 62, 6), asked(Allow, 160, 162, 6)];
        let facts = judge(&history(stale)).facts;
        assert!(facts[1].starts_with("largest staleness: 100 us") && facts[1].ends_with("2 in all"), "{facts:?}");
        assert_eq!(judge(&history([grant(), revoke()])).facts.len(), 1);
    }

    #[test]
    fn an_allow_after_a_denial_anywhere_is_found() {
        let mut elsewhere = asked(Allow, 54, 55, 6);
        elsewhere.node = 3;
        assert_eq!(found(&[grant(), revoke(), asked(Deny, 52, 53, 7), elsewhere.clone()]), [Rule::AllowAfterDeny]);
        let lost = unknown(Action::Revoke, 50, 51);
        assert_eq!(found(&[grant(), lost, asked(Deny, 52, 53, 7), elsewhere]), [Rule::AllowAfterDeny]);
    }

    #[test]
    fn an_allow_without_a_grant_is_found() {
        assert_eq!(found(&[asked(Allow, 5, 6, 5)]), [Rule::AllowBeforeGrant]);
        assert_eq!(found(&[fail(Action::Grant, 0, 1), asked(Allow, 5, 6, 5)]), [Rule::AllowBeforeGrant]);
        assert_eq!(found(&[done(Action::Grant, 7, 8, 5), asked(Allow, 5, 6, 5)]), [Rule::AllowBeforeGrant]);
    }

    #[test]
    fn an_unknown_revocation_forbids_nothing_by_itself() {
        let lost = unknown(Action::Revoke, 20, 30);
        assert!(found(&[grant(), lost, asked(Allow, 40, 41, 5), asked(Deny, 42, 43, 6)]).is_empty());
        assert!(found(&[grant(), fail(Action::Revoke, 20, 30), asked(Allow, 40, 41, 5)]).is_empty());
    }

    #[test]
    fn an_unknown_grant_may_take_effect_until_it_was_seen() {
        let lost = unknown(Action::Grant, 0, 10);
        assert!(found(&[lost.clone(), revoke(), asked(Allow, 61, 62, 9)]).is_empty(), "it was late");
        let seen = [lost, asked(Allow, 30, 31, 5), revoke(), asked(Allow, 61, 62, 6)];
        assert_eq!(found(&seen), [Rule::AllowAfterRevoke], "it took effect before, and only once");
    }

    #[test]
    fn a_second_grant_is_a_reason() {
        let again = done(Action::Grant, 70, 80, 9);
        assert!(found(&[grant(), revoke(), again.clone(), asked(Allow, 75, 76, 9)]).is_empty());
        assert_eq!(found(&[grant(), revoke(), again, asked(Allow, 61, 62, 6)]), [Rule::AllowAfterRevoke]);
        let overlapping = done(Action::Grant, 40, 55, 8);
        assert!(found(&[grant(), overlapping, revoke(), asked(Allow, 61, 62, 8)]).is_empty());
    }

    #[test]
    fn grants_are_independent() {
        let mut other = asked(Allow, 61, 62, 6);
        other.key = crate::history::Key(2);
        let mut granted = grant();
        granted.key = other.key;
        assert!(found(&[grant(), revoke(), granted, other]).is_empty());
    }

    #[test]
    fn the_margin_is_that_of_the_closest_allow() {
        let margin = |operations: &[Operation]| check(&history(operations.to_vec())).1.smallest_us;
        assert_eq!(margin(&[grant(), revoke(), asked(Allow, 40, 41, 5), asked(Allow, 57, 58, 6)]), Some(3));
        assert_eq!(margin(&[grant(), revoke(), asked(Allow, 60, 62, 6)]), Some(0));
        assert_eq!(margin(&[grant(), asked(Allow, 40, 41, 5)]), None);
    }
}
