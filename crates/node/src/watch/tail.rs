//! The last change records that were read, shared by all watchers, so that a change is read and decoded once however many
//! watch. Who is farther behind reads for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use portcullis_machine::Change;
use portcullis_model::Revision;
use portcullis_storage::state::{Most, Reader, Record, Records};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::past::blocking;
use crate::view::ViewError;

/// How much is kept, in bytes as it is stored. The last record is, however large.
const KEPT_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// How much is read, or handed to a watcher, in one go.
const PIECE: Most = Most { records: 256, bytes: 1_024 * 1_024 };
/// How many watchers read for themselves at a time, so that threads are left for others.
const READERS_MAX: usize = 4;

/// The last records, and the way to earlier ones.
pub(crate) struct Tail {
    kept: Mutex<Kept>,
    /// Held by the one that reads on for all.
    reads_on: Semaphore,
    readers: Semaphore,
}

/// Some records, without a gap.
pub(super) struct Piece {
    pub(super) changes: VecDeque<Arc<Change>>,
    /// No more were made up to here.
    pub(super) reached: Revision,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Kept::behind(Revision(0))),
            reads_on: Semaphore::new(1),
            readers: Semaphore::new(READERS_MAX),
        }
    }
}

impl Tail {
    /// The records behind `after`, up to `upto`, which is published, or as many as are good for one go.
    pub(super) async fn read(&self, reader: &Reader, after: Revision, upto: Revision) -> Result<Piece, ViewError> {
        if let Some(piece) = self.kept().piece(after, upto) {
            return Ok(piece);
        }
        if self.kept().from <= after {
            let _reads = permit(&self.reads_on).await;
            // Whoever was here before may have read it.
            let end = {
                let mut kept = self.kept();
                if let Some(piece) = kept.piece(after, upto) {
                    return Ok(piece);
                }
                if kept.upto < after {
                    *kept = Kept::behind(after);
                }
                kept.upto
            };
            if end < upto {
                let records = read(reader, end, upto).await?;
                let mut kept = self.kept();
                kept.append(records);
                if let Some(piece) = kept.piece(after, upto) {
                    return Ok(piece);
                }
            }
        }
        let _reads = permit(&self.readers).await;
        let Records { records, reached } = read(reader, after, upto).await?;
        Ok(Piece { changes: records.into_iter().map(|record| Arc::new(record.change)).collect(), reached })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("INVARIANT: nothing panics while holding the records")
    }
}

async fn permit(of: &Semaphore) -> SemaphorePermit<'_> {
    of.acquire().await.expect("INVARIANT: the semaphore is never closed")
}

async fn read(reader: &Reader, after: Revision, upto: Revision) -> Result<Records, ViewError> {
    let reader = reader.clone();
    blocking(move || Ok(reader.changes(after, upto, PIECE)?)).await
}

/// All records behind `from` up to `upto`.
struct Kept {
    from: Revision,
    upto: Revision,
    records: VecDeque<(Arc<Change>, usize)>,
    bytes: usize,
}

impl Kept {
    fn behind(revision: Revision) -> Self {
        Self { from: revision, upto: revision, records: VecDeque::new(), bytes: 0 }
    }

    fn append(&mut self, Records { records, reached }: Records) {
        self.upto = reached;
        for Record { change, bytes } in records {
            self.bytes += bytes;
            self.records.push_back((Arc::new(change), bytes));
        }
        while self.bytes > KEPT_BYTES_MAX && self.records.len() > 1 {
            let Some((change, bytes)) = self.records.pop_front() else { break };
            self.from = change.revision;
            self.bytes -= bytes;
        }
    }

    /// Some of the records behind `after`; `None` if the next of them is not there.
    fn piece(&self, after: Revision, upto: Revision) -> Option<Piece> {
        if after < self.from || after >= self.upto {
            return None;
        }
        let first = self.records.partition_point(|(change, _)| change.revision <= after);
        let wanted = self.records.range(first..).take_while(|(change, _)| change.revision <= upto);
        let changes: VecDeque<_> = wanted.take(PIECE.records).map(|(change, _)| Arc::clone(change)).collect();
        let reached = match changes.back() {
            Some(last) if changes.len() == PIECE.records => last.revision,
            _ => self.upto.min(upto),
        };
        Some(Piece { changes, reached })
    }
}

#[cfg(test)]
mod tests {
    use portcullis_machine::command::{Initialise, Update, WriteRelationships};
    use portcullis_machine::{Command, Envelope, Stamp};
    use portcullis_model::{Actor, ClusterId, GroupId, NodeId, TenantId, Verified};
    use portcullis_storage::log::LogId;
    use portcullis_storage::state::{Options, Store};

    use super::*;

    /// Enough, each being large, that not all are kept.
    const CHANGES: u64 = 300;
    const UPDATES: usize = 40;

    fn envelope(tenant: TenantId, command: Command) -> Envelope {
        let actor = Actor { caller: "user:admin".parse().unwrap(), on_behalf_of: None, verified: Verified::Assumed };
        Envelope {
            version: 1,
            tenant,
            actor,
            reason: None,
            idempotency: None,
            preconditions: Vec::new(),
            stamp: Stamp { reading_ms: 0, error_ms: 0 },
            salt: [0; 16],
            command,
        }
    }

    fn large(nth: u64) -> Envelope {
        let long = "x".repeat(500);
        let update = |at| Update::touch(format!("group:{long}-{nth}-{at}#member@user:a").parse().unwrap());
        let updates = (0..UPDATES).map(update).collect();
        envelope(TenantId::default_tenant(), Command::WriteRelationships(WriteRelationships { updates }))
    }

    /// Whoever reads is given every record once, in order, however far behind he is and whoever else reads.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_reader_is_given_every_record_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), &Options::new(GroupId::FIRST), &mut |_| {}).unwrap();
        let initialise = Command::Initialise(Initialise { cluster: ClusterId([9; 16]), node: NodeId(1) });
        store.apply(LogId { term: 1, index: 1 }, envelope(TenantId::system(), initialise)).unwrap();
        let (reader, tail) = (store.reader(), Tail::default());
        let mut at: Vec<u64> = vec![0, 1, 1, 1];
        for index in 2..=CHANGES {
            // Every third entry is none of a command.
            let id = LogId { term: 1, index };
            if index % 3 == 0 {
                store.apply_blank(id).unwrap();
            } else {
                store.apply(id, large(index)).unwrap();
            }
            store.publish().unwrap();
            if index == 200 {
                at.push(200);
            }
            // The first reads rarely, the next two now and then, the others always.
            let pauses = [150, 40, 7, 1, 1];
            for (nth, at) in at.iter_mut().enumerate().filter(|(nth, _)| index.is_multiple_of(pauses[*nth])) {
                while *at < index {
                    let Piece { changes, reached } = tail.read(&reader, Revision(*at), Revision(index)).await.unwrap();
                    let found: Vec<u64> = changes.iter().map(|change| change.revision.0).collect();
                    let expected = (*at + 1..=reached.0).filter(|index| !index.is_multiple_of(3));
                    assert_eq!(found, expected.collect::<Vec<_>>(), "reader {nth} behind {at}");
                    assert!(reached.0 > *at && reached.0 <= index, "reader {nth} behind {at} reached {reached:?}");
                    *at = reached.0;
                }
            }
        }
        let kept = tail.kept();
        assert!(kept.bytes <= KEPT_BYTES_MAX && kept.from > Revision(1), "not all is kept");
        assert_eq!(kept.upto, Revision(CHANGES));
    }
}
