//! Control groups: a node in a group of its own gets only so much of the processor, or of its disk. Both versions are known.
//!
//! A group carries the mark of its harness in its name, and is removed when nobody is in it any more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::leftovers::{Mark, VARIABLE};

/// What the kernel tells about mounted file systems.
const MOUNTS: &str = "/proc/mounts";
/// What the names of all our groups begin with.
const PREFIX: &str = "jepsen-";
/// Over which time a share of the processor is counted, in microseconds.
const PERIOD_US: u64 = 100_000;
/// How much of the processor is left to see whether the rest is taken away.
const PROBE_PERCENT: u8 = 10;
/// How long that may take to show.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);
/// How long the kernel may take to let a group go whose last process has ended.
const REMOVE_PATIENCE: Duration = Duration::from_secs(1);

/// What a group limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// The processor.
    Cpu,
    /// Disks.
    Io,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The groups of a run, one for each node. They are removed when this is dropped.
#[derive(Debug)]
pub struct Cgroups {
    mark: Mark,
    version: Version,
    root: PathBuf,
    groups: Vec<PathBuf>,
}

impl Controller {
    fn name(self, version: Version) -> &'static str {
        match (self, version) {
            (Self::Cpu, Version::V1 | Version::V2) => "cpu",
            (Self::Io, Version::V1) => "blkio",
            (Self::Io, Version::V2) => "io",
        }
    }
}

impl Cgroups {
    /// Finds where groups with this controller are made.
    pub fn find(controller: Controller, mark: Mark) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string(MOUNTS)?;
        let (version, root) = place(controller, &mounts)
            .with_context(|| format!("no control groups are mounted that limit `{}`", controller.name(Version::V2)))?;
        if version == Version::V2 {
            let name = controller.name(version);
            let switch = root.join("cgroup.subtree_control");
            fs::write(&switch, format!("+{name}"))
                .with_context(|| format!("`{name}` cannot be switched on in `{}`", switch.display()))?;
        }
        Ok(Self { mark, version, root, groups: Vec::new() })
    }

    /// Puts a process, and all that it starts from now on, into the group of a node.
    pub fn put(&mut self, node: u64, pid: u32) -> anyhow::Result<()> {
        let group = self.group(node);
        if !group.is_dir() {
            fs::create_dir(&group).with_context(|| format!("`{}` cannot be made", group.display()))?;
        }
        if !self.groups.contains(&group) {
            self.groups.push(group.clone());
        }
        write(&group, "cgroup.procs", &pid.to_string())
    }

    /// Leaves so much of one processor to a node, in percent; without a number, all.
    pub fn limit_cpu(&self, node: u64, percent: Option<u8>) -> anyhow::Result<()> {
        let group = self.group(node);
        let quota_us = percent.map(|percent| u64::from(percent) * PERIOD_US / 100);
        match self.version {
            Version::V1 => {
                write(&group, "cpu.cfs_period_us", &PERIOD_US.to_string())?;
                write(&group, "cpu.cfs_quota_us", &quota_us.map_or_else(|| "-1".to_owned(), |quota| quota.to_string()))
            }
            Version::V2 => {
                let quota = quota_us.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
                write(&group, "cpu.max", &format!("{quota} {PERIOD_US}"))
            }
        }
    }

    /// How often a node was kept from the processor so far.
    pub fn throttled(&self, node: u64) -> anyhow::Result<u64> {
        let stat = fs::read_to_string(self.group(node).join("cpu.stat"))?;
        let mut counts = stat.lines().filter_map(|line| line.strip_prefix("nr_throttled "));
        counts.next().context("`cpu.stat` does not count")?.trim().parse().context("`cpu.stat` is not understood")
    }

    /// Lets a node write to a device, given as `major:minor`, so often a second; without a number, as often as it can.
    pub fn limit_writes(&self, node: u64, device: &str, per_second: Option<u32>) -> anyhow::Result<()> {
        let group = self.group(node);
        match self.version {
            Version::V1 => {
                let limit = per_second.unwrap_or(0);
                write(&group, "blkio.throttle.write_iops_device", &format!("{device} {limit}"))
            }
            Version::V2 => {
                let limit = per_second.map_or_else(|| "max".to_owned(), |limit| limit.to_string());
                write(&group, "io.max", &format!("{device} wiops={limit}"))
            }
        }
    }

    /// Says why the processor cannot be limited here, if so: a busy process is limited, and has to be kept waiting.
    pub fn try_cpu(mark: Mark) -> anyhow::Result<()> {
        let mut groups = Self::find(Controller::Cpu, mark)?;
        let mut busy = Busy::start(mark)?;
        groups.put(0, busy.0.id())?;
        groups.limit_cpu(0, Some(PROBE_PERCENT))?;
        let began = Instant::now();
        while groups.throttled(0)? == 0 {
            ensure!(
                began.elapsed() < PROBE_PATIENCE,
                "a busy process with little of the processor is never kept waiting"
            );
            std::thread::sleep(super::wait::PAUSE);
        }
        busy.0.kill()?;
        busy.0.wait()?;
        Ok(())
    }

    fn group(&self, node: u64) -> PathBuf {
        self.root.join(format!("{PREFIX}{}-n{node}", self.mark))
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for group in &self.groups {
            if let Err(error) = remove(group) {
                eprintln!("the control group `{}` cannot be removed: {error}", group.display());
            }
        }
    }
}

/// A process that keeps a processor busy. It ends when this is dropped.
struct Busy(Child);

impl Busy {
    fn start(mark: Mark) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]).env(VARIABLE, mark.to_string());
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Removes the groups of harnesses that no longer live, and returns which.
pub(super) fn remove_left(lives: impl Fn(Mark) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string(MOUNTS)?;
    let mut removed = Vec::new();
    for controller in [Controller::Cpu, Controller::Io] {
        let Some((_, root)) = place(controller, &mounts) else { continue };
        let Ok(entries) = fs::read_dir(&root) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if mark_of(name).is_some_and(|mark| !lives(mark)) {
                remove(&path).with_context(|| format!("`{}` cannot be removed", path.display()))?;
                removed.push(path);
            }
        }
    }
    Ok(removed)
}

/// Who made a group; nothing if it was no harness.
fn mark_of(name: &str) -> Option<Mark> {
    let (mark, part) = name.strip_prefix(PREFIX)?.rsplit_once("-n")?;
    part.parse::<u64>().ok()?;
    mark.parse().ok()
}

/// Where groups with a controller are, by what is mounted.
fn place(controller: Controller, mounts: &str) -> Option<(Version, PathBuf)> {
    let mut newer = None;
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, path, kind, options, ..] = words[..] else { continue };
        let has = |name: &str| options.split(',').any(|option| option == name);
        match kind {
            "cgroup" if has(controller.name(Version::V1)) => return Some((Version::V1, path.into())),
            "cgroup2" => newer = Some((Version::V2, PathBuf::from(path))),
            _ => {}
        }
    }
    newer
}

/// A group whose last process has only just ended is still in use for a moment.
fn remove(group: &Path) -> std::io::Result<()> {
    let began = Instant::now();
    loop {
        match fs::remove_dir(group) {
            Err(_) if began.elapsed() < REMOVE_PATIENCE => std::thread::sleep(super::wait::PAUSE),
            ended => return ended,
        }
    }
}

fn write(group: &Path, file: &str, text: &str) -> anyhow::Result<()> {
    let path = group.join(file);
    fs::write(&path, text).with_context(|| format!("`{}` does not take `{text}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_where_the_controller_is() {
        let both = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n\
                    cgroup /sys/fs/cgroup/blkio cgroup rw,blkio 0 0\n";
        assert_eq!(place(Controller::Cpu, both), Some((Version::V1, "/sys/fs/cgroup/cpu".into())));
        assert_eq!(place(Controller::Io, both), Some((Version::V1, "/sys/fs/cgroup/blkio".into())));
        let newer = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        assert_eq!(place(Controller::Io, newer), Some((Version::V2, "/sys/fs/cgroup".into())));
        assert_eq!(place(Controller::Cpu, "proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn only_our_own_groups_have_a_mark() {
        assert_eq!(mark_of("jepsen-12-34-n5"), "12-34".parse().ok());
        for foreign in ["jepsen", "jepsen-12-34", "jepsen-12-34-nx", "system.slice", "my-jepsen-1-2-n3"] {
            assert_eq!(mark_of(foreign), None, "{foreign}");
        }
    }
}
