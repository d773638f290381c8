//! The state as it was at an earlier revision: from rows that are still as they were then, and from what history keeps of
//! the others.
//!
//! INVARIANT: whatever is read at a revision is read from one frozen view of the database, in which history was found to
//! reach back that far; so compaction cannot take away half of an answer.

use std::cell::Cell;
use std::sync::Arc;

use portcullis_machine::{Change, StoredSchema};
use portcullis_model::{Grant, GrantFilter, GrantId, Revision, Role, RoleId, TenantId, Timestamp, Tuple, TupleFilter};
use rocksdb::{Direction, IteratorMode, ReadOptions};
use serde::de::DeserializeOwned;

use super::keys::{Family, Key, Keys, LIFETIME_BYTES, lifetime};
use super::load::{self, Rows};
use super::reader::{Page, View, page};
use super::reads::{RawRow, Reads, StoreError, whole_tuple};
use super::row;
use super::spilled::Earlier;
use super::still::Still;
use crate::codec::DecodeError;

/// How many rows a version has at most that is made again from the history.
const ROWS_MAX: usize = 1_000_000;
/// How many rows are read between two looks at the time.
const ROWS_BETWEEN_LOOKS: usize = 1_000;

/// Why an earlier state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// It is too long ago.
    #[error("revision {asked} is no longer kept: history begins at revision {floor}; ask for that or a later one")]
    Compacted {
        /// What was asked for.
        asked: Revision,
        /// The oldest that there is.
        floor: Revision,
    },
    /// There was too much of it.
    #[error(
        "the tenant had more than {ROWS_MAX} roles and grants then, or has changed more than {ROWS_MAX} relationships since, \
         and no check is made on so much: list what you want to know of that revision, or ask for a later one"
    )]
    TooLarge,
    /// The caller no longer waits.
    #[error("the deadline came before the earlier state was made again")]
    Late,
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state as it was at a revision. Cheap to clone, and every method blocks on the disk.
#[derive(Clone)]
pub struct Past {
    pub(super) reads: Arc<Reads>,
    pub(super) revision: Revision,
}

impl Past {
    /// When the state became so, by the leader's clock then. `None` if the tenant did not exist then, or is gone since: it
    /// has taken its history with it.
    pub fn stamp(&self, tenant: &TenantId) -> Result<Option<Timestamp>, PastError> {
        let frozen = self.freeze()?;
        if !frozen.has_tenant(tenant)? {
            return Ok(None);
        }
        Ok(Some(frozen.stamp()?))
    }

    /// What checks read of one tenant, made anew. Its relationships stay on disk if they are there now, or if they were very
    /// many. Ends early once `is_late`.
    pub fn view(&self, tenant: &TenantId, is_spilled: bool, is_late: &dyn Fn() -> bool) -> Result<View, PastError> {
        let frozen = self.freeze()?;
        let counted = || Counted { frozen: &frozen, is_late, count: Cell::new(0) };
        if !is_spilled {
            match load::one(&counted(), tenant) {
                Err(PastError::TooLarge) => {}
                resident => return Ok(View::in_memory(resident?, self.revision)),
            }
        }
        let resident = load::spilled(&counted(), tenant)?;
        let earlier = frozen.since(tenant, &counted())?;
        let Frozen { still, revision } = frozen;
        Ok(View { resident, revision, still: Some(still), earlier: Some(earlier) })
    }

    /// A role.
    pub fn role(&self, tenant: &TenantId, role: &RoleId) -> Result<Option<Role>, PastError> {
        self.freeze()?.get(tenant, &self.reads.keys.role(tenant, role))
    }

    /// A grant, live or not.
    pub fn grant(&self, tenant: &TenantId, grant: &GrantId) -> Result<Option<Grant>, PastError> {
        self.freeze()?.get(tenant, &self.reads.keys.grant(tenant, grant))
    }

    /// Roles of a tenant, in the order of their ids.
    pub fn roles(&self, tenant: &TenantId, after: Option<&[u8]>, most: usize) -> Result<Page<Role>, PastError> {
        self.page(tenant, Family::Role, after, most, |key, value| decode(key, value).map(Some))
    }

    /// Grants of a tenant that match, ended ones too unless `live_only`, in the order of their ids.
    pub fn grants(
        &self,
        tenant: &TenantId,
        filter: &GrantFilter,
        live_only: bool,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<Grant>, PastError> {
        let wanted = |grant: &Grant| filter.matches(grant) && (!live_only || grant.state.is_live());
        self.page(tenant, Family::Grant, after, most, |key, value| Ok(Some(decode(key, value)?).filter(wanted)))
    }

    /// The schema of a tenant, if it had one.
    pub fn schema(&self, tenant: &TenantId) -> Result<Option<StoredSchema>, PastError> {
        self.freeze()?.get(tenant, &self.reads.keys.schema(tenant))
    }

    /// Relationships of a tenant that match, with what they held under, in their order.
    pub fn relationships(
        &self,
        tenant: &TenantId,
        filter: &TupleFilter,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<Tuple>, PastError> {
        let skip = self.reads.keys.of(tenant, Family::Tuple).as_bytes().len();
        self.page(tenant, Family::Tuple, after, most, |key, value| {
            let tuple = whole_tuple(key, skip, value)?;
            Ok(Some(tuple).filter(|tuple| filter.matches(&tuple.relationship)))
        })
    }

    fn page<T>(
        &self,
        tenant: &TenantId,
        family: Family,
        after: Option<&[u8]>,
        most: usize,
        decode: impl Fn(&[u8], &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, PastError> {
        let frozen = self.freeze()?;
        let prefix = frozen.keys().of(tenant, family);
        Ok(page(frozen.rows(tenant, family, after), prefix.as_bytes().len(), most, decode)?)
    }

    /// Freezes the database, and makes sure that it reaches back far enough.
    fn freeze(&self) -> Result<Frozen, PastError> {
        let (keys, asked) = (self.reads.keys, self.revision);
        let still = Arc::new(Still::now(Arc::clone(&self.reads.db), keys));
        let key = keys.history_floor();
        let floor = still.get(&key)?.map(|floor| decode(key.as_bytes(), &floor)).transpose()?.unwrap_or_default();
        if asked < floor {
            return Err(PastError::Compacted { asked, floor });
        }
        Ok(Frozen { still, revision: asked })
    }
}

/// A frozen view of the database, read as of a revision.
struct Frozen {
    still: Arc<Still>,
    revision: Revision,
}

impl Frozen {
    fn keys(&self) -> Keys {
        self.still.keys
    }

    fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let key = self.keys().tenant(tenant);
        let row = self.still.get(&key)?;
        let made =
            row.map(|row| row::revision(&row).map_err(|source| StoreError::damaged(&key, source))).transpose()?;
        Ok(made.is_some_and(|made| made <= self.revision))
    }

    /// When the last change up to the revision was made.
    fn stamp(&self) -> Result<Timestamp, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(self.keys().global(Family::Change).as_bytes());
        let last = self.keys().change(self.revision);
        let from = IteratorMode::From(last.as_bytes(), Direction::Reverse);
        let Some(row) = self.still.iterate(from, options).next() else { return Ok(Timestamp(0)) };
        let (key, value) = row?;
        Ok(decode::<Change>(&key, &value)?.at)
    }

    fn get<T: DeserializeOwned>(&self, tenant: &TenantId, key: &Key) -> Result<Option<T>, PastError> {
        let now = self.still.get(key)?;
        if let Some(value) = now.filter(|value| row::revision(value).is_ok_and(|made| made <= self.revision)) {
            return Ok(Some(decode(key.as_bytes(), &value)?));
        }
        for version in self.iterate(&self.keys().history_of(tenant, key), None) {
            let (version, value) = version?;
            if self.lived(&version)? {
                return Ok(Some(decode(&version, &value)?));
            }
        }
        Ok(None)
    }

    /// The rows of a family of a tenant as they were, in order, under the keys that they have or had, from behind the one
    /// that ends with `after`.
    fn rows(
        &self,
        tenant: &TenantId,
        family: Family,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<RawRow, StoreError>> {
        let prefix = self.keys().of(tenant, family);
        let skip = prefix.as_bytes().len();
        let now = self.iterate(&prefix, after).filter_map(|row| counting(row, |key, value| self.stands(key, value)));
        let mut now = now.peekable();
        let mut before = self.gone(tenant, family, after).peekable();
        // Of each row one version counted at most, so no key comes twice.
        let merged = std::iter::from_fn(move || match (now.peek(), before.peek()) {
            (Some(Ok((now_key, _))), Some(Ok((before_key, _)))) if now_key > before_key => before.next(),
            (Some(Ok(_)), Some(Err(_))) | (None, _) => before.next(),
            (Some(_), _) => now.next(),
        });
        let after = after.map(<[u8]>::to_vec);
        let is_behind = move |key: &[u8]| after.as_ref().is_none_or(|after| key[skip..] > **after);
        merged.filter(move |row| row.as_ref().map_or(true, |(key, _)| is_behind(key)))
    }

    /// The rows of a family of a tenant as they were, of those that are not so any more, under the keys that they had.
    fn gone(
        &self,
        tenant: &TenantId,
        family: Family,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<RawRow, StoreError>> {
        let prefix = self.keys().of(tenant, family);
        let history = self.keys().history_of(tenant, &prefix);
        let skip = history.as_bytes().len();
        let lived = self.iterate(&history, after).filter_map(|row| counting(row, |key, _| self.lived(key)));
        lived.map(move |row| {
            let (key, value) = row?;
            let tail = key.get(skip..key.len().saturating_sub(LIFETIME_BYTES)).unwrap_or_default();
            Ok(([prefix.as_bytes(), tail].concat().into(), value))
        })
    }

    /// What has changed in a tenant since.
    fn since(&self, tenant: &TenantId, counted: &Counted<'_>) -> Result<Earlier, PastError> {
        let skip = self.keys().of(tenant, Family::Tuple).as_bytes().len();
        let mut earlier = Earlier::new(self.revision);
        for row in counted.count(self.gone(tenant, Family::Tuple, None)) {
            let (key, value) = row?;
            earlier.add(&key[skip..], &value);
        }
        Ok(earlier)
    }

    /// The rows that begin so, from the one that ends with `after` on.
    fn iterate<'a>(
        &'a self,
        prefix: &Key,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Result<RawRow, StoreError>> + use<'a> {
        let first = [prefix.as_bytes(), after.unwrap_or_default()].concat();
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(prefix.end_of_prefix());
        self.still.iterate(IteratorMode::From(&first, Direction::Forward), options).map(|row| Ok(row?))
    }

    /// Whether a row as it is now was so then.
    fn stands(&self, key: &[u8], value: &[u8]) -> Result<bool, StoreError> {
        let made = row::revision(value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })?;
        Ok(made <= self.revision)
    }

    /// Whether a version of the history was the one that counted.
    fn lived(&self, key: &[u8]) -> Result<bool, StoreError> {
        let damaged = || StoreError::Damaged { key: key.to_vec(), source: DecodeError::Empty };
        let (created, deleted) = lifetime(key).ok_or_else(damaged)?;
        Ok((created..deleted).contains(&self.revision))
    }
}

/// A row if it counts.
fn counting(
    row: Result<RawRow, StoreError>,
    counts: impl Fn(&[u8], &[u8]) -> Result<bool, StoreError>,
) -> Option<Result<RawRow, StoreError>> {
    let counted = row.and_then(|(key, value)| Ok(counts(&key, &value)?.then_some((key, value))));
    counted.transpose()
}

/// Rows of a tenant as they were, as long as somebody waits for them and there are not too many.
struct Counted<'a> {
    frozen: &'a Frozen,
    is_late: &'a dyn Fn() -> bool,
    count: Cell<usize>,
}

impl Rows for Counted<'_> {
    type Error = PastError;

    fn keys(&self) -> Keys {
        self.frozen.keys()
    }

    fn of(&self, tenant: &TenantId, family: Family) -> impl Iterator<Item = Result<RawRow, PastError>> {
        self.count(self.frozen.rows(tenant, family, None))
    }
}

impl Counted<'_> {
    fn count(
        &self,
        rows: impl Iterator<Item = Result<RawRow, StoreError>>,
    ) -> impl Iterator<Item = Result<RawRow, PastError>> {
        rows.map(|row| {
            let count = self.count.get() + 1;
            self.count.set(count);
            if count > ROWS_MAX {
                return Err(PastError::TooLarge);
            }
            if count.is_multiple_of(ROWS_BETWEEN_LOOKS) && (self.is_late)() {
                return Err(PastError::Late);
            }
            Ok(row?)
        })
    }
}

pub(super) fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    row::decode(value).map_err(|source| StoreError::Damaged { key: key.to_vec(), source })
}
