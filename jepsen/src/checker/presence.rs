//! What was acknowledged is there at the end, what was refused is not, and of what nobody knows all nodes say the same.
//!
//! A write of unknown outcome may take effect between two of the last looks, so the same is asked of equal revisions, and that it
//! does not go away again.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::history::{Came, Event, History, Phase};

use super::{Findings, Rule, Violation, about};

/// What was to be there, and what was seen in the end.
pub(super) struct Presence<'a, K> {
    finally_us: u64,
    writes: BTreeMap<K, Vec<&'a Event>>,
    seen: BTreeMap<K, Vec<(&'a Event, bool)>>,
}

impl<'a, K: Ord + Clone + Debug> Presence<'a, K> {
    /// Of a history whose calls come by [`Presence::add`] and [`Presence::look`].
    pub(super) fn of(history: &History) -> Self {
        let finally_us = history.phases.get(&Phase::FinalReads).copied().unwrap_or(u64::MAX);
        Self { finally_us, writes: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// A call that was to make this so.
    pub(super) fn add(&mut self, what: K, event: &'a Event) {
        self.writes.entry(what).or_default().push(event);
    }

    /// A call that tells whether something is so; nothing of what it was not about. Calls before the end tell nothing here.
    pub(super) fn look(&mut self, event: &'a Event, tells: impl Fn(&K) -> Option<bool>) {
        if event.invoked_us < self.finally_us || !event.is_ok() {
            return;
        }
        for what in self.writes.keys() {
            if let Some(is) = tells(what) {
                self.seen.entry(what.clone()).or_default().push((event, is));
            }
        }
    }
}

/// Looks at everything that was looked at in the end.
pub(super) fn check<K: Ord + Clone + Debug>(presence: &Presence<'_, K>) -> Findings {
    let mut findings = Findings::default();
    for (what, seen) in &presence.seen {
        let writes = presence.writes.get(what).map(Vec::as_slice).unwrap_or_default();
        let done = writes.iter().find(|write| write.is_ok());
        let refused = writes.iter().all(|write| matches!(write.came, Came::Fail { .. }));
        let wrong = match done {
            Some(done) => seen.iter().find(|(_, is)| !is).map(|(look, _)| about(Rule::Lost, &[done, look])),
            None if refused => seen.iter().find(|(_, is)| *is).map(|(look, _)| about(Rule::Undead, &[writes[0], look])),
            None => gone(seen).map(|(present, absent)| about(Rule::Torn, &[present, absent])),
        };
        let detail = format!("{what:?}");
        findings.violations.extend(wrong.map(|wrong| Violation { detail, ..wrong }));
    }
    findings.facts.push(format!("{} of {} writes looked for at the end", presence.seen.len(), presence.writes.len()));
    findings
}

/// A look that showed it, and one at no earlier revision that did not.
fn gone<'a>(seen: &[(&'a Event, bool)]) -> Option<(&'a Event, &'a Event)> {
    let present = seen.iter().filter(|(_, is)| *is).min_by_key(|(look, _)| look.revision())?.0;
    let absent = seen.iter().filter(|(_, is)| !is).find(|(look, _)| look.revision() >= present.revision())?.0;
    Some((present, absent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{event, lost, of_events, ok, refused};
    use crate::workload::new_enemy::Deed;

    /// The rules that are broken if a write came to this, and was seen so at the end.
    fn found(came: &Came, seen: &[bool]) -> Vec<Rule> {
        let write = event(&Deed::Put { key: 1 }, 0, 5, came.clone());
        let looks: Vec<Event> = seen.iter().map(|is| event(&Deed::Put { key: 1 }, 20, 21, ok(*is, 9))).collect();
        let early = event(&Deed::Put { key: 1 }, 2, 3, ok(false, 9));
        let mut history = of_events([]);
        history.phases.insert(Phase::FinalReads, 10);
        let mut presence = Presence::of(&history);
        presence.add(1, &write);
        presence.look(&early, |_| Some(false));
        looks.iter().zip(seen).for_each(|(look, is)| presence.look(look, |what| (*what == 1).then_some(*is)));
        check(&presence).violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn what_happened_stays() {
        assert_eq!(found(&ok((), 3), &[true, true]), []);
        assert_eq!(found(&ok((), 3), &[true, false]), [Rule::Lost]);
    }

    #[test]
    fn what_was_refused_is_not_there() {
        assert_eq!(found(&refused(), &[false, false]), []);
        assert_eq!(found(&refused(), &[false, true]), [Rule::Undead]);
    }

    #[test]
    fn what_is_unknown_is_the_same_everywhere() {
        assert_eq!(found(&lost(), &[false, false]), []);
        assert_eq!(found(&lost(), &[true, true]), []);
        assert_eq!(found(&lost(), &[true, false]), [Rule::Torn]);
    }
}
