//! Tests of the whole: scripts, properties, and input that wishes no good.

use std::fs;
use std::path::Path;

use crate::script::play;

/// Plays every script. With `PORTCULLIS_WRITE_SCRIPTS` set the answers are written into them, to be looked through.
#[test]
fn scripts_play_as_they_are_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts");
    let mut different = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if played != script {
            if std::env::var_os("PORTCULLIS_WRITE_SCRIPTS").is_some() {
                fs::write(&path, &played).unwrap();
            }
            different.push(format!("{}:\n{}", path.display(), difference(&script, &played)));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn difference(script: &str, played: &str) -> String {
    let lines = script.lines().zip(played.lines()).filter(|(one, two)| one != two);
    lines.take(5).map(|(one, two)| format!("- {one}\n+ {two}\n")).collect()
}
