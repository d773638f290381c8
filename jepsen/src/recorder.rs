//! Writes the history while it happens.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::history::{Action, Came, Deed, Event, Key, Operation, Outcome, Phase, Record, Run, parts, write_line};

/// A history under way, and the one clock of it.
pub struct Recorder {
    began: Instant,
    /// The same moment by the wall clock of this machine.
    began_wall: SystemTime,
    out: Mutex<Out>,
    revoking: AtomicU64,
    revokes: Notify,
}

struct Out {
    file: BufWriter<File>,
    /// The first thing that went wrong; from there on nothing is written.
    failed: Option<io::Error>,
}

/// What is asked of a node.
#[derive(Clone, Debug)]
pub struct Call {
    /// The client.
    pub client: u32,
    /// The node.
    pub node: u64,
    /// What it is about.
    pub key: Key,
    /// How the grant is made and taken away.
    pub way: &'static str,
    /// What is asked.
    pub action: Action,
}

impl Recorder {
    /// Begins a history in a new file.
    pub fn create(path: &Path, run: Run) -> anyhow::Result<Arc<Self>> {
        let out = Out { file: BufWriter::new(File::create_new(path)?), failed: None };
        let recorder = Self {
            began: Instant::now(),
            began_wall: SystemTime::now(),
            out: Mutex::new(out),
            revoking: AtomicU64::new(0),
            revokes: Notify::new(),
        };
        recorder.record(&Record::Run(run));
        Ok(Arc::new(recorder))
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// What the wall clock of this machine shows so long after the run began.
    pub fn wall(&self, at_us: u64) -> SystemTime {
        self.began_wall + Duration::from_micros(at_us)
    }

    /// Writes something down.
    pub fn record(&self, record: &Record) {
        let mut out = self.out.lock().expect("INVARIANT: nothing panics while holding the file");
        if out.failed.is_none() {
            out.failed = write_line(&mut out.file, record).err();
        }
    }

    /// Notes that a part of the run begins.
    pub fn phase(&self, phase: Phase) {
        self.record(&Record::Phase { phase, at_us: self.now_us() });
    }

    /// Notes that a call begins, now. Dropped without an end, it is of unknown outcome.
    pub fn begin(self: &Arc<Self>, call: Call) -> Open {
        let invoked_us = self.now_us();
        if call.action == Action::Revoke {
            self.revoking.fetch_add(1, Ordering::SeqCst);
            self.revokes.notify_waiters();
        }
        Open { recorder: Arc::clone(self), call, invoked_us, outcome: None }
    }

    /// The same for a call in the words of a workload.
    pub fn ask(self: &Arc<Self>, client: u32, node: u64, deed: &impl Deed) -> Asked {
        let ((f, value), writes) = (parts(deed), deed.writes());
        let invoked_us = self.now_us();
        if writes {
            self.revoking.fetch_add(1, Ordering::SeqCst);
            self.revokes.notify_waiters();
        }
        let came = Came::Unknown { error: STOPPED.to_owned() };
        let event = Event { client, node, f, value, writes, invoked_us, completed_us: 0, came };
        Asked { recorder: Arc::clone(self), event }
    }

    /// Waits until a revocation, or another write, is in flight, for a while at the most.
    pub async fn until_revoking(&self, patience: Duration) {
        let begins = self.revokes.notified();
        if self.revoking.load(Ordering::SeqCst) == 0 {
            // Whether one begins or none does: it goes on.
            let _ = tokio::time::timeout(patience, begins).await;
        }
    }

    /// Writes out what was recorded, and tells whether all of it could be.
    pub fn flush(&self) -> anyhow::Result<()> {
        let mut out = self.out.lock().expect("INVARIANT: nothing panics while holding the file");
        if let Some(error) = out.failed.take() {
            return Err(error.into());
        }
        Ok(out.file.flush()?)
    }
}

/// What is said of a call whose client does not wait for its end.
const STOPPED: &str = "the client was stopped";

/// A call in the words of a workload, under way. Dropped without an end, it is of unknown outcome.
pub struct Asked {
    recorder: Arc<Recorder>,
    event: Event,
}

impl Asked {
    /// Notes what came of it, now.
    pub fn end(mut self, came: Came) {
        self.event.came = came;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.event.completed_us = self.recorder.now_us();
        if self.event.writes {
            self.recorder.revoking.fetch_sub(1, Ordering::SeqCst);
        }
        self.recorder.record(&Record::Event(self.event.clone()));
    }
}

/// A call under way.
pub struct Open {
    recorder: Arc<Recorder>,
    call: Call,
    invoked_us: u64,
    outcome: Option<Outcome>,
}

impl Open {
    /// Notes what came of it, now.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let completed_us = self.recorder.now_us();
        let Call { client, node, key, way, action } = self.call;
        if action == Action::Revoke {
            self.recorder.revoking.fetch_sub(1, Ordering::SeqCst);
        }
        let given_up = || Outcome::Unknown { error: STOPPED.to_owned() };
        let outcome = self.outcome.take().unwrap_or_else(given_up);
        let (way, invoked_us) = (way.to_owned(), self.invoked_us);
        let operation = Operation { client, node, key, way, action, invoked_us, completed_us, outcome };
        self.recorder.record(&Record::Operation(operation));
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::history::samples::run;
    use crate::history::{Answer, read};

    fn call(action: Action) -> Call {
        Call { client: 1, node: 2, key: Key(3), way: "direct", action }
    }

    #[tokio::test]
    async fn calls_are_written_when_they_end_and_unknown_if_they_never_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let recorder = Recorder::create(&path, run()).unwrap();
        let revoke = recorder.begin(call(Action::Revoke));
        recorder.until_revoking(Duration::MAX).await;
        drop(revoke);
        recorder.begin(call(Action::Check)).end(Outcome::Ok { answer: Answer::Allow, revision: 4 });
        recorder.phase(Phase::End);
        recorder.flush().unwrap();
        let history = read(BufReader::new(File::open(&path).unwrap())).unwrap();
        let told: Vec<_> = history.operations.iter().map(|operation| (operation.action, operation.answer())).collect();
        assert_eq!(told, [(Action::Revoke, None), (Action::Check, Some(Answer::Allow))]);
        assert!(matches!(history.operations[0].outcome, Outcome::Unknown { .. }));
        assert!(history.operations.iter().all(|operation| operation.invoked_us <= operation.completed_us));
        assert!(Recorder::create(&path, run()).is_err(), "no history is overwritten");
    }
}
