//! The workload `retry`: one request under one key, sent to several nodes, again and again.
//!
//! Each key asks for a grant whose id the cluster makes, so that carrying it out twice leaves two. It is sent to all nodes at
//! once, or to one after the other, and again much later, when it was forgotten who had answered; also after the grant was
//! revoked, which must not bring it back. Every fourth key names a role that is not there: it is refused, and stays so once the
//! role is there. Now and then another request is sent under a key that was used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use portcullis_client::{Client, v1};
use rand::Rng;
use rand::seq::IteratorRandom;
use serde::{Deserialize, Serialize};

use super::{Kind, Workload};
use crate::history::{self, Came};
use crate::messages::{create_role, grant, revision};
use crate::traffic::{Connections, Desk, FINAL_READS_AT_ONCE, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "retry",
    what: "one request under one key is sent to several nodes, at once and again much later",
    judges: &[checker::retry::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| Arc::new(Retry { desk, next_key: AtomicU64::new(1), used: Mutex::default() }),
};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// Make the grant of this key, under this key.
    Make {
        /// The key.
        key: u64,
        /// Whether it names a role that may not be there yet.
        is_early: bool,
    },
    /// Make the role that a key names.
    Provide {
        /// The key.
        key: u64,
    },
    /// Revoke the grant of this key.
    Revoke {
        /// The key.
        key: u64,
    },
    /// Ask for something else under this key.
    Misuse {
        /// The key.
        key: u64,
    },
    /// Which grants were ever made of this key?
    List {
        /// The key.
        key: u64,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The grant of this id was made.
    Made(String),
    /// These grants were ever made.
    Had(Vec<String>),
    /// It is done.
    Done,
}

impl history::Deed for Deed {
    type Answer = Answer;

    fn writes(&self) -> bool {
        match self {
            Self::Make { .. } | Self::Provide { .. } | Self::Revoke { .. } | Self::Misuse { .. } => true,
            Self::List { .. } => false,
        }
    }
}

/// One key in so many names a role that is not there.
const EARLY_SHARE: u64 = 4;
/// How many keys are sent again later.
const USED_MAX: usize = 100;
/// The longest pause after a turn, in milliseconds.
const PAUSE_MS: u64 = 30;
/// How many keys nodes are asked about at the end; the newest.
const FINAL_KEYS_MAX: u64 = 3_000;
const VIEWER: &str = "viewer";

struct Retry {
    desk: Arc<Desk>,
    next_key: AtomicU64,
    used: Mutex<VecDeque<u64>>,
}

impl Retry {
    /// A new key, sent to all nodes at once or to some in turn.
    async fn send(&self, worker: &mut Worker) {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let nodes = self.desk.nodes.clone();
        if worker.dice.random_bool(0.5) {
            join_all(nodes.iter().map(|at| self.make(worker.id, at.node, hasty(worker.id, at), key))).await;
        } else {
            for _ in 0..worker.dice.random_range(1..=3) {
                let at = worker.any();
                self.make(worker.id, at.node, hasty(worker.id, &at), key).await;
            }
        }
        let mut used = self.lock();
        used.push_back(key);
        if used.len() > USED_MAX {
            used.pop_front();
        }
    }

    /// Something with a key that was used.
    async fn again(&self, worker: &mut Worker) {
        let Some(key) = self.used(worker) else { return };
        let at = worker.any();
        match worker.dice.random_range(0..8) {
            0 => self.write(worker.id, &at, Deed::Revoke { key }).await,
            1 => self.write(worker.id, &at, Deed::Misuse { key }).await,
            2 if is_early(key) => self.write(worker.id, &at, Deed::Provide { key }).await,
            3 | 4 => self.list(worker.id, at.node, &at.check, key).await,
            _ => self.make(worker.id, at.node, hasty(worker.id, &at), key).await,
        }
    }

    async fn make(&self, client: u32, node: u64, connection: &Client, key: u64) {
        let deed = Deed::Make { key, is_early: is_early(key) };
        let call = async { outcome::written(create(connection, key, "folder:retries").await) };
        self.desk.ask(client, node, &deed, call).await;
    }

    async fn write(&self, client: u32, at: &Connections, deed: Deed) {
        let call = async { change(&at.write, deed).await };
        self.desk.ask(client, at.node, &deed, call).await;
    }

    async fn list(&self, client: u32, node: u64, connection: &Client, key: u64) {
        let filter = Some(v1::GrantFilter { subject: user(key), ..v1::GrantFilter::default() });
        let request = v1::ListGrantsRequest { filter, ..v1::ListGrantsRequest::default() };
        let call = async {
            let listed = connection.list_grants(request).await;
            outcome::read(listed.map(|listed| {
                let ids = listed.grants.into_iter().map(|grant| grant.id).collect();
                (Answer::Had(ids), revision(listed.position))
            }))
        };
        self.desk.ask(client, node, &Deed::List { key }, call).await;
    }

    /// A key that was used.
    fn used(&self, worker: &mut Worker) -> Option<u64> {
        self.lock().iter().copied().choose(&mut worker.dice)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u64>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workload for Retry {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async {
            create_role(&self.desk.nodes[0].last, VIEWER, "document#view").await?;
            Ok(())
        }
        .boxed()
    }

    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()> {
        async move {
            if let Some(key) = self.used(worker).filter(|_| !self.desk.is_to_write(true)) {
                let own = worker.own();
                self.list(worker.id, own.node, &own.check, key).await;
            } else if worker.dice.random_bool(0.4) {
                self.send(worker).await;
            } else {
                self.again(worker).await;
            }
            worker.pause(PAUSE_MS).await;
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        async move {
            let end = self.next_key.load(Ordering::SeqCst);
            let keys = end.saturating_sub(FINAL_KEYS_MAX).max(1)..end;
            let reads = stream::iter(keys).map(|key| self.list(0, at.node, &at.last, key));
            reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
        }
        .boxed()
    }
}

/// Half of the clients soon give up, so that requests are sent again whose outcome is open.
fn hasty(client: u32, at: &Connections) -> &Client {
    if client.is_multiple_of(2) { &at.hasty } else { &at.write }
}

/// Makes the grant of a key on a scope, under the key.
async fn create(client: &Client, key: u64, scope: &str) -> Result<(Answer, u64), portcullis_client::Error> {
    let role = if is_early(key) { role(key) } else { VIEWER.to_owned() };
    let options = v1::WriteOptions { idempotency_key: format!("key-{key}"), ..v1::WriteOptions::default() };
    let request = v1::CreateGrantRequest { options: Some(options), ..grant("", &user(key), &role, scope) };
    let made = client.create_grant(request).await?;
    Ok((Answer::Made(made.grant.unwrap_or_default().id), revision(made.position)))
}

async fn change(client: &Client, deed: Deed) -> Came {
    match deed {
        Deed::Misuse { key } => outcome::written(create(client, key, "folder:elsewhere").await),
        Deed::Provide { key } => {
            let made = create_role(client, &role(key), "document#view").await;
            outcome::written(made.map(|made| (Answer::Done, revision(made))))
        }
        Deed::Revoke { key } => {
            let filter = Some(v1::GrantFilter { subject: user(key), ..v1::GrantFilter::default() });
            let request = v1::RevokeGrantsByFilterRequest { filter, ..v1::RevokeGrantsByFilterRequest::default() };
            let revoked = client.revoke_grants_by_filter(request).await;
            outcome::written(revoked.map(|revoked| (Answer::Done, revision(revoked.position))))
        }
        Deed::Make { .. } | Deed::List { .. } => unreachable!("INVARIANT: these are asked elsewhere"),
    }
}

fn is_early(key: u64) -> bool {
    key.is_multiple_of(EARLY_SHARE)
}

fn user(key: u64) -> String {
    format!("user:u{key}")
}

fn role(key: u64) -> String {
    format!("role-{key}")
}
