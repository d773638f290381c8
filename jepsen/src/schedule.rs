//! Which faults happen when: a function of the seed.
//!
//! A schedule names roles, such as the leader, and not nodes: who leads is known only when a fault strikes. Each nemesis has a
//! stream of faults of its own, one after another, so adding a nemesis changes nothing about the others; faults of different
//! nemeses overlap.
//!
//! The first two faults of a nemesis are aimed at the leader and at a holder of a lease, while a revocation is in flight. What
//! follows is drawn.

mod chooser;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Serialize, Serializer};

#[cfg(test)]
pub(crate) use chooser::samples;
pub use chooser::{Chooser, Situation};

use crate::nemesis::Fault;
pub use crate::nemesis::Nemesis;

/// When the first fault of a nemesis may strike at the earliest and at the latest, in milliseconds.
const FIRST_MS: (u64, u64) = (1_000, 2_500);
/// How long a nemesis rests between two faults, in milliseconds.
const REST_MS: (u64, u64) = (1_000, 4_000);
/// Which share of the whole time a fault may last at the most.
const LASTS_SHARE: u64 = 4;

/// Whom a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Who leads.
    Leader,
    /// Who holds a read lease and does not lead, if there is anybody.
    Holder,
    /// Anybody.
    Anybody,
    /// As many as may fail without loss, the leader among them or not.
    Minority,
    /// All at once.
    Everybody,
}

/// One fault.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number, from 1 in the order of time.
    pub number: u32,
    /// Who does it.
    pub nemesis: Nemesis,
    /// When, in milliseconds since faults begin.
    pub at_ms: u64,
    /// For how long, in milliseconds, unless it ends by itself, as a restart does when all is started again: then this is the
    /// time that is left to it.
    pub lasts_ms: u64,
    /// What.
    #[serde(serialize_with = "as_words")]
    pub fault: Arc<dyn Fault>,
    /// Whether it waits, for a moment, until a revocation is in flight.
    pub aimed: bool,
    /// What decides where the fault leaves a choice.
    pub dice: u64,
}

/// The faults of a run: the same for the same arguments, always.
pub fn plan(seed: u64, time: Duration, nemeses: &[Nemesis]) -> Vec<Step> {
    let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut steps: Vec<Step> = nemeses.iter().flat_map(|nemesis| stream(*nemesis, seed, time_ms)).collect();
    steps.sort_by_key(|step| (step.at_ms, step.nemesis));
    for (step, number) in steps.iter_mut().zip(1..) {
        step.number = number;
    }
    steps
}

/// The faults of one nemesis.
fn stream(nemesis: Nemesis, seed: u64, time_ms: u64) -> Vec<Step> {
    let kind = nemesis.kind();
    let mut dice = StdRng::seed_from_u64(seed ^ ((nemesis as u64 + 1) << 56));
    let mut at_ms = dice.random_range(FIRST_MS.0..=FIRST_MS.1);
    let mut steps = Vec::new();
    loop {
        let (least_ms, most_ms) = kind.lasts_ms();
        let lasts_ms = dice.random_range(least_ms..=most_ms.min(time_ms / LASTS_SHARE).max(least_ms));
        let whom = match steps.len() {
            0 => Whom::Leader,
            1 => Whom::Holder,
            _ => kind.draw_whom(&mut dice),
        };
        let step = Step {
            number: 0,
            nemesis,
            at_ms,
            lasts_ms,
            fault: kind.draw(whom, steps.len() < 2, &mut dice),
            aimed: steps.len() < 2 || dice.random_bool(0.5),
            dice: dice.random(),
        };
        if at_ms + lasts_ms > time_ms {
            return steps;
        }
        at_ms += lasts_ms + dice.random_range(REST_MS.0..=REST_MS.1);
        steps.push(step);
    }
}

fn as_words<S: Serializer>(fault: &Arc<dyn Fault>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{fault:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// The second and the third fault of each that came after the first five.
    const LATER: [&str; 17] = [
        "cpu: 10909+3609 Starve(Holder, 10), 17257+5583 Starve(Leader, 5)",
        "power: 6931+1781 CutPower(Holder), 9811+3516 CutPower(Holder)",
        "disk-slow: 11156+8880 Slow(Holder, 31), 21553+2355 Slow(Holder, 10)",
        "disk-hung: 10209+3835 Hang(Holder), 16634+7209 Hang(Holder)",
        "disk-full: 9527+4689 Fill(Holder, Nothing), 16905+4046 Fill(Leader, Nothing)",
        "clock: 7226+5707 Wall(Holder, Run(-18), Within), 15587+9854 Wall(Leader, Jump(-218), Within)",
        "clock-far: 8739+1454 Wall(Holder, Jump(5000), Beyond), 11937+5631 Wall(Anybody, Jump(5000), Beyond)",
        "clock-rate: 12721+11063 Run(Holder, -3215), 26830+6824 Run(Leader, -3785)",
        "fsync: 8516+7038 Unsynced(Holder, Fails), 16798+5534 Unsynced(Holder, Fails)",
        "membership: 10897+4983 Lead, 17994+3956 Lead",
        "leases: 10391+7369 Change((500, 100), Some(Holder)), 21540+3803 Change((1500, 20), None)",
        "snapshot: 19601+11318 Miss(Holder, CutOff), 33749+9844 Miss(Anybody, Frozen)",
        "corrupt: 5322+3693 Spoil(Holder, Flip), 12881+1758 Spoil(Leader, Cut)",
        "election: 10440+6179 Again(CutOff, Frozen), 20618+7456 Again(Frozen, CutOff)",
        "bandwidth: 10383+9273 Narrow(Holder, 781), 23310+7630 Narrow(Holder, 1600)",
        "slow: 10932+3131 Delay(Of(Holder), Slowness { delay_ms: 192, jitter_ms: 14, overtake_percent: 19, twice_percent: 9 }), 17334+8784 Delay(Of(Leader), Slowness { delay_ms: 96, jitter_ms: 5, overtake_percent: 0, twice_percent: 0 })",
        "stall: 6837+365 Freeze(Holder), 9979+12486 Freeze(Holder)",
    ];

    fn of(nemesis: Nemesis, steps: &[Step]) -> Vec<&Step> {
        steps.iter().filter(|step| step.nemesis == nemesis).collect()
    }

    /// A schedule in words, one for each fault.
    fn told(steps: &[Step]) -> Vec<String> {
        steps.iter().map(|step| format!("{step:?}")).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        for seed in 0..50 {
            assert_eq!(told(&plan(seed, MINUTE, &Nemesis::ALL)), told(&plan(seed, MINUTE, &Nemesis::ALL)));
        }
        assert_ne!(told(&plan(1, MINUTE, &Nemesis::ALL)), told(&plan(2, MINUTE, &Nemesis::ALL)));
    }

    #[test]
    fn the_schedule_of_seed_7_is_this_one() {
        let steps = plan(7, Duration::from_secs(20), &[Nemesis::Partition, Nemesis::Kill]);
        let told: Vec<String> = steps
            .iter()
            .map(|step| format!("{} {}+{} {:?}", step.number, step.at_ms, step.lasts_ms, step.fault))
            .collect();
        let expected = [
            "1 1348+357 Kill(Leader)",
            "2 2173+4454 Cut(Isolate(Leader))",
            "3 3895+2834 Kill(Holder)",
            "4 8531+4827 Cut(Isolate(Holder))",
            "5 9927+1998 Kill(Leader)",
            "6 14688+1500 Kill(Minority)",
            "7 16544+3290 Cut(Mute(Holder))",
            "8 17210+923 Kill(Minority)",
            "9 19339+570 Kill(Holder)",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn nemeses_that_came_later_have_these_schedules() {
        let steps = plan(7, Duration::from_secs(30), &[Nemesis::Restart, Nemesis::Loss]);
        let told: Vec<String> =
            steps.iter().map(|step| format!("{}+{} {:?}", step.at_ms, step.lasts_ms, step.fault)).collect();
        let expected = [
            "2241+4352 Lose(Of(Leader), 25)",
            "2306+4898 Restart(Once(Leader))",
            "9552+1462 Restart(Once(Holder))",
            "10234+4374 Lose(Of(Holder), 28)",
            "14805+3026 Restart(Storm(Holder))",
            "16096+5043 Lose(All, 15)",
            "20235+4935 Restart(Rolling)",
            "23872+4357 Lose(All, 5)",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_schedules_of_the_others_are_these() {
        let later = &Nemesis::ALL[5..];
        let told: Vec<String> = later
            .iter()
            .map(|nemesis| {
                let faults = plan(7, MINUTE, &[*nemesis]).into_iter().skip(1).take(2);
                let told: Vec<String> =
                    faults.map(|step| format!("{}+{} {:?}", step.at_ms, step.lasts_ms, step.fault)).collect();
                format!("{}: {}", nemesis.name(), told.join(", "))
            })
            .collect();
        assert_eq!(told, LATER);
    }

    #[test]
    fn what_is_drawn_is_all_there_is() {
        let drawn: Vec<String> = (0..50)
            .flat_map(|seed| plan(seed, MINUTE, &Nemesis::ALL))
            .map(|step| format!("{:?}", step.fault))
            .collect();
        let some = |text: &str| assert!(drawn.iter().any(|fault| fault.starts_with(text)), "{text}");
        for text in ["Restart(Rolling)", "Restart(Storm(Leader)", "Lose(All", "Lose(To(Holder)", "Lose(From(Leader)"] {
            some(text);
        }
        let lost = drawn.iter().filter_map(|fault| fault.strip_prefix("Lose(")?.strip_suffix(')')?.rsplit_once(", "));
        let percents: Vec<u8> = lost.map(|(_, percent)| percent.parse().unwrap()).collect();
        assert_eq!((percents.iter().min(), percents.iter().max()), (Some(&5), Some(&30)));
    }

    #[test]
    fn a_further_nemesis_changes_nothing_about_the_others() {
        let (one, all) = (plan(7, MINUTE, &[Nemesis::Kill]), plan(7, MINUTE, &Nemesis::ALL));
        let times =
            |steps: Vec<&Step>| steps.iter().map(|step| (step.at_ms, step.lasts_ms, step.dice)).collect::<Vec<_>>();
        assert_eq!(times(of(Nemesis::Kill, &one)), times(of(Nemesis::Kill, &all)));
    }

    #[test]
    fn faults_of_a_nemesis_come_one_after_another_within_the_time() {
        for seed in 0..50 {
            let steps = plan(seed, MINUTE, &Nemesis::ALL);
            for nemesis in Nemesis::ALL {
                let steps = of(nemesis, &steps);
                assert!(steps.len() >= 3, "{nemesis:?} of seed {seed}");
                assert!(steps.windows(2).all(|pair| pair[0].at_ms + pair[0].lasts_ms < pair[1].at_ms));
                assert!(steps.iter().all(|step| step.at_ms + step.lasts_ms <= 60_000));
            }
            assert!(steps.iter().zip(1..).all(|(step, number)| step.number == number));
        }
    }

    #[test]
    fn the_first_faults_are_aimed_even_if_the_time_is_short() {
        for seed in 0..50 {
            let nemeses = [Nemesis::Partition, Nemesis::Kill, Nemesis::Restart];
            let steps = plan(seed, Duration::from_secs(20), &nemeses);
            for nemesis in nemeses {
                let first = of(nemesis, &steps);
                let first: Vec<String> = first.iter().take(2).map(|step| format!("{:?}", step.fault)).collect();
                let expected = match nemesis {
                    Nemesis::Partition => ["Cut(Isolate(Leader))", "Cut(Isolate(Holder))"],
                    Nemesis::Restart => ["Restart(Once(Leader))", "Restart(Once(Holder))"],
                    _ => ["Kill(Leader)", "Kill(Holder)"],
                };
                assert_eq!(first, expected, "seed {seed}");
            }
        }
    }
}
