//! The workload `append`: lists that grow several at a time, and are read several at a time.
//!
//! A list is a group, and its elements are members: one write adds an element to two or three groups at once, and a read tells
//! who is in all groups of a block, as of one revision: by a batch of checks, by a list of relationships, or, of one group, by
//! a lookup. Nothing is ever taken out, so what was read of a group is what had been added until then. Calls are written as
//! transactions in the words of Elle's list-append.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use portcullis_client::{Client, Error, v1};
use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::{Kind, Workload};
use crate::history;
use crate::messages::{Touch, create_role, grant, may_view, revision, updates};
use crate::traffic::{Connections, Desk, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "append",
    what: "members are added to several groups at once, which are read several at once",
    judges: &[checker::append::JUDGE],
    for_elle: checker::append::in_order,
    make: |desk| Arc::new(Append { desk, blocks: AtomicU64::new(0), open: Mutex::default() }),
};

/// A transaction, in the words of Elle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// All of it at once.
    Txn(Vec<Step>),
}

/// One step of a transaction: what to do with which list, and the element or what was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step(pub Verb, pub u64, pub Content);

/// What to do with a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Add an element.
    Append,
    /// Read.
    R,
}

/// What a step is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// What is not read yet.
    Unread,
    /// The element to add.
    Element(u64),
    /// What was read.
    List(Vec<u64>),
}

impl history::Deed for Deed {
    /// The transaction with what was read.
    type Answer = Vec<Step>;

    fn writes(&self) -> bool {
        let Self::Txn(steps) = self;
        steps.iter().any(|step| step.0 == Verb::Append)
    }
}

/// How many groups a block has, and how many elements are added to them.
const GROUPS: u64 = 3;
const ELEMENTS: u64 = 12;
/// How many blocks are added to at a time.
const OPEN_MAX: usize = 2;
/// One client in so many writes.
const WRITERS_SHARE: u32 = 3;
/// The longest pause after a turn, in milliseconds.
const PAUSE_MS: u64 = 20;
/// How many blocks nodes are asked about at the end; the newest.
const FINAL_BLOCKS_MAX: u64 = 400;
const VIEWER: &str = "viewer";
/// A page that holds a block.
const PAGE_SIZE: u32 = 1_000;

struct Append {
    desk: Arc<Desk>,
    /// How many blocks there are.
    blocks: AtomicU64,
    /// Blocks that are added to, with the next element of each.
    open: Mutex<BTreeMap<u64, u64>>,
}

/// How a block is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Batch,
    List,
    /// Of one group alone.
    Lookup(u64),
}

impl Append {
    /// An element to add to a block.
    async fn next(&self, worker: &mut Worker) -> Option<(u64, u64)> {
        if self.lock().len() < OPEN_MAX {
            let block = self.blocks.fetch_add(1, Ordering::SeqCst);
            if prepare(&worker.any().write, block).await.is_ok() {
                self.lock().insert(block, 0);
            }
        }
        let mut open = self.lock();
        let place = worker.dice.random_range(0..OPEN_MAX) % open.len().max(1);
        let (block, element) = open.iter_mut().nth(place)?;
        let (block, issued) = (*block, *element);
        *element += 1;
        if issued + 1 == ELEMENTS {
            open.remove(&block);
        }
        Some((block, issued))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, worker: &mut Worker) {
        let Some((block, element)) = self.next(worker).await else { return };
        let (at, mut groups) = (worker.any(), lists(block).collect::<Vec<_>>());
        groups.shuffle(&mut worker.dice);
        groups.truncate(worker.dice.random_range(2..=groups.len()));
        let steps: Vec<Step> = groups.iter().map(|list| Step(Verb::Append, *list, Content::Element(element))).collect();
        let links = groups.iter().map(|list| (Touch, format!("{}#member@{}", group(*list), user(element))));
        let request = updates(links);
        let answer = steps.clone();
        let is_hasty = (worker.id / WRITERS_SHARE).is_multiple_of(2);
        let client = if is_hasty { &at.hasty } else { &at.write };
        let call = async {
            let written = client.write_relationships(request).await;
            outcome::written(written.map(|written| (answer, revision(written.position))))
        };
        self.desk.ask(worker.id, at.node, &Deed::Txn(steps), call).await;
    }

    async fn read(&self, client: u32, (node, connection): (u64, &Client), block: u64, way: Way) {
        let wanted: Vec<u64> = match way {
            Way::Batch | Way::List => lists(block).collect(),
            Way::Lookup(list) => vec![list],
        };
        let steps = wanted.iter().map(|list| Step(Verb::R, *list, Content::Unread)).collect();
        let call = async {
            let read = match way {
                Way::Batch => batch(connection, block).await,
                Way::List => list(connection, block).await,
                Way::Lookup(list) => lookup(connection, list).await,
            };
            outcome::read(read.map(|(members, revision)| {
                let read = |list: &u64| {
                    let members = members.get(list).cloned().unwrap_or_default();
                    Step(Verb::R, *list, Content::List(members))
                };
                (wanted.iter().map(read).collect::<Vec<_>>(), revision)
            }))
        };
        self.desk.ask(client, node, &Deed::Txn(steps), call).await;
    }
}

impl Workload for Append {
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
            } else if let Some(newest) = self.blocks.load(Ordering::SeqCst).checked_sub(1) {
                let block = newest.saturating_sub(worker.dice.random_range(0..=OPEN_MAX as u64));
                let way = match worker.dice.random_range(0..5) {
                    0 => Way::List,
                    1 => Way::Lookup(block * GROUPS + worker.dice.random_range(0..GROUPS)),
                    _ => Way::Batch,
                };
                let own = worker.own();
                self.read(worker.id, (own.node, &own.check), block, way).await;
            }
            worker.pause(PAUSE_MS).await;
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        async move {
            let end = self.blocks.load(Ordering::SeqCst);
            for block in end.saturating_sub(FINAL_BLOCKS_MAX)..end {
                self.read(0, (at.node, &at.last), block, Way::Batch).await;
                self.read(0, (at.node, &at.last), block, Way::List).await;
            }
        }
        .boxed()
    }
}

/// The lists of a block.
fn lists(block: u64) -> impl Iterator<Item = u64> {
    block * GROUPS..(block + 1) * GROUPS
}

/// Lets every member of a group of the block see the document of the group.
async fn prepare(client: &Client, block: u64) -> Result<(), Error> {
    for list in lists(block) {
        let members = format!("{}#member", group(list));
        client.create_grant(grant(&format!("list-{list}"), &members, VIEWER, &document(list))).await?;
    }
    Ok(())
}

/// Which elements are in which list, and at which revision.
type Members = (BTreeMap<u64, Vec<u64>>, u64);

async fn batch(client: &Client, block: u64) -> Result<Members, Error> {
    let asked: Vec<(u64, u64)> =
        lists(block).flat_map(|list| (0..ELEMENTS).map(move |element| (list, element))).collect();
    let items = asked.iter().map(|(list, element)| may_view(&user(*element), &document(*list))).collect();
    let answer = client.batch_check(v1::BatchCheckRequest { items, ..v1::BatchCheckRequest::default() }).await?;
    let mut members: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for ((list, element), result) in asked.into_iter().zip(&answer.results) {
        match result.decision() {
            v1::Decision::Allow => members.entry(list).or_default().push(element),
            v1::Decision::Deny => {}
            // One answer that is missing leaves open what was read.
            v1::Decision::Unspecified | v1::Decision::Conditional => {
                let (reason, message) = (result.error_reason.clone(), result.error_message.clone());
                return Err(Error::Answered { kind: portcullis_client::Kind::Unavailable, reason, message });
            }
        }
    }
    Ok((members, revision(answer.evaluation.and_then(|evaluation| evaluation.position))))
}

async fn list(client: &Client, block: u64) -> Result<Members, Error> {
    let filter = v1::RelationshipFilter {
        resource_type: "group".to_owned(),
        resource_id_prefix: format!("block{block}-"),
        ..v1::RelationshipFilter::default()
    };
    let (filter, page_size) = (Some(filter), PAGE_SIZE);
    let request = v1::ReadRelationshipsRequest { filter, page_size, ..v1::ReadRelationshipsRequest::default() };
    let page = client.read_relationships(request).await?;
    let mut members: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for relationship in &page.relationships {
        let found = lists(block).find(|list| relationship.starts_with(&format!("{}#", group(*list))));
        let element = relationship.rsplit_once("@user:element").and_then(|(_, element)| element.parse().ok());
        if let (Some(list), Some(element)) = (found, element) {
            members.entry(list).or_default().push(element);
        }
    }
    Ok((members, revision(page.position)))
}

async fn lookup(client: &Client, list: u64) -> Result<Members, Error> {
    let request = v1::LookupSubjectsRequest {
        permission: "view".to_owned(),
        resource: document(list),
        subject_type: "user".to_owned(),
        ..v1::LookupSubjectsRequest::default()
    };
    let answers: Vec<v1::LookupSubjectsResponse> = client.lookup_subjects(request).await?.try_collect().await?;
    let found = answers.iter().flat_map(|answer| &answer.subjects);
    let elements = found.filter_map(|found| found.subject.strip_prefix("user:element")?.parse().ok()).collect();
    let evaluation = answers.first().and_then(|answer| answer.evaluation.clone());
    Ok((BTreeMap::from([(list, elements)]), revision(evaluation.and_then(|evaluation| evaluation.position))))
}

fn group(list: u64) -> String {
    format!("group:block{}-{}", list / GROUPS, list % GROUPS)
}

fn document(list: u64) -> String {
    format!("document:list{list}")
}

fn user(element: u64) -> String {
    format!("user:element{element}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_in_the_words_of_elle() {
        let text = |steps: &[Step]| serde_json::to_string(steps).unwrap();
        let steps = [
            Step(Verb::Append, 3, Content::Element(7)),
            Step(Verb::R, 4, Content::Unread),
            Step(Verb::R, 5, Content::List(vec![1, 2])),
        ];
        assert_eq!(text(&steps), r#"[["append",3,7],["r",4,null],["r",5,[1,2]]]"#);
        assert_eq!(serde_json::from_str::<Vec<Step>>(&text(&steps)).unwrap(), steps);
    }
}
