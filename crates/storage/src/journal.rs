//! RocksDB's own logs, looked at before RocksDB reads them.
//!
//! Its write-ahead logs and its manifests are made of records, each with a checksum over its kind and contents, within
//! blocks that no record crosses. Its reader has two holes. A kind that turned into one of another series (one flipped
//! bit) makes it read the same record for ever, so that the node neither starts nor fails. And a length that turned
//! into a greater one looks like a record that was being written when the power went, so it drops that record and all
//! behind it without a word: from a manifest, whole tables.
//!
//! So every record is checked here first. A last record that is cut short is let pass, unless it is whole under another
//! length: then its length is what was damaged.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32_768;
const HEADER_BYTES: usize = 4 + 2 + 1;
/// Checksums are stored turned and with this added, since data that holds checksums makes weak ones.
const MASK: u32 = 0xa282_ead8;

/// Has no more of the disk set aside for a journal than so many bytes; as much as for a buffer, at the most.
pub(crate) fn set_aside(rocks: &mut rocksdb::Options, bytes: u64) {
    if bytes < u64::MAX {
        // It limits what several column families write together. Of one alone it limits what is set aside, and nothing else.
        rocks.set_max_total_wal_size(bytes);
    }
}

/// A record that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where in it the record begins, in bytes.
    pub(crate) at: u64,
}

impl Flaw {
    /// Whether it is in a write-ahead log, and not in a manifest.
    pub(crate) fn is_in_wal(&self) -> bool {
        is_wal(&self.path)
    }
}

/// The first flaw of each log of a database, which need not exist.
pub(crate) fn flaws(folder: &Path) -> io::Result<Vec<Flaw>> {
    let items = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        items => items?,
    };
    let mut flaws = Vec::new();
    for item in items {
        let path = item?.path();
        let is_manifest = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST-"));
        if (is_manifest || is_wal(&path))
            && let Some(at) = first_flaw(File::open(&path)?)?
        {
            flaws.push(Flaw { path, at });
        }
    }
    Ok(flaws)
}

fn is_wal(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

fn first_flaw(file: impl Read) -> io::Result<Option<u64>> {
    let mut file = file.take(0);
    let mut begin = 0;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        file.set_limit(BLOCK_BYTES as u64);
        file.read_to_end(&mut block)?;
        if let Some(within) = first_flaw_of(&block) {
            return Ok(Some(begin + within as u64));
        }
        if block.len() < BLOCK_BYTES {
            return Ok(None);
        }
        begin += BLOCK_BYTES as u64;
    }
}

fn first_flaw_of(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some((header, rest)) = block[at..].split_first_chunk::<HEADER_BYTES>() {
        let [c0, c1, c2, c3, l0, l1, kind] = *header;
        let (stored, length) = (u32::from_le_bytes([c0, c1, c2, c3]), usize::from(u16::from_le_bytes([l0, l1])));
        if block[at..].iter().all(|byte| *byte == 0) {
            // A file system may leave zeros behind what was synced.
            return None;
        }
        let sum_of_kind = crc32c::crc32c(&[kind]);
        match rest.get(..length) {
            Some(contents) if masked(crc32c::crc32c_append(sum_of_kind, contents)) == stored => {}
            Some(_) => return Some(at),
            None => {
                let is_cut_short = block.len() < BLOCK_BYTES && !is_whole_somewhere(sum_of_kind, rest, stored);
                return (!is_cut_short).then_some(at);
            }
        }
        at += HEADER_BYTES + length;
    }
    None
}

/// Whether a record is whole under some length.
fn is_whole_somewhere(sum_of_kind: u32, rest: &[u8], stored: u32) -> bool {
    let mut sum = sum_of_kind;
    masked(sum) == stored
        || rest.iter().any(|byte| {
            sum = crc32c::crc32c_append(sum, &[*byte]);
            masked(sum) == stored
        })
}

fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(MASK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a write-ahead log of records of these lengths and a little more.
    fn wal(lengths: &[u32]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let db = rocksdb::DB::open_default(folder.path()).unwrap();
        for length in lengths {
            db.put(length.to_be_bytes(), vec![7; *length as usize]).unwrap();
        }
        drop(db);
        assert_eq!(flaws(folder.path()).unwrap(), []);
        let mut wals =
            fs::read_dir(folder.path()).unwrap().map(|item| item.unwrap().path()).filter(|path| is_wal(path));
        fs::read(wals.next().unwrap()).unwrap()
    }

    fn check(bytes: &[u8]) -> Option<u64> {
        first_flaw(bytes).unwrap()
    }

    #[test]
    fn whole_logs_and_torn_ones_pass() {
        let whole = wal(&[0, 1, 10, 300, 40_000, 5, 70_000, 20]);
        assert!(whole.len() > 3 * BLOCK_BYTES);
        for bytes in (0..600).chain(BLOCK_BYTES - 20..BLOCK_BYTES + 20).chain(whole.len() - 60..=whole.len()) {
            assert_eq!(check(&whole[..bytes]), None, "{bytes} bytes");
        }
        assert_eq!(check(&[whole.as_slice(), &[0; 100]].concat()), None);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = wal(&[0, 1, 10, 300, 20]);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bytes).is_some_and(|at| at <= (bit / 8) as u64), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn rubbish_is_found() {
        let whole = wal(&[1, 2, 3]);
        assert_eq!(check(&[whole.as_slice(), &[9; 3_000]].concat()), Some(whole.len() as u64));
    }
}
