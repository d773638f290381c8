//! Disks of nodes: each has its data on a file system of its own, in a file that is mounted, so that it can be slow, hang, be
//! full, or lose power.
//!
//! All are mounted below one folder that carries the mark of the harness in its name. It is a mount too, and shared, since a
//! node lives in a namespace of mounts that begins as a copy of ours: without that, what is unmounted here would stay mounted there.

mod proof;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;

use super::leftovers::Mark;
use super::shell;

pub(super) use proof::{try_disks, try_hangs, try_power, try_slow};

/// What the kernel tells about mounted file systems.
const MOUNTS: &str = "/proc/mounts";
/// How much a disk of a node holds. The file has holes, so it takes what is used. Nodes keep half a GiB for revocations.
const SIZE_BYTES: u64 = 2 << 30;
/// What the name of the folder of our mounts begins with.
const PREFIX: &str = "jepsen-";
/// And ends with.
const SUFFIX: &str = "-disks";
/// The file that fills a disk.
const FILLER: &str = "filler";
/// How much of a disk is filled bit by bit.
const MARGIN_BYTES: u64 = 8 << 20;
/// How much is one bit of that.
const BIT_BYTES: usize = 64 << 10;
/// How long the kernel may take to let a disk go whose last user was killed.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(5);

/// The disks of a run. They are unmounted when this is dropped; the files stay.
#[derive(Debug)]
pub struct Disks {
    root: PathBuf,
    images: PathBuf,
    of_nodes: BTreeMap<u64, Disk>,
}

#[derive(Debug)]
struct Disk {
    image: PathBuf,
    mount: PathBuf,
    is_mounted: bool,
    is_hung: bool,
    is_to_be_emptied: bool,
}

impl Disks {
    /// A place for disks, whose files are to lie in this folder.
    pub fn make(mark: Mark, folder: &Path) -> anyhow::Result<Self> {
        let root = folder.join(format!("{PREFIX}{mark}{SUFFIX}"));
        fs::create_dir(&root).with_context(|| format!("`{}` cannot be made", root.display()))?;
        // From here on it is dropped if anything fails.
        let made = Self { root, images: folder.to_path_buf(), of_nodes: BTreeMap::new() };
        mount(&["-t", "tmpfs", "-o", "size=1m,mode=755", "jepsen"], &made.root)?;
        shell::run_words(&["mount", "--make-shared", path(&made.root)?])?;
        Ok(made)
    }

    /// Makes a disk for a node, and returns the folder for its data.
    pub fn add(&mut self, node: u64) -> anyhow::Result<PathBuf> {
        self.add_sized(node, SIZE_BYTES)
    }

    fn add_sized(&mut self, node: u64, size_bytes: u64) -> anyhow::Result<PathBuf> {
        let (image, mount) = (self.images.join(format!("node-{node}.img")), self.root.join(format!("n{node}")));
        File::create_new(&image)?.set_len(size_bytes)?;
        shell::run_words(&["mkfs.ext4", "-q", "-F", "-m", "0", path(&image)?])?;
        fs::create_dir(&mount)?;
        self.of_nodes.insert(node, Disk { image, mount, is_mounted: false, is_hung: false, is_to_be_emptied: false });
        self.power_on(node)?;
        Ok(self.folder(node)?.join("data"))
    }

    /// Where the disk of a node is mounted.
    pub fn folder(&self, node: u64) -> anyhow::Result<&Path> {
        Ok(&self.disk(node)?.mount)
    }

    /// The files that disks are in.
    pub fn images(&self) -> Vec<PathBuf> {
        self.of_nodes.values().map(|disk| disk.image.clone()).collect()
    }

    /// The device of a disk, as `major:minor`.
    pub fn device(&self, node: u64) -> anyhow::Result<String> {
        let device = fs::metadata(&self.disk(node)?.mount)?.dev();
        Ok(format!("{}:{}", major(device), minor(device)))
    }

    /// Cuts the power of a disk: nothing is written any more, and what was not synced is gone. Who uses it gets errors until it
    /// is killed; then [`Self::unmount`].
    pub fn power_off(&mut self, node: u64) -> anyhow::Result<()> {
        self.go_on(node)?;
        let mount = path(&self.disk(node)?.mount)?;
        shell::run_words(&["xfs_io", "-x", "-c", "shutdown", mount]).map(drop)
    }

    /// Unmounts a disk that nobody uses any more.
    pub fn unmount(&mut self, node: u64) -> anyhow::Result<()> {
        let disk = self.disk_mut(node)?;
        if disk.is_mounted {
            unmount(&disk.mount, false)?;
            disk.is_mounted = false;
        }
        Ok(())
    }

    /// Mounts a disk, which repairs it.
    pub fn power_on(&mut self, node: u64) -> anyhow::Result<()> {
        let disk = self.disk_mut(node)?;
        if !disk.is_mounted {
            mount(&["-o", "loop", path(&disk.image)?], &disk.mount)?;
            disk.is_mounted = true;
        }
        if disk.is_to_be_emptied { self.empty(node) } else { Ok(()) }
    }

    /// Hangs a disk: who writes to it waits.
    pub fn hang(&mut self, node: u64) -> anyhow::Result<()> {
        let disk = self.disk_mut(node)?;
        if !disk.is_hung {
            shell::run_words(&["fsfreeze", "-f", path(&disk.mount)?])?;
            disk.is_hung = true;
        }
        Ok(())
    }

    /// Lets a disk that hangs go on.
    pub fn go_on(&mut self, node: u64) -> anyhow::Result<()> {
        let disk = self.disk_mut(node)?;
        if disk.is_hung {
            shell::run_words(&["fsfreeze", "-u", path(&disk.mount)?])?;
            disk.is_hung = false;
        }
        Ok(())
    }

    /// Whether a disk hangs.
    pub fn is_hung(&self, node: u64) -> bool {
        self.of_nodes.get(&node).is_some_and(|disk| disk.is_hung)
    }

    /// Fills a disk until so much is left. Returns how much that took. One that hangs goes on for that, or we would wait, too.
    pub fn fill(&mut self, node: u64, left_bytes: u64) -> anyhow::Result<u64> {
        let was_hung = self.is_hung(node);
        self.go_on(node)?;
        let filled = self.fill_now(node, left_bytes);
        if was_hung { self.hang(node).and(filled) } else { filled }
    }

    fn fill_now(&self, node: u64, left_bytes: u64) -> anyhow::Result<u64> {
        let disk = self.disk(node)?;
        let filler = disk.mount.join(FILLER);
        // The node writes meanwhile, and what is taken at once has its own price, so the last of it is taken bit by bit.
        let at_once = free_bytes(&disk.mount)?.saturating_sub(left_bytes + MARGIN_BYTES);
        if at_once > 0 {
            shell::run_words(&["fallocate", "-l", &at_once.to_string(), path(&filler)?])?;
        }
        let mut file = File::options().create(true).append(true).open(&filler)?;
        let bit = vec![0; BIT_BYTES];
        while left_bytes == 0 && file.write_all(&bit).is_ok() {}
        Ok(file.metadata()?.len())
    }

    /// Gives back what filled a disk.
    pub fn empty(&mut self, node: u64) -> anyhow::Result<()> {
        let was_hung = self.is_hung(node);
        self.go_on(node)?;
        let disk = self.disk_mut(node)?;
        // What is not mounted now is emptied when it is.
        disk.is_to_be_emptied = !disk.is_mounted;
        match fs::remove_file(disk.mount.join(FILLER)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        if was_hung { self.hang(node) } else { Ok(()) }
    }

    fn disk(&self, node: u64) -> anyhow::Result<&Disk> {
        self.of_nodes.get(&node).with_context(|| format!("node {node} has no disk of its own"))
    }

    fn disk_mut(&mut self, node: u64) -> anyhow::Result<&mut Disk> {
        self.of_nodes.get_mut(&node).with_context(|| format!("node {node} has no disk of its own"))
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.root) {
            eprintln!("`{}` cannot be unmounted: {error:#}", self.root.display());
        }
    }
}

/// Unmounts the disks of harnesses that no longer live, and returns where they were.
pub(super) fn remove_left(lives: impl Fn(Mark) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for mounted in mounted()? {
        if mark_of(&mounted).is_some_and(|mark| !lives(mark)) {
            clear(&mounted)?;
            removed.push(mounted);
        }
    }
    Ok(removed)
}

/// Unmounts a folder of disks and all in it, and removes it.
fn clear(root: &Path) -> anyhow::Result<()> {
    for mount in mounted()?.iter().filter(|mount| mount.starts_with(root) && *mount != root) {
        // One that hangs could not be unmounted. Most do not.
        let _ = shell::run_words(&["fsfreeze", "-u", path(mount)?]);
    }
    if mounted()?.iter().any(|mount| mount == root) {
        unmount(root, true)?;
    }
    Ok(fs::remove_dir(root)?)
}

/// Who made a folder of disks; nothing if it was no harness.
fn mark_of(root: &Path) -> Option<Mark> {
    root.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()
}

/// Where something is mounted.
fn mounted() -> anyhow::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string(MOUNTS)?;
    // What the kernel writes as an escape is not in the names of ours.
    Ok(mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from).collect())
}

fn mount(what: &[&str], at: &Path) -> anyhow::Result<()> {
    shell::run_words(&[&["mount"], what, &[path(at)?]].concat()).map(drop)
}

/// Unmounts as soon as the last user is gone.
fn unmount(mount: &Path, with_all_in_it: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    let words = if with_all_in_it { vec!["umount", "-R", path(mount)?] } else { vec!["umount", path(mount)?] };
    loop {
        match shell::run_words(&words) {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() >= UNMOUNT_PATIENCE => return Err(error),
            Err(_) => std::thread::sleep(super::wait::PAUSE),
        }
    }
}

fn free_bytes(mount: &Path) -> anyhow::Result<u64> {
    let free = statvfs(mount)?;
    Ok(free.blocks_available() * free.fragment_size())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    let text = path.to_str().with_context(|| format!("`{}` is no text", path.display()))?;
    if text.contains(char::is_whitespace) {
        bail!("`{text}` has a space in it, which tables of mounts do not take: give another folder");
    }
    ensure!(text.starts_with('/'), "`{text}` is no whole path");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folders_have_a_mark() {
        assert_eq!(mark_of(Path::new("/tmp/run/jepsen-12-34-disks")), "12-34".parse().ok());
        for foreign in ["/tmp/jepsen-12-34-disks/n1", "/tmp/jepsen-disks", "/home", "/tmp/my-jepsen-1-2-disks"] {
            assert_eq!(mark_of(Path::new(foreign)), None, "{foreign}");
        }
    }

    #[test]
    fn a_name_with_a_space_is_refused() {
        assert!(path(Path::new("/tmp/a b")).unwrap_err().to_string().contains("space"));
        assert!(path(Path::new("tmp")).is_err() && path(Path::new("/tmp")).is_ok());
    }
}
