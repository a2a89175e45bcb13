//! A frozen copy of a segment in memory: for tests, and for what came over a wire.

#![forbid(unsafe_code)]

use memshim_abi::{WORD_BYTES, Words};

use crate::source::Stored;

/// The words of a segment that no longer changes.
#[derive(Debug, Clone)]
pub struct Bytes {
    words: Vec<u64>,
}

impl Bytes {
    /// The whole words in `bytes`.
    pub fn new(bytes: &[u8]) -> Bytes {
        Bytes {
            words: bytes
                .as_chunks()
                .0
                .iter()
                .map(|word| u64::from_le_bytes(*word))
                .collect(),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.words.len() as u64 * WORD_BYTES
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl Stored for Bytes {}

impl Words for Bytes {
    fn load(&self, index: u64) -> u64 {
        self.words.as_slice().load(index)
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        self.words.as_slice().copy(index, into);
    }

    fn next_data(&self, index: u64) -> Option<u64> {
        let rest = self.words.get(usize::try_from(index).ok()?..)?;
        let zeros = rest.iter().position(|word| *word != 0)?;
        Some(index + zeros as u64)
    }
}
