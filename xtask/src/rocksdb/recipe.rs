//! Everything that shapes `librocksdb.a`, and the key made of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};
use sha2::{Digest, Sha256};

use crate::toolchain;

/// Raised when the way of compiling changes while its inputs stay the same.
const METHOD: u32 = 1;

/// 64 bits tell apart the handful of builds a machine ever keeps.
const KEY_HEX_DIGITS: usize = 16;

/// What RocksDB is compiled from and with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The version of librocksdb-sys, which carries RocksDB's source.
    pub(crate) version: String,
    pub(crate) features: BTreeSet<String>,
    /// The `-sys` crates that librocksdb-sys may take headers from, as `name version`, used or not.
    pub(crate) headers: BTreeSet<String>,
    /// The first line of the C++ compiler's `--version`.
    pub(crate) compiler: String,
    pub(crate) rustflags: Vec<String>,
    pub(crate) target: String,
}

impl Recipe {
    /// Reads the recipe that Cargo.lock, `.cargo/config.toml` and this machine's compiler amount to.
    pub(crate) fn read(root: &Path, metadata: &Metadata) -> Result<Self> {
        let package = find(metadata, "librocksdb-sys").context(
            "no crate of the workspace depends on `rocksdb`, so there is no version of librocksdb-sys to compile",
        )?;
        let resolve = metadata.resolve.as_ref().context("cargo metadata gave no dependency graph")?;
        let node = resolve.nodes.iter().find(|node| node.id == package.id);
        let node = node.context("cargo metadata resolves no features for librocksdb-sys")?;
        let headers = node.dependencies.iter().filter_map(|id| metadata.packages.iter().find(|other| other.id == *id));
        Ok(Self {
            version: package.version.to_string(),
            features: node.features.iter().map(ToString::to_string).collect(),
            headers: headers
                .filter(|other| other.links.is_some())
                .map(|other| format!("{} {}", other.name, other.version))
                .filter(|header| header.contains("-sys "))
                .collect(),
            compiler: toolchain::cxx_version()?,
            rustflags: toolchain::rustflags(root)?,
            target: toolchain::target()?,
        })
    }

    /// The name of the recipe's folder in the cache.
    pub(crate) fn key(&self) -> String {
        let digest = Sha256::digest(self.words().as_bytes());
        let mut key = digest.iter().fold(String::new(), |mut hex, byte| {
            // INVARIANT: writing to a String succeeds.
            write!(hex, "{byte:02x}").expect("a String grows");
            hex
        });
        key.truncate(KEY_HEX_DIGITS);
        key
    }

    /// The recipe as people read it; the key is the hash of this text.
    pub(crate) fn words(&self) -> String {
        let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        format!(
            "librocksdb-sys {}\nfeatures: {}\nheaders: {}\nC++ compiler: {}\nrustflags: {}\ntarget: {}\nmethod: {METHOD}\n",
            self.version,
            join(&self.features),
            join(&self.headers),
            self.compiler,
            self.rustflags.join(" "),
            self.target,
        )
    }
}

fn find<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a Package> {
    metadata.packages.iter().find(|package| package.name.as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            version: "0.19.0".into(),
            features: ["lz4".to_owned(), "zstd".to_owned()].into(),
            headers: ["lz4-sys 1.11.1".to_owned()].into(),
            compiler: "c++ (Debian 12.2.0) 12.2.0".into(),
            rustflags: vec!["-Ctarget-feature=+sse4.2".into()],
            target: "x86_64-unknown-linux-gnu".into(),
        }
    }

    #[test]
    fn every_part_of_the_recipe_changes_the_key() {
        let changes: [fn(&mut Recipe); 6] = [
            |recipe| recipe.version = "0.20.0".into(),
            |recipe| assert!(recipe.features.remove("zstd")),
            |recipe| assert!(recipe.headers.insert("zstd-sys 2.1.3".into())),
            |recipe| recipe.compiler = "clang version 14.0.6".into(),
            |recipe| recipe.rustflags.clear(),
            |recipe| recipe.target = "aarch64-unknown-linux-gnu".into(),
        ];
        let mut keys = BTreeSet::from([recipe().key()]);
        for change in changes {
            let mut other = recipe();
            change(&mut other);
            assert!(keys.insert(other.key()), "no new key for {other:?}");
        }
        assert_eq!(recipe().key(), recipe().key());
        assert_eq!(recipe().key().len(), KEY_HEX_DIGITS);
    }
}
