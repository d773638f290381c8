//! What reads look at: the expiry of the lease and the View, each loaded by one atomic step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use portcullis_lease::read::{Mark, Marked, Published};
use portcullis_lease::{Limit, Position, Reading};
use portcullis_model::TenantId;
use portcullis_storage::resident::Doubts;
use portcullis_storage::state;

use super::pending::Pending;
use crate::clock::Clock;

/// What a read is answered from: a state, and the entries behind it that are already in the log. Immutable.
#[derive(Debug)]
pub struct View {
    /// The newest state that is visible.
    pub state: Arc<state::View>,
    pub(super) mark: Mark,
    /// The last entries of the log, without a gap: all that the state does not hold, and some that it does.
    pub(super) entries: imbl::Vector<Arc<Pending>>,
    /// Made for a tenant when it is first asked for: where nobody reads meanwhile, no write pays for it.
    pub(super) doubts: Mutex<BTreeMap<TenantId, Arc<OnceLock<Arc<Doubts>>>>>,
}

impl View {
    /// Its place in the log.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// How many entries there are behind the state.
    pub fn pending(&self) -> u64 {
        self.mark.registered.index.saturating_sub(self.mark.base)
    }

    /// What an answer takes into account that was made from this View with its doubts.
    pub fn counted(&self) -> Counted {
        Counted::Registered(self.mark.registered)
    }

    /// What an answer takes into account that was made from the state of this View alone.
    pub fn counted_without_doubts(&self) -> Counted {
        Counted::Applied(self.mark.base)
    }

    /// Whether an entry that an answer did not take into account may take something away in a tenant, or may for all that
    /// is known. Nothing that is added ever turns a yes into a no.
    pub fn may_take_away(&self, counted: Counted, tenant: &TenantId) -> bool {
        let Some(behind) = self.behind(counted) else { return true };
        let takes_away = |entry: &Arc<Pending>| {
            let footprint = entry.footprint();
            footprint.is_none_or(|footprint| footprint.may_remove.iter().any(|touch| touch.tenant() == tenant))
        };
        self.entries.iter().skip(behind).any(takes_away)
    }

    /// From where on in `entries` an answer knows nothing; `None` if it may lack some that are no longer there.
    fn behind(&self, counted: Counted) -> Option<usize> {
        let index = match counted {
            Counted::Registered(position) => position.index,
            Counted::Applied(base) => base,
        };
        let Some(first) = self.entries.front().map(|entry| entry.position().index) else {
            return (self.mark.registered.index <= index).then_some(0);
        };
        let behind = usize::try_from((index + 1).checked_sub(first)?).ok()?;
        match counted {
            // What is applied is never cut off.
            Counted::Applied(_) => Some(behind),
            Counted::Registered(_) if behind == 0 => Some(behind),
            // Another entry may have taken its place.
            Counted::Registered(position) => {
                let known = self.entries.get(behind - 1)?;
                (known.position() == position).then_some(behind)
            }
        }
    }

    /// What the entries behind the state put in doubt in a tenant, which may or may not be visible elsewhere already.
    pub fn doubts(&self, tenant: &TenantId) -> Arc<Doubts> {
        let cell = {
            let mut cells = self.doubts.lock().expect("INVARIANT: nothing panics while holding the doubts");
            Arc::clone(cells.entry(tenant.clone()).or_default())
        };
        // Whoever asks for another tenant need not wait meanwhile.
        Arc::clone(cell.get_or_init(|| {
            let pending = self.entries.iter().filter(|entry| entry.position().index > self.mark.base);
            Arc::new(Doubts::new(&self.state.resident, tenant, pending.map(|entry| entry.footprint())))
        }))
    }
}

/// What an answer takes into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Every entry up to this one, some of them by the bounds of what they may do.
    Registered(Position),
    /// What is applied up to this index.
    Applied(u64),
}

/// A View in the hands of a read.
pub(super) struct Loaded(pub(super) Arc<View>);

impl Marked for Loaded {
    fn mark(&self) -> Mark {
        self.0.mark
    }
}

/// The two values and the clocks.
pub(super) struct Shown {
    expiry: ArcSwap<Option<Limit>>,
    view: ArcSwap<View>,
    clock: Arc<dyn Clock>,
}

impl Shown {
    pub(super) fn new(view: View, clock: Arc<dyn Clock>) -> Self {
        Self { expiry: ArcSwap::default(), view: ArcSwap::from_pointee(view), clock }
    }

    /// The View, for whoever needs no lease.
    pub(super) fn newest(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Shows a View; `None` leaves the one that is shown. A read loads the expiry first, so it is shown last: whoever sees
    /// the new expiry sees no older View.
    pub(super) fn show(&self, view: Option<View>, expiry: Option<Limit>) {
        if let Some(view) = view {
            self.view.store(Arc::new(view));
        }
        if **self.expiry.load() != expiry {
            self.expiry.store(Arc::new(expiry));
        }
    }
}

impl Published for Shown {
    type View = Loaded;

    fn expiry(&self) -> Option<Limit> {
        **self.expiry.load()
    }

    fn view(&self) -> Loaded {
        Loaded(self.view.load_full())
    }

    fn now(&self) -> Reading {
        self.clock.read()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_machine::Command;
    use portcullis_machine::command::{CreateTenant, RevokeGrants};
    use portcullis_model::Revision;
    use portcullis_storage::codec;

    use super::*;
    use crate::tests::wires::envelope;

    const EPOCH: u64 = 2;

    fn entry(index: u64, command: Command) -> Arc<Pending> {
        Pending::new(Position::new(EPOCH, index), Some(codec::encode(&envelope(command)).into()))
    }

    fn adds() -> Command {
        Command::CreateTenant(CreateTenant { id: "new".parse().unwrap() })
    }

    fn revokes() -> Command {
        Command::RevokeGrants(RevokeGrants { ids: ["g".parse().unwrap()].into() })
    }

    /// A state that holds entry 6, and a log of entries 5 to 8.
    fn view(entries: [Command; 4]) -> View {
        let state = state::View::in_memory(<_>::default(), Revision(6));
        View {
            state: Arc::new(state),
            mark: Mark { base: 6, visible: 6, registered: Position::new(EPOCH, 8) },
            entries: (5..).zip(entries).map(|(index, command)| entry(index, command)).collect(),
            doubts: Mutex::default(),
        }
    }

    #[test]
    fn only_what_an_answer_did_not_count_can_take_it_away() {
        let (system, other) = (TenantId::system(), TenantId::default_tenant());
        let view = view([revokes(), adds(), revokes(), adds()]);
        let registered = |epoch, index| Counted::Registered(Position::new(epoch, index));
        for (counted, expected) in [
            (registered(EPOCH, 8), false),
            (registered(EPOCH, 7), false),
            (registered(EPOCH, 6), true),
            (registered(EPOCH, 4), true),
            (Counted::Applied(6), true),
            (Counted::Applied(7), false),
        ] {
            assert_eq!(view.may_take_away(counted, &system), expected, "{counted:?}");
            assert!(!view.may_take_away(counted, &other), "{counted:?}");
        }
        // Entry 7 was another one when it was counted, and of what came before entry 5 nothing is known.
        for counted in [registered(EPOCH - 1, 7), registered(EPOCH, 3), Counted::Applied(3)] {
            assert!(view.may_take_away(counted, &other), "{counted:?}");
        }
    }

    #[test]
    fn what_is_not_known_may_take_anything_away() {
        let tenant = TenantId::default_tenant();
        let mut view = view([adds(), adds(), adds(), adds()]);
        assert!(!view.doubts(&tenant).is_everything());
        view.doubts = Mutex::default();
        view.entries.set(3, Pending::unknown(Position::new(EPOCH, 8)));
        assert!(view.doubts(&tenant).is_everything());
        assert!(view.may_take_away(view.counted_without_doubts(), &tenant));
    }
}
