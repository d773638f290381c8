//! Which faults happen when: drawn from the seed, and aimed at those that matter.

use std::sync::Arc;
use std::time::Duration;

use portcullis_fault::{Kind, Point, Points};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::clocks::{Hand, PPM_MAX, Stood};
use crate::fault::Fault;
use crate::host::Order;
use crate::run::Run;
use crate::trap::Deed;
use crate::watcher::WATCHERS;
use crate::world::World;

/// How many faults last at the same time.
const FAULTS_MAX: usize = 2;

/// How many of the faults are at points.
const AT_POINTS: f64 = 0.3;
/// How many of those are at points that were chosen.
const AIMED: f64 = 0.4;

/// How often something happens to a node that was away, as it catches up.
const MET_AGAIN: f64 = 0.5;
/// A point that was passed more often than this at a node will be passed again soon.
const PASSED_OFTEN: u64 = 200;

/// What a node passes that was away.
const WHEN_BACK: &[Point] = &[
    Point::LogOpenRead,
    Point::LogOpenAcked,
    Point::LogOpenNumbered,
    Point::LogTruncateBatched,
    Point::LogAckedLowered,
    Point::LogTruncateBefore,
    Point::LogTruncateDone,
    Point::SnapshotReceiveBegun,
    Point::SnapshotReceiveBeforePiece,
    Point::SnapshotReceivePiece,
    Point::SnapshotReceiveChecked,
    Point::SnapshotReceiveFinished,
    Point::SnapshotInstallBefore,
    Point::SnapshotInstallRenamed,
    Point::SnapshotInstallLoaded,
    Point::SnapshotGenerationWritten,
    Point::SnapshotInstallSwitched,
    Point::SnapshotInstallShown,
];

/// Who it is that has to pass a point.
#[derive(Clone, Copy)]
enum Who {
    Leads,
    Follows,
}

/// Moments that matter.
const AIMED_AT: &[(Who, Point)] = &[
    // Between registration and acknowledgement.
    (Who::Follows, Point::LogAppendRegistered),
    (Who::Follows, Point::LogBatchSynced),
    (Who::Follows, Point::LogAckedWritten),
    (Who::Follows, Point::LogAppendBeforeCallback),
    (Who::Follows, Point::LeaseRegistrationBeforeSend),
    // Between commit and declaration.
    (Who::Leads, Point::LeaseCommitNoted),
    (Who::Leads, Point::LeaseVisibleDeclared),
    (Who::Leads, Point::StateEntryBeforeApply),
    (Who::Leads, Point::WriteProposed),
    // Right after an election.
    (Who::Follows, Point::LeaseLeadBegun),
    (Who::Follows, Point::LeasePromiseReceived),
    // While a grant is in flight.
    (Who::Leads, Point::LeaseGrantSent),
    (Who::Follows, Point::LeaseGrantReceived),
];

/// Makes faults happen.
pub struct Nemesis {
    dice: StdRng,
    next: Duration,
    /// When a watcher goes to another node next.
    next_move: Duration,
    /// Faults and when they end.
    lasting: Vec<(Duration, Fault)>,
    /// Faults that were begun, and whether they met the leader, and a holder of a lease.
    pub met: Vec<(Fault, bool, bool)>,
}

impl Nemesis {
    /// A nemesis that acts by a seed.
    pub fn new(seed: u64) -> Self {
        let dice = StdRng::seed_from_u64(seed ^ 0x00BA_DBAD);
        Self { dice, next: Duration::ZERO, next_move: Duration::ZERO, lasting: Vec::new(), met: Vec::new() }
    }

    /// Ends what is over, and begins what is due.
    pub fn act(&mut self, run: &mut Run) {
        let now = run.world.now();
        let (over, lasting) = self.lasting.drain(..).partition(|(end, _)| *end <= now);
        self.lasting = lasting;
        for (_, fault) in over {
            run.end(fault);
            self.meet_again(fault, run);
        }
        if now >= self.next_move {
            self.next_move = now + self.ms(100, 1_500);
            let nth = self.dice.random_range(0..WATCHERS);
            self.move_watcher(nth, &run.world);
        }
        if now < self.next {
            return;
        }
        self.next = now + self.ms(200, 1_800);
        if self.lasting.len() < FAULTS_MAX
            && let Some(fault) = self.draw(&run.world)
        {
            self.begin(fault, run);
        }
    }

    /// Begins a fault; it lasts for a time that is drawn.
    fn begin(&mut self, fault: Fault, run: &mut Run) {
        let lasts = match fault {
            // Long enough for leases to run out, more often than not.
            Fault::Suspend(..) | Fault::Isolate(_) | Fault::Deafen(_) | Fault::Mute(_) => self.ms(300, 5_000),
            Fault::Split(..) | Fault::Hold(_) | Fault::SlowDisk(..) | Fault::Steer(..) => self.ms(200, 3_000),
            Fault::Crash(_) | Fault::Unroster(_) => self.ms(10, 3_000),
            // The point has to be passed first.
            Fault::At(..) => self.ms(800, 5_000),
            // It takes its time to stop.
            Fault::Stop(_) => self.ms(6_000, 7_000),
            Fault::Jump(..)
            | Fault::SetWall(..)
            | Fault::JumpBack(..)
            | Fault::Rate(..)
            | Fault::Transfer(_)
            | Fault::Promote(_)
            | Fault::Remove(_)
            | Fault::Length(..) => self.ms(0, 500),
        };
        let leads = leader(&run.world) == Some(fault.node());
        let holds = run.world.hosts[&fault.node()].node().is_some_and(|node| node.lease().epoch.is_some());
        self.met.push((fault, leads, holds));
        run.world.event(format!("for {lasts:?}{}{}", word(leads, ", at the leader"), word(holds, ", at a holder")));
        run.begin(fault);
        if let Fault::At(node, Point::LeaseLeadBegun | Point::LeasePromiseReceived, ..) = fault {
            run.world.hosts[&node].order(Order::Transfer(Some(node)));
        }
        self.lasting.push((run.world.now() + lasts, fault));
    }

    /// Has something happen to a node that was away while it catches up.
    fn meet_again(&mut self, over: Fault, run: &mut Run) {
        let was_away = match over {
            Fault::Isolate(node) | Fault::Deafen(node) | Fault::Crash(node) | Fault::Suspend(node, _) => Some(node),
            Fault::Mute(_)
            | Fault::Split(..)
            | Fault::Hold(_)
            | Fault::At(..)
            | Fault::Stop(_)
            | Fault::Jump(..)
            | Fault::SetWall(..)
            | Fault::JumpBack(..)
            | Fault::Rate(..)
            | Fault::Steer(..)
            | Fault::SlowDisk(..)
            | Fault::Transfer(_)
            | Fault::Promote(_)
            | Fault::Remove(_)
            | Fault::Length(..)
            | Fault::Unroster(_) => None,
        };
        let Some(node) = was_away.filter(|_| Points::CAN_BE_TOLD && self.dice.random_bool(MET_AGAIN)) else { return };
        let point = *WHEN_BACK.choose(&mut self.dice).expect("INVARIANT: it is not empty");
        let deed = self.draw_deed(point);
        self.begin(Fault::At(node, point, deed, 0), run);
    }

    /// Has a watcher go on at another node.
    fn move_watcher(&mut self, nth: usize, world: &World) {
        let node = *world.members().choose(&mut self.dice).expect("INVARIANT: somebody stays");
        world.watchers.send(nth, node);
    }

    /// Ends everything that lasts.
    pub fn heal(&mut self, run: &mut Run) {
        for (_, fault) in std::mem::take(&mut self.lasting) {
            run.end(fault);
        }
        // Wherever they are, they may not be able to stay.
        for nth in 0..WATCHERS {
            self.move_watcher(nth, &run.world);
        }
    }

    fn draw(&mut self, world: &Arc<World>) -> Option<Fault> {
        // Whoever is out of order already is left alone.
        let busy: Vec<u64> = self.lasting.iter().map(|(_, fault)| fault.node()).collect();
        let free: Vec<u64> = world.shape.nodes().filter(|node| !busy.contains(node)).collect();
        let any = *free.choose(&mut self.dice)?;
        let leader = leader(world).filter(|leader| free.contains(leader));
        let node = leader.filter(|_| self.dice.random_bool(0.4)).unwrap_or(any);
        let other = *free.iter().filter(|other| **other != node).collect::<Vec<_>>().choose(&mut self.dice)?;
        let ms = self.dice.random_range(50..6_000_i64);
        let signed = if self.dice.random_bool(0.5) { ms } else { -ms };
        if Points::CAN_BE_TOLD && self.dice.random_bool(AT_POINTS) {
            return Some(self.draw_point(world, node, leader, any));
        }
        Some(match self.dice.random_range(0..24) {
            0 | 1 => Fault::Isolate(node),
            2 => Fault::Deafen(node),
            3 => Fault::Mute(node),
            4 => Fault::Split(node, *other),
            5 | 6 => Fault::Hold(node),
            7 | 8 => Fault::Crash(node),
            9 => Fault::Stop(node),
            10 | 11 => Fault::Suspend(node, Stood::Process),
            12 => Fault::Suspend(node, Stood::Machine),
            13 => {
                let hands = [Hand::Boot, Hand::Raw, Hand::Monotonic];
                match hands.get(self.dice.random_range(0..4)) {
                    Some(hand) => Fault::Jump(node, *hand, signed),
                    None => Fault::SetWall(node, signed / 10),
                }
            }
            14 => Fault::JumpBack(node, 2_500 + ms),
            15 => Fault::Rate(node, self.dice.random_range(-PPM_MAX..=PPM_MAX)),
            16 => Fault::Steer(node, self.dice.random_range(-80_000..=80_000)),
            17 => Fault::SlowDisk(node, 50 + ms.unsigned_abs() / 10),
            18 => Fault::Length(node, self.dice.random_range(500..=5_000)),
            19 => Fault::Unroster(node),
            20 => Fault::Promote(any),
            21 if Self::may_remove(world) => Fault::Remove(any),
            _ => Fault::Transfer(node),
        })
    }

    /// Whether a node can be removed: one in a run, and not of three.
    fn may_remove(world: &World) -> bool {
        world.removed().is_none() && world.shape.nodes().count() > 3
    }

    /// Something that happens when a point is passed.
    fn draw_point(&mut self, world: &World, node: u64, leader: Option<u64>, any: u64) -> Fault {
        let (node, point) = if self.dice.random_bool(AIMED) {
            let (at, point) = *AIMED_AT.choose(&mut self.dice).expect("INVARIANT: it is not empty");
            let node = match at {
                Who::Leads => leader.unwrap_or(any),
                Who::Follows => any,
            };
            (node, point)
        } else {
            (node, *Point::ALL.choose(&mut self.dice).expect("INVARIANT: there are points"))
        };
        let deed = self.draw_deed(point);
        // Some points are passed many times a second, some once in a run.
        let often = world.hosts[&node].trap.counts().count(point).passed > PASSED_OFTEN;
        let skips = [0, 1, 7, 40].choose(&mut self.dice).copied().filter(|_| often).unwrap_or_default();
        Fault::At(node, point, deed, skips)
    }

    fn draw_deed(&mut self, point: Point) -> Deed {
        match self.dice.random_range(0..10) {
            0..6 => Deed::Die,
            6 | 7 if point.kind() == Kind::Fails => Deed::Fail,
            _ => Deed::Hold(self.dice.random_range(1..=1_500)),
        }
    }

    fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.dice.random_range(least..=most))
    }
}

/// Who leads, as most recently elected.
pub fn leader(world: &World) -> Option<u64> {
    let nodes = world.hosts.values().filter_map(|host| host.node());
    let leading = nodes.map(|node| node.group_status()).filter(|status| status.leads);
    leading.max_by_key(|status| status.term).map(|status| status.me.0)
}

fn word(is_so: bool, word: &str) -> &str {
    if is_so { word } else { "" }
}
