//! What clients do, and by whom it is judged.
//!
//! A workload is a file: what it asks and what is answered, as a [`Deed`](crate::history::Deed); what it makes before it
//! begins, what a client does in one turn, and what nodes are asked at the end, as a [`Workload`]; its judges, which are
//! functions of the history; and a [`Kind`] that names all of it, in the list here. `new_enemy` is the one to begin from.

pub mod append;
pub mod exact;
pub mod expiry;
pub mod new_enemy;
pub mod retry;
pub mod revocation;
pub mod watch;

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::checker::Judge;
use crate::history::{Event, History};
use crate::nemesis::Nemesis;
use crate::traffic::{Connections, Desk, Worker};

/// A workload by its name.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name.
    pub name: &'static str,
    /// What clients do, in words.
    pub what: &'static str,
    /// Who judges a history of it. That nodes agree is judged in any case.
    pub judges: &'static [Judge],
    /// The calls as other tools expect them.
    pub for_elle: fn(&History) -> Vec<Event>,
    /// Makes it for one run.
    pub make: fn(Arc<Desk>) -> Arc<dyn Workload>,
}

impl Kind {
    /// Why a nemesis takes no part in runs of this workload, if it does not: what would be wrong then is not promised.
    pub fn obstacle(&self, nemesis: Nemesis) -> Option<&'static str> {
        (self.name == expiry::KIND.name && nemesis == Nemesis::ClockFar).then_some(
            "of what begins and ends by itself nothing is promised while a wall clock is further off than nodes reckon with",
        )
    }
}

/// All of them.
pub const ALL: &[Kind] =
    &[revocation::KIND, new_enemy::KIND, append::KIND, expiry::KIND, exact::KIND, watch::KIND, retry::KIND];

/// What clients do in one run.
pub trait Workload: Send + Sync {
    /// Makes what everything shares, before anything is recorded.
    fn set_up(&self) -> BoxFuture<'_, anyhow::Result<()>>;

    /// What a client does next. It is asked again, after a short pause, until the run ends; what lasts looks at
    /// [`Worker::is_stopped`].
    fn turn<'a>(&'a self, worker: &'a mut Worker) -> BoxFuture<'a, ()>;

    /// Asks a node about everything, once all is healed and every client has ended.
    fn last_reads<'a>(&'a self, at: &'a Connections) -> BoxFuture<'a, ()>;
}

/// The calls of most workloads: as they are.
pub fn as_recorded(history: &History) -> Vec<Event> {
    history.events.clone()
}

/// The workload of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}
