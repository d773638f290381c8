//! What reads look at: the expiry of the lease and the View, each loaded by one atomic step.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use portcullis_lease::read::{Mark, Marked, Published};
use portcullis_lease::{Limit, Reading};
use portcullis_storage::resident::Doubts;
use portcullis_storage::state;

use super::pending::Pending;
use crate::clock::Clock;

/// What a read is answered from: a state, and the entries behind it that are already in the log. Immutable.
#[derive(Debug)]
pub struct View {
    /// The newest state that is visible.
    pub state: Arc<state::View>,
    pub(super) mark: Mark,
    pub(super) pending: imbl::Vector<Arc<Pending>>,
    /// Made when it is first asked for: where nobody reads meanwhile, no write pays for it.
    pub(super) doubts: OnceLock<Doubts>,
}

impl View {
    /// Its place in the log.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// How many entries there are behind the state.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// What the entries behind the state put in doubt, which may or may not be visible elsewhere already.
    pub fn doubts(&self) -> &Doubts {
        let footprints = || self.pending.iter().map(|pending| pending.footprint());
        self.doubts.get_or_init(|| Doubts::new(&self.state.resident, footprints()))
    }
}

/// A View in the hands of a read.
pub(super) struct Loaded(pub(super) Arc<View>);

impl Marked for Loaded {
    fn mark(&self) -> Mark {
        self.0.mark
    }
}

/// The two values and the clocks.
pub(super) struct Shown {
    expiry: ArcSwap<Option<Limit>>,
    view: ArcSwap<View>,
    clock: Arc<dyn Clock>,
}

impl Shown {
    pub(super) fn new(view: View, clock: Arc<dyn Clock>) -> Self {
        Self { expiry: ArcSwap::default(), view: ArcSwap::from_pointee(view), clock }
    }

    /// The View, for whoever needs no lease.
    pub(super) fn newest(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Shows a View; `None` leaves the one that is shown. A read loads the expiry first, so it is shown last: whoever sees
    /// the new expiry sees no older View.
    pub(super) fn show(&self, view: Option<View>, expiry: Option<Limit>) {
        if let Some(view) = view {
            self.view.store(Arc::new(view));
        }
        if **self.expiry.load() != expiry {
            self.expiry.store(Arc::new(expiry));
        }
    }
}

impl Published for Shown {
    type View = Loaded;

    fn expiry(&self) -> Option<Limit> {
        **self.expiry.load()
    }

    fn view(&self) -> Loaded {
        Loaded(self.view.load_full())
    }

    fn now(&self) -> Reading {
        self.clock.read()
    }
}
