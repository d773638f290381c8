//! The one place that starts cargo, in the environment that every build of this workspace needs.
//!
//! Intermediate artefacts go to the cache, so that a fresh clone compiles its own crates only; final binaries stay in
//! `target` of the checkout. `.cargo/config.toml` says how checkouts are kept apart in the shared folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use crate::{cache, rocksdb, setup, toolchain};

/// Variables of the caller that would change what is built: they override `.cargo/config.toml`, move the results, or
/// describe xtask's own package to build scripts that watch them.
const DROPPED: &[&str] = &[
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "OUT_DIR",
    "ROCKSDB_COMPILE",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];
const DROPPED_PREFIXES: &[&str] = &["CARGO_BIN_", "CARGO_CRATE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_PRIMARY_"];

/// Cargo, ready to build this workspace.
pub(crate) struct Cargo {
    root: PathBuf,
    exports: Vec<(&'static str, OsString)>,
}

impl Cargo {
    /// Installs what is missing and compiles RocksDB if it is not cached.
    pub(crate) fn prepare(root: &Path, metadata: &Metadata) -> Result<Self> {
        setup::ensure_tools()?;
        let exports = vec![
            ("CARGO_BUILD_BUILD_DIR", cache::root()?.join("build").into_os_string()),
            ("ROCKSDB_LIB_DIR", rocksdb::ensure(root, metadata)?.into_os_string()),
            ("ROCKSDB_STATIC", "1".into()),
        ];
        Ok(Self { root: root.to_path_buf(), exports })
    }

    /// The variables that make a plain `cargo` build like xtask does.
    pub(crate) fn exports(&self) -> &[(&'static str, OsString)] {
        &self.exports
    }

    /// The folder that a profile's final binaries land in.
    pub(crate) fn binaries(&self, profile: &str) -> PathBuf {
        self.root.join("target").join(profile)
    }

    /// Runs cargo and waits; an exit code other than zero is an error.
    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<()> {
        finish(self.command(args))
    }

    /// Prepares a cargo command in the root of the checkout.
    pub(crate) fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(toolchain::cargo());
        command.args(args).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_dropped) {
                command.env_remove(name);
            }
        }
        command.env("CARGO_TARGET_DIR", self.root.join("target"));
        command.envs(self.exports.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn is_dropped(name: &str) -> bool {
    DROPPED.contains(&name) || DROPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Runs a command and waits; an exit code other than zero is an error that shows the command line.
pub(crate) fn finish(mut command: Command) -> Result<()> {
    let line = line(&command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ends with {status}");
    }
    Ok(())
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_change_the_build_do_not_reach_cargo() {
        for name in ["RUSTFLAGS", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR", "RUSTC_WORKSPACE_WRAPPER"] {
            assert!(is_dropped(name), "{name}");
        }
        for name in ["PATH", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_TERM_COLOR", "RUSTUP_TOOLCHAIN"] {
            assert!(!is_dropped(name), "{name}");
        }
    }
}
