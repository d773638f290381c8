use proptest::prelude::*;

use super::*;
use crate::history::samples::{event, lost, of_events, ok, refused};

fn append(lists: &[u64], element: u64, invoked_us: u64, completed_us: u64, revision: u64) -> Event {
    let steps = appended(lists, element);
    event(&Deed::Txn(steps.clone()), invoked_us, completed_us, ok(steps, revision))
}

fn appended(lists: &[u64], element: u64) -> Vec<Step> {
    lists.iter().map(|list| Step(Verb::Append, *list, Content::Element(element))).collect()
}

fn read(lists: &[(u64, &[u64])], invoked_us: u64, completed_us: u64, revision: u64) -> Event {
    let asked = lists.iter().map(|(list, _)| Step(Verb::R, *list, Content::Unread)).collect();
    let seen = lists.iter().map(|(list, read)| Step(Verb::R, *list, Content::List(read.to_vec())));
    event(&Deed::Txn(asked), invoked_us, completed_us, ok(seen.collect::<Vec<_>>(), revision))
}

fn found(events: Vec<Event>) -> Vec<Rule> {
    judge(&of_events(events)).violations.into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn what_has_an_order_passes() {
    assert_eq!(found(vec![]), []);
    assert_eq!(
        found(vec![
            append(&[1, 2], 10, 0, 9, 1),
            append(&[1, 2], 11, 20, 29, 2),
            read(&[(1, &[10]), (2, &[10])], 19, 25, 1),
            read(&[(1, &[10, 11]), (2, &[10, 11])], 21, 40, 2),
        ]),
        []
    );
}

#[test]
fn a_write_is_seen_in_all_lists_or_in_none() {
    let torn = found(vec![append(&[1, 2], 10, 0, 30, 2), read(&[(1, &[10]), (2, &[])], 5, 9, 2)]);
    assert_eq!(torn, [Rule::AnswerOfRevision, Rule::Serializable]);
    let lost = event(&Deed::Txn(appended(&[1, 2], 10)), 0, 30, lost());
    assert_eq!(found(vec![lost, read(&[(1, &[10]), (2, &[])], 5, 9, 2)]), [Rule::Serializable]);
}

#[test]
fn stale_reads_are_found() {
    let stale = found(vec![append(&[1], 10, 0, 9, 1), read(&[(1, &[])], 10, 12, 0)]);
    assert_eq!(stale, [Rule::Serializable], "it was acknowledged before the read began");
    let back = vec![append(&[1], 10, 0, 99, 2), read(&[(1, &[10])], 5, 9, 2), read(&[(1, &[])], 10, 12, 1)];
    assert_eq!(found(back), [Rule::Serializable], "somebody had seen it before the read began");
}

#[test]
fn two_readers_see_two_writes_in_the_same_order() {
    let fork = vec![
        append(&[1], 10, 0, 99, 3),
        append(&[2], 11, 0, 99, 4),
        read(&[(1, &[10]), (2, &[])], 5, 90, 3),
        read(&[(1, &[]), (2, &[11])], 5, 90, 4),
    ];
    assert!(found(fork).contains(&Rule::Serializable));
}

#[test]
fn what_nobody_wrote_is_not_read() {
    assert_eq!(found(vec![read(&[(1, &[10])], 5, 9, 2)]), [Rule::NeverWritten]);
    let failed = event(&Deed::Txn(appended(&[1], 10)), 0, 3, refused());
    assert_eq!(found(vec![failed, read(&[(1, &[10])], 5, 9, 2)]), [Rule::NeverWritten]);
}

#[test]
fn what_is_unknown_may_happen_late_or_never() {
    let open = event(&Deed::Txn(appended(&[1, 2], 10)), 0, 3, lost());
    assert_eq!(found(vec![open.clone(), read(&[(1, &[]), (2, &[])], 5, 9, 2)]), []);
    let late = vec![
        open,
        read(&[(1, &[])], 5, 9, 2),
        append(&[1], 11, 10, 19, 3),
        read(&[(1, &[10, 11]), (2, &[10])], 20, 29, 4),
    ];
    assert_eq!(found(late), []);
}

#[test]
fn what_was_acknowledged_is_there_in_the_end() {
    let mut history = of_events([append(&[1], 10, 0, 9, 1), read(&[(1, &[])], 20, 29, 2)]);
    history.phases.insert(crate::history::Phase::FinalReads, 15);
    let rules: Vec<Rule> = judge(&history).violations.into_iter().map(|violation| violation.rule).collect();
    assert!(rules.contains(&Rule::Lost), "{rules:?}");
}

#[test]
fn elle_gets_lists_in_the_order_in_which_they_grew() {
    let history = of_events([
        append(&[1], 20, 0, 9, 1),
        append(&[1], 10, 10, 19, 2),
        event(&Deed::Txn(appended(&[1], 15)), 0, 3, lost()),
        read(&[(1, &[10, 15, 20])], 20, 29, 3),
    ]);
    let told = serde_json::to_string(&in_order(&history)[3].came).unwrap();
    assert!(told.contains("[20,10,15]"), "{told}");
}

/// A small history: which element goes to which lists, or which lists are read, with times and whether it is lost.
#[derive(Clone, Debug)]
struct Planned {
    lists: Vec<u64>,
    writes: bool,
    from_us: u64,
    takes_us: u64,
}

fn planned() -> impl Strategy<Value = Vec<Planned>> {
    let one = (prop_oneof![Just(vec![1]), Just(vec![2]), Just(vec![1, 2])], any::<bool>(), 0_u64..12, 0_u64..12)
        .prop_map(|(lists, writes, from_us, takes_us)| Planned { lists, writes, from_us, takes_us });
    proptest::collection::vec(one, 1..6)
}

/// The calls as if they had been carried out one after the other in this order, whatever their times say. What the reads in
/// `damaged` saw lacks the last element.
fn carried_out(planned: &[Planned], damaged: usize) -> Vec<Event> {
    let mut held: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut revision = 0;
    let carry = |(number, planned): (usize, &Planned)| {
        let (from, to) = (planned.from_us, planned.from_us + planned.takes_us);
        if planned.writes {
            revision += 1;
            for list in &planned.lists {
                held.entry(*list).or_default().push(number as u64);
            }
            return append(&planned.lists, number as u64, from, to, revision);
        }
        let mut seen: Vec<(u64, Vec<u64>)> =
            planned.lists.iter().map(|list| (*list, held.get(list).cloned().unwrap_or_default())).collect();
        if damaged == number {
            seen[0].1.pop();
        }
        let seen: Vec<(u64, &[u64])> = seen.iter().map(|(list, read)| (*list, read.as_slice())).collect();
        read(&seen, from, to, revision)
    };
    planned.iter().enumerate().map(carry).collect()
}

/// Whether there is an order, by trying all of them.
fn has_order(events: &[Event], done: &mut Vec<usize>) -> bool {
    if done.len() == events.len() {
        return is_possible(events, done);
    }
    let open: Vec<usize> = (0..events.len()).filter(|number| !done.contains(number)).collect();
    for next in &open {
        // Who has returned before this one began comes before it.
        if open.iter().any(|other| events[*other].completed_us < events[*next].invoked_us) {
            continue;
        }
        done.push(*next);
        if has_order(events, done) {
            return true;
        }
        done.pop();
    }
    false
}

fn is_possible(events: &[Event], order: &[usize]) -> bool {
    let history = of_events([]);
    let history = History { events: events.to_vec(), ..history };
    let told = history.told::<Deed>().unwrap();
    let mut held: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    order.iter().all(|number| {
        let txn = Txn::of(&told[*number]);
        for (list, element) in &txn.appends {
            held.entry(*list).or_default().insert(*element);
        }
        txn.reads.iter().all(|(list, read)| held.get(list).cloned().unwrap_or_default() == *read)
    })
}

proptest! {
    /// What has no order at all is found.
    #[test]
    fn no_order_is_missed(planned in planned(), damaged in 0_usize..12) {
        let events = carried_out(&planned, damaged);
        if !has_order(&events, &mut Vec::new()) {
            prop_assert!(!found(events).is_empty());
        }
    }

    /// What was carried out one after the other, each within its time, passes.
    #[test]
    fn nothing_sound_is_found(mut planned in planned()) {
        for (place, planned) in planned.iter_mut().enumerate() {
            // Each takes effect ten microseconds after the one before, somewhere between its call and its return.
            let effect_us = place as u64 * 10 + 20;
            planned.from_us = effect_us - planned.from_us;
            planned.takes_us += effect_us - planned.from_us;
        }
        prop_assert_eq!(found(carried_out(&planned, usize::MAX)), []);
    }
}
