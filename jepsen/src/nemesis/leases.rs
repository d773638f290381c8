//! `leases`: how read leases are granted, and to whom, is changed while they are in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_client::{Client, v1};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::{Act, Bite, Blow, Facility, Fault, Kind};
use crate::cluster::newcomer::CHANGE_PATIENCE;
use crate::cluster::wait;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

/// What a cluster begins with, in milliseconds: how long leases last, and how often a node asks for another.
const BEGINS_MS: (u64, u64) = (2_000, 100);
/// What it is changed to, in milliseconds.
const CHANGES_MS: [(u64, u64); 6] = [(200, 50), (500, 100), (1_000, 200), (1_500, 20), (4_000, 500), (8_000, 100)];

pub(super) struct Leases;

/// Lets leases last so long and be renewed so often, and takes this one off the roster, or nobody.
#[derive(Clone, Copy, Debug)]
struct Change((u64, u64), Option<Whom>);

impl Kind for Leases {
    fn name(&self) -> &'static str {
        "leases"
    }

    fn describe(&self) -> &'static str {
        "leases become shorter or longer, and the leader, a holder or anybody is taken off the roster, while they are in use"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (2_000, 8_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        let lengths = *CHANGES_MS.choose(dice).expect("INVARIANT: there is a choice");
        let off_roster = simple || dice.random_bool(0.5);
        Arc::new(Change(lengths, off_roster.then_some(whom)))
    }
}

impl Fault for Change {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let Self((length_ms, renewal_ms), off) = *self;
        let off = off.map(|whom| chooser.one(whom));
        let roster = chooser.all().into_iter().filter(|node| Some(*node) != off).collect();
        let off_told = off.map_or_else(String::new, |node| format!(", and none for node {node}"));
        let what = format!("let leases last {length_ms} ms, renewed every {renewal_ms} ms{off_told}");
        let victims = off.map_or_else(|| chooser.all(), |node| vec![node]);
        let changed = request((length_ms, renewal_ms), off.map(|_| roster));
        Blow { victims, what, act: Box::new(Changing { changed, accepted: Arc::default() }) }
    }
}

struct Changing {
    changed: v1::SetLeaseConfigRequest,
    accepted: Arc<AtomicBool>,
}

impl Act for Changing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        let (client, changed, accepted) = (field.cluster.changes()?, self.changed.clone(), Arc::clone(&self.accepted));
        field.later(one(victims), async move {
            set(&client, changed).await?;
            accepted.store(true, Ordering::SeqCst);
            Ok(())
        });
        Ok(())
    }

    fn end(&mut self, victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        let (client, accepted) = (field.cluster.changes()?, Arc::clone(&self.accepted));
        let bit = accepted.load(Ordering::SeqCst);
        field.later(one(victims), async move {
            // In this order, or the change would come last.
            wait::until_true("a change of leases", CHANGE_PATIENCE, async || Ok(accepted.load(Ordering::SeqCst)))
                .await?;
            set(&client, request(BEGINS_MS, None)).await
        });
        if bit { Ok(Bite::Bit) } else { Ok(Bite::Nothing("nobody took the change in time".to_owned())) }
    }
}

/// Whom to put it down to if nobody takes the change.
fn one(victims: &[u64]) -> u64 {
    victims.first().copied().unwrap_or_default()
}

async fn set(client: &Client, request: v1::SetLeaseConfigRequest) -> anyhow::Result<()> {
    let take = async || Ok(client.set_lease_config(request.clone()).await.is_ok());
    wait::until_true("leases to be changed", CHANGE_PATIENCE, take).await
}

fn request((length_ms, renewal_ms): (u64, u64), roster: Option<Vec<u64>>) -> v1::SetLeaseConfigRequest {
    let all = roster.is_none();
    v1::SetLeaseConfigRequest {
        length: Duration::from_millis(length_ms).try_into().ok(),
        renewal: Duration::from_millis(renewal_ms).try_into().ok(),
        roster: Some(v1::LeaseRoster { all, nodes: roster.unwrap_or_default() }),
        ..v1::SetLeaseConfigRequest::default()
    }
}
