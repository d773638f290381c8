//! Nodes in regions that are far apart: how long a revocation takes until no node anywhere says yes any more, and how long a
//! check takes meanwhile.

use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_consensus::Timing;
use portcullis_machine::command::ConfigureLeases;

use crate::fault::Fault;
use crate::history::{Asked, Call, Key, Outcome};
use crate::host::{Order, name};
use crate::nemesis::leader;
use crate::run::Run;
use crate::world::Shape;

/// How long a cluster may take until it has got used to the distances.
const SETTLING_MAX: Duration = Duration::from_secs(30);

/// How long nothing goes on, so that what was written is known everywhere.
const QUIET: Duration = Duration::from_secs(1);
/// How often each node is asked after the leader has died.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// Regions, and how long a message takes between two of them, one way, in milliseconds.
pub struct Map {
    /// Their names.
    pub names: &'static [&'static str],
    /// From one to another.
    pub one_way_ms: &'static [&'static [u64]],
}

/// Three regions.
pub const THREE: Map =
    Map { names: &["us-east", "eu-west", "ap-southeast"], one_way_ms: &[&[0, 36, 108], &[36, 0, 88], &[108, 88, 0]] };

/// Five regions.
pub const FIVE: Map = Map {
    names: &["us-east", "us-west", "eu-west", "ap-southeast", "ap-northeast"],
    one_way_ms: &[
        &[0, 33, 36, 108, 75],
        &[33, 0, 64, 82, 49],
        &[36, 64, 0, 88, 104],
        &[108, 82, 88, 0, 35],
        &[75, 49, 104, 35, 0],
    ],
};

/// What callers in one region see.
#[derive(Clone, Debug)]
pub struct Row {
    /// Their region.
    pub caller: &'static str,
    /// The least that is possible when holders acknowledge to the leader, and the leader to the caller.
    pub by_leader: Duration,
    /// The least that any protocol could take: from the caller to the leader, to the holder where that is longest, to the caller.
    pub direct: Duration,
    /// How long revocations took, from the call until the caller had the answer, while nothing else went on; shortest first.
    pub alone: Vec<Duration>,
    /// The same for revocations right behind another write.
    pub behind: Vec<Duration>,
    /// How long checks took at this node that were asked right then, of another grant.
    pub others: Vec<Call>,
    /// How long those took that were asked of the very grant.
    pub same: Vec<Call>,
}

impl Map {
    fn delay(&self, from: usize, to: usize) -> Duration {
        Duration::from_millis(self.one_way_ms[from][to])
    }

    /// The least that a revocation can take.
    pub fn direct(&self, caller: usize, leader: usize) -> Duration {
        let holders = 0..self.names.len();
        let way = |holder| self.delay(caller, leader) + self.delay(leader, holder) + self.delay(holder, caller);
        holders.map(way).max().unwrap_or_default()
    }

    /// The least that it can take when each holder acknowledges to the leader.
    pub fn by_leader(&self, caller: usize, leader: usize) -> Duration {
        let holders = 0..self.names.len();
        let farthest = holders.map(|holder| self.delay(leader, holder) + self.delay(holder, leader)).max();
        self.delay(caller, leader) + farthest.unwrap_or_default() + self.delay(leader, caller)
    }
}

/// A cluster with a node in each region, all of them holders of leases of this length. The first `voters` of them vote, and
/// the node in region `leading` leads.
pub fn spread(seed: u64, map: &Map, voters: usize, leading: usize, length: Duration) -> Result<Run> {
    let (voters, learners) = (voters as u64, (map.names.len() - voters) as u64);
    let mut run = Run::new(seed, Shape { voters, learners, timing: Timing::WAN, ..Shape::plain() })?;
    // Wall clocks that nobody sets would be far apart at the end of such a long run.
    run.world.hosts.values().for_each(|host| host.clocks.run_at(0));
    run.form()?;
    let change = ConfigureLeases { length: Some(length), renewal: Some(length / 20), ..ConfigureLeases::default() };
    run.world.hosts[&1].order(Order::Configure(change));
    run.pass(QUIET)?;
    for from in 0..map.names.len() {
        for to in from + 1..map.names.len() {
            run.sim.set_link_latency(name(id(from)), name(id(to)), map.delay(from, to));
        }
    }
    let wanted = id(leading);
    run.pass(Duration::from_secs(1))?;
    while leader(&run.world) != Some(wanted) {
        ensure!(run.sim.elapsed() < SETTLING_MAX, "node {wanted} does not lead");
        run.world.hosts[&wanted].order(Order::Transfer(Some(wanted)));
        run.pass(Duration::from_secs(3))?;
    }
    run.until("everyone to hold a lease", SETTLING_MAX, |world| {
        world.hosts.values().all(|host| host.node().is_some_and(|node| node.lease().epoch.is_some()))
    })?;
    Ok(run)
}

/// Revokes grants from every region, `rounds` from each, one after another, and checks at every node once it was
/// acknowledged.
pub fn measure(run: &mut Run, map: &Map, leading: usize, rounds: u64) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = (0..map.names.len())
        .map(|caller| Row {
            caller: map.names[caller],
            by_leader: map.by_leader(caller, leading),
            direct: map.direct(caller, leading),
            alone: Vec::new(),
            behind: Vec::new(),
            others: Vec::new(),
            same: Vec::new(),
        })
        .collect();
    let standing = run.world.new_grant();
    done(run.ask(1, standing, Asked::Grant)?)?;
    for round in 0..rounds {
        for caller in 0..map.names.len() {
            let keys = [run.world.new_grant(), run.world.new_grant()];
            for key in keys {
                done(run.ask(id(caller), key, Asked::Grant)?)?;
            }
            run.pass(QUIET + Duration::from_millis(round * 7))?;
            ensure!(leader(&run.world) == Some(id(leading)), "leadership went elsewhere");
            let [alone, behind] = keys;
            rows[caller].alone.push(done(run.ask(id(caller), alone, Asked::Revoke)?)?);
            check_all(run, (standing, alone), &mut rows)?;
            rows[caller].behind.push(done(run.ask(id(caller), behind, Asked::Revoke)?)?);
        }
    }
    for row in &mut rows {
        row.alone.sort();
        row.behind.sort();
    }
    Ok(rows)
}

/// What the death of the leader costs.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// How long after it a write was acknowledged again.
    pub writes_pause: Duration,
    /// For how long checks were not answered, at the node where that took longest.
    pub checks_pause: Duration,
}

/// Kills the leader.
pub fn lose_leader(run: &mut Run, leading: usize) -> Result<Loss> {
    let survivors: Vec<u64> = run.world.shape.nodes().filter(|node| *node != id(leading)).collect();
    let standing = run.world.new_grant();
    done(run.ask(survivors[0], standing, Asked::Grant)?)?;
    run.pass(QUIET)?;
    run.begin(Fault::Crash(id(leading)));
    let died = run.sim.elapsed();
    // One with an idempotency key, which is tried again until it is known to be carried out.
    let key = std::iter::repeat_with(|| run.world.new_grant()).find(|key| key.0.is_multiple_of(2));
    let key = key.expect("INVARIANT: every other number is even");
    run.world.hosts[&survivors[0]].order(Order::Ask(key, Asked::Grant));
    let written = loop {
        for node in &survivors {
            run.world.hosts[node].order(Order::Ask(standing, Asked::Check));
        }
        run.pass(ASK_EVERY)?;
        match run.world.answer_to(key, Asked::Grant) {
            Some(answer) => break done(answer)?,
            None => ensure!(run.sim.elapsed() < died + SETTLING_MAX, "writes do not come back"),
        }
    };
    run.pass(SETTLING_MAX)?;
    let checks = run.world.history().calls;
    let late = |call: &&Call| call.asked == Asked::Check && call.invoked >= died && call.took() > Some(ASK_EVERY);
    let pause = |node: &u64| {
        let at = || checks.iter().filter(late).filter(|call| call.node == *node).map(|call| call.invoked);
        at().max().zip(at().min()).map_or(Duration::ZERO, |(last, first)| last.abs_diff(first) + ASK_EVERY)
    };
    Ok(Loss { writes_pause: written, checks_pause: survivors.iter().map(pause).max().unwrap_or_default() })
}

/// Asks every node of a grant that stands and of one that was just revoked.
fn check_all(run: &mut Run, (standing, revoked): (Key, Key), rows: &mut [Row]) -> Result<()> {
    for (node, row) in rows.iter_mut().enumerate() {
        let other = run.ask(id(node), standing, Asked::Check)?;
        ensure!(matches!(other.outcome, Outcome::Allow(_)), "not what was expected: {other}");
        row.others.push(other);
        let same = run.ask(id(node), revoked, Asked::Check)?;
        ensure!(matches!(same.outcome, Outcome::Deny(_)), "not what was expected: {same}");
        row.same.push(same);
    }
    Ok(())
}

/// How long a write took that has to have been carried out.
fn done(call: Call) -> Result<Duration> {
    ensure!(call.outcome == Outcome::Done, "not what was expected: {call}");
    Ok(call.took().unwrap_or_default())
}

/// The node in a region.
fn id(region: usize) -> u64 {
    region as u64 + 1
}
