//! `membership`: leadership is handed over; a new node is let in, votes, leads, and is removed for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_client::{Client, v1};
use rand::Rng;
use rand::rngs::StdRng;

use super::{Act, Bite, Blow, Facility, Fault, Kind};
use crate::cluster::newcomer::{CHANGE_PATIENCE, let_go, let_vote};
use crate::cluster::wait;
use crate::schedule::{Chooser, Whom};
use crate::torment::Field;

pub(super) struct Membership;

#[derive(Clone, Copy, Debug)]
enum Change {
    /// The leader hands over to somebody else.
    Transfer,
    /// A new node is let in and votes, and goes again.
    Vote,
    /// The same, and it leads meanwhile.
    Lead,
    /// The leader is handed from one to the other as often as that goes.
    Dance,
}

impl Kind for Membership {
    fn name(&self) -> &'static str {
        "membership"
    }

    fn describe(&self) -> &'static str {
        "the leader hands over, once or again and again; a new node is let in, votes, leads, and is removed while it does"
    }

    fn needs(&self) -> &'static [Facility] {
        &[]
    }

    fn lasts_ms(&self) -> (u64, u64) {
        (3_000, 8_000)
    }

    fn draw(&self, whom: Whom, simple: bool, dice: &mut StdRng) -> Arc<dyn Fault> {
        Arc::new(match (dice.random_range(0..6), whom) {
            (_, Whom::Leader) if simple => Change::Transfer,
            (_, _) if simple => Change::Lead,
            (0, _) => Change::Transfer,
            (1, _) => Change::Dance,
            (2, _) => Change::Vote,
            (_, _) => Change::Lead,
        })
    }
}

impl Fault for Change {
    fn blow(&self, chooser: &mut Chooser<'_>) -> Blow {
        let leader = chooser.one(Whom::Leader);
        let (what, victims) = match self {
            Self::Transfer => (format!("let node {leader} hand over"), vec![leader]),
            Self::Dance => ("hand leadership over again and again".to_owned(), chooser.all()),
            Self::Vote => ("let a new node vote, and remove it".to_owned(), chooser.all()),
            Self::Lead => ("let a new node lead, and remove it".to_owned(), chooser.all()),
        };
        Blow {
            victims,
            what,
            act: Box::new(Changing { change: *self, newcomer: None, done: Arc::default(), ended: Arc::default() }),
        }
    }
}

struct Changing {
    change: Change,
    newcomer: Option<u64>,
    /// Whether something has changed.
    done: Arc<AtomicBool>,
    /// Whether nothing more is to be changed.
    ended: Arc<AtomicBool>,
}

impl Act for Changing {
    fn strike(&mut self, victims: &mut Vec<u64>, field: &mut Field<'_>) -> anyhow::Result<()> {
        let (change, done, ended) = (self.change, Arc::clone(&self.done), Arc::clone(&self.ended));
        match change {
            Change::Transfer | Change::Dance => {
                let client = field.cluster.changes()?;
                field.later(victims.first().copied().unwrap_or_default(), async move {
                    hand_over(&client, change, &done, &ended).await
                });
            }
            Change::Vote | Change::Lead => {
                let id = field.cluster.add_node()?;
                self.newcomer = Some(id);
                let client = field.cluster.changes()?;
                field.later(id, async move { grow(&client, id, change, &done, &ended).await });
            }
        }
        Ok(())
    }

    fn end(&mut self, _victims: &[u64], field: &mut Field<'_>) -> anyhow::Result<Bite> {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(id) = self.newcomer {
            // It goes by the task that let it in. That it may say so, and end, is asked of nobody else.
            field.excuse(id)?;
            field.cluster.retire(id, "it was removed");
        }
        if self.done.load(Ordering::SeqCst) {
            Ok(Bite::Bit)
        } else {
            Ok(Bite::Nothing("nothing changed in time".to_owned()))
        }
    }
}

async fn hand_over(client: &Client, change: Change, done: &AtomicBool, ended: &AtomicBool) -> anyhow::Result<()> {
    while !ended.load(Ordering::SeqCst) {
        // A cluster without a leader has nothing to hand over.
        if client.transfer_leader(v1::TransferLeaderRequest { to: 0 }).await.is_ok() {
            done.store(true, Ordering::SeqCst);
            match change {
                Change::Dance => {}
                Change::Transfer | Change::Vote | Change::Lead => return Ok(()),
            }
        }
        tokio::time::sleep(wait::PAUSE).await;
    }
    Ok(())
}

async fn grow(client: &Client, id: u64, change: Change, done: &AtomicBool, ended: &AtomicBool) -> anyhow::Result<()> {
    let_vote(client, id).await?;
    done.store(true, Ordering::SeqCst);
    wait::until_true("the time to remove a node", CHANGE_PATIENCE, async || {
        match change {
            Change::Transfer | Change::Dance | Change::Vote => {}
            Change::Lead => {
                // Another fault may have made somebody else lead.
                let _ = client.transfer_leader(v1::TransferLeaderRequest { to: id }).await;
            }
        }
        Ok(ended.load(Ordering::SeqCst))
    })
    .await?;
    let_go(client, id).await
}
