//! What can go wrong with a call.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request makes no sense: correct it.
    Invalid,
    /// Something named is not there.
    NotFound,
    /// Something is there already.
    AlreadyExists,
    /// The state does not allow it now.
    Refused,
    /// A limit is exceeded: ask for less.
    TooMuch,
    /// No node could answer in time. Nothing is decided; a write may or may not have been carried out.
    Unavailable,
    /// The node failed in a way that it should not.
    Internal,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The cluster refused, or could not answer.
    #[error("{message}")]
    Answered {
        /// What to do about it.
        kind: Kind,
        /// The reason, as documented.
        reason: String,
        /// The reason in words.
        message: String,
    },
    /// No node could be reached before the deadline.
    #[error("no node could be reached at {endpoints} within {waited:?}: {last}")]
    Unreachable {
        /// Whom it was tried to reach.
        endpoints: String,
        /// For how long.
        waited: Duration,
        /// What the last attempt came to.
        last: String,
    },
    /// The decision arrived too late to be acted on.
    #[error("the decision is {age:?} old, and the most is {most:?}: ask again")]
    TooOld {
        /// How long ago its question was sent, at the most.
        age: Duration,
        /// The limit.
        most: Duration,
    },
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Answered { kind, .. } => *kind,
            Self::Unreachable { .. } | Self::TooOld { .. } => Kind::Unavailable,
        }
    }

    /// The documented reason; empty where no node answered.
    pub fn reason(&self) -> &str {
        match self {
            Self::Answered { reason, .. } => reason,
            Self::Unreachable { .. } | Self::TooOld { .. } => "",
        }
    }

    pub(crate) fn answered(status: &Status) -> Self {
        let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
        let kind = match status.code() {
            _ if is_of_connection(status) => Kind::Unavailable,
            Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => Kind::Invalid,
            Code::NotFound => Kind::NotFound,
            Code::AlreadyExists => Kind::AlreadyExists,
            Code::FailedPrecondition | Code::PermissionDenied | Code::Unauthenticated | Code::Aborted => Kind::Refused,
            Code::ResourceExhausted => Kind::TooMuch,
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Kind::Unavailable,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Kind::Internal,
        };
        Self::Answered { kind, reason, message: status.message().to_owned() }
    }
}

/// Whether this is what was made here of a connection that broke, and not what a node answered. Its code tells how the connection
/// broke: one that a node closes because too many calls on it were given up is said to have exhausted a resource, whatever became
/// of the call.
pub(crate) fn is_of_connection(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_a_connection_came_to_is_no_answer_of_a_node() {
        let mut status = Status::resource_exhausted("too much");
        assert_eq!(Error::answered(&status).kind(), Kind::TooMuch);
        status.set_source(Arc::new(std::io::Error::other("the connection was closed")));
        assert_eq!(Error::answered(&status).kind(), Kind::Unavailable);
    }
}
