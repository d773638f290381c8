//! Histories as JSON lines: one record a line, written as it happens, so that what a broken-off run leaves can be read.

use std::io::{self, BufRead, Write};

use super::{FORMAT, FORMAT_MIN, History, Record};

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("the history cannot be read")]
    Io(#[from] io::Error),
    /// A line is no record.
    #[error("line {line} is no record of a history")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// There is no run.
    #[error("the first line does not say what was run")]
    NoRun,
    /// A second run begins.
    #[error("line {line} begins a second run")]
    SecondRun {
        /// Which, from 1.
        line: usize,
    },
    /// The format is another.
    #[error("the history has format {found}, and this program reads {FORMAT_MIN} to {FORMAT}")]
    Format {
        /// Which.
        found: u32,
    },
}

/// Writes one record.
pub fn write_line(out: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// Reads a history. A last line without an end is what a harness that died left of it, and is ignored.
pub fn read(mut lines: impl BufRead) -> Result<History, ReadError> {
    let mut history: Option<History> = None;
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        lines.read_line(&mut text)?;
        if !text.ends_with('\n') {
            break;
        }
        let record = serde_json::from_str(&text).map_err(|source| ReadError::Line { line, source })?;
        match (&mut history, record) {
            (None, Record::Run(run)) if !(FORMAT_MIN..=FORMAT).contains(&run.format) => {
                return Err(ReadError::Format { found: run.format });
            }
            (None, Record::Run(run)) => history = Some(History::new(run)),
            (None, _) => return Err(ReadError::NoRun),
            (Some(_), Record::Run(_)) => return Err(ReadError::SecondRun { line }),
            (Some(history), record) => add(history, record),
        }
    }
    let mut history = history.ok_or(ReadError::NoRun)?;
    history.operations.sort_by_key(|operation| operation.invoked_us);
    history.events.sort_by_key(|event| event.invoked_us);
    Ok(history)
}

fn add(history: &mut History, record: Record) {
    match record {
        Record::Run(_) => unreachable!("INVARIANT: the caller has taken the run"),
        Record::Operation(operation) => history.operations.push(operation),
        Record::Event(event) => history.events.push(event),
        Record::Strike(strike) => history.strikes.push(strike),
        Record::Relief(relief) => history.reliefs.push(relief),
        Record::Idle(idle) => history.idle.push(idle),
        Record::Retired(retired) => history.retired.push(retired),
        Record::Sample(sample) => history.samples.push(sample),
        Record::StateHash(hash) => history.hashes.push(hash),
        Record::Alarm(alarm) => history.alarms.push(alarm),
        Record::Phase { phase, at_us } => {
            history.phases.insert(phase, at_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, done, fail, history, run, unknown};
    use super::super::{Action, Alarm, Answer, Phase, Relief, Sample, Seen, StateHash, Strike};
    use super::*;

    fn records() -> Vec<Record> {
        let operations = [
            done(Action::Grant, 1, 2, 10),
            check(Answer::Allow, 3, 4, 10),
            fail(Action::Revoke, 5, 6),
            unknown(Action::Revoke, 7, 8),
        ];
        let strike = Strike {
            step: 1,
            at_us: 3,
            nemesis: "kill".to_owned(),
            what: "kill node 2".to_owned(),
            victims: vec![2],
            leader: Some(2),
            holders: vec![1, 2],
        };
        let seen = Seen { leader: Some(2), term: 1, holds: true, visible: 10 };
        let mut records = vec![Record::Run(run()), Record::Phase { phase: Phase::Traffic, at_us: 0 }];
        records.extend(operations.map(Record::Operation));
        records.extend([
            Record::Strike(strike),
            Record::Relief(Relief { step: 1, at_us: 9 }),
            Record::Sample(Sample { node: 1, at_us: 1, seen: Some(seen) }),
            Record::StateHash(StateHash { node: 1, revision: 10, hash: "ab".to_owned() }),
            Record::Alarm(Alarm { node: 1, what: "it ended".to_owned() }),
            Record::Phase { phase: Phase::End, at_us: 20 },
        ]);
        records
    }

    fn text(records: &[Record]) -> String {
        let mut out = Vec::new();
        for record in records {
            write_line(&mut out, record).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let read = read(text(&records()).as_bytes()).unwrap();
        let expected = history(records().into_iter().filter_map(|record| match record {
            Record::Operation(operation) => Some(operation),
            _ => None,
        }));
        assert_eq!(read.operations, expected.operations);
        assert_eq!((read.run, read.phases[&Phase::End]), (run(), 20));
        assert_eq!(
            [read.strikes.len(), read.reliefs.len(), read.samples.len(), read.hashes.len(), read.alarms.len()],
            [1; 5]
        );
    }

    #[test]
    fn the_format_is_frozen() {
        let lines = text(&records()[2..6]);
        let expected = [
            r#"{"record":"operation","client":0,"node":1,"key":1,"way":"direct","action":"grant","invoked_us":1,"completed_us":2,"outcome":"ok","answer":"done","revision":10}"#,
            r#"{"record":"operation","client":0,"node":1,"key":1,"way":"direct","action":"check","invoked_us":3,"completed_us":4,"outcome":"ok","answer":"allow","revision":10}"#,
            r#"{"record":"operation","client":0,"node":1,"key":1,"way":"direct","action":"revoke","invoked_us":5,"completed_us":6,"outcome":"fail","error":"refused"}"#,
            r#"{"record":"operation","client":0,"node":1,"key":1,"way":"direct","action":"revoke","invoked_us":7,"completed_us":8,"outcome":"unknown","error":"no answer"}"#,
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn histories_of_the_first_format_are_read() {
        let first = text(&records()).replacen("\"format\":2", "\"format\":1", 1);
        assert_eq!(read(first.as_bytes()).unwrap().operations.len(), 4);
    }

    #[test]
    fn what_a_dead_harness_left_is_read_up_to_its_last_whole_line() {
        let whole = text(&records());
        let torn = read(&whole.as_bytes()[..whole.len() - 5]).unwrap();
        assert!(!torn.phases.contains_key(&Phase::End));
        assert_eq!(torn.operations.len(), 4);
    }

    #[test]
    fn what_is_no_history_is_refused() {
        let text = text(&records());
        assert!(matches!(read(&b""[..]), Err(ReadError::NoRun)));
        assert!(matches!(
            read(text.lines().nth(1).map(|line| format!("{line}\n")).unwrap().as_bytes()),
            Err(ReadError::NoRun)
        ));
        assert!(matches!(read(format!("{text}{text}").as_bytes()), Err(ReadError::SecondRun { line: 13 })));
        assert!(matches!(read(format!("{text}nothing\n").as_bytes()), Err(ReadError::Line { line: 13, .. })));
        let other = text.replacen("\"format\":2", "\"format\":9", 1);
        assert!(matches!(read(other.as_bytes()), Err(ReadError::Format { found: 9 })));
    }
}
