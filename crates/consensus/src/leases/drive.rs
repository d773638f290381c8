//! What happens by itself: leases are renewed, the leader proves that it leads, and what waits for a lease to run out is
//! looked at again. Timers only say when to look; what holds is decided by the clocks when it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;

use super::{Leases, Members};
use crate::confirm::Confirmer;
use crate::types::{Peer, Raft};

/// How often it is looked whether sessions that hold something up have run out.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often the clocks are compared with each other.
const LOOK_AT_CLOCKS_EVERY: Duration = Duration::from_millis(100);
/// How often a task that waits looks whether the group is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Starts what happens by itself. It ends with the group.
pub(crate) fn drive(leases: &Arc<Leases>, confirmer: &Arc<Confirmer>, round_timeout: Duration) {
    let raft = confirmer.raft.clone();
    tokio::spawn(follow_leadership(Arc::downgrade(leases), raft, Arc::downgrade(confirmer), round_timeout));
    tokio::spawn(renew(Arc::downgrade(leases)));
    tokio::spawn(prove(Arc::downgrade(leases), Arc::downgrade(confirmer), round_timeout));
    tokio::spawn(declare_late(Arc::downgrade(leases)));
    tokio::spawn(watch_clocks(Arc::downgrade(leases)));
}

/// Notes who leads, and who there is.
async fn follow_leadership(leases: Weak<Leases>, raft: Raft, confirmer: Weak<Confirmer>, round_timeout: Duration) {
    let mut metrics = raft.server_metrics();
    loop {
        let seen = metrics.borrow_watched().clone();
        {
            let Some(leases) = leases.upgrade() else { return };
            let membership = seen.membership_config.membership();
            let peers: BTreeMap<u64, Peer> = membership.nodes().map(|(id, peer)| (*id, peer.clone())).collect();
            leases.met(Members { leader: seen.current_leader, peers });
            let voters: Vec<BTreeSet<u64>> = membership.get_joint_config().clone();
            let leads = seen.state == ServerState::Leader && seen.current_leader == Some(leases.me);
            if leads && leases.lead(seen.vote.leader_id.term, &voters) {
                spawn_round(&confirmer, round_timeout);
            }
            if !leads {
                leases.step_down();
            }
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}

/// Asks for a lease again and again, more often than one is lost.
async fn renew(leases: Weak<Leases>) {
    loop {
        let Some(held) = leases.upgrade() else { return };
        held.ask();
        let every = held.core().configuration.parameters().renewal();
        // Whoever wakes it holds the leases meanwhile; it must not keep them alive itself.
        let woken = {
            let leases = held;
            async move { leases.ask_now.notified().await }
        };
        let _ = tokio::time::timeout(every, woken).await;
    }
}

/// Looks whether the clocks of this node run alike.
async fn watch_clocks(leases: Weak<Leases>) {
    while let Some(leases) = leases.upgrade() {
        leases.look_at_clocks();
        drop(leases);
        tokio::time::sleep(LOOK_AT_CLOCKS_EVERY).await;
    }
}

/// Proves again and again that this node leads, where it does.
async fn prove(leases: Weak<Leases>, confirmer: Weak<Confirmer>, round_timeout: Duration) {
    loop {
        let every = {
            let Some(leases) = leases.upgrade() else { return };
            let core = leases.core();
            if core.leader.is_some() {
                // A round may take longer than the time between two.
                spawn_round(&confirmer, round_timeout);
            }
            core.configuration.parameters().renewal()
        };
        tokio::time::sleep(every).await;
    }
}

fn spawn_round(confirmer: &Weak<Confirmer>, timeout: Duration) {
    let Some(confirmer) = confirmer.upgrade() else { return };
    tokio::spawn(async move {
        if let Err(error) = confirmer.prove(timeout).await {
            tracing::debug!(%error, "a round to prove leadership came to nothing");
        }
    });
}

/// Looks at what is committed and not declared until it is, and says who holds it up.
async fn declare_late(leases: Weak<Leases>) {
    let mut said = None;
    loop {
        let Some(held) = leases.upgrade() else { return };
        let woken = async move { held.held_up.notified().await };
        if tokio::time::timeout(ALIVE_EVERY, woken).await.is_err() {
            continue;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(leases) = leases.upgrade() else { return };
        said = leases.declare_or_say(said);
    }
}
