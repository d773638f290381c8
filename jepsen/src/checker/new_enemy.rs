//! The new enemy: who was taken out of a policy must not see what was put under it afterwards.
//!
//! The removal had returned when the content was put there, so at no node and in no mode of freshness is there a state in which
//! both the old policy and the new content hold: every state that shows the content shows the removal too. So any allow of the
//! enemy is wrong, however old the state may be that it was asked of. Somebody who stays shows that the content can be seen at
//! all: once it was put, fresh checks must allow it.
//!
//! The problem is that of the paper on Zanzibar (Pang et al., USENIX ATC 2019, section 2.2).

use std::collections::BTreeMap;

use crate::history::{Event, History, Told};
use crate::workload::new_enemy::{Deed, Freshness, Who};

use super::{Findings, Judge, Rule, Violation, about, unreadable};

/// The judge.
pub const JUDGE: Judge =
    Judge { name: "new-enemy", what: "nobody sees by an old policy what was put under it later", judge };

/// What is known of one piece of content.
#[derive(Default)]
struct Content<'a> {
    /// The removal that returned first.
    removed: Option<&'a Event>,
    /// The first attempt to put the content there.
    put: Option<&'a Event>,
    /// The attempt that was acknowledged first.
    settled: Option<&'a Event>,
}

fn judge(history: &History) -> Findings {
    let told = match history.told::<Deed>() {
        Ok(told) => told,
        Err(foreign) => return unreadable(&foreign),
    };
    let contents = contents(&told);
    let mut findings = Findings::default();
    let (mut refused, mut shown) = (0_u64, 0_u64);
    for (asked, allowed) in told.iter().filter_map(|told| Some((told, told.answer??))) {
        let Deed::Look { key, who, freshness } = asked.deed else { continue };
        let Some(content) = contents.get(&key) else { continue };
        match who {
            Who::Enemy if allowed => findings.violations.extend(content.wrong_about_allow(asked.event)),
            Who::Enemy => refused += u64::from(content.is_settled_before(asked.event)),
            Who::Friend if allowed => shown += 1,
            Who::Friend => findings.violations.extend(content.wrong_about_denial(asked.event, freshness)),
        }
    }
    if refused == 0 || shown == 0 {
        findings.untried.push("nobody asked about content after a removal, for the enemy and for a friend".to_owned());
    }
    findings.facts.push(format!("new content was refused to those removed {refused} times, and shown {shown} times"));
    findings
}

fn contents<'a>(told: &[Told<'a, Deed>]) -> BTreeMap<u64, Content<'a>> {
    let mut contents: BTreeMap<u64, Content<'_>> = BTreeMap::new();
    for Told { deed, event, .. } in told {
        let first = |known: &mut Option<&'a Event>| {
            if event.is_ok() && known.is_none_or(|known| event.completed_us < known.completed_us) {
                *known = Some(event);
            }
        };
        match deed {
            Deed::Remove { key } => first(&mut contents.entry(*key).or_default().removed),
            Deed::Put { key } if event.may_have_happened() => {
                let content = contents.entry(*key).or_default();
                content.put = content.put.or(Some(event));
                first(&mut content.settled);
            }
            Deed::Put { .. } | Deed::Look { .. } => {}
        }
    }
    contents
}

impl Content<'_> {
    fn is_settled_before(&self, look: &Event) -> bool {
        self.settled.is_some_and(|put| put.completed_us < look.invoked_us)
    }

    fn wrong_about_allow(&self, look: &Event) -> Option<Violation> {
        match (self.removed, self.put) {
            // The removal is known to have come before the content.
            (Some(removed), Some(put)) if removed.completed_us < put.invoked_us => {
                Some(about(Rule::NewEnemy, &[removed, put, look]))
            }
            (_, Some(_)) => None,
            (_, None) => Some(about(Rule::AllowBeforeGrant, &[look])),
        }
    }

    fn wrong_about_denial(&self, look: &Event, freshness: Freshness) -> Option<Violation> {
        let put = self.settled.filter(|put| put.completed_us < look.invoked_us)?;
        match freshness {
            Freshness::Fresh | Freshness::AsContent => Some(about(Rule::DenyAfterGrant, &[put, look])),
            Freshness::Any => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::samples::{event, lost, of_events, ok, refused};

    const KEY: u64 = 7;

    fn removed() -> Event {
        event(&Deed::Remove { key: KEY }, 0, 10, ok((), 3))
    }

    fn put() -> Event {
        event(&Deed::Put { key: KEY }, 20, 30, ok((), 4))
    }

    fn look(who: Who, freshness: Freshness, invoked_us: u64, allowed: bool) -> Event {
        event(&Deed::Look { key: KEY, who, freshness }, invoked_us, invoked_us + 2, ok(allowed, 4))
    }

    fn found(events: Vec<Event>) -> Vec<Rule> {
        judge(&of_events(events)).violations.into_iter().map(|violation| violation.rule).collect()
    }

    #[test]
    fn the_old_policy_never_shows_new_content() {
        let sound = vec![
            removed(),
            put(),
            look(Who::Enemy, Freshness::Fresh, 31, false),
            look(Who::Friend, Freshness::Fresh, 31, true),
            look(Who::Friend, Freshness::Any, 32, false),
        ];
        assert_eq!(found(sound.clone()), []);
        let judged = judge(&of_events(sound));
        assert_eq!(judged.untried, Vec::<String>::new());
        for freshness in [Freshness::Fresh, Freshness::AsContent, Freshness::Any] {
            assert_eq!(found(vec![removed(), put(), look(Who::Enemy, freshness, 31, true)]), [Rule::NewEnemy]);
        }
        let early = look(Who::Enemy, Freshness::Fresh, 21, true);
        assert_eq!(found(vec![removed(), put(), early]), [Rule::NewEnemy], "also while the content is being put");
    }

    #[test]
    fn without_an_order_of_the_two_nothing_is_wrong() {
        let late = event(&Deed::Remove { key: KEY }, 0, 25, ok((), 4));
        assert_eq!(found(vec![late, put(), look(Who::Enemy, Freshness::Fresh, 31, true)]), []);
        assert_eq!(found(vec![put(), look(Who::Enemy, Freshness::Fresh, 31, true)]), []);
    }

    #[test]
    fn content_whose_outcome_is_unknown_may_be_there() {
        let (lost, refused) =
            (event(&Deed::Put { key: KEY }, 20, 30, lost()), event(&Deed::Put { key: KEY }, 20, 30, refused()));
        let seen = look(Who::Enemy, Freshness::Any, 40, true);
        assert_eq!(found(vec![removed(), lost, seen.clone()]), [Rule::NewEnemy]);
        assert_eq!(found(vec![removed(), refused, seen]), [Rule::AllowBeforeGrant]);
    }

    #[test]
    fn who_stays_sees_the_content() {
        for freshness in [Freshness::Fresh, Freshness::AsContent] {
            assert_eq!(found(vec![removed(), put(), look(Who::Friend, freshness, 31, false)]), [Rule::DenyAfterGrant]);
        }
        assert_eq!(found(vec![removed(), put(), look(Who::Friend, Freshness::Fresh, 25, false)]), []);
        assert_eq!(found(vec![removed(), look(Who::Friend, Freshness::Fresh, 5, true)]), []);
    }

    #[test]
    fn what_nobody_put_is_seen_by_nobody() {
        let seen = vec![removed(), look(Who::Enemy, Freshness::Fresh, 31, true)];
        assert_eq!(found(seen), [Rule::AllowBeforeGrant]);
    }

    #[test]
    fn a_run_in_which_nobody_asked_proves_nothing() {
        assert_eq!(judge(&of_events([])).untried.len(), 1);
    }
}
