//! The leader's rules, one by one.

use super::*;
use crate::gateway::Listed;
use crate::parameters::Drift;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(millis: u64) -> Reading {
    Reading { boot: ms(millis), raw: ms(millis), monotonic: ms(millis) }
}

/// Leader of epoch 2, with no fence left, confirmed at 1 s, with one entry of its own at index 5.
fn leader() -> Leader {
    fenced(BTreeSet::new())
}

fn fenced(holding: BTreeSet<u64>) -> Leader {
    let parameters = Parameters::new(ms(1_000), ms(100), ms(160), Drift::DEFAULT).unwrap();
    let fence = Fence::new(&at(1_000), parameters.terms(), holding);
    let mut leader = Leader::new(
        Epoch(2),
        parameters,
        BTreeSet::from([1, 2, 3]),
        fence,
        LogShape::ending_at(Position::new(1, 4)),
        3,
    );
    let round = leader.begin_round(at(1_000), vec![BTreeSet::from([1, 2, 3])]);
    assert!(!leader.confirmed(&at(1_000), round, 1));
    assert!(leader.confirmed(&at(1_000), round, 2));
    leader.appended(at(1_000), Position::new(2, 5));
    leader
}

fn ask(number: u64, registered: Position) -> Request {
    Request { node: 2, incarnation: 7, number, registered, base: 3 }
}

#[test]
fn r2_a_leader_that_nobody_confirmed_grants_nothing() {
    let mut leader = leader();
    assert_eq!(leader.request(&at(2_000), ask(1, Position::new(2, 5))), Err(Refusal::Unconfirmed));
}

#[test]
fn r3_a_lease_is_shorter_by_the_age_of_the_proof() {
    let mut leader = leader();
    let grant = leader.request(&at(1_300), ask(1, Position::new(2, 5))).unwrap();
    let expected =
        Grant { epoch: Epoch(2), incarnation: 7, number: 1, length: ms(700), barrier: Position::new(2, 5), visible: 3 };
    assert_eq!(grant, expected);
}

#[test]
fn r3_a_session_outlasts_the_lease_by_the_drift() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(1, 4))).unwrap();
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(2_009)), None);
    assert_eq!(leader.held_up_by(&at(2_009), 5).collect::<Vec<_>>(), [(2, ms(1))]);
    assert_eq!(leader.declare(&at(2_010)), Some(5));
}

#[test]
fn r3_who_makes_no_progress_gets_no_lease() {
    let mut leader = leader();
    leader.appended(at(1_200), Position::new(2, 6));
    let late = Refusal::NoProgress { node: 2, since: ms(170) };
    assert_eq!(leader.request(&at(1_370), ask(1, Position::new(2, 5))), Err(late));
    assert!(leader.request(&at(1_370), ask(1, Position::new(2, 6))).is_ok());
}

#[test]
fn r3_who_is_behind_or_not_rostered_gets_no_lease() {
    let mut leader = leader();
    leader.committed(Position::new(2, 20_000));
    let behind = Refusal::BaseBehind { node: 2, behind: 19_997 };
    assert_eq!(leader.request(&at(1_000), ask(1, Position::new(2, 5))), Err(behind));
    leader.rostered(BTreeSet::from([1]));
    let absent = Refusal::NotRostered { node: 2 };
    assert_eq!(leader.request(&at(1_000), ask(1, Position::new(2, 5))), Err(absent));
}

#[test]
fn r5_what_every_holder_has_registered_is_declared() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(2, 5))).unwrap();
    leader.appended(at(1_100), Position::new(2, 6));
    assert_eq!(leader.declare(&at(1_100)), None, "nothing is committed");
    leader.committed(Position::new(2, 6));
    assert_eq!(leader.declare(&at(1_100)), Some(5));
    leader.registered(2, 6, Position::new(2, 6));
    assert_eq!(leader.declare(&at(1_100)), None, "another incarnation");
    leader.registered(2, 7, Position::new(2, 6));
    assert_eq!(leader.declare(&at(1_100)), Some(6));
    assert_eq!(leader.declare(&at(1_100)), None, "declared once");
}

#[test]
fn r5_an_entry_of_an_older_epoch_registers_nothing_whatever_its_index() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(1, 9))).unwrap();
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(1_000)), None);
}

#[test]
fn r5_what_an_older_leader_proposed_is_declared_with_an_entry_of_this_epoch() {
    let mut leader = leader();
    leader.committed(Position::new(1, 4));
    assert_eq!(leader.declare(&at(1_000)), None);
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(1_000)), Some(5));
}

#[test]
fn r8_a_fenced_leader_grants_but_declares_nothing() {
    let mut leader = fenced(BTreeSet::from([3]));
    leader.committed(Position::new(2, 5));
    assert!(leader.request(&at(1_100), ask(1, Position::new(2, 5))).is_ok());
    assert_eq!(leader.declare(&at(1_100)), None);
    leader.dropped_older(3);
    assert_eq!(leader.declare(&at(1_100)), Some(5));
}

#[test]
fn r4_a_release_ends_the_session_and_voids_what_is_under_way() {
    let mut leader = leader();
    leader.committed(Position::new(2, 5));
    leader.request(&at(1_000), ask(1, Position::new(1, 4))).unwrap();
    leader.released(Release { node: 2, incarnation: 7, up_to: 2 });
    let stale = Refusal::Stale { node: 2, number: 2 };
    assert_eq!(leader.request(&at(1_000), ask(2, Position::new(1, 4))), Err(stale));
    assert_eq!(leader.declare(&at(1_000)), Some(5));
    assert!(leader.request(&at(1_000), ask(3, Position::new(2, 5))).is_ok());
}

#[test]
fn r4_a_late_release_leaves_a_newer_session() {
    let mut leader = leader();
    leader.committed(Position::new(2, 5));
    leader.request(&at(1_000), ask(3, Position::new(1, 4))).unwrap();
    leader.released(Release { node: 2, incarnation: 7, up_to: 2 });
    assert_eq!(leader.declare(&at(1_000)), None);
}

#[test]
fn r10_who_is_removed_from_the_roster_is_still_waited_for() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(1, 4))).unwrap();
    leader.rostered(BTreeSet::from([1, 3]));
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(1_500)), None);
}

#[test]
fn r5b_live_sessions_are_listed_once_the_entry_is_appended() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(2, 5))).unwrap();
    let mut listed = |now, entry| leader.listed(&at(now), entry, vec![BTreeSet::from([1, 2, 3])]);
    let last = Position::new(2, 5);
    let expected = Listed { entry: last, sessions: BTreeSet::from([(2, 7)]), voters: vec![BTreeSet::from([1, 2, 3])] };
    assert_eq!(listed(1_000, Position::new(2, 6)), None, "not appended");
    assert_eq!(listed(1_000, Position::new(1, 4)), None, "of another epoch");
    assert_eq!(listed(2_009, last), Some(expected));
    assert!(listed(2_010, last).unwrap().sessions.is_empty(), "it has run out");
}

#[test]
fn r5b_what_was_listed_may_have_been_answered() {
    let mut leader = leader();
    assert_eq!(leader.listed(&at(1_000), Position::new(2, 6), Vec::new()), None);
    assert_eq!(leader.answerable(), 0);
    leader.listed(&at(1_000), Position::new(2, 5), Vec::new()).unwrap();
    assert_eq!(leader.answerable(), 5);
}

#[test]
fn r5b_a_fenced_leader_lists_nothing() {
    let mut leader = fenced(BTreeSet::from([3]));
    assert_eq!(leader.listed(&at(1_000), Position::new(2, 5), Vec::new()), None);
    leader.dropped_older(3);
    assert!(leader.listed(&at(1_000), Position::new(2, 5), Vec::new()).is_some());
}

#[test]
fn r10_who_is_lost_while_it_holds_up_an_entry_returns_later() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(1, 4))).unwrap();
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(1_100)), None);
    assert_eq!(leader.declare(&at(2_010)), Some(5));
    prove(&mut leader, 2_100);
    let refused = Refusal::Quarantined { node: 2, left: ms(910) };
    assert_eq!(leader.request(&at(2_100), ask(2, Position::new(2, 5))), Err(refused));
    prove(&mut leader, 3_010);
    assert!(leader.request(&at(3_010), ask(2, Position::new(2, 5))).is_ok());
}

#[test]
fn r10_who_is_lost_while_nothing_waits_for_it_may_return_at_once() {
    let mut leader = leader();
    leader.request(&at(1_000), ask(1, Position::new(2, 5))).unwrap();
    leader.committed(Position::new(2, 5));
    assert_eq!(leader.declare(&at(1_100)), Some(5));
    // It has run out before the next entry comes.
    leader.appended(at(2_010), Position::new(2, 6));
    leader.committed(Position::new(2, 6));
    assert_eq!(leader.declare(&at(2_010)), Some(6));
    prove(&mut leader, 2_100);
    assert!(leader.request(&at(2_100), ask(2, Position::new(2, 6))).is_ok());
}

#[test]
fn r3_who_keeps_acknowledging_slowly_gets_no_lease() {
    let mut leader = leader();
    let mut asked = 0;
    let mut slow = |leader: &mut Leader, index: u64| {
        let start = index * 1_000;
        asked += 1;
        prove(leader, start);
        let answer = leader.request(&at(start), ask(asked, Position::new(2, index - 1)));
        leader.appended(at(start), Position::new(2, index));
        leader.committed(Position::new(2, index));
        leader.declare(&at(start));
        leader.registered(2, 7, Position::new(2, index));
        // One tick beyond the lag.
        leader.declare(&at(start + 161));
        answer
    };
    for index in 6..6 + u64::from(crate::SLOW_MAX) {
        assert!(slow(&mut leader, index).is_ok());
    }
    let next = 6 + u64::from(crate::SLOW_MAX);
    let refused = Refusal::Quarantined { node: 2, left: ms(161) };
    assert_eq!(slow(&mut leader, next), Err(refused));
}

fn prove(leader: &mut Leader, millis: u64) {
    let round = leader.begin_round(at(millis), vec![BTreeSet::from([1])]);
    assert!(leader.confirmed(&at(millis), round, 1));
}
