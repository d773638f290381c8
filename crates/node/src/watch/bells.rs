//! Waking watchers, each when something of its tenant has changed.
//!
//! One task reads what is published, before the watchers do, and rings the bell of every tenant that a change concerns. So
//! whoever applies commands wakes one task however many watch, and watchers of other tenants sleep on. The task is there while
//! somebody watches.
//!
//! INVARIANT: a change is rung before it counts as quiet. Whoever was caught up and hears nothing up to there has missed nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use portcullis_model::{Revision, TenantId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::wanted::concerned;
use crate::node::Node;
use crate::view::ViewError;

/// How long nothing is rung, for each watcher that was woken last, so that no more than 50,000 are woken in a second.
const PAUSE_PER_WOKEN: Duration = Duration::from_micros(20);
/// How often bells that nobody hears are taken away.
const TAKE_AWAY_EVERY: Duration = Duration::from_secs(1);

/// A bell for each tenant that is watched.
#[derive(Default)]
pub(crate) struct Bells {
    hung: Mutex<Hung>,
    quiet: AtomicU64,
}

#[derive(Default)]
struct Hung {
    of: BTreeMap<TenantId, watch::Sender<()>>,
    /// Whether there is a task that rings.
    is_rung: bool,
}

impl Bells {
    /// Everything up to here that concerns a tenant was rung.
    pub(super) fn quiet(&self) -> Revision {
        Revision(self.quiet.load(Ordering::Acquire))
    }

    fn hung(&self) -> MutexGuard<'_, Hung> {
        self.hung.lock().expect("INVARIANT: nothing panics while holding the bells")
    }
}

/// Hears of whatever is published from here on and concerns a tenant.
pub(super) fn hear(node: &Arc<Node>, tenant: &TenantId) -> Ear {
    let bells = &node.watchers.bells;
    let mut hung = bells.hung();
    if !hung.is_rung {
        hung.is_rung = true;
        bells.quiet.fetch_max(node.visible().0, Ordering::Release);
        tokio::spawn(ring(Arc::clone(node)));
    }
    hung.ear(tenant)
}

/// What a watcher hears by.
pub(super) struct Ear {
    bell: watch::Receiver<()>,
    is_caught_up: bool,
}

/// The node has stopped.
#[derive(Debug)]
pub(super) struct Silenced;

impl Ear {
    /// Whether nothing that concerns the tenant was rung since everything was looked at. Then there is nothing up to where all
    /// was quiet before this was asked.
    pub(super) fn is_quiet(&mut self) -> Result<bool, Silenced> {
        self.is_caught_up &= !self.bell.has_changed().map_err(|_| Silenced)?;
        Ok(self.is_caught_up)
    }

    pub(super) fn is_caught_up(&self) -> bool {
        self.is_caught_up
    }

    /// Forgets what was rung: it is published, and all of that is looked at next.
    pub(super) fn forget(&mut self) {
        self.bell.mark_unchanged();
    }

    /// Everything was looked at that was published when it was last forgotten.
    pub(super) fn catch_up(&mut self) {
        self.is_caught_up = true;
    }

    /// Waits until something is rung, or until a time.
    pub(super) async fn wait(&mut self, until: Instant) {
        if let Ok(Ok(())) = tokio::time::timeout_at(until, self.bell.changed()).await {
            self.is_caught_up = false;
        }
    }
}

impl Hung {
    fn ear(&mut self, tenant: &TenantId) -> Ear {
        let bell = self.of.entry(tenant.clone()).or_insert_with(|| watch::channel(()).0);
        Ear { bell: bell.subscribe(), is_caught_up: false }
    }
}

/// Rings until nobody hears it, or the node stops.
async fn ring(node: Arc<Node>) {
    let bells = &node.watchers.bells;
    let mut published = node.group.published();
    let mut take_away = Instant::now() + TAKE_AWAY_EVERY;
    loop {
        if let Ok(Err(_)) = tokio::time::timeout_at(take_away, published.changed()).await {
            *bells.hung() = Hung::default();
            return;
        }
        if Instant::now() >= take_away {
            take_away = Instant::now() + TAKE_AWAY_EVERY;
            let mut hung = bells.hung();
            hung.of.retain(|_, bell| bell.receiver_count() > 0);
            if hung.of.is_empty() {
                hung.is_rung = false;
                return;
            }
        }
        let upto = node.visible();
        let concerned = concerned_until(&node, upto).await;
        let woken = match concerned {
            Ok(tenants) => bells.ring(|tenant| tenants.contains(tenant)),
            // Whoever is woken finds out by himself.
            Err(_) => bells.ring(|_| true),
        };
        bells.quiet.store(upto.0, Ordering::Release);
        let pause = PAUSE_PER_WOKEN * u32::try_from(woken).unwrap_or(u32::MAX);
        if pause >= Duration::from_millis(1) {
            tokio::time::sleep(pause).await;
        }
    }
}

/// The tenants that are concerned by what is not quiet yet.
async fn concerned_until(node: &Node, upto: Revision) -> Result<BTreeSet<TenantId>, ViewError> {
    let mut at = node.watchers.bells.quiet();
    let mut tenants = BTreeSet::new();
    while at < upto {
        let piece = node.watchers.tail.read(&node.reader, at, upto).await?;
        for effect in piece.changes.iter().flat_map(|change| &change.effects) {
            if let Some(tenant) = concerned(effect).filter(|tenant| !tenants.contains(*tenant)) {
                tenants.insert(tenant.clone());
            }
        }
        at = piece.reached;
    }
    Ok(tenants)
}

impl Bells {
    /// Rings, and says how many heard it.
    fn ring(&self, is_rung: impl Fn(&TenantId) -> bool) -> usize {
        let hung = self.hung();
        let rung = hung.of.iter().filter(|(tenant, _)| is_rung(tenant));
        rung.map(|(_, bell)| {
            bell.send_replace(());
            bell.receiver_count()
        })
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_missed_something_is_not_quiet() {
        let (here, there) = (TenantId::default_tenant(), TenantId::system());
        let bells = Bells::default();
        let mut ear = bells.hung().ear(&here);
        assert!(!ear.is_quiet().unwrap(), "it has looked at nothing yet");
        // Rung while it reads: whether what is read includes that is not known.
        ear.forget();
        assert_eq!(bells.ring(|tenant| *tenant == here), 1);
        ear.catch_up();
        assert!(!ear.is_quiet().unwrap() && !ear.is_caught_up());
        ear.forget();
        ear.catch_up();
        assert!(ear.is_quiet().unwrap());
        // What concerns others is not heard.
        assert_eq!(bells.ring(|tenant| *tenant == there), 0);
        assert!(ear.is_quiet().unwrap());
        // Rung before it waits, and while it does.
        let late = Instant::now() + Duration::from_mins(1);
        assert_eq!(bells.ring(|_| true), 1);
        ear.wait(late).await;
        assert!(!ear.is_quiet().unwrap());
        ear.forget();
        ear.catch_up();
        let (_, ()) = tokio::join!(async { bells.ring(|_| true) }, ear.wait(late));
        assert!(!ear.is_quiet().unwrap(), "it was woken, and has not looked");
        // Nobody rings any more.
        *bells.hung() = Hung::default();
        assert!(ear.is_quiet().is_err());
    }
}
