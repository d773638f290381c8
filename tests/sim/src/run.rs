//! One run: a cluster is formed, asked without pause while faults happen, healed, and looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use portcullis_consensus::Timing;
use portcullis_lease::Faults;
use portcullis_model::Revision;
use portcullis_node::Node;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::check::{Margin, Violation, check};
use crate::clocks::{Clocks, PPM_MAX, Stood};
use crate::coverage::Coverage;
use crate::fault::{Fault, bury};
use crate::history::{Asked, Call, History, Key};
use crate::host::{Host, Order, name};
use crate::links::Links;
use crate::nemesis::Nemesis;
use crate::passed::Passed;
use crate::time::{TICK, Truth};
use crate::trap::{Deed, Sprung};
use crate::watcher;
use crate::world::{NEVER, Phase, Shape, World};

/// Entries between two snapshots, where there are any: few, so that a node that was away for seconds needs one.
const SNAPSHOT_EVERY: u64 = 20;
/// How long a cluster may take to form.
const FORMING_MAX: Duration = Duration::from_secs(20);
/// How long a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long a healed cluster may take until every node has carried out a write of its own, and all are equal.
const HEALING_MAX: Duration = Duration::from_secs(30);

/// After how many steps a removal is asked for again.
const REMOVE_AGAIN_STEPS: u64 = 3_000;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// What everything was drawn from.
    pub seed: u64,
    /// Who took part.
    pub shape: Shape,
    /// What happened.
    pub history: History,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
    /// How close it was.
    pub margin: Margin,
    /// What was covered.
    pub coverage: Coverage,
    /// The points that nodes passed.
    pub passed: Passed,
    /// The state hash that all nodes agree on, and its revision.
    pub agreed: (u64, String),
    /// How long it lasted, simulated.
    pub lasted: Duration,
}

/// A simulation that is under way.
pub struct Run {
    /// The simulation itself.
    pub sim: turmoil::Sim<'static>,
    /// What everything shares.
    pub world: Arc<World>,
    links: Links,
    lasting: Vec<Fault>,
    _folder: TempDir,
}

impl Shape {
    /// Draws who takes part.
    pub fn draw(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed ^ 0x5AFE);
        let (voters, learners) = [(3, 0), (3, 0), (3, 1), (3, 2), (5, 0)][dice.random_range(0..5)];
        let (timing, way_ms_max) = if dice.random_bool(0.2) { (Timing::WAN, 120) } else { (Timing::LAN, 6) };
        let snapshot_every = if dice.random_bool(0.5) { SNAPSHOT_EVERY } else { NEVER };
        Self { voters, learners, timing, clients: 3, way_ms_max, snapshot_every, faults: Faults::default() }
    }
}

impl Run {
    /// Sets up machines that were never started, and a network between them.
    pub fn new(seed: u64, shape: Shape) -> Result<Self> {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut builder = turmoil::Builder::new();
        // Below one step, a message could arrive before it was sent.
        builder
            .tick_duration(TICK)
            .min_message_latency(TICK)
            .max_message_latency(Duration::from_millis(shape.way_ms_max));
        builder.rng_seed(dice.random()).epoch(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        builder.tcp_capacity(4_096).enable_random_order();
        let mut sim = builder.build();
        let folder = folder()?;
        let truth = Arc::new(Truth::default());
        let host = |id: u64, dice: &mut StdRng| {
            let (offset, ppm) =
                (Duration::from_secs(dice.random_range(20..100_000)), dice.random_range(-PPM_MAX..=PPM_MAX));
            let clocks = Clocks::new(Arc::clone(&truth), offset, ppm);
            Host::new(id, folder.path().join(name(id)), clocks, dice.random())
        };
        let hosts: BTreeMap<_, _> = shape.nodes().map(|id| (id, host(id, &mut dice))).collect();
        let world = World::new(seed, shape, truth, hosts);
        for host in world.hosts.values() {
            let (host, world) = (Arc::clone(host), Arc::clone(&world));
            let named = host.name();
            sim.host(named, move || Arc::clone(&host).run(Arc::clone(&world)));
        }
        Ok(Self { sim, world, links: Links::default(), lasting: Vec::new(), _folder: folder })
    }

    /// Lets one step of time pass.
    pub fn step(&mut self) -> Result<()> {
        self.world.truth.begin_step(self.sim.elapsed());
        self.sim.step().map_err(|error| anyhow!("{error}"))?;
        self.world.truth.begin_step(self.sim.elapsed());
        self.see_to_points();
        Ok(())
    }

    /// Sees to what has happened at points within a step.
    fn see_to_points(&mut self) {
        let world = Arc::clone(&self.world);
        for (node, host) in &world.hosts {
            let Some(Sprung { point, deed }) = host.trap.take_sprung() else { continue };
            world.event(format!("node {node} at {point}: {deed:?}"));
            match deed {
                Deed::Die => bury(&mut self.sim, &world, *node),
                Deed::Hold(_) => self.begin(Fault::Suspend(*node, Stood::Process)),
                Deed::Fail => {}
            }
        }
    }

    /// Lets time pass until something is so; fails when that takes too long.
    pub fn until(&mut self, what: &str, most: Duration, mut is_so: impl FnMut(&Arc<World>) -> bool) -> Result<()> {
        let deadline = self.sim.elapsed() + most;
        while !is_so(&self.world) {
            ensure!(self.sim.elapsed() < deadline, "waited {most:?} for {what}");
            self.step()?;
        }
        Ok(())
    }

    /// Lets so much time pass.
    pub fn pass(&mut self, time: Duration) -> Result<()> {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step()?;
        }
        Ok(())
    }

    /// Begins a fault.
    pub fn begin(&mut self, fault: Fault) {
        self.world.event(format!("{fault:?}"));
        fault.begin(&mut self.sim, &self.world);
        self.lasting.push(fault);
        self.links.follow(&mut self.sim, self.world.shape.nodes(), &self.lasting);
    }

    /// Ends a fault.
    pub fn end(&mut self, fault: Fault) {
        let suspended = Fault::Suspend(fault.node(), Stood::Process);
        if matches!(fault, Fault::At(..)) && self.lasting.contains(&suspended) {
            // A point held its process.
            self.end(suspended);
        }
        self.world.event(format!("end of {fault:?}"));
        fault.end(&mut self.sim, &self.world);
        self.lasting.retain(|lasting| *lasting != fault);
        self.links.follow(&mut self.sim, self.world.shape.nodes(), &self.lasting);
    }

    /// Asks a node, and waits for what comes of it.
    pub fn ask(&mut self, node: u64, key: Key, asked: Asked) -> Result<Call> {
        let place = self.world.calls();
        self.world.hosts[&node].order(Order::Ask(key, asked));
        let mut answered = None;
        self.until("an answer", ANSWER_MAX, |world| {
            answered = world.answer(place);
            answered.is_some()
        })?;
        answered.context("it was waited for")
    }

    /// Waits until the nodes are a cluster, all hold leases, and clients ask.
    pub fn form(&mut self) -> Result<()> {
        self.until("the cluster to form", FORMING_MAX, |world| world.phase() != Phase::Forming)
    }

    /// Once nothing fails any more: every node must carry out a write, and all must agree. Returns on what.
    pub fn converge(&mut self) -> Result<(u64, String)> {
        self.finish_removal()?;
        self.world.begin(Phase::Proving);
        let all = |world: &Arc<World>| world.members().iter().all(|node| world.has_proved(*node));
        self.until("every node to carry out a write of its own", HEALING_MAX, all)?;
        self.world.begin(Phase::Quiet);
        self.agree()
    }

    /// Has a removal carried out that may have been broken off.
    fn finish_removal(&mut self) -> Result<()> {
        let Some(removed) = self.world.removed() else { return Ok(()) };
        let mut steps = 0_u64;
        self.until("a node to be removed", HEALING_MAX, |world| {
            let members = world.members();
            if steps.is_multiple_of(REMOVE_AGAIN_STEPS) {
                world.hosts[&members[0]].order(Order::Remove(removed));
            }
            steps += 1;
            let has = |node: &Arc<Node>| node.group_status().nodes.iter().any(|member| member.id.0 == removed);
            members.iter().all(|node| world.hosts[node].node().is_some_and(|node| !has(&node)))
        })
    }

    /// Once nobody asks: all nodes must come to show the same. Returns what.
    pub fn agree(&mut self) -> Result<(u64, String)> {
        let mut agreed = None;
        self.until("all nodes to show the same", HEALING_MAX, |world| {
            agreed = same_revision(world);
            agreed.is_some()
        })?;
        let revision = agreed.context("it was waited for")?;
        let hash = |host: &Arc<Host>| host.node().and_then(|node| node.state_hash(Revision(revision)));
        let members = self.world.members();
        let hashes: BTreeMap<u64, _> = members.iter().map(|node| (*node, hash(&self.world.hosts[node]))).collect();
        let first = hashes.values().next().context("there is a node")?;
        ensure!(first.is_some(), "no state hash is kept for revision {revision}");
        if hashes.values().any(|hash| hash != first) {
            bail!("the states differ at revision {revision}: {hashes:?}");
        }
        let hash = first.map(|sum| format!("{sum:?}")).unwrap_or_default();
        Ok((revision, hash))
    }
}

/// Runs a seed: faults for `chaos`, then healing. A rule of leases may be broken all the time.
pub fn run(seed: u64, chaos: Duration, faults: Faults) -> Result<Report> {
    let mut run = Run::new(seed, Shape { faults, ..Shape::draw(seed) })?;
    run.form()?;
    let mut nemesis = Nemesis::new(seed);
    let end = run.sim.elapsed() + chaos;
    while run.sim.elapsed() < end {
        nemesis.act(&mut run);
        run.step()?;
    }
    nemesis.heal(&mut run);
    let agreed = run.converge()?;
    run.until("all watchers to be told", HEALING_MAX, |world| world.watchers.have_reached(agreed.0))?;
    let history = run.world.history();
    let (mut violations, margin) = check(&history);
    let wrong = watcher::check(&run.world.watchers.told(), &run.world.written());
    violations.extend(wrong.into_iter().map(|what| Violation { what, calls: Vec::new() }));
    let snapshots = run.world.hosts.values().map(|host| host.snapshots()).sum();
    let coverage = Coverage::of(&history, &nemesis, snapshots);
    let mut passed = Passed::default();
    run.world.hosts.values().for_each(|host| passed += host.trap.counts());
    let (shape, lasted) = (run.world.shape.clone(), run.sim.elapsed());
    Ok(Report { seed, shape, history, violations, margin, coverage, passed, agreed, lasted })
}

/// The revision that all nodes show, if it is the same at all.
fn same_revision(world: &World) -> Option<u64> {
    let visible = |node: &u64| world.hosts[node].node().map(|node| node.visible().0);
    let shown: Option<Vec<u64>> = world.members().iter().map(visible).collect();
    let shown = shown?;
    let first = *shown.first()?;
    shown.iter().all(|revision| *revision == first).then_some(first)
}

/// A folder for the files of the machines, in memory where there is such a place: what counts as synced is simulated.
fn folder() -> Result<TempDir> {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.context("no folder for the files of the machines")
}
