//! How a decision is made: from what, and when it may leave.
//!
//! A node with a lease decides from its own copy. Entries that are in its log and not visible yet put rows in doubt; an
//! answer that does not depend on them is final at once, and any other waits until they are visible. Before an allow
//! leaves, the lease and what came meanwhile are looked at again.

use std::sync::Arc;
use std::time::Duration;

use portcullis_consensus::{Counted, View};
use portcullis_lease::Fault;
use portcullis_model::{Clock, Revision, TenantId};
use portcullis_storage::resident::{Doubts, TenantDoubts};
use portcullis_storage::state::{self, Stored};
use tokio::time::Instant;

use crate::check::CheckError;
use crate::node::Node;
use crate::view::{Freshness, Served, ServedBy, ViewError};

/// How long an answer lies until it leaves, where it is not looked at again.
const LIES: Duration = Duration::from_millis(5);

/// Why there is no decision. It is never an allow. A retry, here or at another node, is safe.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is nothing to decide from.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The question has no answer.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// What is decided from.
pub(crate) struct Ground<'a> {
    state: &'a state::View,
    /// What entries behind the state put in doubt, if that matters.
    doubts: Option<Arc<Doubts>>,
    /// Whether what is in doubt counts as no.
    fail_closed: bool,
    /// The time that counts, where that is not the present.
    then: Option<Clock>,
}

/// A decision, and whether it lets somebody do something.
pub(crate) struct Judged<T> {
    pub(crate) value: T,
    pub(crate) allows: bool,
}

impl<'a> Ground<'a> {
    fn certain(state: &'a state::View, fail_closed: bool) -> Self {
        Self { state, doubts: None, fail_closed, then: None }
    }

    /// What was served for less than the newest state. What was in doubt at the time of a state of the past is no: nothing
    /// will ever be more certain there.
    fn served(served: &'a Served) -> Self {
        Self { state: &served.view, doubts: None, fail_closed: served.then.is_some(), then: served.then }
    }

    fn doubted(view: &'a View, tenant: &TenantId, fail_closed: bool) -> Self {
        let doubts = (view.pending() > 0).then(|| view.doubts(tenant));
        Self { state: &view.state, doubts, fail_closed, then: None }
    }

    /// The time that counts.
    pub(crate) fn now(&self, node: &Node) -> Clock {
        self.then.unwrap_or_else(|| node.wall())
    }

    /// Whether what is in doubt counts as no.
    pub(crate) fn fails_closed(&self) -> bool {
        self.fail_closed
    }

    /// Whether everything counts, so that waiting would bring no answer that is more certain.
    pub(crate) fn is_certain(&self) -> bool {
        self.doubts.is_none()
    }

    /// The tenant that is decided in, and what is in doubt in it.
    pub(crate) fn tenant<'s>(
        &'s self,
        tenant: &'s TenantId,
    ) -> Result<(Stored<'s>, Option<&'s TenantDoubts>), CheckError> {
        if self.doubts.as_ref().is_some_and(|doubts| doubts.is_everything()) {
            return Err(CheckError::Undecided);
        }
        let doubts = self.doubts.as_ref().and_then(|doubts| doubts.in_tenant());
        if doubts.is_some_and(TenantDoubts::touches_schema) {
            return Err(CheckError::Undecided);
        }
        match self.state.tenant(tenant) {
            Some(stored) => Ok((stored, doubts)),
            None if doubts.is_some() => Err(CheckError::Undecided),
            None => Err(CheckError::TenantMissing(tenant.clone())),
        }
    }
}

impl Node {
    /// Decides, as freshly as was asked for, and waits until `deadline` only where the answer itself is changing.
    pub(crate) async fn decide<T>(
        &self,
        freshness: Freshness,
        tenant: &TenantId,
        deadline: Instant,
        judge: impl Fn(&Ground<'_>) -> Result<Judged<T>, CheckError>,
    ) -> Result<(T, Served), DecideError> {
        let fail_closed = freshness == Freshness::FailClosed;
        if !matches!(freshness, Freshness::Linearizable | Freshness::FailClosed) {
            let served = self.view(freshness, tenant, deadline).await?;
            let judged = judge(&Ground::served(&served))?;
            return Ok((judged.value, served));
        }
        loop {
            let Ok((began, view)) = self.group.begin_read() else {
                let served = self.view_without_lease(deadline).await?;
                let judged = judge(&Ground::certain(&served.view, fail_closed))?;
                return Ok((judged.value, served));
            };
            let (judged, view, by) = match judge(&Ground::doubted(&view, tenant, fail_closed)) {
                Err(CheckError::Undecided) => {
                    let waited = self.group.wait_registered(&began, deadline).await.map_err(ViewError::from)?;
                    let Some(view) = waited else { continue };
                    let judged = judge(&Ground::certain(&view.state, fail_closed));
                    (judged, view, ServedBy::Waiting)
                }
                judged => (judged, view, ServedBy::Lease),
            };
            let base = view.mark().base;
            let judged = match judged {
                Ok(judged) => judged,
                Err(CheckError::Undecided) if self.faults.has(Fault::GrantEndsByLocalClock) => {
                    judge(&Ground::certain(&view.state, true))?
                }
                // Only time is in doubt: the end of a grant is about to become visible.
                Err(CheckError::Undecided) => {
                    let next = self.group.wait_published(base + 1, deadline).await;
                    next.map_err(|_| CheckError::Undecided)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let counted = if by == ServedBy::Waiting { view.counted_without_doubts() } else { view.counted() };
            let made = Made { judged, view, counted };
            let emitted = if self.faults.has(Fault::EmitTouched) {
                tokio::time::sleep(LIES).await;
                Some(made)
            } else {
                self.emitted(made, tenant, fail_closed, &judge)
            };
            if let Some(Made { judged, view, counted }) = emitted {
                // The answer may rest on entries that are in this log and not visible yet.
                let mark = view.mark();
                let token = Revision(began.token(mark).max(mark.registered.index));
                let state = Arc::clone(&view.state);
                return Ok((
                    judged.value,
                    Served { view: state, token, age: None, by, counted: Some(counted), then: None },
                ));
            }
            if Instant::now() >= deadline {
                return Err(CheckError::Undecided.into());
            }
        }
    }

    /// Looks once more before an allow leaves: the lease must still hold, and nothing that came meanwhile may take the
    /// answer away. `None` to start again.
    fn emitted<T>(
        &self,
        mut made: Made<T>,
        tenant: &TenantId,
        fail_closed: bool,
        judge: &impl Fn(&Ground<'_>) -> Result<Judged<T>, CheckError>,
    ) -> Option<Made<T>> {
        while made.judged.allows {
            let last = self.group.emit().ok()?;
            if !last.may_take_away(made.counted, tenant) {
                break;
            }
            let judged = judge(&Ground::doubted(&last, tenant, fail_closed)).ok()?;
            made = Made { judged, counted: last.counted(), view: last };
        }
        Some(made)
    }

    /// Looks again whether allows in a tenant may leave. `holds` says whether they still hold on other ground. What was not
    /// decided by the lease may always.
    pub(crate) fn may_leave(&self, served: &Served, tenant: &TenantId, holds: impl Fn(&Ground<'_>) -> bool) -> bool {
        let Some(mut counted) = served.counted.filter(|_| !self.faults.has(Fault::EmitTouched)) else { return true };
        loop {
            match self.group.emit() {
                Ok(last) if !last.may_take_away(counted, tenant) => return true,
                Ok(last) if holds(&Ground::doubted(&last, tenant, false)) => counted = last.counted(),
                Ok(_) | Err(_) => return false,
            }
        }
    }
}

/// Something that was decided, and from what.
struct Made<T> {
    judged: Judged<T>,
    view: Arc<View>,
    counted: Counted,
}
