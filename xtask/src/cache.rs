//! Where results that outlive a checkout are kept.
//!
//! ```text
//! ${PORTCULLIS_CACHE:-${XDG_CACHE_HOME:-~/.cache}/portcullis}
//!   rocksdb/<key>/lib/librocksdb.a    compiled once, see `rocksdb`
//!   rocksdb/<key>/key.txt             what it was compiled from, in words
//!   spicedb/                          SpiceDB as packages, see `differential`
//!   build/                            cargo's intermediate artefacts, see `cargo`
//! ```

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// The cache folder; it need not exist yet.
pub(crate) fn root() -> Result<PathBuf> {
    locate(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let folder = if let Some(cache) = variable("PORTCULLIS_CACHE") {
        PathBuf::from(cache)
    } else if let Some(xdg) = variable("XDG_CACHE_HOME") {
        PathBuf::from(xdg).join("portcullis")
    } else if let Some(home) = variable("HOME") {
        PathBuf::from(home).join(".cache/portcullis")
    } else {
        bail!("none of PORTCULLIS_CACHE, XDG_CACHE_HOME and HOME is set; set PORTCULLIS_CACHE to a folder");
    };
    if folder.is_relative() {
        bail!("the cache folder `{}` is relative; set PORTCULLIS_CACHE to an absolute path", folder.display());
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Option<String> {
        let lookup = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        locate(lookup).ok().map(|folder| folder.display().to_string())
    }

    #[test]
    fn the_most_specific_variable_wins() {
        assert_eq!(check(&[("HOME", "/h")]).unwrap(), "/h/.cache/portcullis");
        assert_eq!(check(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap(), "/x/portcullis");
        assert_eq!(check(&[("XDG_CACHE_HOME", "/x"), ("PORTCULLIS_CACHE", "/p")]).unwrap(), "/p");
    }

    #[test]
    fn a_cache_that_moves_with_the_working_directory_is_refused() {
        assert_eq!(check(&[("PORTCULLIS_CACHE", "here")]), None);
        assert_eq!(check(&[]), None);
    }
}
