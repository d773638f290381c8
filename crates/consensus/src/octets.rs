//! Bytes as serde writes them at once, and not one by one. The form is the same.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes.as_ref())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: From<Vec<u8>>>(deserializer: D) -> Result<B, D::Error> {
    deserializer.deserialize_byte_buf(Octets).map(B::from)
}

struct Octets;

impl Visitor<'_> for Octets {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use portcullis_storage::codec;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct AtOnce(#[serde(with = "super")] Bytes);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct OneByOne(Vec<u8>);

    #[test]
    fn the_form_is_the_same() {
        for length in [0, 1, 250, 251, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 256).unwrap()).collect();
            let (at_once, one_by_one) = (AtOnce(Bytes::from(bytes.clone())), OneByOne(bytes));
            let encoded = codec::encode(&one_by_one);
            assert_eq!(codec::encode(&at_once), encoded);
            assert_eq!(codec::decode::<AtOnce>(&encoded).unwrap(), at_once);
            assert_eq!(codec::decode::<OneByOne>(&encoded).unwrap(), one_by_one);
        }
        // A length that no memory holds is refused before room is made for it.
        assert!(codec::decode::<AtOnce>(&[1, 253, 0, 0, 0, 0, 0, 0, 0, 1]).is_err());
    }
}
