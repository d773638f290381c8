//! Is a history possible if every check sees every write that was acknowledged before it, anywhere?
//!
//! For each grant: no allow once a revocation has returned, no denial between the return of the grant and the first call to
//! revoke it, and no way back: what one answer has shown, every answer that was asked for later shows. A grant for a time may begin
//! late and end early, by as much as clocks may be wrong, and is never allowed outside of its time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Asked, Call, History, Key, Outcome, Window};

/// An answer that must not have been given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub what: String,
    /// The calls that contradict each other; the wrong answer is the last.
    pub calls: Vec<Call>,
}

/// How close it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// The shortest time between the call of a check that was answered by an allow and the return of a revocation behind it.
    pub smallest: Option<Duration>,
}

/// Everything that is wrong with a history.
pub fn check(history: &History) -> (Vec<Violation>, Margin) {
    let mut by_key: BTreeMap<Key, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        by_key.entry(call.key).or_default().push(call);
    }
    let (mut violations, mut margin) = (Vec::new(), Margin::default());
    for calls in by_key.values() {
        check_grant(calls, &mut violations, &mut margin);
    }
    (violations, margin)
}

fn check_grant(calls: &[&Call], violations: &mut Vec<Violation>, margin: &mut Margin) {
    let writes = |asked: Asked| calls.iter().copied().filter(move |call| call.asked == asked);
    let done = |asked: Asked| writes(asked).filter(|call| call.outcome == Outcome::Done);
    let granted = done(Asked::Grant).min_by_key(|call| call.returned);
    let grants = |call: &&Call| matches!(call.asked, Asked::Grant | Asked::GrantEarly | Asked::GrantTimed(_));
    let granting = calls.iter().copied().filter(grants).map(|call| call.invoked).min();
    let window =
        calls.iter().find_map(|call| if let Asked::GrantTimed(window) = call.asked { Some(window) } else { None });
    let revoked = done(Asked::Revoke).min_by_key(|call| call.returned);
    // One whose outcome is not known may take effect from its call on, and one that failed never does.
    let revoking = writes(Asked::Revoke).filter(|call| call.outcome != Outcome::Nothing).map(|call| call.invoked).min();

    let answers: Vec<&Call> = calls.iter().copied().filter(|call| allowed(call).is_some()).collect();
    // The earliest answer that had seen the grant, and the earliest that had seen it gone.
    let shows = |call: &&&Call, allow: bool| allowed(call) == Some(allow);
    let shown_granted = answers.iter().filter(|call| shows(call, true)).min_by_key(|call| call.returned);
    let first = [granted, shown_granted.copied()].into_iter().flatten().filter_map(|call| call.returned).min();
    let came = |call: &&&Call| first.is_some_and(|first| first < call.invoked);
    let is_plain = |call: &&&Call| call.asked == Asked::Check;
    let gone = answers.iter().filter(is_plain).filter(|call| shows(call, false)).filter(came);
    let shown_revoked = gone.min_by_key(|call| call.returned);
    let mut wrong = |what: &'static str, before: Option<&Call>, answer: &Call| {
        violations
            .push(Violation { what: what.to_owned(), calls: before.into_iter().chain([answer]).copied().collect() });
    };
    let is_before = |call: &Call, answer: &Call| call.returned < Some(answer.invoked);

    for answer in answers.iter().filter(|call| shows(call, true)) {
        if let Some(Window { start_ms, end_ms }) = window {
            if answer.returned < Some(Duration::from_millis(start_ms)) {
                wrong("an allow before its start", None, answer);
            }
            if answer.invoked >= Duration::from_millis(end_ms) {
                wrong("an allow after its end", None, answer);
            }
        }
        if granting.is_none_or(|granting| answer.returned < Some(granting)) {
            wrong("an allow before anybody granted", None, answer);
        }
        if let Some(revoked) = revoked {
            if is_before(revoked, answer) {
                wrong("an allow after the revocation returned", Some(revoked), answer);
            }
            let close = revoked.returned.unwrap_or_default().checked_sub(answer.invoked);
            margin.smallest = [margin.smallest, close].into_iter().flatten().min();
        }
        if let Some(shown) = shown_revoked.filter(|shown| is_before(shown, answer)) {
            let what = if window.is_some() {
                "an allow after another check had shown the end"
            } else {
                "an allow after another check had shown the revocation"
            };
            wrong(what, Some(shown), answer);
        }
    }
    for answer in answers.iter().filter(is_plain).filter(|call| shows(call, false)) {
        // What ends by itself may be denied once it has begun.
        if window.is_some() || revoking.is_some_and(|revoking| answer.returned >= Some(revoking)) {
            continue;
        }
        if let Some(granted) = granted.filter(|granted| is_before(granted, answer)) {
            wrong("a denial after the grant returned", Some(granted), answer);
        }
        if let Some(shown) = shown_granted.filter(|shown| is_before(shown, answer)) {
            wrong("a denial after another check had shown the grant", Some(shown), answer);
        }
    }
}

/// Whether a check was answered by an allow; `None` if it was not, or if it is no check.
fn allowed(call: &Call) -> Option<bool> {
    match call.outcome {
        Outcome::Allow(_) => Some(true),
        Outcome::Deny(_) => Some(false),
        Outcome::Unknown | Outcome::Done | Outcome::Nothing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::By;

    const ALLOW: Outcome = Outcome::Allow(By::Lease);
    const DENY: Outcome = Outcome::Deny(By::Lease);

    /// Calls by what is asked, when it is asked and answered, in milliseconds, and what comes of it.
    fn found(calls: &[(Asked, u64, u64, Outcome)]) -> Vec<String> {
        let mut history = History::default();
        for (asked, invoked, returned, outcome) in calls {
            let place = history.begin(1, Key(1), *asked, Duration::from_millis(*invoked));
            history.end(place, *outcome, Duration::from_millis(*returned));
        }
        check(&history).0.into_iter().map(|violation| violation.what).collect()
    }

    const GRANT: (Asked, u64, u64, Outcome) = (Asked::Grant, 0, 10, Outcome::Done);
    const REVOKE: (Asked, u64, u64, Outcome) = (Asked::Revoke, 50, 60, Outcome::Done);

    #[test]
    fn what_is_possible_passes() {
        let check = Asked::Check;
        assert!(
            found(&[GRANT, REVOKE, (check, 20, 21, ALLOW), (check, 60, 61, ALLOW), (check, 61, 62, DENY)]).is_empty()
        );
        assert!(found(&[GRANT, REVOKE, (check, 52, 53, DENY), (check, 40, 55, ALLOW), (check, 1, 2, DENY)]).is_empty());
        assert!(found(&[GRANT, (Asked::CheckClosed, 20, 21, DENY), (check, 30, 31, ALLOW)]).is_empty());
        let unknown = (Asked::Revoke, 30, 35, Outcome::Unknown);
        assert!(found(&[GRANT, unknown, (check, 40, 41, ALLOW), (check, 42, 43, DENY)]).is_empty());
    }

    #[test]
    fn stale_allows_are_found() {
        let check = Asked::Check;
        assert_eq!(found(&[GRANT, REVOKE, (check, 61, 62, ALLOW)]), ["an allow after the revocation returned"]);
        let back = [GRANT, REVOKE, (check, 51, 52, DENY), (check, 53, 54, ALLOW)];
        assert_eq!(found(&back), ["an allow after another check had shown the revocation"]);
        let closed = [GRANT, REVOKE, (Asked::CheckClosed, 61, 62, ALLOW)];
        assert_eq!(found(&closed), ["an allow after the revocation returned"]);
        assert_eq!(found(&[(check, 5, 6, ALLOW)]), ["an allow before anybody granted"]);
    }

    #[test]
    fn stale_denials_are_found() {
        let check = Asked::Check;
        assert_eq!(found(&[GRANT, REVOKE, (check, 20, 21, DENY)]), ["a denial after the grant returned"]);
        let failed = (Asked::Revoke, 15, 16, Outcome::Nothing);
        assert_eq!(found(&[GRANT, failed, (check, 20, 21, DENY)]), ["a denial after the grant returned"]);
        let unknown = (Asked::Grant, 0, 90, Outcome::Unknown);
        let back = [unknown, (check, 20, 21, ALLOW), (check, 30, 31, DENY)];
        assert_eq!(found(&back), ["a denial after another check had shown the grant"]);
    }

    #[test]
    fn what_was_granted_early_may_be_denied_until_it_was_shown() {
        let (check, early) = (Asked::Check, (Asked::GrantEarly, 0, 10, Outcome::Done));
        assert!(found(&[early, (check, 20, 21, DENY), (check, 22, 23, ALLOW)]).is_empty());
        let back = [early, (check, 20, 21, ALLOW), (check, 22, 23, DENY)];
        assert_eq!(found(&back), ["a denial after another check had shown the grant"]);
        let again = [early, REVOKE, (check, 20, 21, ALLOW), (check, 51, 52, DENY), (check, 53, 54, ALLOW)];
        assert_eq!(found(&again), ["an allow after another check had shown the revocation"]);
    }

    #[test]
    fn what_is_granted_for_a_time_is_allowed_within_it_and_never_again() {
        let (check, timed) = (Asked::Check, Asked::GrantTimed(Window { start_ms: 20, end_ms: 50 }));
        let granted = (timed, 0, 5, Outcome::Done);
        let within =
            [granted, (check, 10, 11, DENY), (check, 19, 20, ALLOW), (check, 40, 60, ALLOW), (check, 41, 61, DENY)];
        assert!(found(&within).is_empty());
        assert_eq!(found(&[granted, (check, 18, 19, ALLOW)]), ["an allow before its start"]);
        assert_eq!(found(&[granted, (check, 50, 51, ALLOW)]), ["an allow after its end"]);
        let back = [granted, (check, 25, 26, ALLOW), (check, 40, 41, DENY), (check, 42, 43, ALLOW)];
        assert_eq!(found(&back), ["an allow after another check had shown the end"]);
    }

    #[test]
    fn the_margin_is_the_closest_allow() {
        let mut history = History::default();
        for (asked, invoked, returned, outcome) in [GRANT, REVOKE, (Asked::Check, 57, 58, ALLOW)] {
            let place = history.begin(1, Key(1), asked, Duration::from_millis(invoked));
            history.end(place, outcome, Duration::from_millis(returned));
        }
        assert_eq!(check(&history).1.smallest, Some(Duration::from_millis(3)));
    }
}
