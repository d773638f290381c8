//! Reads (R7): in which order a read looks at the lease, the state and the clock, and what it may then answer.
//!
//! The order is the rule. A lease that is looked at first and holds at a later reading of the clock held when the state
//! was taken in between. In any other order the lease may have ended, and a write been declared, before the state was
//! taken or after it was.

use portcullis_fault::{Fault, Faults};

use crate::clock::{Limit, Reading};
use crate::log::Position;

/// What a reader can look at: the values that the holder publishes, each loaded by one atomic step.
pub trait Published {
    /// The published state, with [`Mark`] as its place in the log.
    type View: Marked;

    /// Loads the expiry; `None` for no usable lease. See [`crate::Holder::expiry`].
    fn expiry(&self) -> Option<Limit>;

    /// Loads the View.
    fn view(&self) -> Self::View;

    /// Reads the clocks.
    fn now(&self) -> Reading;
}

/// A value that knows its place in the log.
pub trait Marked {
    /// Its place.
    fn mark(&self) -> Mark;
}

/// The place of a View in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The state holds every entry up to this index, and all of them are visible.
    pub base: u64,
    /// The highest index known to be visible.
    pub visible: u64,
    /// The last entry registered; those between are pending in the View.
    pub registered: Position,
}

impl Marked for Mark {
    fn mark(&self) -> Mark {
        *self
    }
}

/// There is no lease that would make an answer linearizable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("this node holds no usable read lease")]
pub struct NotLeased;

/// What a read must not be answered without: every entry that was registered when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Began {
    registered: Position,
    waits_for: u64,
    faults: Faults,
}

/// Begins a read. From the View that comes back an answer may be given at once if nothing pending could change it.
pub fn begin<P: Published>(published: &P) -> Result<(Began, P::View), NotLeased> {
    begin_broken_by(published, Faults::default())
}

/// Begins a read with a rule broken, if `faults` says so.
pub fn begin_broken_by<P: Published>(published: &P, faults: Faults) -> Result<(Began, P::View), NotLeased> {
    let early_clock = faults.has(Fault::ClockBeforeExpiry).then(|| published.now());
    let early_view = faults.has(Fault::ViewBeforeExpiry).then(|| published.view());
    let expiry = published.expiry();
    let view = early_view.unwrap_or_else(|| published.view());
    let now = early_clock.unwrap_or_else(|| published.now());
    if !expiry.is_some_and(|expiry| expiry.holds(&now) || faults.has(Fault::NoExpiry)) {
        return Err(NotLeased);
    }
    let Mark { registered, visible, base } = view.mark();
    let waits_for = match faults {
        faults if faults.has(Fault::NoWait) => base,
        faults if faults.has(Fault::WaitForVisible) => visible,
        _ => registered.index,
    };
    Ok((Began { registered, waits_for, faults }, view))
}

impl Began {
    /// Returns whether an answer may be given from `view` with everything that is pending in it left out.
    ///
    /// It needs no lease any more: what `view` holds became visible after the read began. Waiting for these entries
    /// ends even where others keep coming.
    pub fn may_ignore_pending_of(&self, view: &Mark) -> bool {
        view.base >= self.waits_for
    }

    /// The last entry registered when the read began. Of later ones the answer knows nothing.
    pub fn registered(&self) -> Position {
        self.registered
    }

    /// The index that a later read must reach to be no older than an answer from `view` could have been. Every entry that
    /// may have been visible anywhere when the read began is registered here.
    pub fn token(&self, view: &Mark) -> u64 {
        if self.faults.has(Fault::TokenAtBase) { view.base } else { view.base.max(self.registered.index) }
    }
}

/// Looks again at the last moment before an answer leaves. In the View that comes back, no entry above the base that the
/// answer was given from may touch what it rests on; else, and without a lease, the read starts again.
pub fn emit<P: Published>(published: &P) -> Result<P::View, NotLeased> {
    emit_broken_by(published, Faults::default())
}

/// Looks again with a rule broken, if `faults` says so.
pub fn emit_broken_by<P: Published>(published: &P, faults: Faults) -> Result<P::View, NotLeased> {
    begin_broken_by(published, faults).map(|(_, view)| view)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use super::*;

    /// Runs a step before each look, and so plays every interleaving with one writer.
    struct Scripted {
        expiry: Cell<Option<Limit>>,
        mark: Cell<Mark>,
        now: Cell<u64>,
        looks: RefCell<Vec<&'static str>>,
    }

    impl Published for Scripted {
        type View = Mark;

        fn expiry(&self) -> Option<Limit> {
            self.looks.borrow_mut().push("expiry");
            self.expiry.get()
        }

        fn view(&self) -> Mark {
            self.looks.borrow_mut().push("view");
            self.mark.get()
        }

        fn now(&self) -> Reading {
            self.looks.borrow_mut().push("clock");
            at(self.now.get())
        }
    }

    fn at(millis: u64) -> Reading {
        let time = Duration::from_millis(millis);
        Reading { boot: time, raw: time, monotonic: time }
    }

    fn published(now: u64) -> Scripted {
        Scripted {
            expiry: Cell::new(Some(Limit::new(at(0), Duration::from_millis(100)))),
            mark: Cell::new(Mark { base: 3, visible: 3, registered: Position::new(1, 5) }),
            now: Cell::new(now),
            looks: RefCell::default(),
        }
    }

    #[test]
    fn r7_the_lease_is_looked_at_first_and_the_clock_last() {
        let state = published(99);
        assert!(begin(&state).is_ok());
        assert!(emit(&state).is_ok());
        assert_eq!(*state.looks.borrow(), ["expiry", "view", "clock", "expiry", "view", "clock"]);
    }

    #[test]
    fn r7_without_a_lease_nothing_is_answered() {
        let state = published(100);
        assert_eq!(begin(&state).err(), Some(NotLeased));
        assert_eq!(emit(&state).err(), Some(NotLeased));
        state.now.set(0);
        state.expiry.set(None);
        assert_eq!(begin(&state).err(), Some(NotLeased));
    }

    #[test]
    fn r7_a_read_waits_for_what_was_registered_when_it_began_and_for_no_more() {
        let (began, view) = begin(&published(0)).unwrap();
        assert!(!began.may_ignore_pending_of(&view));
        assert!(!began.may_ignore_pending_of(&Mark { base: 4, visible: 4, registered: Position::new(1, 9) }));
        assert!(began.may_ignore_pending_of(&Mark { base: 5, visible: 5, registered: Position::new(1, 9) }));
        assert_eq!(began.token(&view), 5);
        assert_eq!(began.token(&Mark { base: 7, visible: 7, registered: Position::new(1, 9) }), 7);
    }
}
