//! The binary under test.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Where the binary is, if no flag says it.
const VARIABLE: &str = "PORTCULLIS_BIN";

/// The path of `portcullis`: what the flag says, else what the environment says, else what lies beside this program.
pub fn find(flag: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("portcullis"));
    let path = flag.map(Path::to_path_buf).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from)).or_else(beside);
    let path = path.with_context(|| format!("name the binary `portcullis` with --binary, or with {VARIABLE}"))?;
    if !path.is_file() {
        bail!("there is no binary at `{}`: name it with --binary, or with {VARIABLE}", path.display());
    }
    Ok(path.canonicalize()?)
}
