//! The schemas of SpiceDB's own validation files, where these are at hand.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::{compile, diff, print};

/// Names the folder that holds a folder `spicedb` with validation files.
const FOLDER: &str = "PORTCULLIS_CONFORMANCE";

#[derive(serde::Deserialize)]
struct ValidationFile {
    schema: String,
}

#[test]
fn validation_files_compile() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        // Not by `eprintln`, which is not shown of tests that pass.
        writeln!(std::io::stderr(), "SKIPPED validation files: {FOLDER} does not name their folder").unwrap();
        return;
    };
    let folder = Path::new(&folder).join("spicedb");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    assert!(!paths.is_empty(), "no validation files in {}", folder.display());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let file: ValidationFile =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let schema = compile(&file.schema).unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()));
        let again = compile(&print(&schema)).unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()));
        assert_eq!(schema, again, "{}", path.display());
        assert_eq!(diff(&schema, &again), [], "{}", path.display());
    }
}
