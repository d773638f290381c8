//! The workload `exact`: accesses come and go, and everybody is asked again and again how it was at one revision.
//!
//! Accesses are those of `revocation`, in its five ways. Every write leaves the token of its revision; questions are about any
//! newer access as of any token, by a check, a batch or a lookup, at every node, soon after and at the end once more.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use portcullis_client::{Client, Error, v1};
use rand::Rng;
use serde::{Deserialize, Serialize};
use v1::consistency::Mode;

use super::revocation::Access;
use super::{Kind, Workload};
use crate::history::{self, Came, Key};
use crate::messages::{consistency, may_view, revision};
use crate::system::portcullis;
use crate::traffic::{Connections, Desk, FINAL_READS_AT_ONCE, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "exact",
    what: "accesses come and go, and all nodes are asked again and again how it was at one revision",
    judges: &[checker::exact::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| Arc::new(Exact { desk, next_key: AtomicU64::new(1), past: Mutex::default(), asked: Mutex::default() }),
};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// Give an access.
    Give {
        /// The key.
        key: u64,
    },
    /// Take an access away.
    Take {
        /// The key.
        key: u64,
    },
    /// Was it given at this revision?
    Ask {
        /// The key.
        key: u64,
        /// The revision.
        revision: u64,
        /// By which call.
        way: Way,
    },
}

/// By which call it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By a check.
    Check,
    /// By a batch of checks.
    Batch,
    /// By a lookup of subjects.
    Lookup,
}

impl history::Deed for Deed {
    /// Whether it was given; of writes, nothing.
    type Answer = Option<bool>;

    fn writes(&self) -> bool {
        match self {
            Self::Give { .. } | Self::Take { .. } => true,
            Self::Ask { .. } => false,
        }
    }
}

/// One client in so many writes.
const WRITERS_SHARE: u32 = 3;
/// The longest pause after a turn, in milliseconds.
const PAUSE_MS: u64 = 15;
/// About how many revisions, and how many of the newest keys before each, are asked.
const PAST_MAX: usize = 40;
const KEYS_MAX: u64 = 6;
/// How many questions are asked once more at the end.
const FINAL_QUESTIONS_MAX: usize = 1_500;

struct Exact {
    desk: Arc<Desk>,
    next_key: AtomicU64,
    /// Revisions to ask about, with the key that was written then.
    past: Mutex<VecDeque<Moment>>,
    /// What was asked.
    asked: Mutex<BTreeSet<(Moment, u64)>>,
}

/// A revision, its token, and the key that was written then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    revision: u64,
    token: String,
    key: u64,
}

impl Exact {
    async fn write(&self, worker: &mut Worker) {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let access = Access { key: Key(key) };
        portcullis::prepare(&worker.any().write, access).await;
        if matches!(self.change(worker, Deed::Give { key }).await, Came::Ok { .. }) {
            worker.pause(PAUSE_MS).await;
            self.change(worker, Deed::Take { key }).await;
        }
    }

    async fn change(&self, worker: &mut Worker, deed: Deed) -> Came {
        let at = worker.any();
        let call = async {
            let (key, changed) = match deed {
                Deed::Give { key } => (key, portcullis::give(&at.write, Access { key: Key(key) }).await),
                Deed::Take { key } => (key, portcullis::take(&at.write, Access { key: Key(key) }).await),
                Deed::Ask { .. } => unreachable!("INVARIANT: a question changes nothing"),
            };
            if let Ok(Some(v1::Position { revision, token, .. })) = &changed {
                self.note(Moment { revision: *revision, token: token.clone(), key });
            }
            outcome::written(changed.map(|changed| (None::<bool>, revision(changed))))
        };
        self.desk.ask(worker.id, at.node, &deed, call).await
    }

    async fn read(&self, worker: &mut Worker) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if past.is_empty() {
            return;
        }
        let moment = past[worker.dice.random_range(0..past.len())].clone();
        let key = (moment.key + 1).saturating_sub(worker.dice.random_range(0..=KEYS_MAX)).max(1);
        let way = [Way::Check, Way::Check, Way::Batch, Way::Lookup][worker.dice.random_range(0..4)];
        let own = worker.own();
        self.ask(worker.id, (own.node, &own.check), &moment, (key, way)).await;
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert((moment, key));
    }

    async fn ask(&self, client: u32, at: (u64, &Client), moment: &Moment, (key, way): (u64, Way)) {
        let deed = Deed::Ask { key, revision: moment.revision, way };
        let call = async { outcome::read(answer(at.1, moment, Access { key: Key(key) }, way).await) };
        self.desk.ask(client, at.0, &deed, call).await;
    }

    fn note(&self, moment: Moment) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push_back(moment);
        if past.len() > PAST_MAX {
            past.pop_front();
        }
    }
}

impl Workload for Exact {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async { Ok(portcullis::set_up(&self.desk.nodes[0].last).await?) }.boxed()
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
            let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            // Evenly from the whole of the run, so that the oldest are among them.
            let step = asked.len() / FINAL_QUESTIONS_MAX + 1;
            let reads = stream::iter(asked.into_iter().step_by(step)).map(|(moment, key)| async move {
                self.ask(0, (at.node, &at.last), &moment, (key, Way::Check)).await;
            });
            reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
        }
        .boxed()
    }
}

/// Whether an access was given, and at which revision the answer is true.
async fn answer(client: &Client, moment: &Moment, access: Access, way: Way) -> Result<(Option<bool>, u64), Error> {
    let (subject, resource) = access.question();
    let item = may_view(&subject, &resource);
    let consistency = consistency(Mode::AtExact(moment.token.clone()));
    let at = |evaluation: Option<v1::Evaluation>| revision(evaluation.and_then(|evaluation| evaluation.position));
    Ok(match way {
        Way::Check => {
            let request = v1::CheckRequest { item: Some(item), consistency, ..v1::CheckRequest::default() };
            let response = client.check(request).await?;
            (decided(response.decision()), at(response.evaluation))
        }
        Way::Batch => {
            let request = v1::BatchCheckRequest { items: vec![item], consistency, ..v1::BatchCheckRequest::default() };
            let response = client.batch_check(request).await?;
            let result = response.results.first();
            if let Some(result) = result.filter(|result| !result.error_reason.is_empty()) {
                let (kind, reason) = (portcullis_client::Kind::Unavailable, result.error_reason.clone());
                return Err(Error::Answered { kind, reason, message: result.error_message.clone() });
            }
            (result.and_then(|result| decided(result.decision())), at(response.evaluation))
        }
        Way::Lookup => {
            let [permission, subject_type] = ["view", "user"].map(str::to_owned);
            let request = v1::LookupSubjectsRequest {
                permission,
                resource,
                subject_type,
                consistency,
                ..v1::LookupSubjectsRequest::default()
            };
            let answers: Vec<v1::LookupSubjectsResponse> = client.lookup_subjects(request).await?.try_collect().await?;
            let mut found = answers.iter().flat_map(|answer| &answer.subjects);
            let is_found = found.any(|found| found.subject == subject);
            // An answer that finds nobody need not say at which revision that is so.
            let evaluation = answers.into_iter().next().and_then(|answer| answer.evaluation);
            (Some(is_found), evaluation.map_or(moment.revision, |evaluation| at(Some(evaluation))))
        }
    })
}

/// The decision, if there is one.
fn decided(decision: v1::Decision) -> Option<bool> {
    match decision {
        v1::Decision::Allow => Some(true),
        v1::Decision::Deny => Some(false),
        v1::Decision::Conditional | v1::Decision::Unspecified => None,
    }
}
