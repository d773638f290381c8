//! The folder of the state: one generation of the database at a time.
//!
//! A snapshot from another node is a database of its own, so installing it replaces the whole copy. Each copy is a
//! generation, a folder that carries its number, and the file `GENERATION` says which one counts. It is replaced as a
//! whole, so a crash leaves the copy before or the copy after, and never a mixture. What does not count is removed when
//! the store opens.
//!
//! ```text
//! GENERATION        the number of the generation that counts, as text
//! gen-3/            its database
//! snapshot-120-1/   a frozen copy that is being sent, gone with its last user
//! incoming/         a snapshot that is being received, kept so that receiving goes on where it stopped
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis_fault::{Point, Points};
use rocksdb::DB;

const CURRENT: &str = "GENERATION";
const INCOMING: &str = "incoming";
const GENERATION_PREFIX: &str = "gen-";
const SNAPSHOT_PREFIX: &str = "snapshot-";

/// The folder of the state.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
    points: Points,
}

/// Why `GENERATION` does not say which generation counts.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not the number of a generation")]
struct NotANumber {
    text: String,
}

impl Folder {
    /// Opens the folder, removes what no longer counts, and returns it with the number of its generation.
    pub(super) fn open(root: &Path, points: &Points) -> io::Result<(Self, u64)> {
        let folder = Self { root: root.to_owned(), points: points.clone() };
        fs::create_dir_all(root)?;
        let number = match fs::read_to_string(root.join(CURRENT)) {
            Ok(text) => {
                let text = text.trim().to_owned();
                text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, NotANumber { text }))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.choose(1)?;
                1
            }
            Err(error) => return Err(error),
        };
        folder.remove_leftovers(number)?;
        Ok((folder, number))
    }

    /// Makes a generation the one that counts. It is so on disk on return.
    pub(super) fn choose(&self, number: u64) -> io::Result<()> {
        let new = self.root.join("GENERATION.new");
        let mut file = File::create(&new)?;
        writeln!(file, "{number}")?;
        file.sync_all()?;
        self.points.pass(Point::SnapshotGenerationWritten);
        fs::rename(&new, self.root.join(CURRENT))?;
        self.sync()
    }

    pub(super) fn generation(&self, number: u64) -> PathBuf {
        self.root.join(format!("{GENERATION_PREFIX}{number}"))
    }

    /// Where a frozen copy as of an index lies; `nth` tells apart those that this process makes.
    pub(super) fn snapshot(&self, index: u64, nth: u64) -> PathBuf {
        self.root.join(format!("{SNAPSHOT_PREFIX}{index}-{nth}"))
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join(INCOMING)
    }

    /// Makes renames within the folder survive a power loss.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.root)?.sync_all()
    }

    fn remove_leftovers(&self, number: u64) -> io::Result<()> {
        let current = self.generation(number);
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let counts = path == current || !(name.starts_with(GENERATION_PREFIX) || name.starts_with(SNAPSHOT_PREFIX));
            if !counts {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }
}

/// A database, and its folder if that is to go with it.
pub(super) struct Copy {
    // The order counts: the database is closed before its folder goes.
    db: DB,
    removal: Removal,
}

impl Copy {
    pub(super) fn new(db: DB, path: PathBuf) -> Self {
        Self { db, removal: Removal::new(path, false) }
    }

    /// Lets the folder go with the last user of the database.
    pub(super) fn is_obsolete(&self) {
        self.removal.armed.store(true, Ordering::Release);
    }
}

impl Deref for Copy {
    type Target = DB;

    fn deref(&self) -> &DB {
        &self.db
    }
}

/// Removes a folder when it is dropped, if it is armed.
#[derive(Debug)]
pub(super) struct Removal {
    path: PathBuf,
    armed: AtomicBool,
}

impl Removal {
    pub(super) fn new(path: PathBuf, armed: bool) -> Self {
        Self { path, armed: AtomicBool::new(armed) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets the folder stay.
    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        if self.armed.load(Ordering::Acquire)
            && let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // It costs space until the next start, which removes it.
            tracing::warn!(%error, folder = %self.path.display(), "a folder that is not needed any more stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_generation_that_counts_survives_an_opening() {
        let root = tempfile::tempdir().unwrap();
        let (folder, number) = Folder::open(root.path(), &Points::default()).unwrap();
        assert_eq!(number, 1);
        for path in [folder.generation(1), folder.generation(2), folder.snapshot(7, 1), folder.incoming()] {
            fs::create_dir(path).unwrap();
        }
        folder.choose(2).unwrap();
        let (folder, number) = Folder::open(root.path(), &Points::default()).unwrap();
        assert_eq!(number, 2);
        assert!(!folder.generation(1).exists() && folder.generation(2).exists());
        assert!(!folder.snapshot(7, 1).exists() && folder.incoming().exists());
    }

    #[test]
    fn a_damaged_choice_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(CURRENT), "two\n").unwrap();
        assert_eq!(
            Folder::open(root.path(), &Points::default()).unwrap_err().to_string(),
            "`two` is not the number of a generation"
        );
    }

    #[test]
    fn a_folder_goes_with_its_removal_unless_that_is_disarmed() {
        let root = tempfile::tempdir().unwrap();
        let paths = ["kept", "gone"].map(|name| root.path().join(name));
        for path in &paths {
            fs::create_dir(path).unwrap();
            let removal = Removal::new(path.clone(), true);
            if path.ends_with("kept") {
                removal.disarm();
            }
        }
        assert_eq!(paths.map(|path| path.exists()), [true, false]);
    }
}
