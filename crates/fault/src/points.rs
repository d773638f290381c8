//! What happens at the points that a node passes: nothing, unless a test is told of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::point::Point;

/// Told of every point that a node passes. A machine that is to die there is ended by it.
pub trait Hook: Send + Sync {
    /// Called at a point, before the node goes on.
    fn pass(&self, point: Point) -> Deed;
}

/// What a hook has happen at a point.
pub enum Deed {
    /// The node goes on.
    Nothing,
    /// What is being done fails, where it can ([`Kind::Fails`](crate::Kind::Fails)).
    Fail,
    /// The task waits, where it can ([`Kind::Waits`](crate::Kind::Waits)).
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// A test had something fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed(pub Point);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a test had `{}` fail", self.0)
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for std::io::Error {
    fn from(failed: Failed) -> Self {
        Self::other(failed)
    }
}

/// Who is told of points: nobody, outside of tests.
#[derive(Clone, Default)]
pub struct Points {
    #[cfg(feature = "planted-faults")]
    hook: Option<Arc<dyn Hook>>,
}

impl std::fmt::Debug for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Points")
    }
}

#[cfg(feature = "planted-faults")]
impl Points {
    /// Whether anybody can be told.
    pub const CAN_BE_TOLD: bool = true;

    /// Has somebody told of every point.
    pub fn told(hook: Arc<dyn Hook>) -> Self {
        Self { hook: Some(hook) }
    }

    /// Passes a point.
    pub fn pass(&self, point: Point) {
        if let Some(hook) = &self.hook {
            hook.pass(point);
        }
    }

    /// Passes a point at which something can fail.
    pub fn fail(&self, point: Point) -> Result<(), Failed> {
        match self.hook.as_ref().map(|hook| hook.pass(point)) {
            Some(Deed::Fail) => Err(Failed(point)),
            Some(Deed::Nothing | Deed::Wait(_)) | None => Ok(()),
        }
    }

    /// Passes a point at which the task can wait.
    pub fn wait(&self, point: Point) -> impl Future<Output = ()> + Send + use<> {
        let deed = self.hook.as_ref().map(|hook| hook.pass(point));
        async move {
            if let Some(Deed::Wait(wait)) = deed {
                wait.await;
            }
        }
    }
}

#[cfg(not(feature = "planted-faults"))]
#[expect(clippy::unused_self, reason = "a build that is tested tells somebody")]
impl Points {
    /// Whether anybody can be told.
    pub const CAN_BE_TOLD: bool = false;

    /// Tells nobody.
    pub fn told(_: Arc<dyn Hook>) -> Self {
        Self::default()
    }

    /// Passes a point.
    #[inline]
    pub fn pass(&self, _: Point) {}

    /// Passes a point at which something can fail.
    #[inline]
    pub fn fail(&self, _: Point) -> Result<(), Failed> {
        Ok(())
    }

    /// Passes a point at which the task can wait.
    #[inline]
    pub fn wait(&self, _: Point) -> impl Future<Output = ()> + Send + use<> {
        std::future::ready(())
    }
}

// INVARIANT: a build for users carries nothing of this along.
#[cfg(not(feature = "planted-faults"))]
const _: () = assert!(size_of::<Points>() == 0);
