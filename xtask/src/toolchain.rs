//! Facts about the compilers: which, which version, with which flags.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The cargo that runs this xtask, so that a chosen toolchain stays chosen.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The C++ compiler, chosen as the crate `cc` chooses it on Linux.
pub(crate) fn cxx() -> OsString {
    std::env::var_os("CXX").filter(|cxx| !cxx.is_empty()).unwrap_or_else(|| "c++".into())
}

/// The first line of the C++ compiler's `--version`.
pub(crate) fn cxx_version() -> Result<String> {
    let cxx = cxx();
    first_line(Command::new(&cxx).arg("--version"))
        .with_context(|| format!("the C++ compiler `{}` does not run; install g++ or set CXX", cxx.display()))
}

/// The target triple that cargo builds for by default.
pub(crate) fn target() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let text = output(Command::new(rustc).arg("-vV")).context("rustc does not run; install Rust by rustup")?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// The `rustflags` that `.cargo/config.toml` sets for the whole workspace.
pub(crate) fn rustflags(root: &Path) -> Result<Vec<String>> {
    let path = root.join(".cargo/config.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    parse_rustflags(&text).with_context(|| format!("`{}` does not parse", path.display()))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    build: Build,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Build {
    rustflags: Vec<String>,
}

fn parse_rustflags(config: &str) -> Result<Vec<String>> {
    Ok(toml::from_str::<Config>(config)?.build.rustflags)
}

fn first_line(command: &mut Command) -> Result<String> {
    let text = output(command)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Runs a command and returns what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run `{}`", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?} ends with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} prints text that is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustflags_are_read_from_the_build_table() {
        let flags = parse_rustflags("[build]\nrustflags = [\"-Ca\", \"--cfg\", \"b\"]\n[alias]\nxtask = \"run\"\n");
        assert_eq!(flags.unwrap(), ["-Ca", "--cfg", "b"]);
        assert!(parse_rustflags("[alias]\n").unwrap().is_empty());
        assert!(parse_rustflags("[build]\nrustflags = 3\n").is_err());
    }
}
