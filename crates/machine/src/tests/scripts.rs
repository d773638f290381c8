//! The scripts of `testscripts/`, over the state in memory.

use std::fs;

use crate::memory::Memory;
use crate::script::play;

const CRATE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn scripts_play_as_written() {
    for (name, script) in scripts() {
        let played = play(&script, Memory::default).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(played == script, "{name} plays differently:\n{played}");
    }
}

/// A command or a refusal that is added later is missed here until a script shows it.
#[test]
fn scripts_show_every_command_and_every_refusal() {
    let all: String = scripts().into_iter().map(|(_, script)| script).collect();
    let reasons = between("refusal.rs", "=> \"", "\"");
    assert!(reasons.len() > 20, "{reasons:?}");
    for reason in reasons {
        assert!(all.contains(&format!("REFUSED {reason}: ")), "no script is refused for {reason}");
    }
    let commands = between("command/mod.rs", "Command::", "($command)");
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands.iter().map(|command| hyphenated(command)) {
        let answers: Vec<&str> = all
            .lines()
            .filter(|line| line.starts_with(&command))
            .filter_map(|line| line.split(" -> ").nth(1))
            .collect();
        let refused = answers.iter().filter(|answer| answer.contains("REFUSED")).count();
        assert!(refused > 0, "no script has `{command}` refused");
        assert!(refused < answers.len(), "no script has `{command}` carried out");
    }
}

fn scripts() -> Vec<(String, String)> {
    let folder = format!("{CRATE}/testscripts");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {folder}");
    paths.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// What a source file of this crate says between two marks, wherever both are on one line.
fn between(source: &str, start: &str, end: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{CRATE}/src/{source}")).unwrap();
    let found = text.lines().filter_map(|line| Some(line.split_once(start)?.1.split_once(end)?.0.to_owned()));
    found.collect()
}

/// `admit-node` for `AdmitNode`.
fn hyphenated(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
