//! Rows of a frozen database whose keys begin alike.

use std::cell::RefCell;

use rocksdb::{DB, DBRawIteratorWithThreadMode};

use crate::state::keys::Key;
use crate::state::reads::StoreError;
use crate::state::still::Still;

type Iterator<'a> = DBRawIteratorWithThreadMode<'a, DB>;

/// A frozen database, and iterators over it that nobody uses now: making one costs as much as what it is used for.
pub(super) struct Iterators<'a> {
    still: &'a Still,
    idle: RefCell<Vec<Iterator<'a>>>,
}

impl<'a> Iterators<'a> {
    pub(super) fn new(still: &'a Still) -> Self {
        Self { still, idle: RefCell::default() }
    }

    /// The rows of a range.
    pub(super) fn cursor(&self, range: Range) -> Cursor<'_, 'a> {
        Cursor { iterators: self, range, rows: None, begun: false }
    }
}

/// The rows whose keys begin alike.
pub(super) struct Range {
    pub(super) prefix: Key,
    /// How many bytes of their keys nobody needs to be told.
    pub(super) skip: usize,
    /// Whether they are rows by subject.
    pub(super) by_subject: bool,
}

impl Range {
    /// Rows by resource, to be told by what follows `prefix`.
    pub(super) fn by_resource(prefix: Key) -> Self {
        Self { skip: prefix.as_bytes().len(), prefix, by_subject: false }
    }

    /// Rows by subject, to be told by what follows `prefix`.
    pub(super) fn by_subject(prefix: Key) -> Self {
        Self { by_subject: true, ..Self::by_resource(prefix) }
    }

    /// Those of them that go on with `beginning`.
    pub(super) fn narrowed(&self, beginning: &str) -> Self {
        Self { prefix: self.prefix.clone().beginning(beginning), ..*self }
    }
}

/// The end of a row's key, and its value.
type EndAndValue<'r> = (&'r [u8], &'r [u8]);

/// The rows of a range, one after the other.
pub(super) struct Cursor<'s, 'a> {
    iterators: &'s Iterators<'a>,
    range: Range,
    /// `None` before the first row and behind the last.
    rows: Option<Iterator<'a>>,
    begun: bool,
}

impl Cursor<'_, '_> {
    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<EndAndValue<'_>>, StoreError> {
        if self.begun {
            let Some(rows) = &mut self.rows else { return Ok(None) };
            rows.next();
        } else {
            self.begun = true;
            let idle = self.iterators.idle.borrow_mut().pop();
            let rows = self.rows.insert(idle.unwrap_or_else(|| self.iterators.still.rows()));
            rows.seek(self.range.prefix.as_bytes());
        }
        let is_in = |rows: &Iterator<'_>| rows.key().is_some_and(|key| key.starts_with(self.range.prefix.as_bytes()));
        if !self.rows.as_ref().is_some_and(is_in) {
            return self.end().map(|()| None);
        }
        let row = self.rows.as_ref().and_then(|rows| rows.item());
        Ok(row.map(|(key, value)| (&key[self.range.skip..], value)))
    }

    /// Lets the next one use the iterator, unless it failed.
    fn end(&mut self) -> Result<(), StoreError> {
        let Some(rows) = self.rows.take() else { return Ok(()) };
        rows.status()?;
        self.iterators.idle.borrow_mut().push(rows);
        Ok(())
    }
}

impl Drop for Cursor<'_, '_> {
    fn drop(&mut self) {
        // Whoever reads no further need not know.
        let _ = self.end();
    }
}
