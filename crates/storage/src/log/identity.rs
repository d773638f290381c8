//! The file `IDENTITY`: whose log this is.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const VERSION: u8 = 1;
const BYTES: usize = 8 + 1 + 4 + 8 + 1 + 16 + 4;
const MAGIC: &[u8; 8] = b"PORTCLIS";

/// The node and group that a log belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The group.
    pub group: u32,
    /// The node.
    pub node: u64,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) owner: Owner,
    pub(super) cluster: Option<[u8; 16]>,
}

/// What is wrong with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    Damaged,
    Version(u8),
}

/// Makes a log one of a cluster, once and for ever.
#[derive(Clone)]
pub struct Adopter {
    path: PathBuf,
    identity: Arc<Mutex<Identity>>,
}

impl Adopter {
    pub(super) fn new(path: PathBuf, identity: Identity) -> Self {
        Self { path, identity: Arc::new(Mutex::new(identity)) }
    }

    /// The cluster, if the log belongs to one.
    pub fn cluster(&self) -> Option<[u8; 16]> {
        self.identity.lock().expect("INVARIANT: nothing panics while holding the identity").cluster
    }

    /// Makes the log one of a cluster. It is on disk on return; a log that belongs to another cluster is left as it is.
    pub fn adopt(&self, cluster: [u8; 16]) -> io::Result<()> {
        let mut identity = self.identity.lock().expect("INVARIANT: nothing panics while holding the identity");
        match identity.cluster {
            Some(own) if own == cluster => Ok(()),
            Some(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the log belongs to another cluster")),
            None => {
                let adopted = Identity { cluster: Some(cluster), ..*identity };
                write(&self.path, &adopted)?;
                *identity = adopted;
                Ok(())
            }
        }
    }
}

/// Reads the file; `None` if there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Result<Identity, Malformed>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(decode(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file as a whole; it is on disk on return.
pub(super) fn write(path: &Path, identity: &Identity) -> io::Result<()> {
    let folder = path.parent().expect("INVARIANT: the file lies in the log's folder");
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&encode(identity))?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

fn encode(identity: &Identity) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend_from_slice(&identity.owner.group.to_be_bytes());
    bytes.extend_from_slice(&identity.owner.node.to_be_bytes());
    bytes.push(u8::from(identity.cluster.is_some()));
    bytes.extend_from_slice(&identity.cluster.unwrap_or_default());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Result<Identity, Malformed> {
    let (body, checksum) = bytes.split_last_chunk::<4>().ok_or(Malformed::Damaged)?;
    if !body.starts_with(MAGIC) || crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return Err(Malformed::Damaged);
    }
    let version = *body.get(8).ok_or(Malformed::Damaged)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    if bytes.len() != BYTES {
        return Err(Malformed::Damaged);
    }
    let group = u32::from_be_bytes(body[9..13].try_into().map_err(|_| Malformed::Damaged)?);
    let node = u64::from_be_bytes(body[13..21].try_into().map_err(|_| Malformed::Damaged)?);
    let cluster: [u8; 16] = body[22..38].try_into().map_err(|_| Malformed::Damaged)?;
    Ok(Identity { owner: Owner { group, node }, cluster: (body[21] == 1).then_some(cluster) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_frozen() {
        let identity = Identity { owner: Owner { group: 1, node: 3 }, cluster: Some([7; 16]) };
        let bytes = encode(&identity);
        let body = [b"PORTCLIS".as_slice(), &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 1], &[7; 16]].concat();
        assert_eq!(bytes[..38], body);
        assert_eq!(decode(&bytes), Ok(identity));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(decode(&flipped), Err(Malformed::Damaged), "byte {at}");
        }
    }
}
