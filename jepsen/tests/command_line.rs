//! The program from outside: what it prints, and its exit status.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

use portcullis_jepsen::history::{
    Action, Answer, FORMAT, Key, Operation, Outcome, Phase, Record, Run, StateHash, write_line,
};

fn jepsen(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jepsen")).args(args).env_remove("PORTCULLIS_BIN").output().unwrap()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A run of one node without faults: a grant, its revocation, and then this answer.
fn records(last: Answer) -> Vec<Record> {
    let run = Run {
        format: FORMAT,
        seed: 1,
        workload: "revocation".to_owned(),
        system: None,
        nemeses: Vec::new(),
        skipped: Vec::new(),
        nodes: 1,
        clients: 1,
        time_s: 1,
        network: "loopback".to_owned(),
        version: "0.1.0".to_owned(),
        revokes_min: 1,
        writes: None,
        planted: None,
    };
    let call = |action, invoked_us, answer, revision| {
        Record::Operation(Operation {
            client: 1,
            node: 1,
            key: Key(1),
            way: "direct".to_owned(),
            action,
            invoked_us,
            completed_us: invoked_us + 5,
            outcome: Outcome::Ok { answer, revision },
        })
    };
    vec![
        Record::Run(run),
        Record::Phase { phase: Phase::Traffic, at_us: 0 },
        call(Action::Grant, 10, Answer::Done, 3),
        call(Action::Check, 19, Answer::Allow, 3),
        call(Action::Revoke, 20, Answer::Done, 4),
        Record::Phase { phase: Phase::Healed, at_us: 30 },
        Record::Phase { phase: Phase::FinalReads, at_us: 40 },
        call(Action::Check, 50, last, 4),
        Record::StateHash(StateHash { node: 1, revision: 4, hash: "ab".to_owned() }),
        Record::Phase { phase: Phase::End, at_us: 60 },
    ]
}

fn write(folder: &Path, records: &[Record]) -> String {
    let path = folder.join("history.jsonl");
    let mut file = File::create(&path).unwrap();
    for record in records {
        write_line(&mut file, record).unwrap();
    }
    path.display().to_string()
}

#[test]
fn the_exit_status_is_the_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let judged = |records: &[Record]| jepsen(&["check", &write(folder.path(), records)]);

    let passed = judged(&records(Answer::Deny));
    assert_eq!(passed.status.code(), Some(0), "{}", printed(&passed));
    assert!(printed(&passed).contains("smallest margin: 6 us") && printed(&passed).ends_with("PASS\n"));

    let failed = judged(&records(Answer::Allow));
    assert_eq!(failed.status.code(), Some(1));
    assert!(printed(&failed).contains("WRONG: an allow after the revocation returned, of grant 1"));

    let mut broken_off = records(Answer::Deny);
    broken_off.pop();
    assert_eq!(judged(&broken_off).status.code(), Some(2));

    let mut too_little = records(Answer::Deny);
    too_little.remove(4);
    too_little.remove(6);
    let rejected = judged(&too_little);
    assert_eq!(rejected.status.code(), Some(2), "{}", printed(&rejected));
    assert!(printed(&rejected).contains("0 revocations were acknowledged, and it takes 1"));
}

#[test]
fn a_report_is_written_beside_the_history() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &records(Answer::Deny));
    let told = jepsen(&["report", folder.path().to_str().unwrap()]);
    assert_eq!(told.status.code(), Some(0), "{}", printed(&told));
    for file in ["report.html", "history.edn", "verdict.json"] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn a_run_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let dir = dir.to_str().unwrap();
    let no_binary = jepsen(&["run", "--dir", dir, "--binary", "nowhere"]);
    assert_eq!(no_binary.status.code(), Some(1));
    assert!(printed(&no_binary).contains("there is no binary at `nowhere`"), "{}", printed(&no_binary));

    write(folder.path(), &records(Answer::Deny));
    let full = jepsen(&["run", "--dir", folder.path().to_str().unwrap(), "--binary", env!("CARGO_BIN_EXE_jepsen")]);
    assert_eq!(full.status.code(), Some(1));
    assert!(printed(&full).contains("is not empty"), "{}", printed(&full));

    let idle = jepsen(&["run", "--dir", dir, "--workload", "idle"]);
    assert!(printed(&idle).contains("no such workload"), "{}", printed(&idle));
    let elsewhere = jepsen(&["run", "--dir", dir, "--system", "spicedb"]);
    assert!(printed(&elsewhere).contains("--address"), "{}", printed(&elsewhere));
    let only = ["run", "--dir", dir, "--system", "spicedb", "--address", "localhost:1", "--workload", "append"];
    assert!(printed(&jepsen(&only)).contains("by the workload `revocation` only"));

    let nobody = jepsen(&["run", "--dir", dir, "--nemesis", "weather"]);
    assert!(printed(&nobody).contains("no such nemesis"), "{}", printed(&nobody));
}

#[test]
fn everything_there_is_is_listed() {
    let listed = printed(&jepsen(&["list"]));
    for name in [
        "revocation",
        "new-enemy",
        "append",
        "expiry",
        "exact",
        "watch",
        "retry",
        "agreement",
        "partition",
        "kill",
        "pause",
        "restart",
        "loss",
        "fence",
    ] {
        assert!(listed.contains(name), "{name}: {listed}");
    }
}
