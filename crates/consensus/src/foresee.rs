//! What will come of entries that are in the log and not visible yet, for writers who are answered before (decision 6).
//!
//! Which entries come before one is said by the log that it is in, so what will come of it is known as soon as it is appended.
//! It comes about only if the entry is committed; who answers its writer has to know that. Until then another leader may cut
//! it off, so what was decided counts only as long as the log still holds the last entry of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use portcullis_fault::Point;
use portcullis_lease::Position;
use portcullis_storage::state::{ApplyError, Foresight, Reader};

use crate::leases::Leases;
use crate::state_machine;
use crate::types::Reply;

/// How often foresight begins anew when the copy overtakes it.
const TRIES: usize = 3;
/// How many entries are decided at a time; with more behind, writers wait until theirs is visible.
const ENTRIES_MAX: u64 = 1_000;
/// How many entries foresight holds before it begins anew, where the copy never catches up with it.
const HELD_MAX: usize = 4_096;

/// Decides entries ahead of the copy. It costs memory only while writers are answered early.
pub(crate) struct Foreseer {
    leases: Arc<Leases>,
    reader: Reader,
    foreseen: Mutex<Option<Foreseen>>,
}

/// What was decided, in the order of the log.
struct Foreseen {
    foresight: Foresight,
    replies: BTreeMap<u64, Reply>,
    /// The last entry that was decided, if one was.
    last: Option<Position>,
    held: usize,
}

impl Foreseer {
    pub(crate) fn new(leases: Arc<Leases>, reader: Reader) -> Self {
        Self { leases, reader, foreseen: Mutex::default() }
    }

    /// What will come of an entry of the log that is not visible yet, once it is committed. `None` if it is visible by now, or
    /// almost, if too much lies before it, if it was cut off, and where the state cannot be read: then whoever applies it says
    /// so.
    pub(crate) fn foresee(&self, entry: Position) -> Option<Reply> {
        self.leases.points.pass(Point::ForesightBeforeDecide);
        let mut kept = self.foreseen.lock().expect("INVARIANT: nothing panics while holding what is foreseen");
        for _ in 0..TRIES {
            // What fails half-way is of no use any more, so it is put back only once it has worked.
            match self.go_on(kept.take(), entry) {
                Ok(Some(foreseen)) => {
                    let reply = foreseen.replies.get(&entry.index).cloned();
                    *kept = Some(foreseen);
                    return reply;
                }
                // The copy has come to include an entry before it was decided, or what was decided has been cut off.
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, %entry, "what will come of a write cannot be foreseen");
                    return None;
                }
            }
        }
        None
    }

    /// Lets go of what the copy includes by now, or of everything where a write came to nothing.
    pub(crate) fn forget(&self, is_sound: bool) {
        let mut kept = self.foreseen.lock().expect("INVARIANT: nothing panics while holding what is foreseen");
        *kept = kept.take().filter(|foreseen| is_sound && foreseen.foresight.is_ahead().unwrap_or(false));
    }

    fn go_on(&self, kept: Option<Foreseen>, entry: Position) -> io::Result<Option<Foreseen>> {
        let is_of_use = |kept: &Foreseen| kept.held < HELD_MAX && kept.foresight.is_ahead().unwrap_or(false);
        let mut foreseen = match kept.filter(is_of_use) {
            Some(kept) => kept,
            None => Foreseen::begin(&self.reader)?,
        };
        let first = foreseen.foresight.at() + 1;
        if entry.index + 1 > first + ENTRIES_MAX {
            return Err(io::Error::other("too many entries lie before it"));
        }
        let Some(entries) = self.leases.registered(foreseen.last, first, entry) else { return Ok(None) };
        for (position, command) in entries {
            let index = position.index;
            foreseen.last = Some(position);
            let Some(command) = command else {
                foreseen.foresight.skip(index);
                continue;
            };
            let envelope = state_machine::envelope(&command)?;
            let decided = foreseen.foresight.decide(index, envelope);
            let Some(applied) = decided.map_err(|error: ApplyError| io::Error::other(error))? else { return Ok(None) };
            foreseen.replies.insert(index, Reply { revision: applied.revision, result: applied.result });
            foreseen.held += 1;
        }
        Ok(Some(foreseen))
    }
}

impl Foreseen {
    fn begin(reader: &Reader) -> io::Result<Self> {
        let foresight = Foresight::begin(reader).map_err(io::Error::other)?;
        Ok(Self { foresight, replies: BTreeMap::new(), last: None, held: 0 })
    }
}
