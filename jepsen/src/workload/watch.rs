//! The workload `watch`: everything changes, and watchers follow it from node to node.
//!
//! Writers change relationships, several at once, grants and roles, each change something of its own. Watchers watch one node
//! for a while, and then go on at another with the token of their last message, whether the first has failed or not. At the
//! end every node is watched from the beginning of the run to its end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use portcullis_client::{Client, Error, Watch, v1};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Kind, Workload};
use crate::history::{self, Came};
use crate::messages::{Delete, Touch, create_role, grant, revision, updates};
use crate::traffic::{Connections, Desk, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "watch",
    what: "relationships, grants and roles change, and watchers follow from node to node",
    judges: &[checker::watch::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| {
        Arc::new(Watching { desk, next_key: AtomicU64::new(1), reached: AtomicU64::new(0), tokens: Mutex::default() })
    },
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// Make these changes, all at once.
    Change(Vec<String>),
    /// What comes next?
    Watch,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The changes are made.
    Done,
    /// These changes were made.
    Changed(Vec<String>),
    /// Nothing else was, up to here.
    Checkpoint,
}

impl history::Deed for Deed {
    type Answer = Answer;

    fn writes(&self) -> bool {
        match self {
            Self::Change(_) => true,
            Self::Watch => false,
        }
    }
}

/// One client in so many watches; the others write.
const WATCHERS_SHARE: u32 = 3;
/// For how long a node is watched at the most, in milliseconds.
const STAY_MS_MAX: u64 = 2_500;
/// The longest pause of a writer, in milliseconds.
const PAUSE_MS: u64 = 120;
/// How many relationships one write changes at the most.
const UPDATES_MAX: u64 = 4;
/// How long it may take to be told everything at the end.
const FINAL_PATIENCE: Duration = Duration::from_secs(30);
const VIEWER: &str = "viewer";
/// The number of the watchers of the end begins here.
const LAST_WATCHERS: u32 = 1_000_000;
/// The name under which the token of the beginning is kept.
const BEGINNING: u32 = 0;

struct Watching {
    desk: Arc<Desk>,
    next_key: AtomicU64,
    /// The last revision of an acknowledged write.
    reached: AtomicU64,
    /// Where each watcher goes on.
    tokens: Mutex<BTreeMap<u32, String>>,
}

/// The number of the watcher of a node at the end.
pub fn last_watcher(node: u64) -> u32 {
    LAST_WATCHERS + u32::try_from(node).expect("INVARIANT: there are few nodes")
}

/// Whether a watcher is one of the end.
pub fn is_final(client: u32) -> bool {
    client >= LAST_WATCHERS
}

/// One write.
enum Write {
    Relationships(v1::WriteRelationshipsRequest),
    Grant(String),
    Revoke(String),
    Role(String),
    DeleteRole(String),
}

impl Watching {
    /// The life of a key: something is made and changed again.
    async fn write(&self, worker: &mut Worker) {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let name = |what: &str| format!("{what}-{key}");
        let lives = match key % 4 {
            0 => vec![Write::Grant(name("grant")), Write::Revoke(name("grant"))],
            1 => vec![Write::Role(name("role")), Write::DeleteRole(name("role"))],
            _ => {
                let count = worker.dice.random_range(1..=UPDATES_MAX);
                let link = |number: u64| format!("group:g{key}#member@user:u{number}");
                let made = (0..count).map(|number| (Touch, link(number)));
                // In one write something goes, and something else comes.
                let changed = [(Delete, link(0)), (Touch, link(count))];
                vec![Write::Relationships(updates(made)), Write::Relationships(updates(changed))]
            }
        };
        for write in lives {
            let at = worker.any();
            let call = async {
                let written = write.make(&at.write, key).await;
                outcome::written(written.map(|position| (Answer::Done, revision(position))))
            };
            let came = self.desk.ask(worker.id, at.node, &Deed::Change(write.told()), call).await;
            // What may not be there cannot be changed in a way that is known.
            let Came::Ok { revision, .. } = came else { return };
            self.reached.fetch_max(revision, Ordering::SeqCst);
            worker.pause(PAUSE_MS).await;
        }
    }

    /// Watches a node for a while.
    async fn follow(&self, worker: &mut Worker) {
        let at = worker.any();
        let stay = Duration::from_millis(worker.dice.random_range(0..=STAY_MS_MAX));
        let mut watch = self.open(&at.write, worker.id);
        let id = worker.id;
        tokio::select! {
            () = self.take(&mut watch, id, at.node, u64::MAX) => {}
            () = tokio::time::sleep(stay) => {}
            () = worker.until_stopped() => {}
        }
    }

    /// Goes on where a watcher was, or begins.
    fn open(&self, client: &Client, watcher: u32) -> Watch {
        let since = self.lock().get(&watcher).cloned().unwrap_or_default();
        client.watch(v1::WatchRequest { since, ..v1::WatchRequest::default() })
    }

    /// Writes down what a watch tells, until it has told of a revision, or fails.
    async fn take(&self, watch: &mut Watch, watcher: u32, node: u64, until: u64) {
        loop {
            let told = watch.message().await;
            let reached = told.as_ref().map_or(0, |message| revision(message.position.clone()));
            let is_told = told.is_ok();
            // It is noted and recorded without a pause in between, so that a watcher that is stopped has done both or neither.
            if is_told {
                self.lock().insert(watcher, watch.token().to_owned());
            }
            let came = outcome::read(told.map(|message| (answer(&message), reached)));
            self.desk.ask(watcher, node, &Deed::Watch, std::future::ready(came)).await;
            if !is_told || reached >= until {
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workload for Watching {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async {
            let made = create_role(&self.desk.nodes[0].last, VIEWER, "document#view").await?;
            self.lock().insert(BEGINNING, made.unwrap_or_default().token);
            Ok(())
        }
        .boxed()
    }

    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()> {
        async move {
            if worker.id.is_multiple_of(WATCHERS_SHARE) {
                self.follow(worker).await;
            } else if self.desk.is_to_write(true) {
                self.write(worker).await;
            }
            worker.pause(PAUSE_MS).await;
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        async move {
            let until = self.reached.load(Ordering::SeqCst);
            let mut watch = self.open(&at.last, BEGINNING);
            // Whether it got there is for the judge to see.
            let _ = timeout(FINAL_PATIENCE, self.take(&mut watch, last_watcher(at.node), at.node, until)).await;
        }
        .boxed()
    }
}

impl Write {
    async fn make(&self, client: &Client, key: u64) -> Result<Option<v1::Position>, Error> {
        Ok(match self {
            Self::Relationships(request) => client.write_relationships(request.clone()).await?.position,
            Self::Grant(id) => {
                let (user, document) = (format!("user:u{key}"), format!("document:d{key}"));
                client.create_grant(grant(id, &user, VIEWER, &document)).await?.position
            }
            Self::Revoke(id) => {
                let request = v1::RevokeGrantsRequest { ids: vec![id.clone()], ..v1::RevokeGrantsRequest::default() };
                client.revoke_grants(request).await?.position
            }
            Self::Role(id) => create_role(client, id, "document#view").await?,
            Self::DeleteRole(id) => {
                let request = v1::DeleteRoleRequest { id: id.clone(), ..v1::DeleteRoleRequest::default() };
                client.delete_role(request).await?.position
            }
        })
    }

    /// What a watcher is told of it.
    fn told(&self) -> Vec<String> {
        match self {
            Self::Relationships(request) => request.updates.iter().map(update).collect(),
            Self::Grant(id) => vec![state(id, v1::grant::State::Active)],
            Self::Revoke(id) => vec![state(id, v1::grant::State::Revoked)],
            Self::Role(id) => vec![format!("role {id}")],
            Self::DeleteRole(id) => vec![format!("role {id} deleted")],
        }
    }
}

fn update(update: &v1::RelationshipUpdate) -> String {
    if update.operation() == Delete { format!("{} deleted", update.relationship) } else { update.relationship.clone() }
}

fn state(id: &str, state: v1::grant::State) -> String {
    format!("grant {id} {}", state.as_str_name())
}

fn answer(message: &v1::WatchResponse) -> Answer {
    if message.is_checkpoint {
        return Answer::Checkpoint;
    }
    Answer::Changed(message.changes.iter().filter_map(|change| change.change.as_ref()).map(told).collect())
}

fn told(change: &v1::change::Change) -> String {
    use v1::change::Change;
    match change {
        Change::RelationshipTouched(relationship) => relationship.clone(),
        Change::RelationshipDeleted(relationship) => format!("{relationship} deleted"),
        Change::Grant(grant) => state(&grant.id, grant.state()),
        Change::Role(role) => format!("role {}", role.id),
        Change::RoleDeleted(id) => format!("role {id} deleted"),
        Change::Schema(text) => format!("schema {text}"),
    }
}
