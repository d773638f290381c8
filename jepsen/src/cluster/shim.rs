//! A library that stands before the `fsync` of nodes, so that it can fail, lie or be slow. Its source is compiled where it is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use super::leftovers::{Mark, VARIABLE};
use super::shell;

/// What it is made of.
const SOURCE: &str = include_str!("../../shim/fsync.c");
/// The variable that names the file by which it is told what to do.
const CONTROL: &str = "JEPSEN_FSYNC";

/// What `fsync` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// What it should.
    Honest,
    /// It fails.
    Fails,
    /// It says that it has synced, and has not.
    Lies,
    /// It takes so many milliseconds more.
    Slow(u32),
}

/// The library, and what it does at each node.
#[derive(Debug)]
pub struct Shim {
    library: PathBuf,
    folder: PathBuf,
    told: BTreeMap<u64, Fsync>,
}

impl Shim {
    /// Compiles the library into a folder.
    pub fn make(folder: &Path) -> anyhow::Result<Self> {
        ensure!(shell::has("cc"), "there is no `cc`: install a C compiler");
        let folder = folder.join("shim");
        fs::create_dir_all(&folder)?;
        let (source, library) = (folder.join("fsync.c"), folder.join("fsync.so"));
        fs::write(&source, SOURCE)?;
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
        let output = compile.stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "`cc` fails: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self { library, folder, told: BTreeMap::new() })
    }

    /// The library.
    pub(super) fn library(&self) -> &Path {
        &self.library
    }

    /// What tells it where to look.
    pub(super) fn variables(&self, node: u64) -> Vec<(&'static str, String)> {
        vec![(CONTROL, self.control(node).display().to_string())]
    }

    /// Says what `fsync` does at a node from now on.
    pub fn tell(&mut self, node: u64, fsync: Fsync) -> anyhow::Result<()> {
        let words = match fsync {
            Fsync::Honest => "ok".to_owned(),
            Fsync::Fails => "error".to_owned(),
            Fsync::Lies => "lie".to_owned(),
            Fsync::Slow(ms) => format!("slow {ms}"),
        };
        let (control, new) = (self.control(node), self.folder.join(format!("n{node}.new")));
        fs::write(&new, words)?;
        // At once, so that nobody reads a part of it.
        fs::rename(new, control)?;
        self.told.insert(node, fsync);
        Ok(())
    }

    /// Whether `fsync` lies at a node.
    pub fn lies(&self, node: u64) -> bool {
        self.told.get(&node) == Some(&Fsync::Lies)
    }

    /// How often it has done something else than it should.
    pub fn done(&self, node: u64) -> u64 {
        let mut done = self.control(node).into_os_string();
        done.push(".done");
        fs::metadata(done).map_or(0, |done| done.len())
    }

    fn control(&self, node: u64) -> PathBuf {
        self.folder.join(format!("n{node}"))
    }
}

/// Says why `fsync` cannot be made to fail here, if so.
pub(super) fn try_shim(mark: Mark, folder: &Path) -> anyhow::Result<()> {
    let mut shim = Shim::make(folder)?;
    let file = folder.join("synced");
    let syncs = |shim: &Shim| {
        let mut sync = Command::new("dd");
        sync.arg("if=/dev/zero").arg(format!("of={}", file.display())).args(["bs=1", "count=1", "conv=fsync"]);
        sync.env("LD_PRELOAD", shim.library()).envs(shim.variables(0)).env(VARIABLE, mark.to_string());
        let status = sync.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        Ok::<_, anyhow::Error>(status.context("`dd` cannot be started")?.success())
    };
    shim.tell(0, Fsync::Honest)?;
    ensure!(syncs(&shim)? && shim.done(0) == 0, "an honest `fsync` fails");
    shim.tell(0, Fsync::Fails)?;
    ensure!(!syncs(&shim)? && shim.done(0) == 1, "an `fsync` that is to fail does not");
    shim.tell(0, Fsync::Lies)?;
    ensure!(syncs(&shim)? && shim.done(0) == 2, "an `fsync` that is to lie does not");
    Ok(fs::remove_dir_all(folder)?)
}
