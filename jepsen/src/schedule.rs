//! Which faults happen when: a function of the seed.
//!
//! A schedule names roles, such as the leader, and not nodes: who leads is known only when a fault strikes
//! ([`Step::blow`]). Each nemesis has a stream of faults of its own, one after another, so adding a nemesis changes nothing
//! about the others; faults of different nemeses overlap.
//!
//! The first two faults of a nemesis are aimed at the leader and at a holder of a lease, while a revocation is in flight. What
//! follows is drawn.

mod blow;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;

pub use blow::{Blow, Situation, Then, Turn};

/// When the first fault of a nemesis may strike at the earliest and at the latest, in milliseconds.
const FIRST_MS: (u64, u64) = (1_000, 2_500);
/// How long a nemesis rests between two faults, in milliseconds.
const REST_MS: (u64, u64) = (1_000, 4_000);
/// Which share of the whole time a fault may last at the most.
const LASTS_SHARE: u64 = 4;
/// How many packets of a hundred are lost, at the least and at the most.
const LOST_PERCENT: (u8, u8) = (5, 30);

/// Who makes faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nemesis {
    /// Cuts nodes off from each other.
    Partition,
    /// Kills nodes as a crash would, and starts them again.
    Kill,
    /// Freezes nodes.
    Pause,
    /// Stops nodes in order, and starts them again.
    Restart,
    /// Loses packets between nodes.
    Loss,
}

/// Whom a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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

/// How the network is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One node neither hears nor is heard.
    Isolate(Whom),
    /// One node hears nobody, and is heard.
    Deafen(Whom),
    /// One node is heard by nobody, and hears.
    Mute(Whom),
    /// One node and enough others to make a minority are cut off from the majority.
    Halve(Whom),
    /// One node and another cannot hear each other; everybody else hears both.
    Pair(Whom),
    /// Each node hears its neighbours, which are a majority with it, and each has another majority.
    Ring,
    /// Two halves hear each other only through one node in the middle.
    Bridge,
}

/// Which nodes are stopped in order and started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Orderly {
    /// One node.
    Once(Whom),
    /// Each node in turn, once the one before is ready again.
    Rolling,
    /// One node several times in a row, ready or not.
    Storm(Whom),
}

/// Which ways between nodes lose packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Links {
    /// All of them.
    All,
    /// Those to one node and from it.
    Of(Whom),
    /// Those to one node.
    To(Whom),
    /// Those from one node.
    From(Whom),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Cut the network.
    Cut(Shape),
    /// Kill, and start again when it is over.
    Kill(Whom),
    /// Freeze, and go on when it is over.
    Freeze(Whom),
    /// Stop in order, and start again at once.
    Restart(Orderly),
    /// Lose so many packets of a hundred.
    Lose(Links, u8),
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number, from 1 in the order of time.
    pub number: u32,
    /// Who does it.
    pub nemesis: Nemesis,
    /// When, in milliseconds since faults begin.
    pub at_ms: u64,
    /// For how long, in milliseconds. A restart ends when all is started again, and this is the time that is left to it.
    pub lasts_ms: u64,
    /// What.
    pub fault: Fault,
    /// Whether it waits, for a moment, until a revocation is in flight.
    pub aimed: bool,
    /// What decides where the fault leaves a choice.
    pub dice: u64,
}

/// The faults of a run: the same for the same arguments, always.
pub fn plan(seed: u64, time: Duration, nemeses: &[Nemesis]) -> Vec<Step> {
    let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut steps: Vec<Step> = nemeses.iter().flat_map(|nemesis| nemesis.stream(seed, time_ms)).collect();
    steps.sort_by_key(|step| (step.at_ms, step.nemesis));
    for (step, number) in steps.iter_mut().zip(1..) {
        step.number = number;
    }
    steps
}

impl Nemesis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Partition, Self::Kill, Self::Pause, Self::Restart, Self::Loss];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Restart => "restart",
            Self::Loss => "loss",
        }
    }

    /// What it does, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Partition => {
                "cuts the network: one node isolated, deaf or mute; halves; a pair; a ring of majorities; two halves and a bridge"
            }
            Self::Kill => {
                "kill -9 of the leader, a lease holder, anybody, a minority or all at once, and a start again"
            }
            Self::Pause => "SIGSTOP of the leader, a lease holder, anybody, a minority or all at once, and SIGCONT",
            Self::Restart => {
                "SIGTERM and a start again: the leader, a lease holder, anybody; each node in turn; one several times in a row"
            }
            Self::Loss => "loses 5 to 30 packets of a hundred: on all ways, to and from a node, or in one direction",
        }
    }

    /// Whether it needs the nodes to be in network namespaces.
    pub fn needs_namespaces(self) -> bool {
        match self {
            Self::Partition | Self::Loss => true,
            Self::Kill | Self::Pause | Self::Restart => false,
        }
    }

    /// How long its faults last, in milliseconds.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            // Beyond an election and the length of a lease, so that writes are acknowledged meanwhile.
            Self::Partition | Self::Loss => (3_000, 10_000),
            Self::Kill => (100, 5_000),
            Self::Pause => (500, 10_000),
            Self::Restart => (1_000, 5_000),
        }
    }

    fn stream(self, seed: u64, time_ms: u64) -> Vec<Step> {
        let mut dice = StdRng::seed_from_u64(seed ^ ((self as u64 + 1) << 56));
        let mut at_ms = dice.random_range(FIRST_MS.0..=FIRST_MS.1);
        let mut steps = Vec::new();
        loop {
            let (least_ms, most_ms) = self.lasts_ms();
            let lasts_ms = dice.random_range(least_ms..=most_ms.min(time_ms / LASTS_SHARE).max(least_ms));
            let whom = match steps.len() {
                0 => Whom::Leader,
                1 => Whom::Holder,
                _ => self.draw_whom(&mut dice),
            };
            let step = Step {
                number: 0,
                nemesis: self,
                at_ms,
                lasts_ms,
                fault: self.draw(whom, steps.len() < 2, &mut dice),
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

    fn draw_whom(self, dice: &mut StdRng) -> Whom {
        let alone = [Whom::Leader, Whom::Leader, Whom::Holder, Whom::Anybody];
        match self {
            Self::Partition | Self::Restart | Self::Loss => *alone.choose(dice).expect("INVARIANT: there is a choice"),
            Self::Kill | Self::Pause => match dice.random_range(0..8) {
                0 => Whom::Minority,
                1 => Whom::Everybody,
                _ => *alone.choose(dice).expect("INVARIANT: there is a choice"),
            },
        }
    }

    fn draw(self, whom: Whom, simple: bool, dice: &mut StdRng) -> Fault {
        match self {
            Self::Kill => Fault::Kill(whom),
            Self::Pause => Fault::Freeze(whom),
            Self::Partition if simple => Fault::Cut(Shape::Isolate(whom)),
            Self::Partition => Fault::Cut(match dice.random_range(0..8) {
                0 | 1 => Shape::Isolate(whom),
                2 => Shape::Deafen(whom),
                3 => Shape::Mute(whom),
                4 => Shape::Halve(whom),
                5 => Shape::Pair(whom),
                6 => Shape::Ring,
                _ => Shape::Bridge,
            }),
            Self::Restart if simple => Fault::Restart(Orderly::Once(whom)),
            Self::Restart => Fault::Restart(match dice.random_range(0..6) {
                0 | 1 => Orderly::Once(whom),
                2 | 3 => Orderly::Rolling,
                _ => Orderly::Storm(whom),
            }),
            Self::Loss => {
                let percent = dice.random_range(LOST_PERCENT.0..=LOST_PERCENT.1);
                let links = match dice.random_range(0..6) {
                    _ if simple => Links::Of(whom),
                    0 | 1 => Links::All,
                    2 | 3 => Links::Of(whom),
                    4 => Links::To(whom),
                    _ => Links::From(whom),
                };
                Fault::Lose(links, percent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn of(nemesis: Nemesis, steps: &[Step]) -> Vec<&Step> {
        steps.iter().filter(|step| step.nemesis == nemesis).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        for seed in 0..50 {
            assert_eq!(plan(seed, MINUTE, &Nemesis::ALL), plan(seed, MINUTE, &Nemesis::ALL));
        }
        assert_ne!(plan(1, MINUTE, &Nemesis::ALL), plan(2, MINUTE, &Nemesis::ALL));
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
    fn what_is_drawn_is_all_there_is() {
        let minutes = (0..50).flat_map(|seed| plan(seed, MINUTE, &Nemesis::ALL)).collect::<Vec<_>>();
        let some = |is: &dyn Fn(Fault) -> bool| assert!(minutes.iter().any(|step| is(step.fault)));
        some(&|fault| fault == Fault::Restart(Orderly::Rolling));
        some(&|fault| fault == Fault::Restart(Orderly::Storm(Whom::Leader)));
        some(&|fault| matches!(fault, Fault::Lose(Links::All, _)));
        some(&|fault| matches!(fault, Fault::Lose(Links::To(Whom::Holder), _)));
        some(&|fault| matches!(fault, Fault::Lose(Links::From(Whom::Leader), _)));
        let lost = minutes
            .iter()
            .filter_map(|step| if let Fault::Lose(_, percent) = step.fault { Some(percent) } else { None });
        assert!(lost.clone().min() == Some(LOST_PERCENT.0) && lost.max() == Some(LOST_PERCENT.1));
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
                let first: Vec<Fault> = of(nemesis, &steps).iter().take(2).map(|step| step.fault).collect();
                let expected = match nemesis {
                    Nemesis::Partition => [Whom::Leader, Whom::Holder].map(|whom| Fault::Cut(Shape::Isolate(whom))),
                    Nemesis::Restart => [Whom::Leader, Whom::Holder].map(|whom| Fault::Restart(Orderly::Once(whom))),
                    _ => [Whom::Leader, Whom::Holder].map(Fault::Kill),
                };
                assert_eq!(first, expected, "seed {seed}");
            }
        }
    }
}
