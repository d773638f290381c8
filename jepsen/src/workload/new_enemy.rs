//! The workload `new-enemy`: somebody is taken out of a policy, and then content is put under it.
//!
//! Each key is a folder with two members, an enemy and a friend, and a document that is put there once the enemy is out.
//! Everybody is asked about it meanwhile, at every node, also as of whatever state a node has. Members are such in one of
//! four ways, and leave it in the same.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use portcullis_client::{Client, Error, v1};
use rand::Rng;
use rand::seq::IteratorRandom;
use serde::{Deserialize, Serialize};
use v1::consistency::Mode;

use super::{Kind, Workload};
use crate::history::{self, Came};
use crate::messages::{Delete, Touch, consistency, create_role, grant, may_view, revision, updates};
use crate::traffic::{Connections, Desk, FINAL_READS_AT_ONCE, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "new-enemy",
    what: "somebody is taken out of a policy, then content is put under it, and everybody is asked about it",
    judges: &[checker::new_enemy::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| Arc::new(NewEnemy { desk, next_key: AtomicU64::new(1), newest: Mutex::default() }),
};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// Take the enemy out of the policy of this key.
    Remove {
        /// The key.
        key: u64,
    },
    /// Put the content of this key under its policy.
    Put {
        /// The key.
        key: u64,
    },
    /// May they see the content?
    Look {
        /// The key.
        key: u64,
        /// Who.
        who: Who,
        /// How fresh the answer has to be.
        freshness: Freshness,
    },
}

impl history::Deed for Deed {
    /// Whether it is allowed; of writes, nothing.
    type Answer = Option<bool>;

    fn writes(&self) -> bool {
        match self {
            Self::Remove { .. } | Self::Put { .. } => true,
            Self::Look { .. } => false,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Who was taken out.
    Enemy,
    /// Who stays.
    Friend,
}

/// How fresh an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// As fresh as anything that was acknowledged.
    Fresh,
    /// As fresh as the content.
    AsContent,
    /// Whatever the node has.
    Any,
}

/// One client in so many writes.
const WRITERS_SHARE: u32 = 3;
/// How often a write is tried, while the outcome is not known.
const ATTEMPTS_MAX: u32 = 6;
/// The longest pause after a turn, in milliseconds.
const PAUSE_MS: u64 = 10;
/// How many keys are asked about, and how many at the end.
const NEWEST_MAX: usize = 16;
const FINAL_KEYS_MAX: u64 = 500;
const VIEWER: &str = "viewer";

struct NewEnemy {
    desk: Arc<Desk>,
    next_key: AtomicU64,
    newest: Mutex<VecDeque<Policy>>,
}

/// A key, and the token of its content once that was put.
#[derive(Clone, Debug)]
struct Policy {
    key: u64,
    token: Option<String>,
}

impl NewEnemy {
    /// The life of a key.
    async fn write(&self, worker: &mut Worker) {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        // What could not be prepared is no policy.
        if prepare(&worker.any().write, key).await.is_err() {
            return;
        }
        self.note(Policy { key, token: None });
        if self.change(worker, Deed::Remove { key }).await.is_none() {
            return;
        }
        let Some(token) = self.change(worker, Deed::Put { key }).await else { return };
        let policy = Policy { key, token: Some(token) };
        self.note(policy.clone());
        let freshness = [Freshness::Fresh, Freshness::AsContent, Freshness::Any][worker.dice.random_range(0..3)];
        let looks = self.desk.nodes.iter().flat_map(|at| [(at, Who::Enemy), (at, Who::Friend)]);
        let id = worker.id;
        join_all(looks.map(|(at, who)| self.look(id, (at.node, &at.check), &policy, (who, freshness)))).await;
    }

    /// Makes a change at one node after the other until it is known to have taken place, and returns its token.
    async fn change(&self, worker: &mut Worker, deed: Deed) -> Option<String> {
        for _ in 0..ATTEMPTS_MAX {
            let (at, mut position) = (worker.any(), None);
            let call = async {
                let changed = apply(&at.write, &deed).await;
                outcome::written(changed.map(|changed| {
                    position.clone_from(&changed);
                    ((), revision(changed))
                }))
            };
            match self.desk.ask(worker.id, at.node, &deed, call).await {
                Came::Ok { .. } => return Some(position.unwrap_or_default().token),
                Came::Unknown { .. } if !worker.is_stopped() => {}
                Came::Fail { .. } | Came::Unknown { .. } => return None,
            }
        }
        None
    }

    async fn read(&self, worker: &mut Worker) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(policy) = newest.into_iter().choose(&mut worker.dice) else { return };
        let (own, is_enemy) = (worker.own(), worker.dice.random_bool(0.7));
        let freshness = match worker.dice.random_range(0..3) {
            0 => Freshness::Any,
            1 if policy.token.is_some() => Freshness::AsContent,
            _ => Freshness::Fresh,
        };
        let who = if is_enemy { Who::Enemy } else { Who::Friend };
        self.look(worker.id, (own.node, &own.check), &policy, (who, freshness)).await;
    }

    async fn look(&self, client: u32, at: (u64, &Client), policy: &Policy, asked: (Who, Freshness)) {
        let (key, (who, freshness)) = (policy.key, asked);
        let mode = match freshness {
            Freshness::Fresh => Mode::Linearizable(true),
            Freshness::AsContent => Mode::AtLeastAsFresh(policy.token.clone().unwrap_or_default()),
            Freshness::Any => Mode::MinimizeLatency(true),
        };
        let user = match who {
            Who::Enemy => enemy(key),
            Who::Friend => friend(key),
        };
        let item = Some(may_view(&user, &document(key)));
        let request = v1::CheckRequest { item, consistency: consistency(mode), ..v1::CheckRequest::default() };
        let call = async { outcome::decided(at.1.check(request).await) };
        self.desk.ask(client, at.0, &Deed::Look { key, who, freshness }, call).await;
    }

    fn note(&self, policy: Policy) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.retain(|known| known.key != policy.key);
        newest.push_back(policy);
        if newest.len() > NEWEST_MAX {
            newest.pop_front();
        }
    }
}

impl Workload for NewEnemy {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async {
            create_role(&self.desk.nodes[0].last, VIEWER, "document#view").await?;
            Ok(())
        }
        .boxed()
    }

    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()> {
        async move {
            if self.desk.is_to_write(worker.id % WRITERS_SHARE == 1) {
                self.write(worker).await;
            } else {
                self.read(worker).await;
            }
            worker.pause(PAUSE_MS).await;
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        async move {
            let end = self.next_key.load(Ordering::SeqCst);
            let keys = end.saturating_sub(FINAL_KEYS_MAX).max(1)..end;
            let asked = keys.flat_map(|key| [(key, Who::Enemy), (key, Who::Friend)]);
            let reads = stream::iter(asked).map(|(key, who)| async move {
                let policy = Policy { key, token: None };
                self.look(0, (at.node, &at.last), &policy, (who, Freshness::Fresh)).await;
            });
            reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
        }
        .boxed()
    }
}

/// How the enemy is a member, and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a grant of their own, which is revoked.
    Direct,
    /// By a group in a group.
    Group,
    /// By a role, which then loses the permission.
    Role,
    /// By a grant, which is revoked by a filter.
    Filter,
}

fn way(key: u64) -> Way {
    match key % 4 {
        0 => Way::Direct,
        1 => Way::Group,
        2 => Way::Role,
        _ => Way::Filter,
    }
}

/// Makes the policy, with both members.
async fn prepare(client: &Client, key: u64) -> Result<(), Error> {
    client.create_grant(grant(&format!("friend-{key}"), &friend(key), VIEWER, &folder(key))).await?;
    let (id, mut subject, mut role) = (format!("enemy-{key}"), enemy(key), VIEWER.to_owned());
    match way(key) {
        Way::Direct | Way::Filter => {}
        Way::Group => {
            subject = format!("group:outer{key}#member");
            let links = [format!("{subject}@group:inner{key}#member"), link(key)];
            client.write_relationships(updates(links.map(|link| (Touch, link)))).await?;
        }
        Way::Role => {
            role = format!("role-{key}");
            create_role(client, &role, "document#view").await?;
        }
    }
    client.create_grant(grant(&id, &subject, &role, &folder(key))).await?;
    Ok(())
}

/// Makes a change, and returns where.
async fn apply(client: &Client, deed: &Deed) -> Result<Option<v1::Position>, Error> {
    let key = match deed {
        Deed::Put { key } => {
            let put = updates([(Touch, format!("{}#parent@{}", document(*key), folder(*key)))]);
            return Ok(client.write_relationships(put).await?.position);
        }
        Deed::Remove { key } => *key,
        Deed::Look { .. } => unreachable!("INVARIANT: a look changes nothing"),
    };
    Ok(match way(key) {
        Way::Direct => {
            let ids = vec![format!("enemy-{key}")];
            client.revoke_grants(v1::RevokeGrantsRequest { ids, ..Default::default() }).await?.position
        }
        Way::Filter => {
            let filter = Some(v1::GrantFilter { subject: enemy(key), ..Default::default() });
            let request = v1::RevokeGrantsByFilterRequest { filter, ..Default::default() };
            client.revoke_grants_by_filter(request).await?.position
        }
        Way::Role => {
            let (id, permissions) = (format!("role-{key}"), vec!["document#list".to_owned()]);
            client.update_role(v1::UpdateRoleRequest { id, permissions, ..Default::default() }).await?.position
        }
        Way::Group => client.write_relationships(updates([(Delete, link(key))])).await?.position,
    })
}

fn enemy(key: u64) -> String {
    format!("user:enemy{key}")
}

fn friend(key: u64) -> String {
    format!("user:friend{key}")
}

fn folder(key: u64) -> String {
    format!("folder:policy{key}")
}

fn document(key: u64) -> String {
    format!("document:content{key}")
}

/// What makes the enemy a member of the group.
fn link(key: u64) -> String {
    format!("group:inner{key}#member@{}", enemy(key))
}
