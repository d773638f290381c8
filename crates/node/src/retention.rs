//! Letting go of history: whoever leads proposes where it begins, from the change records themselves.

use std::sync::{Arc, Weak};
use std::time::Duration;

use portcullis_fault::Point;
use portcullis_machine::command::CompactHistory;
use portcullis_machine::{Command, since};
use portcullis_model::Revision;
use portcullis_storage::state::Ripe;

use crate::node::Node;
use crate::timekeeper::propose;

/// How often the leader looks for history that is too old.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How many entries of which nothing would go are left before history is said to begin behind them, so that the next
/// command has no long way to look through.
const IDLE_ENTRIES_MAX: u64 = 1_000;

/// Lets go of history while this node leads. Ends when the node is dropped.
pub(crate) async fn keep_history_short(node: Weak<Node>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = Revision(0);
    loop {
        looks.tick().await;
        let Some(node) = node.upgrade() else { return };
        while let Some(ripe) = ripe(&node, seen) {
            let begins = node.reader.history_floor().unwrap_or_default();
            if ripe.replaces || ripe.upto.0 - begins.0 > IDLE_ENTRIES_MAX {
                let command = Command::CompactHistory(CompactHistory { floor: ripe.upto });
                node.points.wait(Point::RetentionBeforePropose).await;
                propose(&node, node.wall(), command).await;
                node.points.wait(Point::RetentionProposed).await;
            }
            seen = ripe.upto;
            if !ripe.more {
                break;
            }
        }
    }
}

/// What is too old, behind where history begins and what was seen before, if this node leads.
fn ripe(node: &Arc<Node>, seen: Revision) -> Option<Ripe> {
    let leads = node.leader() == Some(node.id()) && node.clock_deviation_ms().is_none();
    if !leads || node.reader.active_version().ok()? < since::HISTORY_COMPACTION {
        return None;
    }
    let retention_ms = u64::try_from(node.config.history_retention.as_millis()).unwrap_or(u64::MAX);
    let by = node.wall().earliest().minus_ms(retention_ms);
    let begins = node.reader.history_floor().ok()?;
    match node.reader.ripe(begins.max(seen), by) {
        Ok(ripe) => ripe,
        Err(error) => {
            tracing::error!(%error, "the change records cannot be read");
            None
        }
    }
}
