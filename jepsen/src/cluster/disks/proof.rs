//! Disks are tried before nodes use them: what cannot be taken away or delayed here would not be in a run either.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{Disks, path};
use crate::cluster::cgroups::{Cgroups, Controller};
use crate::cluster::leftovers::{Mark, VARIABLE};
use crate::cluster::shell;

/// How much the disk of a trial holds.
const SIZE_BYTES: u64 = 32 << 20;
/// How long a write is watched that is to hang.
const HANGS: Duration = Duration::from_millis(300);
/// How long a write may take that nothing hinders.
const ENDS: Duration = Duration::from_secs(10);
/// How often a second a slow disk may be written to, and how often it is.
const SLOW_WRITES: (u32, u32) = (8, 16);
/// How long that takes at the least.
const SLOW_TAKES: Duration = Duration::from_secs(1);
/// And how many times as long as without a limit.
const SLOW_TIMES: u32 = 2;

/// The disk of a trial, of no node.
const TRIAL: u64 = 0;

/// Says why disks cannot be mounted here, if so.
pub(in crate::cluster) fn try_disks(mark: Mark, folder: &Path) -> anyhow::Result<()> {
    with_disk(mark, folder, |disks| {
        let taken = disks.fill(TRIAL, 0)?;
        ensure!(taken > 0, "a disk was full from the beginning");
        let file = disks.folder(TRIAL)?.join("file");
        ensure!(fs::write(&file, [1; 4_096]).is_err(), "a full disk takes more");
        disks.empty(TRIAL)?;
        Ok(fs::write(&file, [1; 4_096])?)
    })
}

/// Says why power cannot be cut here, if so: what was synced has to be there afterwards, and what was not must not.
pub(in crate::cluster) fn try_power(mark: Mark, folder: &Path) -> anyhow::Result<()> {
    ensure!(shell::has("xfs_io"), "there is no `xfs_io`: install xfsprogs");
    with_disk(mark, folder, |disks| {
        let (synced, unsynced) = (disks.folder(TRIAL)?.join("synced"), disks.folder(TRIAL)?.join("unsynced"));
        let mut file = File::create(&synced)?;
        file.write_all(b"kept")?;
        file.sync_all()?;
        drop(file);
        fs::write(&unsynced, b"lost")?;
        disks.power_off(TRIAL)?;
        disks.unmount(TRIAL)?;
        disks.power_on(TRIAL)?;
        ensure!(fs::read(&synced)? == b"kept", "what was synced is gone after a power loss");
        ensure!(fs::read(&unsynced).unwrap_or_default().is_empty(), "what was not synced survives a power loss");
        Ok(())
    })
}

/// Says why disks cannot hang here, if so.
pub(in crate::cluster) fn try_hangs(mark: Mark, folder: &Path) -> anyhow::Result<()> {
    ensure!(shell::has("fsfreeze"), "there is no `fsfreeze`: install util-linux");
    with_disk(mark, folder, |disks| {
        disks.hang(TRIAL)?;
        let mut writer = write(mark, disks, 1)?;
        let hung = !ends(&mut writer, HANGS)?;
        disks.go_on(TRIAL)?;
        ensure!(ends(&mut writer, ENDS)?, "a disk that hung does not go on");
        ensure!(hung, "a disk that hangs takes writes");
        Ok(())
    })
}

/// Says why disks cannot be slow here, if so.
pub(in crate::cluster) fn try_slow(mark: Mark, folder: &Path) -> anyhow::Result<()> {
    let mut groups = Cgroups::find(Controller::Io, mark)?;
    with_disk(mark, folder, |disks| {
        let mut took = Vec::new();
        for limit in [None, Some(SLOW_WRITES.0)] {
            let mut writer = write(mark, disks, SLOW_WRITES.1)?;
            groups.put(TRIAL, writer.id())?;
            groups.limit_writes(TRIAL, &disks.device(TRIAL)?, limit)?;
            // It has waited for a line, so that it writes nothing before it is in the group.
            let began = Instant::now();
            writer.stdin.take().context("a pipe")?.write_all(b"go\n")?;
            ensure!(ends(&mut writer, ENDS)?, "a disk takes no writes");
            took.push(began.elapsed());
        }
        let (usual, slow, writes) = (took[0], took[1], SLOW_WRITES.1);
        let is_slow = slow >= SLOW_TAKES && slow >= usual * SLOW_TIMES;
        ensure!(is_slow, "a slow disk took {slow:?} for {writes} writes, which take {usual:?} otherwise");
        Ok(())
    })
}

fn with_disk(mark: Mark, folder: &Path, act: impl FnOnce(&mut Disks) -> anyhow::Result<()>) -> anyhow::Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "to mount takes root");
    for program in ["mkfs.ext4", "mount", "umount", "fallocate"] {
        ensure!(shell::has(program), "there is no `{program}`: install e2fsprogs and util-linux");
    }
    let folder = folder.join("trial");
    fs::create_dir_all(&folder)?;
    let mut disks = Disks::make(mark, &folder)?;
    let tried = disks.add_sized(TRIAL, SIZE_BYTES).and_then(|_| act(&mut disks));
    drop(disks);
    fs::remove_dir_all(&folder)?;
    tried
}

/// Starts to write to the disk, so many times and synced, once it is told to or has nothing to wait for.
fn write(mark: Mark, disks: &Disks, times: u32) -> anyhow::Result<Child> {
    let file = disks.folder(TRIAL)?.join("written");
    let script = format!("read _; exec dd if=/dev/zero of={} bs=4096 count={times} oflag=dsync", path(&file)?);
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env(VARIABLE, mark.to_string());
    let waits = if times > 1 { Stdio::piped() } else { Stdio::null() };
    Ok(command.stdin(waits).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

fn ends(child: &mut Child, patience: Duration) -> anyhow::Result<bool> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(crate::cluster::wait::PAUSE);
    }
    Ok(false)
}
