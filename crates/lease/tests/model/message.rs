//! Messages on the wire. They arrive in any order, at any time or never, and each at most once.

use portcullis_lease::{Grant, Release, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Message {
    /// A voter says that its vote still stands.
    Confirmed {
        leader: usize,
        epoch: u64,
        round: u64,
        voter: usize,
    },
    Request {
        leader: usize,
        request: Request,
    },
    Grant {
        to: usize,
        grant: Grant,
    },
    Release {
        leader: usize,
        release: Release,
    },
}
