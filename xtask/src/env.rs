//! `env`: the environment for people who call cargo directly.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::cargo::Cargo;

/// Returns one `export` line per variable, for `eval`.
pub(crate) fn exports(cargo: &Cargo) -> Result<String> {
    let mut lines = String::new();
    for (name, value) in cargo.exports() {
        let value =
            value.to_str().with_context(|| format!("the value of {name} is not UTF-8; move the cache folder"))?;
        // INVARIANT: writing to a String succeeds.
        writeln!(lines, "export {name}={}", quoted(value)).expect("a String grows");
    }
    Ok(lines)
}

fn quoted(value: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@%".contains(letter);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quoted("/cache/rocksdb/3558c01e/lib"), "/cache/rocksdb/3558c01e/lib");
        assert_eq!(quoted("/my cache"), "'/my cache'");
        assert_eq!(quoted("/it's"), r"'/it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
