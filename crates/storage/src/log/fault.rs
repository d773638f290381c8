//! Where a test may stop the store.

/// A step of the writer at which a test may make it stop, as if the machine had died there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Before anything of a batch is on disk.
    BeforeBatch,
    /// After the batch is synced, before `ACKED` says so.
    AfterBatch,
    /// After `ACKED` is synced, before anybody is told.
    AfterAcked,
}

impl Step {
    /// Whether the store is to stop here. Never in a build without debug assertions.
    pub(super) fn is_planted(self, stop_at: Option<Self>) -> bool {
        cfg!(debug_assertions) && stop_at == Some(self)
    }
}
