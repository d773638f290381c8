//! What both sides decide depends on how much time passed, and never on what the clocks read: the same events at other
//! readings give the same answers, and states that differ by the shift alone.
//!
//! The model check stands on it, because it lets the present stand still and moves the past away.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::{
    Drift, Epoch, Fence, Grant, Holder, Leader, LogShape, Parameters, Position, Reading, Refusal, Release, Request,
};

/// Where the clocks stand when the events begin.
const START: Duration = Duration::from_hours(1);

fn at(start: Duration, millis: u64) -> Reading {
    let time = start + Duration::from_millis(millis);
    Reading { boot: time, raw: time, monotonic: time }
}

fn shift() -> Reading {
    Reading { boot: START, raw: START, monotonic: START }
}

#[derive(Clone, Debug)]
enum Heard {
    Ask,
    Granted { epoch: u64, number: u64, length: u64, barrier: u64 },
    Append { newer: bool },
    Truncate,
    Vote(u64),
    Declared(u64),
    Release,
    DropOlder(u64),
}

fn heard() -> impl Strategy<Value = Heard> {
    prop_oneof![
        3 => Just(Heard::Ask),
        4 => (1..4_u64, 1..8_u64, 1..900_u64, 0..8_u64)
            .prop_map(|(epoch, number, length, barrier)| Heard::Granted { epoch, number, length, barrier }),
        3 => any::<bool>().prop_map(|newer| Heard::Append { newer }),
        1 => Just(Heard::Truncate),
        1 => (1..4_u64).prop_map(Heard::Vote),
        1 => (1..8_u64).prop_map(Heard::Declared),
        1 => Just(Heard::Release),
        1 => (1..4_u64).prop_map(Heard::DropOlder),
    ]
}

/// Plays the events, each a while after the one before, and notes what is said after each.
fn play_holder(start: Duration, events: &[(u64, Heard)]) -> (Holder, Vec<String>) {
    let mut log = LogShape::default();
    let mut holder = Holder::new(1, 1, LogShape::default(), Epoch(0), 0, 0);
    let (mut millis, mut said) = (0, Vec::new());
    for (pause, event) in events {
        millis += pause;
        let now = at(start, millis);
        let answer = match event {
            Heard::Ask => format!("{:?}", holder.request(now)),
            Heard::Granted { epoch, number, length, barrier } => {
                let length = Duration::from_millis(*length);
                let (epoch, barrier) = (Epoch(*epoch), Position::new(*epoch, *barrier));
                let grant = Grant { epoch, incarnation: 1, number: *number, length, barrier, visible: 0 };
                format!("{:?}", holder.granted(&now, grant))
            }
            Heard::Append { newer } => {
                let last = log.last();
                let entry = Position::new(last.epoch.0.max(1) + u64::from(*newer), last.index + 1);
                log.append(entry);
                format!("{:?}", holder.appended(entry))
            }
            Heard::Truncate => {
                let to = log.last().index / 2;
                log.truncate_after(to);
                format!("{:?}", holder.truncated_after(to))
            }
            Heard::Vote(epoch) => format!("{:?}", holder.voted(Epoch(*epoch))),
            Heard::Declared(index) => format!("{:?}", holder.declared(*index)),
            Heard::Release => format!("{:?}", holder.release()),
            Heard::DropOlder(epoch) => format!("{:?}", holder.drop_older(Epoch(*epoch))),
        };
        let left = holder.expiry().map(|expiry| (expiry.holds(&now), expiry.left(&now)));
        said.push(format!("{answer} {left:?}"));
    }
    (holder, said)
}

#[derive(Clone, Debug)]
enum Asked {
    Round,
    Confirmed { round: u64, voter: u64 },
    Append,
    Commit,
    Request { node: u64, number: u64 },
    Registered { node: u64, behind: u64 },
    Release { node: u64, up_to: u64 },
    Dropped(u64),
    Declare,
    List,
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        2 => Just(Asked::Round),
        4 => (1..5_u64, 1..4_u64).prop_map(|(round, voter)| Asked::Confirmed { round, voter }),
        2 => Just(Asked::Append),
        2 => Just(Asked::Commit),
        3 => (1..4_u64, 1..6_u64).prop_map(|(node, number)| Asked::Request { node, number }),
        3 => (1..4_u64, 0..2_u64).prop_map(|(node, behind)| Asked::Registered { node, behind }),
        1 => (1..4_u64, 1..6_u64).prop_map(|(node, up_to)| Asked::Release { node, up_to }),
        1 => (1..4_u64).prop_map(Asked::Dropped),
        3 => Just(Asked::Declare),
        1 => Just(Asked::List),
    ]
}

fn play_leader(start: Duration, events: &[(u64, Asked)]) -> (Leader, Vec<String>) {
    let ms = Duration::from_millis;
    let parameters = Parameters::new(ms(800), ms(200), ms(400), Drift::DEFAULT).expect("in range");
    let everyone = BTreeSet::from([1, 2, 3]);
    let fence = Fence::new(&at(start, 0), parameters.terms(), everyone.clone());
    let mut leader = Leader::new(Epoch(1), parameters, everyone.clone(), fence, LogShape::default(), 0);
    let (mut millis, mut last, mut said) = (0, Position::default(), Vec::new());
    for (pause, event) in events {
        millis += pause;
        let now = at(start, millis);
        let answer = match event {
            Asked::Round => format!("{:?}", leader.begin_round(now, vec![everyone.clone()])),
            Asked::Confirmed { round, voter } => format!("{:?}", leader.confirmed(&now, *round, *voter)),
            Asked::Append => {
                last = Position::new(1, last.index + 1);
                format!("{:?}", leader.appended(now, last))
            }
            Asked::Commit => format!("{:?}", leader.committed(last)),
            Asked::Request { node, number } => {
                let request = Request { node: *node, incarnation: 1, number: *number, registered: last, base: 0 };
                format!("{:?}", leader.request(&now, request))
            }
            Asked::Registered { node, behind } => {
                let entry = Position::new(1, last.index.saturating_sub(*behind));
                format!("{:?}", leader.registered(*node, 1, entry))
            }
            Asked::Release { node, up_to } => {
                format!("{:?}", leader.released(Release { node: *node, incarnation: 1, up_to: *up_to }))
            }
            Asked::Dropped(node) => format!("{:?}", leader.dropped_older(*node)),
            Asked::List => format!("{:?}", leader.listed(&now, last, Vec::new())),
            Asked::Declare => format!("{:?}", leader.declare(&now)),
        };
        let held_up: Vec<_> = leader.held_up_by(&now, last.index).collect();
        said.push(format!("{answer} {held_up:?} {}", leader.is_fenced(&now)));
    }
    (leader, said)
}

/// How long a holder has lagged is told to within what is remembered; that it lagged for too long is not in doubt.
fn kind(answer: Result<Grant, Refusal>) -> Result<Grant, Refusal> {
    answer.map_err(|refusal| match refusal {
        Refusal::NoProgress { node, .. } => Refusal::NoProgress { node, since: Duration::ZERO },
        other => other,
    })
}

proptest! {
    #[test]
    fn a_holder_decides_by_differences(events in prop::collection::vec((0..400_u64, heard()), 1..60)) {
        let (early, said_early) = play_holder(START, &events);
        let (late, said_late) = play_holder(START * 2, &events);
        prop_assert_eq!(said_early, said_late);
        prop_assert_eq!(late.aged(&shift()), early);
    }

    #[test]
    fn a_leader_decides_by_differences(events in prop::collection::vec((0..400_u64, asked()), 1..60)) {
        let (early, said_early) = play_leader(START, &events);
        let (late, said_late) = play_leader(START * 2, &events);
        prop_assert_eq!(said_early, said_late);
        prop_assert_eq!(late.aged(&shift()), early);
    }

    /// What is forgotten decides nothing: a holder that forgets all the time says the same.
    #[test]
    fn forgetting_changes_no_answer(events in prop::collection::vec((0..400_u64, asked()), 1..60)) {
        let (mut leader, _) = play_leader(START, &events);
        let now = at(START, events.iter().map(|(pause, _)| pause).sum());
        let mut forgetful = leader.clone();
        forgetful.forget(&now);
        let later = at(START, 60_000);
        for moment in [now, later] {
            prop_assert_eq!(leader.declare(&moment), forgetful.declare(&moment));
            let request = Request { node: 2, incarnation: 1, number: 9, registered: Position::default(), base: 0 };
            prop_assert_eq!(kind(leader.request(&moment, request)), kind(forgetful.request(&moment, request)));
        }
    }
}
