//! Looks at the nodes from time to time: who leads, who holds a read lease.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis_client::{Client, v1};

use crate::history::{Record, Sample, Seen};
use crate::recorder::Recorder;
use crate::schedule::Situation;

/// The pause between two looks at a node.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a look may take.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// Why a lock is not poisoned.
const UNBROKEN: &str = "INVARIANT: nothing panics while holding it";

/// What was seen last of each node.
pub struct Observer {
    nodes: u64,
    seen: Mutex<BTreeMap<u64, Seen>>,
    /// What each node said last that an operator should see to.
    alarms: Mutex<BTreeMap<u64, Vec<String>>>,
}

impl Observer {
    /// Begins to look at the nodes, by a client each, until the runtime ends.
    pub fn start(recorder: &Arc<Recorder>, clients: BTreeMap<u64, Client>) -> Arc<Self> {
        let observer = Arc::new(Self { nodes: clients.len() as u64, seen: Mutex::default(), alarms: Mutex::default() });
        for (node, client) in clients {
            let (observer, recorder) = (Arc::clone(&observer), Arc::clone(recorder));
            tokio::spawn(async move {
                loop {
                    let (seen, alarms) = look(node, &client).await.unzip();
                    recorder.record(&Record::Sample(Sample { node, at_us: recorder.now_us(), seen: seen.clone() }));
                    observer.note(node, seen);
                    observer.alarms.lock().expect(UNBROKEN).insert(node, alarms.unwrap_or_default());
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        observer
    }

    /// Who is what, as far as is known.
    pub fn situation(&self) -> Situation {
        situation(self.nodes, &self.seen.lock().expect(UNBROKEN))
    }

    /// The last entry that readers of any node see, as far as is known.
    pub fn visible(&self) -> u64 {
        let seen = self.seen.lock().expect(UNBROKEN);
        seen.values().map(|seen| seen.visible).max().unwrap_or_default()
    }

    /// The newest term that any node knows, as far as is known.
    pub fn term(&self) -> u64 {
        let seen = self.seen.lock().expect(UNBROKEN);
        seen.values().map(|seen| seen.term).max().unwrap_or_default()
    }

    /// Whether a node raises an alarm of this name, by its last answer.
    pub fn raises(&self, node: u64, name: &str) -> bool {
        let alarms = self.alarms.lock().expect(UNBROKEN);
        alarms.get(&node).is_some_and(|alarms| alarms.iter().any(|alarm| alarm.starts_with(name)))
    }

    /// What was seen of a node no longer holds.
    pub fn forget(&self, node: u64) {
        self.note(node, None);
    }

    fn note(&self, node: u64, seen: Option<Seen>) {
        let mut all = self.seen.lock().expect(UNBROKEN);
        match seen {
            Some(seen) => all.insert(node, seen),
            None => all.remove(&node),
        };
    }
}

async fn look(node: u64, client: &Client) -> Option<(Seen, Vec<String>)> {
    let status = client.status(v1::StatusRequest {}).await.ok()?;
    let own = status.nodes.iter().find(|other| other.id == node)?;
    let holds = own.lease.as_ref().is_some_and(|lease| lease.held);
    let leader = Some(status.leader).filter(|leader| *leader != 0);
    Some((Seen { leader, term: status.term, holds, visible: own.visible }, own.alarms.clone()))
}

/// The leader is who says so itself, in the newest term. Others may go on naming one that is gone.
fn situation(nodes: u64, seen: &BTreeMap<u64, Seen>) -> Situation {
    let leading = seen.iter().filter(|(node, seen)| seen.leader == Some(**node));
    let leader = leading.max_by_key(|(_, seen)| seen.term).map(|(node, _)| *node);
    let holders = seen.iter().filter(|(_, seen)| seen.holds).map(|(node, _)| *node).collect();
    Situation { nodes, leader, holders }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_leader_is_the_newest_and_holders_are_those_that_say_so() {
        let seen = |leader, term, holds| Seen { leader, term, holds, visible: 0 };
        let mut all =
            BTreeMap::from([(1, seen(Some(1), 3, true)), (2, seen(Some(2), 4, true)), (3, seen(Some(9), 5, false))]);
        assert_eq!(situation(3, &all), Situation { nodes: 3, leader: Some(2), holders: BTreeSet::from([1, 2]) });
        all.remove(&2);
        assert_eq!(situation(3, &all).leader, Some(1), "one that was deposed and does not know it is the best guess");
    }
}
