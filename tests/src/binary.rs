//! The binary under test.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Where the binary is, set by `cargo xtask test` and `cargo xtask demo`.
const VARIABLE: &str = "PORTCULLIS_BIN";

/// The path of `portcullis`: what the environment says, else what the last build of this checkout left.
pub fn portcullis() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        if !path.is_file() {
            bail!("{VARIABLE}: `{}` is not a file: name the binary `portcullis`, or unset it", path.display());
        }
        return Ok(path);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the package has no folder above it")?;
    let path = root.join("target/verify/portcullis");
    if !path.is_file() {
        bail!("there is no `{}` yet: run `cargo xtask test`, which builds it, or set {VARIABLE}", path.display());
    }
    Ok(path)
}
