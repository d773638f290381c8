//! The configuration of leases as it is replicated, and what a new leader must still reckon with (R8, R10).
//!
//! A longer lease or a larger drift counts from the moment when its entry is in a log, and a shorter one only once leases
//! of the longer kind must have run out everywhere. An entry says that they have; it is proposed by a leader that has
//! waited for as long as they last after it applied the change.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::parameters::{Drift, Parameters};

/// What bounds leases from above: how long they last, and how far clocks drift apart meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// The longest lease.
    pub length: Duration,
    /// The largest drift.
    pub drift: Drift,
}

impl Terms {
    /// The widest that any parameters can be: for whoever does not know which were configured.
    pub const WIDEST: Self = Self { length: Parameters::LENGTH_MAX, drift: Drift::MAX };

    /// The smallest terms that bound whatever either does.
    pub fn and(self, other: Self) -> Self {
        Self { length: self.length.max(other.length), drift: self.drift.max(other.drift) }
    }

    /// How long a new leader waits at most for leases of older ones.
    pub fn fence(self) -> Duration {
        self.drift.longest(self.length)
    }
}

/// What a leader has to reckon with, since entries behind the applied state may have been carried out by others.
///
/// It waits for the longest leases that any of them allow. And it grants the shortest: where a shorter length was applied by
/// the leader before, that may have been settled since, and later leaders wait no longer than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outlook {
    terms: Terms,
    shortest: Duration,
}

impl Outlook {
    /// Takes in an entry that changes the length or the drift, if it is carried out.
    #[must_use]
    pub fn with_change(self, length: Option<Duration>, drift: Option<Drift>) -> Self {
        // One that is out of range is refused.
        let length = length.filter(|length| *length <= Parameters::LENGTH_MAX);
        let changed = Terms { length: length.unwrap_or(self.terms.length), drift: drift.unwrap_or(self.terms.drift) };
        Self {
            terms: self.terms.and(changed),
            shortest: length.map_or(self.shortest, |length| self.shortest.min(length)),
        }
    }

    /// Takes in an entry of which nothing is known.
    #[must_use]
    pub fn with_anything(self) -> Self {
        Self { terms: Terms::WIDEST, shortest: Duration::ZERO }
    }

    /// Bounds of all leases that any leader may have granted.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// What leases are granted by, where `parameters` are applied.
    pub fn granted_by(&self, parameters: Parameters) -> Parameters {
        parameters.at_most(self.shortest)
    }
}

/// Who may hold leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Roster {
    /// Every member of the cluster.
    #[default]
    Everyone,
    /// Those of these nodes that are members.
    Only(BTreeSet<u64>),
}

impl Roster {
    /// Who of the members may hold leases.
    pub fn of(&self, mut members: BTreeSet<u64>) -> BTreeSet<u64> {
        if let Self::Only(nodes) = self {
            members.retain(|member| nodes.contains(member));
        }
        members
    }
}

/// The configuration of the leases of one group, as the entries that were applied have left it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    parameters: Parameters,
    roster: Roster,
    /// The index of the entry that brought it; zero for what a group begins with.
    changed_at: u64,
    /// Bounds of the leases that were configured before and that may be left.
    former: Option<Terms>,
}

impl Default for Configuration {
    /// For nodes in one data centre.
    fn default() -> Self {
        Self { parameters: Parameters::local(), roster: Roster::Everyone, changed_at: 0, former: None }
    }
}

impl Configuration {
    /// What leases are granted by.
    pub fn parameters(&self) -> Parameters {
        self.parameters
    }

    /// Who may hold leases.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The index of the entry that brought it; zero for what a group begins with.
    pub fn changed_at(&self) -> u64 {
        self.changed_at
    }

    /// How long a leader has to wait, from when it leads and has applied this configuration, before it may propose that it
    /// is [`Self::settled`]. `None` when it is.
    pub fn settles_after(&self) -> Option<Duration> {
        self.former.map(Terms::fence)
    }

    /// Bounds of all leases that may be left of what was ever applied.
    pub fn terms(&self) -> Terms {
        let current = self.parameters.terms();
        self.former.map_or(current, |former| former.and(current))
    }

    /// What a leader has to reckon with that knows of no entry behind.
    pub fn outlook(&self) -> Outlook {
        Outlook { terms: self.terms(), shortest: self.parameters.length() }
    }

    /// The configuration after the entry at `index` changed it. What was longer before counts until it is settled.
    #[must_use]
    pub fn changed(&self, parameters: Parameters, roster: Roster, index: u64) -> Self {
        let (before, current) = (self.terms(), parameters.terms());
        let former = (before.and(current) != current).then_some(before);
        Self { parameters, roster, changed_at: index, former }
    }

    /// The configuration once no lease is left of what was configured before.
    #[must_use]
    pub fn settled(&self) -> Self {
        Self { former: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(length: u64, ppm: u32) -> Parameters {
        let ms = Duration::from_millis;
        Parameters::new(ms(length), ms(100), ms(500), Drift::from_ppm(ppm).unwrap()).unwrap()
    }

    fn changed(from: &Configuration, length: u64, ppm: u32, index: u64) -> Configuration {
        from.changed(parameters(length, ppm), Roster::Everyone, index)
    }

    #[test]
    fn r8_what_is_raised_counts_at_once_and_needs_no_settling() {
        let raised = changed(&Configuration::default(), 5_000, 20_000, 7);
        assert_eq!(raised.terms().fence(), Duration::from_millis(5_100));
        assert_eq!((raised.settles_after(), raised.changed_at()), (None, 7));
    }

    #[test]
    fn r8_what_is_lowered_counts_until_it_is_settled() {
        let lowered = changed(&Configuration::default(), 1_000, 10_000, 7);
        assert_eq!(lowered.parameters().length(), Duration::from_secs(1));
        assert_eq!(lowered.terms().fence(), Duration::from_millis(2_020));
        assert_eq!(lowered.settles_after(), Some(Duration::from_millis(2_020)));
        assert_eq!(lowered.settled().terms().fence(), Duration::from_millis(1_010));
        assert_eq!(lowered.settled().settles_after(), None);
    }

    #[test]
    fn r8_length_and_drift_are_bounded_each_by_itself() {
        // Longer leases by better clocks: of the old ones the drift is left.
        let mixed = changed(&changed(&Configuration::default(), 2_000, 50_000, 3), 4_000, 10_000, 7);
        assert_eq!(mixed.terms().fence(), Duration::from_millis(4_200));
        assert_eq!(mixed.settled().terms().fence(), Duration::from_millis(4_040));
    }

    #[test]
    fn r8_lowering_twice_keeps_the_longest() {
        let twice = changed(&changed(&Configuration::default(), 1_000, 10_000, 3), 500, 10_000, 7);
        assert_eq!(twice.settles_after(), Some(Duration::from_millis(2_020)));
        // Back to where it was: nothing longer is left to wait for.
        assert_eq!(changed(&twice, 2_000, 10_000, 9).settles_after(), None);
    }

    #[test]
    fn r8_what_lies_behind_counts_against_whoever_leads() {
        let ms = Duration::from_millis;
        let applied = Configuration::default();
        let outlook = applied.outlook().with_change(Some(ms(500)), None).with_change(Some(ms(5_000)), None);
        assert_eq!(outlook.terms().fence(), ms(5_050));
        assert_eq!(outlook.granted_by(applied.parameters()).length(), ms(500));
        // What will be refused does not count, and what is not known counts as anything.
        let refused = applied.outlook().with_change(Some(Duration::from_secs(1_000_000)), None);
        assert_eq!(refused, applied.outlook());
        let unknown = applied.outlook().with_anything();
        assert_eq!(unknown.terms(), Terms::WIDEST);
        assert!(unknown.granted_by(applied.parameters()).length().is_zero());
    }

    #[test]
    fn r10_a_roster_names_members_only() {
        let members = BTreeSet::from([1, 2, 3]);
        assert_eq!(Roster::Everyone.of(members.clone()), members);
        assert_eq!(Roster::Only(BTreeSet::from([2, 9])).of(members), BTreeSet::from([2]));
    }

    #[test]
    fn what_is_out_of_range_is_not_read_back() {
        let written = serde_json::to_value(Configuration::default()).unwrap();
        assert_eq!(serde_json::from_value::<Configuration>(written.clone()).unwrap(), Configuration::default());
        let mut damaged = written;
        damaged["parameters"]["length"]["secs"] = 61.into();
        let error = serde_json::from_value::<Configuration>(damaged).unwrap_err().to_string();
        assert!(error.contains("lease length 61s is longer than 60s"), "{error}");
    }
}
