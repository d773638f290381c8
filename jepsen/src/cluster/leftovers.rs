//! What a harness that died has left behind: processes and namespaces, each with the mark of its harness.
//!
//! A mark is the process id of a harness and the time when that process began, so an id that is used again is not taken for
//! the same process. Processes carry it in their environment, and namespaces in their names.
//!
//! INVARIANT: nothing is touched that does not carry the mark of a harness, or whose harness lives.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::{cgroups, disks, namespaces, shell};

/// The variable that carries the mark of a process.
pub(super) const VARIABLE: &str = "JEPSEN_MARK";
/// Where the kernel tells about processes.
const PROC: &str = "/proc";
/// Which word of `/proc/N/stat`, behind the name of the program, says when it began.
const STARTED_WORD: usize = 19;

/// Who made something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pid: u32,
    /// In ticks since the machine began.
    started: u64,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Processes that were killed.
    pub processes: Vec<u32>,
    /// Namespaces that were deleted.
    pub namespaces: Vec<String>,
    /// Control groups that were removed.
    pub groups: Vec<PathBuf>,
    /// Folders of disks that were unmounted.
    pub disks: Vec<PathBuf>,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processes, namespaces, groups, disks } = self;
        let (processes, namespaces, groups, disks) = (processes.len(), namespaces.len(), groups.len(), disks.len());
        write!(f, "{processes} processes, {namespaces} namespaces, {groups} control groups, {disks} folders of disks")
    }
}

impl Mark {
    /// The mark of this process.
    pub fn own() -> anyhow::Result<Self> {
        let pid = std::process::id();
        let started = started(pid).context("this process cannot be seen in /proc")?;
        Ok(Self { pid, started })
    }

    fn lives(self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.started)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, started) = text.split_once('-').ok_or(())?;
        Ok(Self { pid: pid.parse().map_err(drop)?, started: started.parse().map_err(drop)? })
    }
}

/// Removes what harnesses that no longer live have left.
pub fn remove() -> anyhow::Result<Removed> {
    let mut removed = Removed::default();
    for (pid, _) in marked()?.into_iter().filter(|(_, mark)| !mark.lives()) {
        // It may have ended by itself since.
        let _ = kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL);
        removed.processes.push(pid);
    }
    // Only root has made anything else, and only root can remove it.
    if !geteuid().is_root() {
        return Ok(removed);
    }
    removed.disks = disks::remove_left(Mark::lives)?;
    removed.groups = cgroups::remove_left(Mark::lives)?;
    for name in namespaces::all()? {
        if namespaces::mark_of(&name).is_some_and(|mark| !mark.lives()) {
            shell::run(&format!("ip netns delete {name}"))?;
            removed.namespaces.push(name);
        }
    }
    Ok(removed)
}

/// The processes that carry a mark, of those that this user may look at.
fn marked() -> anyhow::Result<Vec<(u32, Mark)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(PROC)? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if let Some(mark) = mark_in(&environment) {
            found.push((pid, mark));
        }
    }
    Ok(found)
}

fn mark_in(environment: &[u8]) -> Option<Mark> {
    let variables = environment.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
    let mut values = variables.filter_map(|variable| variable.strip_prefix(VARIABLE)?.strip_prefix('='));
    values.find_map(|value| value.parse().ok())
}

/// When a process began; nothing if it has ended, or is only waited for.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new(PROC).join(pid.to_string()).join("stat")).ok()?;
    // The name of the program may hold anything, and ends with the last parenthesis.
    let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let is_dead = matches!(*words.first()?, "Z" | "X");
    words.get(STARTED_WORD).filter(|_| !is_dead)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// A harness that has died: no process has such an id.
    const DEAD: &str = "4294967295-0";

    fn marked_process(mark: &str) -> std::process::Child {
        Command::new("cat").env(VARIABLE, mark).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn what_a_dead_harness_left_is_killed_and_what_a_live_one_uses_is_not() {
        let own = Mark::own().unwrap();
        let (mut left, mut used) = (marked_process(DEAD), marked_process(&own.to_string()));
        let mut foreign = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let removed = remove().unwrap();
        assert!(removed.processes.contains(&left.id()), "{removed:?}");
        assert!(!removed.processes.contains(&used.id()) && !removed.processes.contains(&foreign.id()));
        assert!(!left.wait().unwrap().success());
        assert!(used.try_wait().unwrap().is_none() && foreign.try_wait().unwrap().is_none());
        for child in [&mut used, &mut foreign] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark::own().unwrap();
        assert_eq!(mark.to_string().parse(), Ok(mark));
        assert!(mark.lives());
        assert!(!DEAD.parse::<Mark>().unwrap().lives());
        assert_eq!(mark_in(format!("A=1\0{VARIABLE}={mark}\0B=2\0").as_bytes()), Some(mark));
        assert_eq!(mark_in(b"A=1\0NOT_JEPSEN_MARK=1-0\0JEPSEN_MARK=all\0"), None);
    }
}
