//! What holds for a time only: it is never given outside its window of true time.
//!
//! True time is the clock of the harness. An allow says that true time lay within the window at some moment between question
//! and answer, so one whose answer came before the start, or whose question came at the end or later, is wrong. Nodes know true
//! time no better than `--max-clock-error-ms`, which makes them begin late and end early; it is theirs to allow for, and judged
//! is what they said, without any slack. A restriction is the other way round: what it keeps closed is never open before its
//! end. And time does not go back: once anybody was told that something has ended, nobody is told otherwise.
//!
//! Windows are promised as long as clocks are no further wrong than nodes reckon with. Where a nemesis takes them further, what lies
//! outside is counted and is no violation; that nothing comes back rests on the log, and is asked for all the same.

use std::collections::BTreeMap;

use crate::history::{Event, History, Told};
use crate::workload::expiry::{Deed, Window};

use super::{Findings, Judge, Rule, Violation, about, unreadable};

/// The judge.
pub const JUDGE: Judge =
    Judge { name: "expiry", what: "nothing is given outside its window, and nothing that ended comes back", judge };

/// The nemesis that makes clocks more wrong than nodes reckon with.
const BEYOND: &str = "clock-far";

/// What was said of one key.
struct Said<'a> {
    scheduled: &'a Event,
    window: Window,
    /// Every look with its answer, in the order of invocations.
    looks: Vec<(&'a Event, bool)>,
}

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let mut findings = Findings::default();
    let is_promised = history.run.nemeses.iter().all(|nemesis| nemesis != BEYOND);
    let (mut begun, mut ended, mut outside) = (0_u64, 0_u64, 0_u64);
    let (mut before_us, mut after_us) = (u64::MAX, u64::MAX);
    for said in said(&told).values() {
        outside += u64::from(said.outside().is_some());
        findings.violations.extend(said.outside().filter(|_| is_promised));
        findings.violations.extend(said.comes_back());
        let allows = said.looks.iter().filter(|(_, allowed)| *allowed).map(|(look, _)| *look);
        match said.window {
            Window::Given { start_us, end_us, .. } => {
                begun += u64::from(allows.clone().next().is_some());
                let is_over = |(look, allowed): &(&Event, bool)| !allowed && look.invoked_us >= end_us;
                ended += u64::from(said.looks.iter().any(is_over));
                for allow in allows {
                    // What begins at once has no beginning to be close to.
                    let behind_us = if start_us == 0 { u64::MAX } else { allow.completed_us.saturating_sub(start_us) };
                    before_us = before_us.min(behind_us);
                    after_us = after_us.min(end_us.saturating_sub(allow.invoked_us));
                }
            }
            Window::Kept { end_us } => {
                let opened_us = allows.map(|allow| allow.completed_us.saturating_sub(end_us)).min();
                before_us = before_us.min(opened_us.unwrap_or(u64::MAX));
            }
        }
    }
    if begun == 0 || ended == 0 {
        findings.untried.push("nothing was seen to be given, or to have ended".to_owned());
    }
    if !is_promised {
        findings.facts.push(format!("{outside} given outside their windows, under clocks that nobody reckons with"));
    }
    findings.facts.push(format!(
        "{begun} seen within their windows, {ended} seen over; closest {} us after a beginning or the end of a restriction, \
         {} us before an end",
        known(before_us),
        known(after_us)
    ));
    findings
}

fn known(us: u64) -> String {
    if us == u64::MAX { "unknown".to_owned() } else { us.to_string() }
}

fn said<'a>(told: &[Told<'a, Deed>]) -> BTreeMap<u64, Said<'a>> {
    let mut said: BTreeMap<u64, Said<'a>> = BTreeMap::new();
    for Told { deed, answer, event } in told {
        match deed {
            // What was refused gives nothing, so that no allow has a reason, in its window or outside.
            Deed::Schedule { key, window } if event.may_have_happened() => {
                said.entry(*key).or_insert(Said { scheduled: event, window: *window, looks: Vec::new() });
            }
            Deed::Look { key } => {
                if let (Some(said), Some(Some(allowed))) = (said.get_mut(key), answer) {
                    said.looks.push((event, *allowed));
                }
            }
            Deed::Schedule { .. } => {}
        }
    }
    said
}

impl Said<'_> {
    fn outside(&self) -> Option<Violation> {
        let wrong = |rule, look: &Event| Some(about(rule, &[self.scheduled, look]));
        self.looks.iter().filter(|(_, allowed)| *allowed).find_map(|(look, _)| match self.window {
            Window::Given { start_us, .. } if look.completed_us < start_us => wrong(Rule::BeforeStart, look),
            Window::Given { end_us, .. } if look.invoked_us >= end_us => wrong(Rule::AfterEnd, look),
            Window::Kept { end_us } if look.completed_us < end_us => wrong(Rule::RestrictionEndedEarly, look),
            Window::Given { .. } | Window::Kept { .. } => None,
        })
    }

    /// An answer after another had shown that it no longer holds.
    fn comes_back(&self) -> Option<Violation> {
        // What is given is denied, then allowed, then denied again; what is kept closed is denied, then allowed.
        let is_given = matches!(self.window, Window::Given { .. });
        let begun_us = if is_given { self.first(true, 0)?.completed_us + 1 } else { 0 };
        let ended = self.first(!is_given, begun_us)?;
        let is_back = |(look, allowed): &&(&Event, bool)| *allowed == is_given && ended.completed_us < look.invoked_us;
        let (back, _) = self.looks.iter().find(is_back)?;
        Some(about(Rule::CameBack, &[ended, back]))
    }

    /// Of the looks from then on that were answered so, the one that was answered first.
    fn first(&self, answer: bool, from_us: u64) -> Option<&Event> {
        let looks = self.looks.iter().filter(|(look, allowed)| *allowed == answer && look.invoked_us >= from_us);
        looks.map(|(look, _)| *look).min_by_key(|look| look.completed_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{event, of_events, ok, refused};

    fn schedule(window: Window) -> Event {
        event(&Deed::Schedule { key: 1, window }, 0, 5, ok(None::<bool>, 3))
    }

    fn given() -> Event {
        schedule(Window::Given { start_us: 100, end_us: 200, is_grant: true })
    }

    fn kept() -> Event {
        schedule(Window::Kept { end_us: 200 })
    }

    fn look(invoked_us: u64, completed_us: u64, allowed: bool) -> Event {
        event(&Deed::Look { key: 1 }, invoked_us, completed_us, ok(allowed, 4))
    }

    fn found(events: Vec<Event>) -> Vec<Rule> {
        judge(&of_events(events)).violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn what_is_given_within_its_window_passes() {
        let sound =
            vec![given(), look(10, 20, false), look(90, 100, true), look(199, 250, true), look(251, 260, false)];
        assert_eq!(found(sound.clone()), []);
        assert_eq!(judge(&of_events(sound)).untried, Vec::<String>::new());
    }

    #[test]
    fn an_allow_outside_the_window_is_found() {
        assert_eq!(found(vec![given(), look(90, 99, true)]), [Rule::BeforeStart]);
        assert_eq!(found(vec![given(), look(200, 201, true)]), [Rule::AfterEnd]);
    }

    #[test]
    fn a_restriction_does_not_end_early() {
        assert_eq!(found(vec![kept(), look(10, 20, false), look(190, 200, true)]), []);
        assert_eq!(found(vec![kept(), look(190, 199, true)]), [Rule::RestrictionEndedEarly]);
    }

    #[test]
    fn what_has_ended_does_not_come_back() {
        let back = vec![given(), look(110, 111, true), look(150, 151, false), look(152, 153, true)];
        assert_eq!(found(back), [Rule::CameBack]);
        let concurrent = vec![given(), look(110, 111, true), look(150, 155, false), look(152, 153, true)];
        assert_eq!(found(concurrent), []);
        let late = vec![given(), look(110, 111, false), look(112, 113, true)];
        assert_eq!(found(late), [], "it had not begun");
        assert_eq!(found(vec![kept(), look(190, 201, true), look(202, 203, false)]), [Rule::CameBack]);
    }

    #[test]
    fn under_clocks_that_nobody_reckons_with_only_order_is_judged() {
        let rules = |events: Vec<Event>| {
            let mut history = of_events(events);
            history.run.nemeses = vec!["clock-far".to_owned()];
            judge(&history).violations.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
        };
        assert_eq!(rules(vec![given(), look(200, 201, true)]), []);
        let back = vec![given(), look(110, 111, true), look(150, 151, false), look(152, 153, true)];
        assert_eq!(rules(back), [Rule::CameBack]);
    }

    #[test]
    fn a_run_that_saw_nothing_begin_or_end_proves_nothing() {
        let refused = event(&Deed::Schedule { key: 1, window: Window::Kept { end_us: 9 } }, 0, 5, refused());
        assert_eq!(judge(&of_events([refused])).untried.len(), 1);
    }
}
