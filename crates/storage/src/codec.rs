//! How values are written: a version byte, then the value in bincode's standard form.
//!
//! Every version keeps its literal bytes for ever, in the folder `frozen`. A value whose version is unknown was
//! written by a newer build; it is refused, never guessed at.

use bincode::config::standard;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only version of values so far.
const VERSION: u8 = 1;
/// How many bytes say the version.
pub(crate) const VERSION_BYTES: usize = 1;

/// Room for most values, so that it is made once.
pub(crate) const USUAL_BYTES: usize = 256;
/// Up to here bytes count as few.
const FEW_BYTES: usize = 1_024 * 1_024;
/// What few bytes may claim to hold. A number of eight bytes is written in one at the least, so this is ample.
const FEW_CLAIMED_MAX: usize = 16 * FEW_BYTES;
/// What any bytes may claim to hold.
const CLAIMED_MAX: usize = 1_024 * FEW_BYTES;

/// Why bytes are not a value.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the value is empty")]
    Empty,
    /// Another build wrote it.
    #[error("the value has format version {found}, and this build knows version {VERSION}: upgrade the binary")]
    Version {
        /// The version byte that was found.
        found: u8,
    },
    /// The bytes do not hold what they should.
    #[error("the value is malformed")]
    Malformed(#[source] bincode::error::DecodeError),
    /// There are bytes left over.
    #[error("the value has {0} bytes too many")]
    TooLong(usize),
}

/// Writes a value.
///
/// # Panics
///
/// Never for the types of this workspace: none has an unsized sequence or a failing serializer.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_behind(&mut bytes, value);
    bytes
}

/// Writes a value behind what `bytes` holds.
pub(crate) fn encode_behind<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bytes.push(VERSION);
    bincode::serde::encode_into_std_write(value, bytes, standard())
        .expect("INVARIANT: values of the model can be written to memory");
}

/// Reads the first field of a value, of which the others may be of a newer version than this build knows.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, _) = bincode::serde::decode_from_slice(payload(bytes)?, standard().with_limit::<FEW_CLAIMED_MAX>())
        .map_err(DecodeError::Malformed)?;
    Ok(value)
}

/// Reads a value that [`encode`] wrote.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let payload = payload(bytes)?;
    // Room is made for what a length claims before it is read, and no memory holds what a damaged length claims.
    let decoded = if payload.len() <= FEW_BYTES {
        bincode::serde::decode_from_slice(payload, standard().with_limit::<FEW_CLAIMED_MAX>())
    } else {
        bincode::serde::decode_from_slice(payload, standard().with_limit::<CLAIMED_MAX>())
    };
    let (value, read) = decoded.map_err(DecodeError::Malformed)?;
    match payload.len() - read {
        0 => Ok(value),
        left_over => Err(DecodeError::TooLong(left_over)),
    }
}

fn payload(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let (version, payload) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if *version == VERSION { Ok(payload) } else { Err(DecodeError::Version { found: *version }) }
}
