//! Paths and command lines of a segment, each read once.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use memshim_abi::Words;
use memshim_abi::region::{Region, RegionShape};
use memshim_abi::strings::{self, STRING_BYTES_MAX};

use crate::source::{Issue, Issues, Segment};

/// Reads texts and remembers them by name.
///
/// An honest segment never names more text than its strings region holds, since every text is
/// stored by itself; a hostile one could name the same bytes a million times, and gets nothing
/// beyond that sum.
pub(crate) struct Texts<'a> {
    words: &'a dyn Words,
    region: RegionShape,
    bytes_left: u64,
    known: HashMap<u64, Arc<[u8]>>,
}

impl<'a> Texts<'a> {
    pub(crate) fn of(segment: &'a Segment) -> Texts<'a> {
        let region = segment.header().region(Region::Strings);
        let bytes_left = region.rows.saturating_mul(memshim_abi::WORD_BYTES);
        Texts {
            words: segment.words(),
            region,
            bytes_left,
            known: HashMap::new(),
        }
    }

    /// The bytes that `name` stands for; empty where there are none.
    pub(crate) fn bytes(&mut self, name: u64, issues: &mut Issues) -> Arc<[u8]> {
        if name == 0 {
            return Arc::default();
        }
        if let Some(known) = self.known.get(&name) {
            return known.clone();
        }
        let mut buffer = [0; STRING_BYTES_MAX];
        let len = match self.bytes_left {
            0 => 0,
            _ => strings::read(self.words, self.region, name, &mut buffer),
        };
        if len == 0 {
            issues.add(Issue::TextOutside, 1);
            return Arc::default();
        }
        self.bytes_left = self.bytes_left.saturating_sub(len as u64);
        let text: Arc<[u8]> = buffer.get(..len).unwrap_or_default().into();
        self.known.insert(name, text.clone());
        text
    }

    /// The same as text; bytes that are no UTF-8 are replaced.
    pub(crate) fn text(&mut self, name: u64, issues: &mut Issues) -> Arc<str> {
        String::from_utf8_lossy(&self.bytes(name, issues)).into()
    }
}
