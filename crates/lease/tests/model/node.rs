//! One node: what it keeps on disk, and what it forgets when its process ends.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_lease::{Epoch, Holder, Leader, LogShape, Position, Reading, Voter, Wait};

use crate::answer::Read;
use crate::slice::Slice;

/// An entry of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) epoch: u64,
    pub(crate) what: What,
}

/// What an entry changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum What {
    /// Nothing: an epoch begins with it.
    Nothing,
    /// The state, of this key.
    Key(u8),
    /// How long leases are.
    Length(Duration),
    /// Who is on the roster: this node no longer is.
    Remove(u64),
    /// No lease is left of what was configured before the entry of this index.
    Settled(u64),
    /// Who votes: one set, or two while that changes.
    Voters(&'static [&'static [u64]]),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// On disk. The entry at index 1 comes first.
    pub(crate) log: Vec<Entry>,
    /// Of the last entries of the log, which are not on disk yet, the leaders that they were taken from.
    pub(crate) unsynced: Vec<u64>,
    /// What it has said of its disk.
    pub(crate) said: BTreeSet<Position>,
    /// What it has, and had, on disk from the leaders of the entries themselves.
    pub(crate) accepted: BTreeSet<Position>,
    pub(crate) vote: u64,
    pub(crate) incarnation: u64,
    /// Up to where the log is purged.
    pub(crate) purged: u64,
    /// What it knows to be committed, all of which it has applied.
    pub(crate) applied: u64,
    /// Up to where what it has applied has configured it.
    pub(crate) configured: u64,
    pub(crate) holder: Holder,
    pub(crate) voter: Voter,
    pub(crate) leads: Option<Leads>,
    pub(crate) read: Option<Read>,
}

/// What a leader keeps beside the rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Leads {
    pub(crate) epoch: u64,
    pub(crate) rules: Leader,
    pub(crate) rounds: u64,
    /// Up to where each node's log is known to be its own.
    pub(crate) matched: Vec<u64>,
    /// Whether it grants shorter leases than it has applied, since entries behind say so.
    pub(crate) grants_less: bool,
    /// Until when leases may be left of what was configured before, since it leads and has applied the change.
    pub(crate) settles: Option<Wait>,
    /// Rounds at whose beginning somebody had been told of more than this leader would say is fresh.
    pub(crate) short: BTreeSet<u64>,
}

impl Node {
    pub(crate) fn new(id: usize) -> Self {
        Self {
            log: Vec::new(),
            unsynced: Vec::new(),
            said: BTreeSet::new(),
            accepted: BTreeSet::new(),
            vote: 0,
            incarnation: 1,
            purged: 0,
            applied: 0,
            configured: 0,
            holder: Holder::new(id as u64, 1, LogShape::default(), Epoch(0), 0, 0),
            voter: Voter::default(),
            leads: None,
            read: None,
        }
    }

    pub(crate) fn last(&self) -> Position {
        self.position(self.log.len() as u64)
    }

    pub(crate) fn position(&self, index: u64) -> Position {
        if index == 0 {
            return Position::default();
        }
        Position::new(self.log[index as usize - 1].epoch, index)
    }

    pub(crate) fn shape(&self) -> LogShape {
        let mut shape = LogShape::default();
        for index in 1..=self.log.len() as u64 {
            shape.append(self.position(index));
        }
        shape
    }

    /// The last entry of `key` within (`above`, `up_to`]; zero for none.
    pub(crate) fn last_of(&self, key: u8, above: u64, up_to: u64) -> u64 {
        let up_to = up_to.min(self.log.len() as u64);
        let of_key = |index: &u64| self.log[*index as usize - 1].what == What::Key(key);
        (above + 1..=up_to).rev().find(of_key).unwrap_or(0)
    }

    pub(crate) fn append(&mut self, now: Reading, entry: Entry) {
        self.log.push(entry);
        let position = self.last();
        self.holder.appended(position);
        if let Some(leads) = &mut self.leads {
            leads.rules.appended(now, position);
        }
    }

    /// Publishes the newest state that may be shown.
    pub(crate) fn publish(&mut self) {
        let mark = self.holder.mark();
        let base = self.holder.base_max(self.applied);
        if base > mark.base {
            self.holder.published(base);
        }
    }

    /// Moves everything that is dated into the past, and drops what no longer counts.
    pub(crate) fn age(&mut self, slice: &Slice, now: &Reading, by: &Reading) {
        self.holder = self.holder.clone().aged(by);
        self.voter = self.voter.aged(by);
        if let Some(leads) = &mut self.leads {
            leads.rules = leads.rules.clone().aged(by);
            leads.settles = leads.settles.map(|wait| wait.aged(by));
        }
        if let Some(read) = &mut self.read {
            read.age(by);
        }
        self.tidy(slice, now);
    }

    fn tidy(&mut self, slice: &Slice, now: &Reading) {
        let length = slice.length_max();
        self.holder.observe(now);
        // A read that looked at the clock before may look at a lapsed lease next.
        if self.read.is_none() {
            self.holder.forget(now, length);
        }
        self.voter.forget(now, length * 2);
        if !slice.promises {
            self.voter = Voter::default();
        }
        if let Some(leads) = &mut self.leads {
            leads.rules.forget(now);
        }
    }
}
