//! What histories made at random reach, so that no property holds only because nothing happened.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::histories::Moment;

/// Counts of what happened, from the closures that a runner calls.
#[derive(Default)]
pub(super) struct Coverage {
    counts: RefCell<BTreeMap<String, u32>>,
}

impl Coverage {
    /// How many kinds of commands there are.
    const KINDS: usize = 28;
    /// The least share of either verdict that every kind of command has, in percent.
    const SHARE_MIN: u32 = 5;

    pub(super) fn count(&self, what: &str) {
        *self.counts.borrow_mut().entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn of(&self, what: &str) -> u32 {
        self.counts.borrow().get(what).copied().unwrap_or(0)
    }

    /// Counts the verdict on a command, and the reason if it was refused.
    pub(super) fn count_verdict(&self, moment: &Moment<'_>) {
        let command = format!("{:?}", moment.envelope.command);
        let kind = command.split('(').next().unwrap_or_default();
        self.count(&format!("{kind} {}", if moment.applied.result.is_ok() { "accepted" } else { "refused" }));
        if let Err(refusal) = &moment.applied.result {
            self.count(&format!("reason {}", refusal.reason()));
        }
    }

    /// Asserts that each kind of command was accepted and was refused, each often enough.
    pub(super) fn assert_verdicts(&self) {
        let counts = self.counts.borrow();
        println!("{counts:#?}");
        let kinds: Vec<&str> = counts.keys().filter_map(|what| what.strip_suffix(" accepted")).collect();
        assert_eq!(kinds.len(), Self::KINDS, "kinds of commands that were ever accepted");
        for kind in kinds {
            let verdict = |verdict: &str| counts.get(&format!("{kind} {verdict}")).copied().unwrap_or(0);
            let (accepted, refused) = (verdict("accepted"), verdict("refused"));
            let rarer = accepted.min(refused);
            assert!(
                rarer * 100 / (accepted + refused) >= Self::SHARE_MIN,
                "{kind}: {accepted} accepted, {refused} not"
            );
        }
    }
}
