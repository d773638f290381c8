//! Leases that were longer, or granted by a larger drift, before their configuration was changed: once none of them can be
//! left, whoever leads says so, and new leaders no longer wait for them (R8).

use std::sync::Weak;
use std::time::Duration;

use portcullis_consensus::Unsettled;
use portcullis_fault::Point;
use portcullis_lease::{Reading, Wait};

use crate::draft::Action;
use crate::internal::Answer;
use crate::node::Node;

/// How often the leader looks. It only delays what nobody waits for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Says what is settled while this node leads. Ends when the node is dropped.
pub(crate) async fn settle_leases(node: Weak<Node>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut settling = None;
    loop {
        looks.tick().await;
        let Some(node) = node.upgrade() else { return };
        // The clocks are read after it is known that this node leads, and grants by the new configuration.
        let seen = node.group.unsettled();
        settling = look(settling, seen, node.clock.read());
        // Whoever leads again waits anew.
        let is_still_so = |seen: &Unsettled| node.group.unsettled().as_ref() == Some(seen);
        if let Some((seen, wait)) = settling
            && wait.is_over(&node.clock.read())
            && is_still_so(&seen)
        {
            say(&node, seen.changed_at).await;
        }
    }
}

/// What is waited for after a look: the same as before, or something else from now on.
fn look(before: Option<(Unsettled, Wait)>, seen: Option<Unsettled>, now: Reading) -> Option<(Unsettled, Wait)> {
    let seen = seen?;
    before.filter(|(waited_for, _)| *waited_for == seen).or_else(|| Some((seen, Wait::new(&now, seen.after))))
}

async fn say(node: &Node, changed_at: u64) {
    node.points.wait(Point::LeaseSettleBeforePropose).await;
    let answer = node.write_as_leader(node.own_draft(Action::SettleLeases { changed_at }), None).await;
    // Whoever leads at the next look says what could not be said now.
    let Answer::Wrote(proposed) = answer else { return };
    match proposed.reply.result {
        Ok(_) => tracing::info!(changed_at, "no lease is left of what was configured before"),
        Err(refusal) => tracing::info!(%refusal, "leases are not settled yet"),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_lease::Epoch;

    use super::*;

    fn at(ms: u64) -> Reading {
        let time = Duration::from_millis(ms);
        Reading { boot: time, raw: time, monotonic: time }
    }

    fn unsettled(epoch: u64, changed_at: u64) -> Unsettled {
        Unsettled { epoch: Epoch(epoch), changed_at, after: Duration::from_secs(2) }
    }

    #[test]
    fn r8_the_wait_begins_with_the_first_look_of_a_leader() {
        let settling = look(None, Some(unsettled(3, 7)), at(1_000));
        let again = look(settling, Some(unsettled(3, 7)), at(2_900));
        assert_eq!(again, settling);
        let (_, wait) = again.unwrap();
        assert!(!wait.is_over(&at(2_999)) && wait.is_over(&at(3_000)));
    }

    #[test]
    fn r8_another_leader_or_another_change_waits_anew() {
        let settling = look(None, Some(unsettled(3, 7)), at(1_000));
        for other in [unsettled(4, 7), unsettled(3, 8)] {
            let (seen, wait) = look(settling, Some(other), at(2_000)).unwrap();
            assert_eq!(seen, other);
            assert!(!wait.is_over(&at(3_999)) && wait.is_over(&at(4_000)));
        }
        assert_eq!(look(settling, None, at(2_000)), None);
    }
}
