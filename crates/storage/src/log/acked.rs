//! The file `ACKED`: what was acknowledged last.
//!
//! Two slots are written in turn, each with a number and a checksum, so that one of them is whole whatever happens
//! while the other is written. A slot that is torn was not acknowledged, so the other one counts.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{LogId, Vote};

const VERSION: u8 = 1;
/// Far enough apart that no sector holds both.
const SLOT_APART_BYTES: u64 = 4_096;
const SLOT_BYTES: usize = 1 + 8 + 1 + 8 + 8 + 1 + 8 + 8 + 1 + 4;

/// What was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    /// The last entry.
    pub(super) last: Option<LogId>,
    /// The vote.
    pub(super) vote: Option<Vote>,
}

/// The file.
pub(super) struct AckedFile {
    file: File,
    sequence: u64,
    acked: Acked,
}

/// What the file holds.
pub(super) enum Found {
    /// There is none, or it was made and never written.
    Nothing,
    /// What was acknowledged.
    Acked(u64, Acked),
    /// Neither slot is whole.
    Damaged,
}

impl AckedFile {
    pub(super) fn read(path: &Path) -> io::Result<Found> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Found::Nothing);
        }
        // It is made as long as this before anything is in it.
        if bytes.len() as u64 != 2 * SLOT_APART_BYTES {
            return Ok(Found::Damaged);
        }
        let second = usize::try_from(SLOT_APART_BYTES).expect("INVARIANT: it is small");
        let slots = [0, second].map(|at| bytes.get(at..at + SLOT_BYTES).and_then(decode));
        let newest = slots.into_iter().flatten().max_by_key(|(sequence, _)| *sequence);
        Ok(newest.map_or(Found::Damaged, |(sequence, acked)| Found::Acked(sequence, acked)))
    }

    /// Opens the file, or makes it. The next slot to be written is the one of the number after `sequence`.
    pub(super) fn open(path: &Path, sequence: u64, acked: Acked) -> io::Result<Self> {
        let folder = path.parent().expect("INVARIANT: the file lies in the log's folder");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(2 * SLOT_APART_BYTES)?;
        file.sync_all()?;
        // The name has to survive a power loss too, and those of the other files that were just made.
        File::open(folder)?.sync_all()?;
        Ok(Self { file, sequence, acked })
    }

    /// The least number for a slot that is at least `least` and does not overwrite the one numbered `newest`.
    pub(super) fn beside(newest: u64, least: u64) -> u64 {
        if least % 2 == newest % 2 { least + 1 } else { least }
    }

    pub(super) fn acked(&self) -> Acked {
        self.acked
    }

    /// Replaces what was acknowledged. It is on disk on return.
    pub(super) fn write(&mut self, acked: Acked) -> io::Result<()> {
        let sequence = self.sequence + 1;
        self.file.write_all_at(&encode(sequence, &acked), sequence % 2 * SLOT_APART_BYTES)?;
        self.file.sync_data()?;
        (self.sequence, self.acked) = (sequence, acked);
        Ok(())
    }
}

fn encode(sequence: u64, acked: &Acked) -> [u8; SLOT_BYTES] {
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.push(u8::from(acked.last.is_some()));
    bytes.extend_from_slice(&acked.last.map_or(0, |last| last.term).to_be_bytes());
    bytes.extend_from_slice(&acked.last.map_or(0, |last| last.index).to_be_bytes());
    bytes.push(u8::from(acked.vote.is_some()));
    bytes.extend_from_slice(&acked.vote.map_or(0, |vote| vote.term).to_be_bytes());
    bytes.extend_from_slice(&acked.vote.map_or(0, |vote| vote.node).to_be_bytes());
    bytes.push(u8::from(acked.vote.is_some_and(|vote| vote.committed)));
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes.try_into().expect("INVARIANT: the parts make up a slot")
}

fn decode(bytes: &[u8]) -> Option<(u64, Acked)> {
    let (body, checksum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) || *body.first()? != VERSION {
        return None;
    }
    let number = |at: usize| body.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    let flag = |at: usize| body.get(at).map(|byte| *byte == 1);
    let last = LogId { term: number(10)?, index: number(18)? };
    let vote = Vote { term: number(27)?, node: number(35)?, committed: flag(43)? };
    Some((number(1)?, Acked { last: flag(9)?.then_some(last), vote: flag(26)?.then_some(vote) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACKED: Acked =
        Acked { last: Some(LogId { term: 2, index: 9 }), vote: Some(Vote { term: 3, node: 1, committed: true }) };

    #[test]
    fn slots_are_frozen() {
        let bytes = encode(5, &ACKED);
        assert_eq!(
            bytes[..44],
            [
                1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 0,
                3, 0, 0, 0, 0, 0, 0, 0, 1, 1
            ]
        );
        assert_eq!(decode(&bytes), Some((5, ACKED)));
        let none = Acked::default();
        assert_eq!(decode(&encode(6, &none)), Some((6, none)));
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ACKED");
        let mut file = AckedFile::open(&path, 0, Acked::default()).unwrap();
        let earlier = Acked { last: Some(LogId { term: 1, index: 1 }), vote: None };
        file.write(earlier).unwrap();
        file.write(ACKED).unwrap();
        assert!(matches!(AckedFile::read(&path).unwrap(), Found::Acked(2, ACKED)));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[10] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(AckedFile::read(&path).unwrap(), Found::Acked(1, acked) if acked == earlier));
        bytes[usize::try_from(SLOT_APART_BYTES).unwrap() + 10] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(AckedFile::read(&path).unwrap(), Found::Damaged));
        bytes[10] ^= 1;
        bytes.pop();
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(AckedFile::read(&path).unwrap(), Found::Damaged), "it is cut off");
        assert_eq!((AckedFile::beside(4, 5), AckedFile::beside(4, 6), AckedFile::beside(3, 9)), (5, 7, 10));
    }
}
