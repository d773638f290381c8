//! Those who ask: at every node, by its own functions, as its listener would.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use portcullis_consensus::Ack;
use portcullis_machine::command::{ConfigureLeases, End};
use portcullis_model::{Actor, Context, GrantId, NodeId, Object, Subject, TenantId, Verified};
use portcullis_node::{Action, Decision, Draft, Freshness, Node, Question, ServedBy, WriteError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::clocks::Clocks;
use crate::history::{Asked, By, Key, Outcome, Window};
use crate::host::Host;
use crate::time::pass;
use crate::world::{Phase, World};

/// How long a client waits for a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long it waits for a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How far ahead a timed grant may begin, and how long it lasts, in milliseconds. That is longer than wall clocks may take from
/// it at both ends.
const START_MS_MAX: u64 = 2_000;
const LASTS_MS: std::ops::RangeInclusive<u64> = 4_500..=9_000;
/// How often a client tries a write again, if there is one of which it is not known what came of it. Most of them were asked for at
/// another node.
const TRIES_AGAIN: f64 = 0.1;
/// The longest pause between two calls.
const PAUSE_MS_MAX: u64 = 40;

/// Starts the clients of a node. They end with it.
pub(crate) fn start(world: &Arc<World>, host: &Arc<Host>, node: &Arc<Node>, seed: u64) {
    for nth in 0..world.shape.clients {
        let client = Client { world: Arc::clone(world), host: Arc::clone(host), node: Arc::clone(node) };
        tokio::spawn(client.run(StdRng::seed_from_u64(seed ^ (nth + 1).wrapping_mul(0xC11E)), nth));
    }
}

/// Asks a node one thing.
pub(crate) fn ask(world: &Arc<World>, host: &Arc<Host>, node: &Arc<Node>, key: Key, asked: Asked) {
    let client = Client { world: Arc::clone(world), host: Arc::clone(host), node: Arc::clone(node) };
    tokio::spawn(async move { client.call(key, asked).await });
}

/// Checks a grant by a node's lease, if that can be done at once: without waiting for time to pass, or for anybody.
pub fn check_at_once(node: &Node, key: Key) -> Option<bool> {
    let (tenant, question) = (TenantId::default_tenant(), question(key));
    let checked =
        node.check(Freshness::Linearizable, &tenant, &question, Instant::now() + CHECK_TIMEOUT).now_or_never();
    let (answer, served) = checked?.ok()?;
    (served.by == ServedBy::Lease).then_some(answer.decision == Decision::Allow)
}

/// Changes how long leases last and who may hold them, as an administrator would by way of this node. It may fail.
pub(crate) fn configure(node: &Arc<Node>, change: ConfigureLeases) {
    let node = Arc::clone(node);
    let draft = Draft { tenant: TenantId::system(), ..draft(Action::ConfigureLeases(change)) };
    tokio::spawn(async move { node.write(draft, Instant::now() + WRITE_TIMEOUT).await });
}

/// Has a learner vote. It may fail.
pub(crate) fn promote(node: &Arc<Node>, id: u64) {
    let node = Arc::clone(node);
    tokio::spawn(async move { node.promote(NodeId(id), Instant::now() + WRITE_TIMEOUT).await });
}

/// Has a node removed for good. It may fail.
pub(crate) fn remove(node: &Arc<Node>, id: u64) {
    let node = Arc::clone(node);
    tokio::spawn(async move { node.remove(NodeId(id), Instant::now() + WRITE_TIMEOUT).await });
}

/// One client.
struct Client {
    world: Arc<World>,
    host: Arc<Host>,
    node: Arc<Node>,
}

impl Client {
    async fn run(self, mut dice: StdRng, nth: u64) {
        loop {
            pass(Duration::from_millis(dice.random_range(1..=PAUSE_MS_MAX))).await;
            while self.host.is_suspended() {
                pass(crate::time::TICK).await;
            }
            match self.world.phase() {
                Phase::Asking => self.ask(&mut dice).await,
                Phase::Proving if nth == 0 && !self.world.has_proved(self.host.id) => self.prove().await,
                Phase::Forming | Phase::Quiet | Phase::Proving => {}
            }
        }
    }

    async fn ask(&self, dice: &mut StdRng) {
        let drawn = dice.random_range(0..1_000_000_usize);
        if dice.random_bool(TRIES_AGAIN)
            && let Some((key, asked)) = self.world.take_unknown()
        {
            self.call(key, asked).await;
            return;
        }
        match dice.random_range(0..100) {
            0..10 => {
                let key = self.world.new_grant();
                let asked = if drawn.is_multiple_of(4) { Asked::GrantEarly } else { Asked::Grant };
                if self.call(key, asked).await == Outcome::Done {
                    self.world.granted(key);
                }
            }
            10..12 => {
                let key = self.world.new_grant();
                let now = u64::try_from(self.world.now().as_millis()).expect("INVARIANT: a simulation ends");
                let start_ms = now + dice.random_range(0..=START_MS_MAX);
                let window = Window { start_ms, end_ms: start_ms + dice.random_range(LASTS_MS) };
                if self.call(key, Asked::GrantTimed(window)).await == Outcome::Done {
                    self.world.granted_for_a_time(key, window);
                }
            }
            12..22 => {
                if let Some(key) = self.world.grant_to_revoke(drawn) {
                    self.call(key, Asked::Revoke).await;
                }
            }
            22..34 => {
                if let Some(key) = self.world.timed_grant_to_check(drawn) {
                    self.call(key, Asked::Check).await;
                }
            }
            34..39 => {
                if let Some(key) = self.world.grant_to_check(drawn) {
                    self.call(key, Asked::CheckClosed).await;
                }
            }
            _ => {
                if let Some(key) = self.world.grant_to_check(drawn) {
                    self.call(key, Asked::Check).await;
                }
            }
        }
    }

    /// Grants and revokes through this node, and sees both.
    async fn prove(&self) {
        let key = self.world.new_grant();
        let steps = [Asked::Grant, Asked::Check, Asked::Revoke, Asked::Check];
        for (nth, asked) in steps.into_iter().enumerate() {
            let outcome = self.call(key, asked).await;
            let expected = match nth {
                1 => matches!(outcome, Outcome::Allow(_)),
                3 => matches!(outcome, Outcome::Deny(_)),
                _ => outcome == Outcome::Done,
            };
            if !expected {
                return;
            }
        }
        self.world.proved(self.host.id);
    }

    /// Asks the node, and notes what came of it.
    async fn call(&self, key: Key, asked: Asked) -> Outcome {
        let place = self.world.call(self.host.id, key, asked);
        let outcome = match asked {
            Asked::Grant => self.write(key, grant(key), Ack::Everywhere).await,
            Asked::GrantEarly => self.write(key, grant(key), Ack::Quorum).await,
            Asked::GrantTimed(window) => self.write(key, grant_within(key, window), Ack::Everywhere).await,
            Asked::Revoke => self.write(key, Action::RevokeGrants([grant_id(key)].into()), Ack::Everywhere).await,
            Asked::Check => self.check(key, Freshness::Linearizable).await,
            Asked::CheckClosed => self.check(key, Freshness::FailClosed).await,
        };
        if self.host.trap.is_dead() {
            // Whoever asked was never answered.
            return std::future::pending().await;
        }
        if outcome == Outcome::Unknown && has_key(key) && asked.is_write() {
            self.world.is_unknown(key, asked);
        }
        self.world.answered(place, outcome);
        outcome
    }

    async fn write(&self, key: Key, action: Action, ack: Ack) -> Outcome {
        let verb = if matches!(action, Action::RevokeGrants(_)) { "revoke" } else { "grant" };
        let mut draft = Draft { ack, ..draft(action) };
        // Half of the writes have a key, as those of the client library do, by which they are tried again.
        draft.idempotency_key = has_key(key).then(|| parsed(&format!("{verb}-{}", key.0)));
        match self.node.write(draft, Instant::now() + WRITE_TIMEOUT).await {
            Ok(written) => {
                if !self.host.trap.is_dead() {
                    self.world.wrote(written.revision.0);
                }
                Outcome::Done
            }
            Err(WriteError::Unknown(_)) => Outcome::Unknown,
            Err(
                WriteError::Refused { .. }
                | WriteError::NoLeader
                | WriteError::LowDisk(_)
                | WriteError::ClockDeviates(_)
                | WriteError::TooManyPending(_)
                | WriteError::AckTooEarly
                | WriteError::Failed(_),
            ) => Outcome::Nothing,
        }
    }

    async fn check(&self, key: Key, freshness: Freshness) -> Outcome {
        let deadline = Instant::now() + CHECK_TIMEOUT;
        match self.node.check(freshness, &TenantId::default_tenant(), &question(key), deadline).await {
            Err(_) => Outcome::Unknown,
            Ok((answer, served)) => {
                let by = match served.by {
                    ServedBy::Lease => By::Lease,
                    ServedBy::Waiting => By::Waiting,
                    ServedBy::Leader | ServedBy::Nothing => By::Leader,
                };
                if answer.decision == Decision::Allow { Outcome::Allow(by) } else { Outcome::Deny(by) }
            }
        }
    }
}

/// Whether what is written about a grant has a key by which it can be tried again.
fn has_key(key: Key) -> bool {
    key.0.is_multiple_of(2)
}

/// A write of an administrator.
pub(crate) fn draft(action: Action) -> Draft {
    Draft {
        tenant: TenantId::default_tenant(),
        actor: Actor { caller: parsed("user:admin"), on_behalf_of: None, verified: Verified::Assumed },
        reason: None,
        idempotency_key: None,
        preconditions: Vec::new(),
        ack: Ack::Everywhere,
        action,
    }
}

/// Makes the role that is granted.
pub(crate) fn role() -> Action {
    Action::CreateRole { id: parsed("viewer"), permissions: [parsed("document#view")].into(), inherits: [].into() }
}

/// The question that a grant is the answer to.
pub(crate) fn question(key: Key) -> Question {
    Question { subject: subject(key), permission: parsed("view"), resource: scope(key), context: Context::default() }
}

/// Makes a grant.
pub(crate) fn grant(key: Key) -> Action {
    let id = Some(grant_id(key));
    let (subject, scope) = (subject(key), scope(key));
    Action::CreateGrant { id, subject, role: parsed("viewer"), scope, start: None, end: End::Never }
}

/// Makes a grant for a time.
fn grant_within(key: Key, window: Window) -> Action {
    let (start, end) = (Some(Clocks::true_wall(window.start_ms)), End::At(Clocks::true_wall(window.end_ms)));
    match grant(key) {
        Action::CreateGrant { id, subject, role, scope, .. } => {
            Action::CreateGrant { id, subject, role, scope, start, end }
        }
        other => other,
    }
}

/// The id of a grant.
pub(crate) fn grant_id(key: Key) -> GrantId {
    parsed(&format!("g-{}", key.0))
}

fn subject(key: Key) -> Subject {
    parsed(&format!("user:u{}", key.0))
}

fn scope(key: Key) -> Object {
    parsed(&format!("document:d{}", key.0))
}

fn parsed<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("INVARIANT: the name matches the grammar")
}
