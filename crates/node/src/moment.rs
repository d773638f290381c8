//! The revision of a moment: that of the last change that was made by then.
//!
//! INVARIANT: for a moment there is one revision, the same at every node and at every time. A change that was made by then may
//! still be under way, unseen, so a revision is named only once a change that was made after it is visible: times never decrease
//! along the log, so nothing that is before the moment can come behind that. In a cluster that writes there is one at once, and
//! no other node is asked. Where nothing has been written since, this node has the leader write down that time has passed, as a
//! revocation of nothing; so that happens once for a moment, however often and wherever it is asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_model::{Timestamp, Token};
use portcullis_storage::state::Moment;
use tokio::time::Instant;

use crate::draft::Action;
use crate::node::Node;
use crate::past::blocking;
use crate::view::ViewError;

impl Node {
    /// The token of the revision of a moment.
    pub(crate) async fn token_at(&self, time: Timestamp, deadline: Instant) -> Result<Token, ViewError> {
        let now = self.wall();
        if time > now.latest() {
            return Err(ViewError::TimeNotOver { asked: time, now: now.reading });
        }
        let mut moment = self.moment(time).await?;
        if !moment.is_over {
            self.let_pass(time, deadline).await?;
            moment = self.moment(time).await?;
        }
        if !moment.is_over {
            return Err(ViewError::TimeNotOver { asked: time, now: self.wall().reading });
        }
        let reader = self.reader.clone();
        let begins = blocking(move || Ok(reader.history_begins()?)).await?;
        if let Some((_, begins)) = begins.filter(|(first, _)| moment.last < *first) {
            return Err(ViewError::TimeNotRetained { asked: time, begins });
        }
        Ok(Token { group: self.group_id(), revision: moment.last })
    }

    async fn moment(&self, time: Timestamp) -> Result<Moment, ViewError> {
        let reader = self.reader.clone();
        blocking(move || Ok(reader.moment(time, reader.view().revision)?)).await
    }

    /// Returns once something is visible here that was written after a time.
    async fn let_pass(&self, time: Timestamp, deadline: Instant) -> Result<(), ViewError> {
        // The leader's clock may be as far behind the true time as this one is ahead of it.
        let now = self.wall();
        let passed = time.plus_ms(2 * now.error_ms + 1);
        let left = Duration::from_millis(u64::try_from(passed.0.saturating_sub(now.reading.0)).unwrap_or(0));
        tokio::time::sleep_until((Instant::now() + left).min(deadline)).await;
        let nothing = self.own_draft(Action::RevokeGrants(BTreeSet::new()));
        let written = self.write(nothing, deadline).await;
        let written = written.map_err(|why| ViewError::TimeNotSettled { asked: time, why })?;
        Ok(self.group.wait_published(written.revision.0, deadline).await?)
    }
}
