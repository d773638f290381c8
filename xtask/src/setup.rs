//! `setup`: the tools that must be on the machine before RocksDB and its bindings can be built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cargo, toolchain};

/// Where clang-sys, and so bindgen, looks for libclang on Linux; `*` stands for any name.
const LIBCLANG_FOLDERS: &[&str] = &[
    "/opt/rh/llvm-toolset-*/root/usr/lib*",
    "/usr/local/llvm*/lib*",
    "/usr/local/lib*/*/*",
    "/usr/local/lib*/*",
    "/usr/local/lib*",
    "/usr/lib*/*/*",
    "/usr/lib*/*",
    "/usr/lib*",
];

/// Where clang's own headers are, such as `stddef.h`; without them libclang cannot read RocksDB's header.
const CLANG_HEADERS: &[&str] =
    &["/usr/lib*/llvm-*/lib*/clang/*/include", "/usr/lib*/clang/*/include", "/usr/local/lib*/clang/*/include"];

/// The version known to work with our bindgen, preferred where the distribution has it.
const PREFERRED_LIBCLANG: u32 = 14;

/// Installs what is missing, or says which line installs it.
pub(crate) fn ensure_tools() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(", ");
    eprintln!("xtask: missing: {names}");
    if !runs(Command::new("apt-get").arg("--version")) {
        bail!("{names} cannot be installed from here without apt-get; install them with this system's package manager");
    }
    let mut packages = packages(&missing)?;
    let prefix: &[&str] = if toolchain::output(Command::new("id").arg("-u"))?.trim() == "0" {
        &[]
    } else if runs(Command::new("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        bail!("{names} must be installed first: sudo {}", install_line(&packages.unwrap_or_else(fallback)));
    };
    if packages.is_none() {
        cargo::finish(command(prefix, &["apt-get", "update"]))?;
        packages = self::packages(&missing)?;
    }
    let packages = packages.context("no package libclang1-NN is known to apt; add the distribution's repositories")?;
    let line = install_line(&packages);
    cargo::finish(command(prefix, &line.split(' ').collect::<Vec<_>>()))?;
    let missing = self::missing();
    if let Some(tool) = missing.first() {
        bail!("{} is still missing after `{line}`", tool.name());
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Libclang,
    Cxx,
    Git,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Libclang => "libclang with its headers",
            Self::Cxx => "a C++ compiler",
            Self::Git => "git",
        }
    }
}

fn missing() -> Vec<Tool> {
    let mut missing = Vec::new();
    if !has_libclang() {
        missing.push(Tool::Libclang);
    }
    if toolchain::cxx_version().is_err() {
        missing.push(Tool::Cxx);
    }
    if !runs(Command::new("git").arg("--version")) {
        missing.push(Tool::Git);
    }
    missing
}

fn has_libclang() -> bool {
    // Someone who sets the path keeps headers where that libclang finds them.
    if let Some(path) = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        return path.is_file() || holds_libclang(&path);
    }
    let libraries = LIBCLANG_FOLDERS.iter().flat_map(|pattern| expand(pattern));
    let mut headers = CLANG_HEADERS.iter().flat_map(|pattern| expand(pattern));
    libraries.into_iter().any(|folder| holds_libclang(&folder))
        && headers.any(|folder| folder.join("stddef.h").is_file())
}

fn holds_libclang(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else { return false };
    entries.flatten().any(|entry| is_libclang(&entry.file_name().to_string_lossy()) && entry.path().is_file())
}

/// The names that clang-sys loads at run time; `libclang-cpp` has another interface.
fn is_libclang(name: &str) -> bool {
    let Some((stem, version)) = name.split_once(".so") else { return false };
    let known = stem == "libclang" || stem.strip_prefix("libclang-").is_some_and(is_version);
    known && (version.is_empty() || version.strip_prefix('.').is_some_and(is_version))
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

/// Lists the folders that match an absolute pattern whose parts may hold one `*` each.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        found = match part.split_once('*') {
            None => found.into_iter().map(|folder| folder.join(part)).filter(|folder| folder.is_dir()).collect(),
            Some((start, end)) => found.iter().flat_map(|folder| children(folder, start, end)).collect(),
        };
    }
    found
}

fn children(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let paths = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(start) && name.ends_with(end) && entry.path().is_dir()
    });
    paths.map(|entry| entry.path()).collect()
}

/// The Debian packages that bring these tools; nothing when apt knows no libclang, which an update of its lists may cure.
fn packages(missing: &[Tool]) -> Result<Option<Vec<String>>> {
    let mut packages = Vec::new();
    for tool in missing {
        match tool {
            Tool::Libclang => {
                let known = toolchain::output(Command::new("apt-cache").args(["pkgnames", "libclang1-"]))?;
                let Some(version) = choose_libclang(&known) else { return Ok(None) };
                packages.extend(libclang_packages(version));
            }
            Tool::Cxx => packages.push("g++".to_owned()),
            Tool::Git => packages.push("git".to_owned()),
        }
    }
    Ok(Some(packages))
}

fn fallback() -> Vec<String> {
    let mut packages = Vec::from(libclang_packages(PREFERRED_LIBCLANG));
    packages.push("g++".to_owned());
    packages
}

fn libclang_packages(version: u32) -> [String; 2] {
    [format!("libclang1-{version}"), format!("libclang-common-{version}-dev")]
}

fn choose_libclang(package_names: &str) -> Option<u32> {
    let versions = package_names.lines().filter_map(|name| name.trim().strip_prefix("libclang1-")?.parse::<u32>().ok());
    let versions: BTreeSet<u32> = versions.collect();
    versions.get(&PREFERRED_LIBCLANG).or_else(|| versions.last()).copied()
}

fn install_line(packages: &[String]) -> String {
    format!("apt-get install -y --no-install-recommends {}", packages.join(" "))
}

fn command(prefix: &[&str], words: &[&str]) -> Command {
    let mut all = prefix.iter().chain(words);
    // INVARIANT: every caller passes a program.
    let mut command = Command::new(all.next().expect("a command has a program"));
    command.args(all).env("DEBIAN_FRONTEND", "noninteractive");
    // What xtask prints on stdout is meant for other programs.
    command.stdout(std::io::stderr());
    command
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_known_by_the_names_that_bindgen_loads() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so", "libclang-14.so.14.0.6", "libclang.so.18.1"] {
            assert!(is_libclang(name), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang.a", "libclang.so.txt", "libclangBasic.so", "libclang-.so"] {
            assert!(!is_libclang(name), "{name}");
        }
    }

    #[test]
    fn the_known_version_is_preferred_to_the_newest() {
        assert_eq!(choose_libclang("libclang1-9\nlibclang1-14\nlibclang1-19\nlibclang1-14-dbgsym"), Some(14));
        assert_eq!(choose_libclang("libclang1-9\nlibclang1-18\nlibclang1-17t64"), Some(18));
        assert_eq!(choose_libclang(""), None);
    }

    #[test]
    fn patterns_expand_over_folders_only() {
        assert!(expand("/us*/lib*").contains(&PathBuf::from("/usr/lib")));
        assert!(expand("/etc/passwd/*").is_empty());
    }
}
