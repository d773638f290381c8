//! Letting go of history.
//!
//! A row of the history is of use to whoever reads at a revision before the one that replaced it. Once history begins at
//! `floor`, those that were replaced at `floor` or before are of use to nobody. Which those are is said by the change
//! records, so neither finding them nor removing them needs a walk over the history; and because a command names the floor,
//! every node has the same history at the same entry.

use std::collections::BTreeSet;

use portcullis_machine::{Change, Effect};
use portcullis_model::{Revision, Timestamp};

use super::keys::{Family, Key, Keys, lifetime};
use super::reads::{Reads, StoreError};
use super::row;
use crate::codec::DecodeError;

/// How many changes are looked at in one go.
const CHANGES_MAX: usize = 1_000;
/// How many effects of changes are looked at in one go, unless one change has more.
const EFFECTS_MAX: usize = 10_000;

/// How far history may be compacted in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ripe {
    /// The last change that is old enough.
    pub upto: Revision,
    /// Whether anything would go.
    pub replaces: bool,
    /// Whether there may be more behind it.
    pub more: bool,
}

/// The changes behind `after` that were made at `by` or before, as many as are good for one go.
pub(super) fn ripe(reads: &Reads, after: Revision, by: Timestamp) -> Result<Option<Ripe>, StoreError> {
    let mut ripe: Option<Ripe> = None;
    let (mut changes, mut effects) = (0, 0);
    for change in changes_behind(reads, after) {
        let change = change?;
        if change.at > by {
            break;
        }
        changes += 1;
        effects += change.effects.len();
        if ripe.is_some() && (changes > CHANGES_MAX || effects > EFFECTS_MAX) {
            return Ok(ripe.map(|ripe| Ripe { more: true, ..ripe }));
        }
        let replaces = change.effects.iter().any(|effect| replaced(reads.keys, effect).is_some());
        let replaces = replaces || ripe.is_some_and(|ripe| ripe.replaces);
        ripe = Some(Ripe { upto: change.revision, replaces, more: false });
    }
    Ok(ripe)
}

/// The rows of the history that go once it begins at `floor`.
pub(super) fn outdated(reads: &Reads, floor: Revision) -> Result<Vec<Key>, StoreError> {
    let before = reads.get(&reads.keys.history_floor())?.unwrap_or_default();
    let mut rows = BTreeSet::new();
    for change in changes_behind(reads, before) {
        let change = change?;
        if change.revision > floor {
            break;
        }
        rows.extend(change.effects.iter().filter_map(|effect| replaced(reads.keys, effect)));
    }
    let mut outdated = Vec::new();
    for row in rows {
        for version in reads.rows(&row) {
            let (key, _) = version?;
            let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
            let (_, deleted) = lifetime(&key).ok_or_else(damaged)?;
            // One after the other, so the rest is younger.
            if deleted > floor {
                break;
            }
            outdated.push(Key::read(&key));
        }
    }
    Ok(outdated)
}

fn changes_behind(reads: &Reads, after: Revision) -> impl Iterator<Item = Result<Change, StoreError>> {
    let records = reads.keys.global(Family::Change);
    reads.rows_after(&records, Some(&after.0.to_be_bytes())).map(|row| {
        let (key, value) = row?;
        row::decode(&value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })
    })
}

/// Where the earlier versions of the row that an effect replaces begin, if it may have any. A tenant that goes takes its
/// history with it.
fn replaced(keys: Keys, effect: &Effect) -> Option<Key> {
    let (tenant, key) = match effect {
        Effect::PutRole { tenant, role } if role.created < role.modified => (tenant, keys.role(tenant, &role.id)),
        Effect::DeleteRole { tenant, role } => (tenant, keys.role(tenant, role)),
        Effect::PutGrant { tenant, grant } if grant.created < grant.modified => (tenant, keys.grant(tenant, &grant.id)),
        Effect::PutRelationship { tenant, relationship } | Effect::DeleteRelationship { tenant, relationship } => {
            (tenant, keys.tuple(tenant, relationship))
        }
        Effect::PutTuple { tenant, tuple } => (tenant, keys.tuple(tenant, &tuple.relationship)),
        Effect::PutSchema { tenant, .. } => (tenant, keys.schema(tenant)),
        Effect::PutRole { .. }
        | Effect::PutGrant { .. }
        | Effect::Cluster(_)
        | Effect::ActiveVersion(_)
        | Effect::Leases(_)
        | Effect::HistoryFloor(_)
        | Effect::Trust(_)
        | Effect::AdmitNode(_)
        | Effect::RetireNode(_)
        | Effect::PutTenant(_)
        | Effect::DropTenant(_)
        | Effect::Remember { .. }
        | Effect::Forget { .. } => return None,
    };
    Some(keys.history_of(tenant, &key))
}
