//! Histories as Jepsen writes them, so that Knossos and Elle can judge them too.
//!
//! Each key is a register of its own, as `jepsen.independent` has it: `:value [key value]`, the value `true` where the
//! answer is an allow. It begins as `false`. A process of Jepsen does one thing at a time and ends with an operation of
//! unknown outcome, so operations are given process numbers anew here: the lowest that is free.
//!
//! A call in the words of another workload has these words as its `:f` and `:value`, and the answer as its value once there is
//! one. A text that begins a list is a keyword, so that what `append` asks is what Elle expects: `[[:append 1 2] [:r 3 nil]]`.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::Value;

use super::{Action, Answer, Came, Event, History, Operation, Outcome};

/// A line, and what decides about its place.
struct Line {
    at_us: u64,
    /// At the same time whatever begins comes before whatever ends, so that nothing looks ordered that may not be.
    ends: bool,
    text: String,
}

/// A call of one kind or the other.
enum Either<'a> {
    Operation(&'a Operation),
    Event(&'a Event),
}

impl Either<'_> {
    fn invoked_us(&self) -> u64 {
        match self {
            Self::Operation(operation) => operation.invoked_us,
            Self::Event(event) => event.invoked_us,
        }
    }

    fn until_us(&self) -> u64 {
        match self {
            Self::Operation(operation) => operation.until_us(),
            Self::Event(event) => event.until_us(),
        }
    }

    fn lines(&self, process: u64) -> [Line; 2] {
        match self {
            Self::Operation(operation) => both(operation, process),
            Self::Event(event) => both_of(event, process),
        }
    }
}

/// Writes a history in Jepsen's notation.
pub fn write(out: &mut impl Write, history: &History) -> io::Result<()> {
    let mut lines = Vec::new();
    let mut calls: Vec<Either<'_>> = history.operations.iter().map(Either::Operation).collect();
    calls.extend(history.events.iter().map(Either::Event));
    calls.sort_by_key(Either::invoked_us);
    let (mut free, mut next, mut busy) = (BTreeSet::new(), 0_u64, BTreeSet::new());
    for call in &calls {
        // INVARIANT: calls come in the order of their invocations, so what has ended before stays ended.
        while let Some((until_us, process)) =
            busy.first().copied().filter(|(until_us, _)| *until_us < call.invoked_us())
        {
            busy.remove(&(until_us, process));
            free.insert(process);
        }
        let process = free.pop_first().unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        busy.insert((call.until_us(), process));
        lines.extend(call.lines(process));
    }
    for strike in &history.strikes {
        lines.push(nemesis(strike.at_us, &format!("start-{}", strike.nemesis), &strike.what));
        if let Some(at_us) = history.relief_us(strike.step) {
            lines.push(nemesis(at_us, &format!("stop-{}", strike.nemesis), &strike.what));
        }
    }
    lines.sort_by_key(|line| (line.at_us, line.ends));
    for (index, line) in lines.iter().enumerate() {
        writeln!(out, "{{:index {index}, :time {}, {}}}", u128::from(line.at_us) * 1_000, line.text)?;
    }
    Ok(())
}

/// The line of the call, and that of its end.
fn both(operation: &Operation, process: u64) -> [Line; 2] {
    let Operation { key, node, way, action, .. } = operation;
    let (f, asked) = match action {
        Action::Grant => ("write", "true"),
        Action::Revoke => ("write", "false"),
        Action::Check => ("read", "nil"),
    };
    let line = |kind: &str, value: &str, error: &str| {
        format!(":type {kind}, :process {process}, :f :{f}, :value [{key} {value}], :node {node}, :way :{way}{error}")
    };
    let (kind, value, error) = match &operation.outcome {
        Outcome::Ok { answer: Answer::Done, .. } => (":ok", asked, String::new()),
        Outcome::Ok { answer: Answer::Allow, .. } => (":ok", "true", String::new()),
        Outcome::Ok { answer: Answer::Deny, .. } => (":ok", "false", String::new()),
        Outcome::Fail { error } => (":fail", asked, format!(", :error {}", quoted(error))),
        Outcome::Unknown { error } => (":info", asked, format!(", :error {}", quoted(error))),
    };
    [
        Line { at_us: operation.invoked_us, ends: false, text: line(":invoke", asked, "") },
        Line { at_us: operation.completed_us, ends: true, text: line(kind, value, &error) },
    ]
}

/// The same for a call in the words of its workload.
fn both_of(event: &Event, process: u64) -> [Line; 2] {
    let Event { node, f, value, .. } = event;
    let line = |kind: &str, value: &Value, error: &str| {
        format!(":type {kind}, :process {process}, :f :{f}, :value {}, :node {node}{error}", edn(value))
    };
    let (kind, value, error) = match &event.came {
        Came::Ok { answer: Value::Null, .. } => (":ok", value, String::new()),
        Came::Ok { answer, .. } => (":ok", answer, String::new()),
        Came::Fail { error, .. } => (":fail", value, format!(", :error {}", quoted(error))),
        Came::Unknown { error } => (":info", value, format!(", :error {}", quoted(error))),
    };
    [
        Line { at_us: event.invoked_us, ends: false, text: line(":invoke", &event.value, "") },
        Line { at_us: event.completed_us, ends: true, text: line(kind, value, &error) },
    ]
}

/// A value in EDN.
fn edn(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(values) => {
            let keyword = |(place, value): (usize, &Value)| match value {
                Value::String(text) if place == 0 && text.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                    format!(":{text}")
                }
                other => edn(other),
            };
            format!("[{}]", values.iter().enumerate().map(keyword).collect::<Vec<_>>().join(" "))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!(":{} {}", name.replace('_', "-"), edn(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

fn nemesis(at_us: u64, f: &str, what: &str) -> Line {
    let text = format!(":type :info, :process :nemesis, :f :{f}, :value {}", quoted(what));
    Line { at_us, ends: false, text }
}

/// A text of EDN: that of JSON, but for control characters, which none of ours has.
fn quoted(text: &str) -> String {
    let escaped: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{check, done, fail, history, unknown};
    use super::super::{Relief, Strike};
    use super::*;

    fn written(history: &History) -> Vec<String> {
        let mut out = Vec::new();
        write(&mut out, history).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_notation_is_that_of_jepsen() {
        let mut history =
            history([done(Action::Grant, 1, 3, 10), check(Answer::Allow, 4, 5, 10), fail(Action::Revoke, 6, 7)]);
        let strike = Strike {
            step: 1,
            at_us: 2,
            nemesis: "kill".to_owned(),
            what: "kill \"node\" 2".to_owned(),
            victims: vec![2],
            leader: None,
            holders: Vec::new(),
        };
        history.strikes.push(strike);
        history.reliefs.push(Relief { step: 1, at_us: 8 });
        let expected = [
            r"{:index 0, :time 1000, :type :invoke, :process 0, :f :write, :value [1 true], :node 1, :way :direct}",
            r#"{:index 1, :time 2000, :type :info, :process :nemesis, :f :start-kill, :value "kill \"node\" 2"}"#,
            r"{:index 2, :time 3000, :type :ok, :process 0, :f :write, :value [1 true], :node 1, :way :direct}",
            r"{:index 3, :time 4000, :type :invoke, :process 0, :f :read, :value [1 nil], :node 1, :way :direct}",
            r"{:index 4, :time 5000, :type :ok, :process 0, :f :read, :value [1 true], :node 1, :way :direct}",
            r"{:index 5, :time 6000, :type :invoke, :process 0, :f :write, :value [1 false], :node 1, :way :direct}",
            r#"{:index 6, :time 7000, :type :fail, :process 0, :f :write, :value [1 false], :node 1, :way :direct, :error "refused"}"#,
            r#"{:index 7, :time 8000, :type :info, :process :nemesis, :f :stop-kill, :value "kill \"node\" 2"}"#,
        ];
        assert_eq!(written(&history), expected);
    }

    #[test]
    fn a_process_does_one_thing_at_a_time_and_ends_with_an_unknown_outcome() {
        let history = history([
            unknown(Action::Grant, 1, 2),
            check(Answer::Deny, 3, 9, 1),
            check(Answer::Deny, 4, 5, 1),
            check(Answer::Deny, 10, 11, 1),
        ]);
        let lines = written(&history);
        let invoked = lines.iter().filter(|line| line.contains(":invoke"));
        let processes: Vec<&str> =
            invoked.filter_map(|line| line.split(":process ").nth(1)?.split(',').next()).collect();
        assert_eq!(processes, ["0", "1", "2", "1"]);
    }

    #[test]
    fn what_elle_judges_is_written_as_elle_expects() {
        let mut history = history([]);
        history.events.push(Event {
            client: 1,
            node: 2,
            f: "txn".to_owned(),
            value: serde_json::json!([["append", 3, 7], ["r", 4, null]]),
            writes: true,
            invoked_us: 1,
            completed_us: 2,
            came: Came::Ok { answer: serde_json::json!([["append", 3, 7], ["r", 4, [1, 2]]]), revision: 9 },
        });
        let expected = [
            r"{:index 0, :time 1000, :type :invoke, :process 0, :f :txn, :value [[:append 3 7] [:r 4 nil]], :node 2}",
            r"{:index 1, :time 2000, :type :ok, :process 0, :f :txn, :value [[:append 3 7] [:r 4 [1 2]]], :node 2}",
        ];
        assert_eq!(written(&history), expected);
    }

    #[test]
    fn what_begins_and_ends_at_the_same_time_is_concurrent() {
        let lines = written(&history([done(Action::Grant, 1, 3, 10), check(Answer::Deny, 3, 4, 9)]));
        assert!(lines[1].contains(":invoke") && lines[2].contains(":ok"));
        assert!(lines[1].contains(":process 1"), "{lines:?}");
    }
}
