//! Writing: what has queued up becomes one batch, by the one who owns all writes.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_fault::{Fault, Faults, Point, Points};
use rocksdb::{WriteBatch, WriteOptions};

use super::acked::{Acked, AckedFile};
use super::rows::Mark;
use super::turns::{Turns, Writing};
use super::{Done, Entry, LogId, Options, Shared, Vote};

/// How many bytes of entries go into one batch; one operation always does.
const BATCH_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// How late a batch is written that was said to be on disk, where that rule is broken.
const LATE: Duration = Duration::from_millis(200);

/// Something to write.
pub(super) enum Operation {
    Append(Vec<Entry>),
    Vote(Vote),
    /// Entries of `range` go; `kept` is the last one then.
    Truncate {
        range: Range<u64>,
        kept: Option<LogId>,
    },
    /// Entries from `from` to `id` go.
    Purge {
        from: u64,
        id: LogId,
    },
}

impl Operation {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(entries) => entries.iter().map(|entry| entry.payload.len()).sum(),
            Self::Vote(_) | Self::Truncate { .. } | Self::Purge { .. } => 0,
        }
    }
}

/// As many operations as go into one batch.
pub(super) fn batch(
    first: (Operation, Done),
    mut next: impl FnMut() -> Option<(Operation, Done)>,
) -> Vec<(Operation, Done)> {
    let mut bytes = first.0.bytes();
    let mut batch = vec![first];
    while bytes < BATCH_BYTES_MAX
        && let Some(more) = next()
    {
        bytes += more.0.bytes();
        batch.push(more);
    }
    batch
}

/// The way to whoever writes.
pub(super) enum Writer {
    Thread(Thread),
    Turns(Arc<Turns>),
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, acked: AckedFile, options: &Options) -> io::Result<Self> {
        let work = Work { shared, acked, faults: options.faults, points: options.points.clone(), failure: None };
        match &options.writing {
            Writing::Thread => Thread::start(work, options.queue_max).map(Self::Thread),
            Writing::Turns(begin) => Ok(Self::Turns(Turns::new(work, Arc::clone(begin)))),
        }
    }

    pub(super) fn submit(&self, operation: Operation, done: Done) {
        match self {
            Self::Thread(thread) => thread.submit(operation, done),
            Self::Turns(turns) => turns.submit(operation, done),
        }
    }
}

/// The way to a thread that writes. Dropping it lets the thread finish what is queued, and waits for it.
pub(super) struct Thread {
    queue: Mutex<Option<SyncSender<(Operation, Done)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Thread {
    fn start(mut work: Work, queue_max: usize) -> io::Result<Self> {
        let (queue, operations) = mpsc::sync_channel(queue_max);
        let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || work.run(&operations))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    fn submit(&self, operation: Operation, done: Done) {
        let sent = {
            // The lock keeps operations in the order in which they were asked for.
            let queue = self.queue.lock().expect("INVARIANT: nothing panics while holding the queue");
            queue.as_ref().expect("INVARIANT: the queue is open as long as the log is").send((operation, done))
        };
        if let Err(mpsc::SendError((_, done))) = sent {
            done(Err(io::Error::other("the log writer has stopped")));
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        // The last clone may be dropped by a callback, on the writer's own thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the log writer panicked");
        }
    }
}

/// Says of a batch that it is on disk, which it is not.
fn acknowledge(batch: &mut [(Operation, Done)]) {
    for (_, done) in batch {
        std::mem::replace(done, Box::new(|_| {}))(Ok(()));
    }
}

pub(super) struct Work {
    shared: Arc<Shared>,
    acked: AckedFile,
    faults: Faults,
    points: Points,
    /// The first failure; nothing is written after it, because what is on disk is not known any more.
    failure: Option<Arc<io::Error>>,
}

impl Work {
    fn run(&mut self, operations: &Receiver<(Operation, Done)>) {
        while let Ok(first) = operations.recv() {
            let mut batch = batch(first, || operations.try_recv().ok());
            if self.faults.has(Fault::AckBeforeSync) {
                acknowledge(&mut batch);
                std::thread::sleep(LATE);
            }
            for (done, written) in self.carry_out(batch) {
                done(written);
            }
        }
    }

    /// Writes a batch, and returns whom to tell what came of it.
    pub(super) fn carry_out(&mut self, batch: Vec<(Operation, Done)>) -> Vec<(Done, io::Result<()>)> {
        let (batch, callbacks): (Vec<Operation>, Vec<Done>) = batch.into_iter().unzip();
        if !batch.is_empty() {
            self.try_write(&batch);
        }
        let written = || match &self.failure {
            None => Ok(()),
            Some(failure) => Err(io::Error::new(failure.kind(), Arc::clone(failure))),
        };
        callbacks.into_iter().map(|done| (done, written())).collect()
    }

    fn try_write(&mut self, batch: &[Operation]) {
        if self.failure.is_none()
            && let Err(error) = self.write(batch)
        {
            tracing::error!(%error, "the log cannot be written any more");
            self.failure = Some(Arc::new(error));
        }
    }

    fn write(&mut self, operations: &[Operation]) -> io::Result<()> {
        let mut acked = self.acked.acked();
        let mut lowest = acked;
        let mut batch = WriteBatch::default();
        for operation in operations {
            self.add(&mut batch, &mut acked, operation);
            if let Operation::Truncate { kept, .. } = operation {
                lowest.last = lowest.last.min(*kept);
            }
        }
        self.points.fail(Point::LogBatchBeforeSync)?;
        if lowest != self.acked.acked() {
            self.acked.write(lowest)?;
            self.points.fail(Point::LogAckedLowered)?;
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.shared.rows.db.write_opt(batch, &options).map_err(io::Error::other)?;
        self.points.fail(Point::LogBatchSynced)?;
        if acked != self.acked.acked() {
            self.acked.write(acked)?;
        }
        self.points.fail(Point::LogAckedWritten)?;
        if let Some(last) = acked.last {
            let mut view = self.shared.view.write().expect("INVARIANT: nothing panics while holding the view");
            view.tail.flushed(last);
        }
        Ok(())
    }

    fn add(&self, batch: &mut WriteBatch, acked: &mut Acked, operation: &Operation) {
        let rows = &self.shared.rows;
        match operation {
            Operation::Append(entries) => {
                for entry in entries {
                    rows.put_entry(batch, entry, acked.last);
                    acked.last = Some(entry.id);
                }
                self.points.pass(Point::LogAppendBatched);
            }
            Operation::Vote(vote) => {
                rows.put_vote(batch, *vote);
                acked.vote = Some(*vote);
                self.points.pass(Point::LogVoteBatched);
            }
            Operation::Truncate { range, kept } => {
                rows.delete_entries(batch, range.clone());
                acked.last = *kept;
                self.points.pass(Point::LogTruncateBatched);
            }
            Operation::Purge { from, id } => {
                rows.delete_entries(batch, *from..id.index + 1);
                rows.put_id(batch, Mark::Purged, *id);
                acked.last = acked.last.max(Some(*id));
                self.points.pass(Point::LogPurgeBatched);
            }
        }
    }
}
