//! Replays the corpus of every target, and changes it by a seed.
//!
//! A run that fails prints the seed of the change that it was, and leaves the input in a file beside the temporary ones of
//! the system. `PORTCULLIS_FUZZ_SEED` and `PORTCULLIS_FUZZ_MUTATIONS` say where to begin and how far to go.

mod mutate;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use portcullis_fuzz::TARGETS;

/// Changes of each corpus unless asked for otherwise.
const MUTATIONS: u64 = 3_000;

/// A test for each target.
macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { api_key, authzed, caveat, certificate, context, cursor, filter, jwks, jwt, portcullis, relationship, schema, token }

fn replay(target: &str) {
    let corpus = corpus(target);
    for (path, input) in &corpus {
        held(target, &format!("`{}`", path.display()), input);
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let (first, count) = (number("PORTCULLIS_FUZZ_SEED", 0), number("PORTCULLIS_FUZZ_MUTATIONS", MUTATIONS));
    for seed in (0..count).map(|nth| first.wrapping_add(nth)) {
        let input = mutate::mutated(&inputs, seed);
        held(target, &format!("PORTCULLIS_FUZZ_SEED={seed} PORTCULLIS_FUZZ_MUTATIONS=1"), &input);
    }
}

/// Runs a target; a failure says what it was for.
fn held(target: &str, origin: &str, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| portcullis_fuzz::run(target, input))) {
        let find = std::env::temp_dir().join(format!("portcullis-fuzz-{target}"));
        let kept = fs::write(&find, input).map_or_else(|error| error.to_string(), |()| find.display().to_string());
        eprintln!("target {target}, {origin}\ninput: {}\nkept as: {kept}", input.escape_ascii());
        resume_unwind(panic);
    }
}

/// The files of a target, in the order of their names.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = names(&folder("corpus").join(target)).map(|(path, _)| path).collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is nothing to replay for {target}");
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What is in a folder, with the names as far as their extension.
fn names(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (path, name)
    })
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |given| given.parse().expect("a whole number"))
}

#[test]
fn every_target_is_replayed_and_guided_by_coverage() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(TESTED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), expected);
    for place in ["corpus", "coverage/fuzz_targets"] {
        assert_eq!(names(&folder(place)).map(|(_, name)| name).collect::<BTreeSet<_>>(), expected, "{place}");
    }
}
