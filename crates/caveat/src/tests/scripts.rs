//! The scripts of `testscripts/`.

use std::fs;

use crate::script::play;

#[test]
fn scripts_play_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testscripts");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {folder}");
    for path in paths {
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        assert!(played == script, "{} plays differently:\n{played}", path.display());
    }
}
