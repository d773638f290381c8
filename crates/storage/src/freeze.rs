//! What tests compare bytes with that must never change: those on disks, and those that nodes send each other.
//!
//! A file holds the bytes of one format version, a line for each sample. What is written today must be those bytes, and they
//! must read as the sample. Another layout is another version with a file of its own.
//!
//! The samples of an enum are a chain: a function names the one after each variant, so a new variant does not compile
//! until it has its place.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;

/// Samples and the bytes that they must have.
pub struct Frozen {
    file: &'static str,
    expected: BTreeMap<String, Vec<u8>>,
    seen: String,
    differ: Vec<String>,
    count: usize,
}

impl Frozen {
    /// Takes the contents of a file: comments, and lines of a name and bytes.
    pub fn new(file: &'static str) -> Self {
        let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let parsed = lines.map(|line| {
            let (name, hex) = line.split_once(' ').unwrap_or_else(|| panic!("no bytes in: {line}"));
            (name.to_owned(), parse(hex))
        });
        Self { file, expected: parsed.collect(), seen: String::new(), differ: Vec::new(), count: 0 }
    }

    /// Compares the bytes of a sample.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let _ = write!(self.seen, "{name} ");
        for byte in bytes {
            let _ = write!(self.seen, "{byte:02x}");
        }
        self.seen.push('\n');
        self.count += 1;
        if self.expected.get(name).is_none_or(|expected| expected != bytes) {
            self.differ.push(name.to_owned());
        }
    }

    /// Compares a value as it is written, and what the bytes are read as.
    pub fn value<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        self.bytes(name, &codec::encode(value));
        if let Some(expected) = self.expected.get(name) {
            assert_eq!(&codec::decode::<T>(expected).unwrap(), value, "{name} reads as something else");
        }
    }

    /// Compares a variant of an enum, which names itself.
    pub fn variant<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, of: &str, value: &T) {
        self.value(&format!("{of}::{}", name_of(value)), value);
    }

    /// Compares every variant of an enum, each from the one before.
    pub fn chain<T>(&mut self, of: &str, after: impl Fn(Option<&T>) -> Option<T>)
    where
        T: Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let mut next = after(None);
        while let Some(value) = next {
            self.variant(of, &value);
            next = after(Some(&value));
        }
    }

    /// Ends the comparison: no sample differs, and no line is left over.
    pub fn finish(self) {
        let Self { file, expected, seen, differ, count } = self;
        assert!(differ.is_empty(), "these bytes changed: {differ:?}\n{seen}");
        assert_eq!(count, expected.len(), "the file holds more than the samples");
        assert!(
            file.starts_with("# These bytes are on ") && file.contains(" They never change"),
            "it says what it is for"
        );
    }
}

/// The name of a variant.
pub fn name_of(variant: &impl Debug) -> String {
    format!("{variant:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn parse(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "half a byte in {hex}");
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}
