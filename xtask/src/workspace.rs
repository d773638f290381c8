//! The checkout xtask works on, and what cargo knows about it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};

use crate::toolchain;

/// The root folder of the checkout.
///
/// `cargo run` says at run time where xtask's manifest is; the path baked in at compile time serves the binary that is
/// started by hand.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest_dir = manifest_dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    // INVARIANT: xtask's manifest is one folder below the root.
    manifest_dir.parent().expect("xtask is a folder of the checkout").to_path_buf()
}

/// Reads the dependency graph as Cargo.lock resolves it for this machine's target.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), toolchain::target()?])
        .exec()
        .with_context(|| format!("cargo metadata fails in `{}`; repair the manifest it names", root.display()))
}

/// Returns the workspace member that has a binary of that name, when there is one.
pub(crate) fn owner_of_binary<'a>(metadata: &'a Metadata, binary: &str) -> Option<&'a Package> {
    metadata.workspace_packages().into_iter().find(|package| {
        let mut targets = package.targets.iter();
        targets.any(|target| target.name == binary && target.kind.contains(&TargetKind::Bin))
    })
}
