//! Answers about the past: as of a revision that history still reaches back to.
//!
//! A check at a recent revision is answered from a version in memory. For an older one what checks read of the tenant is made
//! again from the history, one at a time, and the last few are kept, since whoever asks about a moment asks more than once.
//!
//! INVARIANT: whether a revision can be read, and what is read there, is the same on every node: it follows from where history
//! begins and from whether the tenant exists, never from what this node happens to have in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use portcullis_model::{Clock, Revision, TenantId, Timestamp, Token};
use portcullis_storage::state::{Past, PastError, View};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::check::CheckError;
use crate::decide::DecideError;
use crate::node::Node;
use crate::view::{Served, ServedBy, ViewError};

/// How many versions that were made again are kept.
const KEPT_MAX: usize = 4;

/// Versions that were made again, the last one last.
#[derive(Default)]
pub(crate) struct Remade {
    versions: Mutex<VecDeque<(TenantId, Arc<View>)>>,
}

impl Node {
    /// The version at exactly a token. Time is what the leader's clock said then: a grant that may have been over by it does
    /// not count.
    pub(crate) async fn exactly(
        &self,
        token: Token,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Served, DecideError> {
        self.at_revision(token, None, tenant, deadline).await
    }

    /// The version at exactly a moment. Time is that moment.
    pub(crate) async fn exactly_at(
        &self,
        time: Timestamp,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Served, DecideError> {
        let token = self.token_at(time, deadline).await?;
        self.at_revision(token, Some(time), tenant, deadline).await
    }

    /// The version at exactly a token. Without a time, that of its last change counts.
    async fn at_revision(
        &self,
        token: Token,
        time: Option<Timestamp>,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Served, DecideError> {
        let past = self.past(token, deadline).await?;
        let (revision, there, of) = (token.revision, past.clone(), tenant.clone());
        let in_memory = self.reader.clone();
        let found = blocking(move || {
            let Some(stamp) = there.stamp(&of)? else { return Ok(None) };
            Ok(Some((stamp, in_memory.view_at(&of, revision)?)))
        });
        let Some((stamp, view)) = found.await? else { return Err(CheckError::TenantMissing(tenant.clone()).into()) };
        let view = match view {
            Some(view) => view,
            None => self.remade(past, revision, tenant, deadline).await?,
        };
        let then = Some(Clock { reading: time.unwrap_or(stamp), error_ms: 0 });
        Ok(Served { view, token: revision, by: ServedBy::Nothing, counted: None, then, age: None })
    }

    /// The state as it was at a token, once it is visible here.
    pub(crate) async fn past(&self, token: Token, deadline: Instant) -> Result<Past, ViewError> {
        let revision = self.check_group(token)?;
        self.group.wait_published(revision.0, deadline).await?;
        Ok(self.reader.past(revision))
    }

    async fn remade(
        &self,
        past: Past,
        revision: Revision,
        tenant: &TenantId,
        deadline: Instant,
    ) -> Result<Arc<View>, ViewError> {
        let Ok(mut versions) = timeout_at(deadline, self.remade.versions.lock()).await else {
            return Err(ViewError::Late);
        };
        let is_wanted = |(of, view): &&(TenantId, Arc<View>)| of == tenant && view.revision == revision;
        if let Some((_, view)) = versions.iter().find(is_wanted) {
            return Ok(Arc::clone(view));
        }
        let of = tenant.clone();
        let is_spilled = self.reader.view().resident.tenant(tenant).is_some_and(|index| index.is_spilled());
        let view = Arc::new(blocking(move || past.view(&of, is_spilled, &|| Instant::now() >= deadline)).await?);
        if versions.len() == KEPT_MAX {
            versions.pop_front();
        }
        versions.push_back((tenant.clone(), Arc::clone(&view)));
        Ok(view)
    }
}

/// Reads from the disk, on a thread where that holds up nobody else. A runtime of one thread does it at once: a simulation knows when
/// things happen only if no other thread has a part in them.
pub(crate) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, PastError> + Send + 'static,
) -> Result<T, ViewError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(read()?);
    }
    let read =
        tokio::task::spawn_blocking(read).await.expect("INVARIANT: reading does not panic, and is not cancelled");
    Ok(read?)
}
