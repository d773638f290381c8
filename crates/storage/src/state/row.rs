//! Rows: a value and the revision at which it became so.

use portcullis_model::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, DecodeError};

const REVISION_BYTES: usize = 8;

/// Writes a row's value: the revision, then the value with its version byte.
pub(super) fn encode<T: Serialize>(revision: Revision, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(codec::USUAL_BYTES);
    bytes.extend_from_slice(&revision.0.to_be_bytes());
    codec::encode_behind(&mut bytes, value);
    bytes
}

/// Reads the value of a row.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes.get(REVISION_BYTES..).unwrap_or_default())
}

/// The revision at which a row became what it is.
pub(super) fn revision(bytes: &[u8]) -> Result<Revision, DecodeError> {
    let revision = bytes.first_chunk::<REVISION_BYTES>().ok_or(DecodeError::Empty)?;
    Ok(Revision(u64::from_be_bytes(*revision)))
}

/// Whether a row holds nothing but where it was written.
pub(super) fn is_empty(bytes: &[u8]) -> Result<bool, DecodeError> {
    let value = bytes.get(REVISION_BYTES..).ok_or(DecodeError::Empty)?;
    Ok(value.len() == codec::VERSION_BYTES)
}
