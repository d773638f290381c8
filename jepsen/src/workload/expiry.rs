//! The workload `expiry`: what is given from one time to another, and what is kept closed until a time.
//!
//! A key is a grant with a start and an end, or a relationship with an expiration, or a ban with an expiration, which keeps
//! somebody out who may see the document otherwise. Times are those of the harness, whose clock is that of this machine; what
//! makes the clocks of nodes wrong is a nemesis. All nodes are asked all the time, most about what begins or ends just now.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use portcullis_client::{Client, Error, v1};
use rand::Rng;
use rand::seq::IteratorRandom;
use serde::{Deserialize, Serialize};
use v1::create_grant_request::Until;

use super::{Kind, Workload};
use crate::history;
use crate::messages::{Touch, create_role, grant, may_view, revision, updates};
use crate::recorder::Recorder;
use crate::traffic::{Connections, Desk, FINAL_READS_AT_ONCE, Worker};
use crate::{checker, outcome};

/// The workload.
pub const KIND: Kind = Kind {
    name: "expiry",
    what: "grants, relationships and bans begin and end by themselves, and everybody is asked meanwhile",
    judges: &[checker::expiry::JUDGE],
    for_elle: super::as_recorded,
    make: |desk| Arc::new(Expiry { desk, next_key: AtomicU64::new(1), current: Mutex::default() }),
};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", content = "value", rename_all = "snake_case")]
pub enum Deed {
    /// Make what has this window.
    Schedule {
        /// The key.
        key: u64,
        /// The window.
        window: Window,
    },
    /// May they see it?
    Look {
        /// The key.
        key: u64,
    },
}

/// Since when and until when, in microseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// It is given from the start to the end, before which it ends.
    Given {
        /// The start; 0 is at once.
        start_us: u64,
        /// The end.
        end_us: u64,
        /// Whether by a grant; else by a relationship.
        is_grant: bool,
    },
    /// It is kept closed to the end.
    Kept {
        /// The end.
        end_us: u64,
    },
}

impl history::Deed for Deed {
    /// Whether it is allowed; of writes, nothing.
    type Answer = Option<bool>;

    fn writes(&self) -> bool {
        match self {
            Self::Schedule { .. } => true,
            Self::Look { .. } => false,
        }
    }
}

/// One client in so many writes.
const WRITERS_SHARE: u32 = 4;
/// The longest pause of a writer, and of a reader, in milliseconds.
const WRITER_PAUSE_MS: u64 = 150;
const READER_PAUSE_MS: u64 = 8;
/// How long before its start a grant is made, and how long it lasts, at the most and at the least. It has to last longer than
/// twice the error of the clocks, or no node is ever sure that it holds.
const AHEAD_MS_MAX: u64 = 1_500;
const LASTS_MS_MIN: u64 = 900;
const LASTS_MS_MAX: u64 = 4_000;
/// How close to a beginning or an end readers ask most.
const CLOSE_US: u64 = 400_000;
/// For how long a key is asked about after its end, and how many there are at the most.
const AFTER_US: u64 = 3_000_000;
const CURRENT_MAX: usize = 200;
/// How many keys nodes are asked about at the end; the newest.
const FINAL_KEYS_MAX: u64 = 500;
const VIEWER: &str = "viewer";
const SCHEMA: &str = "use expiration
definition user {}
definition document {
  relation reader: user | user with expiration
  relation banned: user with expiration
  permission view = reader - banned
}";

struct Expiry {
    desk: Arc<Desk>,
    next_key: AtomicU64,
    current: Mutex<VecDeque<(u64, Window)>>,
}

impl Window {
    fn end_us(self) -> u64 {
        match self {
            Self::Given { end_us, .. } | Self::Kept { end_us } => end_us,
        }
    }

    /// Whether it begins or ends about now.
    fn is_close(self, now_us: u64) -> bool {
        let is_close = |at_us: u64| at_us.abs_diff(now_us) < CLOSE_US;
        match self {
            Self::Given { start_us, end_us, .. } => is_close(start_us) || is_close(end_us),
            Self::Kept { end_us } => is_close(end_us),
        }
    }
}

impl Expiry {
    async fn write(&self, worker: &mut Worker) {
        let key = self.next_key.fetch_add(1, Ordering::SeqCst);
        let now_us = self.desk.recorder.now_us();
        let ahead_us = worker.dice.random_range(0..=AHEAD_MS_MAX) * 1_000;
        let lasts_us = worker.dice.random_range(LASTS_MS_MIN..=LASTS_MS_MAX) * 1_000;
        let window = match key % 4 {
            0 => Window::Kept { end_us: now_us + lasts_us },
            1 => Window::Given { start_us: 0, end_us: now_us + lasts_us, is_grant: false },
            2 => Window::Given { start_us: 0, end_us: now_us + lasts_us, is_grant: true },
            _ => Window::Given { start_us: now_us + ahead_us, end_us: now_us + ahead_us + lasts_us, is_grant: true },
        };
        let at = worker.any();
        let call = async {
            outcome::written(schedule(&at.write, &self.desk.recorder, key, window).await.map(|at| (None::<bool>, at)))
        };
        self.note(key, window, now_us);
        self.desk.ask(worker.id, at.node, &Deed::Schedule { key, window }, call).await;
    }

    async fn look(&self, client: u32, node: u64, connection: &Client, key: u64) {
        let item = Some(may_view(&user(key), &document(key)));
        let request = v1::CheckRequest { item, ..v1::CheckRequest::default() };
        let call = async { outcome::decided(connection.check(request).await) };
        self.desk.ask(client, node, &Deed::Look { key }, call).await;
    }

    fn note(&self, key: u64, window: Window, now_us: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.retain(|(_, window)| window.end_us() + AFTER_US > now_us);
        current.push_back((key, window));
        if current.len() > CURRENT_MAX {
            current.pop_front();
        }
    }

    /// A key to ask about: what begins or ends just now, if anything does.
    fn choose(&self, worker: &mut Worker) -> Option<u64> {
        let now_us = self.desk.recorder.now_us();
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let close = current.iter().filter(|(_, window)| window.is_close(now_us)).choose(&mut worker.dice);
        let is_close = worker.dice.random_bool(0.7);
        close.filter(|_| is_close).or_else(|| current.iter().choose(&mut worker.dice)).map(|(key, _)| *key)
    }
}

impl Workload for Expiry {
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        async {
            let client = &self.desk.nodes[0].last;
            let schema = SCHEMA.to_owned();
            client.write_schema(v1::WriteSchemaRequest { schema, ..v1::WriteSchemaRequest::default() }).await?;
            create_role(client, VIEWER, "document#view").await?;
            Ok(())
        }
        .boxed()
    }

    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()> {
        async move {
            if self.desk.is_to_write(worker.id % WRITERS_SHARE == 1) {
                self.write(worker).await;
                worker.pause(WRITER_PAUSE_MS).await;
                return;
            }
            if let Some(key) = self.choose(worker) {
                let own = worker.own();
                self.look(worker.id, own.node, &own.check, key).await;
            }
            worker.pause(READER_PAUSE_MS).await;
        }
        .boxed()
    }

    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()> {
        async move {
            let end = self.next_key.load(Ordering::SeqCst);
            let keys = end.saturating_sub(FINAL_KEYS_MAX).max(1)..end;
            let reads = stream::iter(keys).map(|key| self.look(0, at.node, &at.last, key));
            reads.buffer_unordered(FINAL_READS_AT_ONCE).collect::<()>().await;
        }
        .boxed()
    }
}

/// Makes what has this window, and returns the revision.
async fn schedule(client: &Client, recorder: &Recorder, key: u64, window: Window) -> Result<u64, Error> {
    let (user, document) = (user(key), document(key));
    let until = |us| humantime::format_rfc3339_micros(recorder.wall(us));
    let position = match window {
        Window::Given { start_us, end_us, is_grant: true } => {
            let start = (start_us > 0).then(|| recorder.wall(start_us).into());
            let until = Some(Until::End(recorder.wall(end_us).into()));
            let made = grant(&format!("grant-{key}"), &user, VIEWER, &document);
            client.create_grant(v1::CreateGrantRequest { start, until, ..made }).await?.position
        }
        Window::Given { end_us, is_grant: false, .. } => {
            let reader = format!("{document}#reader@{user}[expiration:{}]", until(end_us));
            client.write_relationships(updates([(Touch, reader)])).await?.position
        }
        Window::Kept { end_us } => {
            let banned = format!("{document}#banned@{user}[expiration:{}]", until(end_us));
            let reader = format!("{document}#reader@{user}");
            client.write_relationships(updates([(Touch, banned), (Touch, reader)])).await?.position
        }
    };
    Ok(revision(position))
}

fn user(key: u64) -> String {
    format!("user:u{key}")
}

fn document(key: u64) -> String {
    format!("document:d{key}")
}
