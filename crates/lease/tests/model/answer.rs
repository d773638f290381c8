//! Reads, look by look: other steps come between any two looks.

use std::cell::RefCell;

use portcullis_lease::read::{self, Began, Mark, Marked, NotLeased, Published};
use portcullis_lease::{Faults, Limit, Position, Reading};

/// A read under way at one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Read {
    pub(crate) key: u8,
    /// What somebody was told of when it was invoked: the index, and the last entry of its key.
    pub(crate) floor: u64,
    pub(crate) floor_of_key: u64,
    pub(crate) stage: Stage,
    /// An answer that waits for its last look.
    pub(crate) ready: Option<Ready>,
}

/// What was answered, to be looked at again before it leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ready {
    pub(crate) value: u64,
    pub(crate) base: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Looking(Looks),
    Waiting(Began),
}

/// What was seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Looks {
    pub(crate) taken: usize,
    pub(crate) expiry: Option<Limit>,
    pub(crate) view: Option<View>,
    pub(crate) now: Option<Reading>,
}

/// As much of a View as a read of one key sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct View {
    pub(crate) mark: Mark,
    /// The last entry of the key in the state.
    pub(crate) value: u64,
    /// The last pending entry of the key, zero for none.
    pub(crate) pending: u64,
    /// Whether the log holds everything that was declared when the read was invoked.
    pub(crate) has_floor: bool,
}

impl Marked for View {
    fn mark(&self) -> Mark {
        self.mark
    }
}

/// What a read looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Expiry,
    View,
    Clock,
}

impl Read {
    pub(crate) fn age(&mut self, by: &Reading) {
        if let Stage::Looking(looks) = &mut self.stage {
            looks.expiry = looks.expiry.map(|expiry| expiry.aged(by));
            looks.now = looks.now.map(|now| now.aged(by));
        }
    }
}

impl Looks {
    /// Decides as production does, by what was seen.
    pub(crate) fn begin(&self, faults: Faults) -> Result<(Began, View), NotLeased> {
        read::begin_broken_by(self, faults)
    }
}

impl Published for Looks {
    type View = View;

    fn expiry(&self) -> Option<Limit> {
        self.expiry
    }

    fn view(&self) -> View {
        self.view.expect("looked at")
    }

    fn now(&self) -> Reading {
        self.now.expect("looked at")
    }
}

/// In which order a read looks, as the code under test does it.
pub(crate) fn order(faults: Faults) -> Vec<Look> {
    let recorder = Recorder::default();
    // Whether it would be leased does not matter here.
    let _ = read::begin_broken_by(&recorder, faults);
    recorder.0.into_inner()
}

#[derive(Default)]
struct Recorder(RefCell<Vec<Look>>);

impl Published for Recorder {
    type View = Mark;

    fn expiry(&self) -> Option<Limit> {
        self.0.borrow_mut().push(Look::Expiry);
        None
    }

    fn view(&self) -> Mark {
        self.0.borrow_mut().push(Look::View);
        Mark { base: 0, visible: 0, registered: Position::default() }
    }

    fn now(&self) -> Reading {
        self.0.borrow_mut().push(Look::Clock);
        Reading::default()
    }
}
