//! The holder's rules, one by one.

use super::*;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(millis: u64) -> Reading {
    Reading { boot: ms(millis), raw: ms(millis), monotonic: ms(millis) }
}

/// Node 2 in its seventh start, with entries 1 and 2 of epoch 1 applied and visible.
fn holder() -> Holder {
    Holder::new(2, 7, LogShape::ending_at(Position::new(1, 2)), Epoch(1), 2, 2)
}

fn grant(epoch: u64, number: u64, barrier: Position) -> Grant {
    Grant { epoch: Epoch(epoch), incarnation: 7, number, length: ms(1_000), barrier, visible: 2 }
}

fn leased(holder: &Holder, now: u64) -> bool {
    holder.expiry().is_some_and(|expiry| expiry.holds(&at(now)))
}

#[test]
fn r4_a_lease_counts_from_the_moment_its_request_was_sent() {
    let mut holder = holder();
    let request = holder.request(at(100));
    holder.granted(&at(900), grant(1, request.number, Position::new(1, 2))).unwrap();
    assert!(leased(&holder, 1_099));
    assert!(!leased(&holder, 1_100));
    holder.request(at(1_200));
    assert_eq!(holder.granted(&at(2_200), grant(1, 2, Position::new(1, 2))), Err(Refused::RunOut));
}

#[test]
fn r4_a_lease_is_of_no_use_before_its_barrier() {
    let mut holder = holder();
    holder.request(at(0));
    holder.granted(&at(10), grant(2, 1, Position::new(2, 4))).unwrap();
    holder.appended(Position::new(1, 3));
    holder.appended(Position::new(1, 4));
    assert!(!leased(&holder, 20), "the same index in another epoch");
    holder.truncated_after(2);
    holder.appended(Position::new(2, 3));
    assert!(!leased(&holder, 20));
    holder.appended(Position::new(2, 4));
    assert!(leased(&holder, 20));
}

#[test]
fn r4_a_renewal_keeps_the_barrier_only_of_a_lease_that_lasts() {
    let mut holder = holder();
    (0..3).for_each(|_| _ = holder.request(at(500)));
    holder.granted(&at(510), grant(1, 1, Position::new(1, 2))).unwrap();
    holder.granted(&at(520), grant(1, 2, Position::new(1, 9))).unwrap();
    assert!(leased(&holder, 1_499));
    holder.request(at(1_500));
    holder.granted(&at(1_510), grant(1, 4, Position::new(1, 9))).unwrap();
    assert!(!leased(&holder, 1_510));
}

#[test]
fn r4_an_older_lease_serves_until_the_newer_is_usable() {
    let mut holder = holder();
    (0..2).for_each(|_| _ = holder.request(at(0)));
    holder.granted(&at(10), grant(1, 1, Position::new(1, 2))).unwrap();
    holder.granted(&at(20), grant(2, 2, Position::new(2, 3))).unwrap();
    assert!(leased(&holder, 20));
    holder.appended(Position::new(2, 3));
    assert!(leased(&holder, 20));
    assert!(!holder.drop_older(Epoch(2)), "no vote for it is persisted");
    holder.voted(Epoch(2));
    assert!(holder.drop_older(Epoch(2)));
    assert!(leased(&holder, 20), "it is of the newer epoch already");
}

#[test]
fn r4_a_newer_lease_that_waits_takes_over_when_the_older_has_run_out() {
    let mut holder = holder();
    holder.request(at(0));
    holder.request(at(500));
    holder.granted(&at(510), grant(1, 1, Position::new(1, 2))).unwrap();
    holder.granted(&at(520), grant(2, 2, Position::new(2, 3))).unwrap();
    holder.request(at(1_100));
    holder.granted(&at(1_110), grant(2, 3, Position::new(2, 9))).unwrap();
    assert!(!leased(&holder, 1_110));
    holder.appended(Position::new(2, 3));
    assert!(leased(&holder, 1_110), "renewed while it lasted, so its own barrier is enough");
}

#[test]
fn r4_what_was_not_asked_for_is_refused() {
    let mut holder = holder();
    holder.request(at(0));
    let barrier = Position::new(1, 2);
    let other = Grant { incarnation: 6, ..grant(1, 1, barrier) };
    assert_eq!(holder.granted(&at(1), other), Err(Refused::Incarnation { granted: 6, own: 7 }));
    assert_eq!(holder.granted(&at(1), grant(1, 2, barrier)), Err(Refused::NotRequested { number: 2 }));
    holder.voted(Epoch(3));
    let refused = Refused::Epoch { granted: Epoch(2), vote: Epoch(3) };
    assert_eq!(holder.granted(&at(1), grant(2, 1, barrier)), Err(refused));
    holder.granted(&at(1), grant(3, 1, barrier)).unwrap();
    assert_eq!(holder.granted(&at(1), grant(3, 1, barrier)), Err(Refused::NotRequested { number: 1 }));
}

#[test]
fn r4_a_release_voids_what_is_under_way() {
    let mut holder = holder();
    (0..2).for_each(|_| _ = holder.request(at(0)));
    holder.granted(&at(1), grant(1, 1, Position::new(1, 2))).unwrap();
    assert_eq!(holder.release(), Release { node: 2, incarnation: 7, up_to: 2 });
    assert!(!leased(&holder, 1));
    let late = holder.granted(&at(1), grant(1, 2, Position::new(1, 2)));
    assert_eq!(late, Err(Refused::NotRequested { number: 2 }));
}

#[test]
fn r1_a_registration_names_the_last_entry_with_its_epoch() {
    let mut holder = holder();
    assert_eq!(holder.appended(Position::new(1, 3)).entry, Position::new(1, 3));
    assert_eq!(holder.truncated_after(2).entry, Position::new(1, 2));
    assert_eq!(holder.appended(Position::new(2, 3)).entry, Position::new(2, 3));
    assert_eq!(holder.installed(Position::new(2, 9)).entry, Position::new(2, 9));
}

#[test]
fn r6_only_what_is_visible_is_published() {
    let mut holder = holder();
    holder.appended(Position::new(1, 3));
    assert_eq!(holder.base_max(3), 2);
    holder.declared(3);
    assert_eq!(holder.base_max(3), 3);
    assert_eq!(holder.base_max(2), 2);
    holder.published(3);
    holder.declared(1);
    assert_eq!(holder.visible(), 3);
}

#[test]
fn r9_a_node_that_started_serves_nothing_before_its_state_is_known_to_be_visible() {
    let mut holder = Holder::new(2, 7, LogShape::ending_at(Position::new(1, 5)), Epoch(1), 2, 5);
    holder.request(at(0));
    holder.granted(&at(1), grant(1, 1, Position::new(1, 5))).unwrap();
    assert!(!leased(&holder, 1));
    holder.declared(5);
    assert!(leased(&holder, 1));
}

#[test]
fn a_clock_that_goes_backwards_ends_the_lease() {
    let mut holder = holder();
    (0..2).for_each(|_| _ = holder.request(at(100)));
    holder.granted(&at(200), grant(1, 1, Position::new(1, 2))).unwrap();
    holder.observe(&at(150));
    assert!(!leased(&holder, 150));
    let late = holder.granted(&at(160), grant(1, 2, Position::new(1, 2)));
    assert_eq!(late, Err(Refused::NotRequested { number: 2 }));
}

#[test]
fn requests_under_way_are_bounded() {
    let mut holder = holder();
    (0..=REQUESTS_MAX).for_each(|_| _ = holder.request(at(0)));
    let late = holder.granted(&at(1), grant(1, 1, Position::new(1, 2)));
    assert_eq!(late, Err(Refused::NotRequested { number: 1 }));
}
