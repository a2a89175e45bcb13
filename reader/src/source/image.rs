//! A copy of the words that a segment uses: what a recording keeps of one moment.
//!
//! The program goes on while its segment is copied, so every piece is read until two readings
//! agree: a row that is the same twice was not being written between. Blocks are copied before the
//! sites that they name, sites before their frames, and the header last, so that whatever a row
//! points at is in the copy too.

#![forbid(unsafe_code)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use memshim_abi::header::{HEADER_WORDS, at};
use memshim_abi::region::{REGION_WORDS, Region};
use memshim_abi::slots::state;
use memshim_abi::words::acquire_fence;
use memshim_abi::{WORD_BYTES, Words};

use crate::source::{Segment, Stored};

/// Words that are compared and kept together: a cache line, and a row of the slots.
const LINE_WORDS: usize = 8;

/// Words of a block: what is left out where nothing but zeros is in it.
pub const BLOCK_WORDS: usize = 64;

/// Words that are copied at once: few enough to stay in the processor's cache between readings.
const PIECE_WORDS: usize = 8192;

/// Readings of a piece before what still changes is taken as it is.
const READINGS_MAX: usize = 6;

/// The regions in the order in which they must be copied; the header follows them.
const ORDER: [Region; 8] = [
    Region::Slots,
    Region::Ring,
    Region::Sites,
    Region::Frames,
    Region::Timeline,
    Region::Threads,
    Region::Modules,
    Region::Strings,
];

/// A stretch of words that hold something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Its first word, counted from the start of the segment; a multiple of [`BLOCK_WORDS`].
    pub first_word: u64,
    /// Its words, whole blocks.
    pub words: Vec<u64>,
}

impl Stretch {
    /// One past its last word.
    pub fn end(&self) -> u64 {
        self.first_word.saturating_add(self.words.len() as u64)
    }
}

/// Where rows of one size lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Their first word.
    pub first_word: u64,
    /// Words in a row.
    pub row_words: u64,
}

/// The words that a segment used at some moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Length of the segment's file, holes included.
    pub file_bytes: u64,
    /// Its regions, from the first on; each ends where the next begins.
    pub rows: Vec<Rows>,
    /// What is not zero, from the first on, without overlap; none lies in two regions.
    pub stretches: Vec<Stretch>,
}

impl Image {
    /// Copies what a segment uses now; `None` where that is more than `words_max`.
    pub fn of(segment: &Segment, words_max: usize) -> Option<Image> {
        let header = segment.header();
        let file_bytes = header.word(at::SEGMENT_BYTES);
        let mut copy = Copy {
            words: segment.words(),
            left: words_max,
            stretches: Vec::new(),
        };
        let mut rows = vec![Rows {
            first_word: 0,
            row_words: HEADER_WORDS,
        }];
        for region in ORDER {
            let shape = header.region(region);
            // More rows may have come since the header was read, so all that there is room for.
            let capacity = header.word(at::REGIONS + region as usize * REGION_WORDS + 1);
            let end = shape.first_word + capacity.saturating_mul(shape.row_words);
            let end = end.min(file_bytes / WORD_BYTES);
            copy.add(shape.first_word..end, region == Region::Slots)?;
            rows.push(Rows {
                first_word: shape.first_word,
                row_words: shape.row_words,
            });
        }
        copy.add(0..HEADER_WORDS, false)?;
        let mut stretches = copy.stretches;
        stretches.sort_by_key(|stretch| stretch.first_word);
        rows.sort_by_key(|rows| rows.first_word);
        Some(Image {
            file_bytes,
            rows,
            stretches,
        })
    }

    /// How many words it has.
    pub fn word_count(&self) -> usize {
        let counts = self.stretches.iter().map(|stretch| stretch.words.len());
        counts.sum()
    }

    /// A number that is another for an image of other words, but for one in 2^64.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for stretch in &self.stretches {
            stretch.first_word.hash(&mut hasher);
            stretch.words.hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// A copy in the making.
struct Copy<'a> {
    words: &'a dyn Words,
    /// Words that it may still take.
    left: usize,
    stretches: Vec<Stretch>,
}

impl Copy<'_> {
    /// Copies what is not zero in `range`; `None` where it is too much.
    fn add(&mut self, range: Range<u64>, is_slots: bool) -> Option<()> {
        let block = BLOCK_WORDS as u64;
        let mut index = range.start;
        while let Some(data) = self.words.next_data(index).filter(|it| *it < range.end) {
            let start = data - data % block;
            let end = range.end.min(start + PIECE_WORDS as u64);
            let len = (end - start).next_multiple_of(block);
            let mut piece = vec![0; len as usize];
            copy_settled(self.words, start, &mut piece, is_slots);
            self.keep(start, &piece)?;
            index = start + len;
        }
        Some(())
    }

    /// Keeps the blocks of a piece that hold something, as stretches as long as they can be.
    fn keep(&mut self, start: u64, piece: &[u64]) -> Option<()> {
        let blocks = piece
            .chunks(BLOCK_WORDS)
            .zip((start..).step_by(BLOCK_WORDS));
        for (block, first_word) in blocks {
            if block.iter().all(|word| *word == 0) {
                continue;
            }
            self.left = self.left.checked_sub(block.len())?;
            match self.stretches.last_mut() {
                Some(last) if last.end() == first_word && first_word != start => {
                    last.words.extend_from_slice(block);
                }
                _ => self.stretches.push(Stretch {
                    first_word,
                    words: block.to_vec(),
                }),
            }
        }
        Some(())
    }
}

/// Copies words until each line of them was the same twice in a row.
///
/// What never rests is taken as it was last seen. A slot that never rests is marked as being
/// written, so that readers count it as unreadable and never take half of one block for another.
fn copy_settled(words: &dyn Words, first: u64, into: &mut [u64], is_slots: bool) {
    let mut again = vec![0; into.len()];
    let mut open = vec![true; into.len().div_ceil(LINE_WORDS)];
    words.copy(first, into);
    for _ in 1..READINGS_MAX {
        acquire_fence();
        words.copy(first, &mut again);
        let lines = into.chunks_mut(LINE_WORDS).zip(again.chunks(LINE_WORDS));
        for ((line, seen), open) in lines.zip(&mut open).filter(|(_, open)| **open) {
            *open = line != seen;
            line.copy_from_slice(seen);
        }
        if open.iter().all(|open| !open) {
            return;
        }
    }
    let lines = into.chunks_mut(LINE_WORDS).zip(open);
    for (line, _) in lines.filter(|(_, open)| is_slots && *open) {
        line[0] = line[0] & !0xff | state::WRITING;
    }
}

impl Stored for Image {}

impl Words for Image {
    fn load(&self, index: u64) -> u64 {
        let mut word = [0];
        self.copy(index, &mut word);
        word[0]
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        into.fill(0);
        let end = index.saturating_add(into.len() as u64);
        let first = self.stretches.partition_point(|it| it.end() <= index);
        let overlapping = self.stretches[first..].iter();
        for stretch in overlapping.take_while(|it| it.first_word < end) {
            let from = stretch.first_word.max(index);
            let to = stretch.end().min(end);
            let source = (from - stretch.first_word) as usize..(to - stretch.first_word) as usize;
            let target = (from - index) as usize..(to - index) as usize;
            into[target].copy_from_slice(&stretch.words[source]);
        }
    }

    fn next_data(&self, index: u64) -> Option<u64> {
        let first = self.stretches.partition_point(|it| it.end() <= index);
        let stretch = self.stretches.get(first)?;
        Some(stretch.first_word.max(index))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Interval;
    use crate::source::fixture::segment;

    #[test]
    fn a_copy_has_every_word_of_the_segment() {
        let bytes = segment(Interval::EXACT);
        let segment = Segment::from_bytes(Path::new("1-1-0.seg"), &bytes).expect("a good header");
        let image = Image::of(&segment, usize::MAX).expect("nothing is too much");
        let words: Vec<u64> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|it| u64::from_le_bytes(*it))
            .collect();
        let mut copy = vec![1; words.len()];
        image.copy(0, &mut copy);
        assert_eq!(copy, words);
        assert!(image.word_count() < words.len());
        assert!(Image::of(&segment, image.word_count()).is_some());
        assert!(Image::of(&segment, image.word_count() - 1).is_none());
    }

    /// Words of which one counts how often it was read.
    struct Restless(std::cell::Cell<u64>);

    impl Words for Restless {
        fn load(&self, _index: u64) -> u64 {
            0
        }

        fn copy(&self, _index: u64, into: &mut [u64]) {
            self.0.set(self.0.get() + 1);
            into.fill(state::LIVE);
            into[LINE_WORDS + 3] = self.0.get();
        }
    }

    #[test]
    fn a_slot_that_never_rests_is_marked_as_being_written() {
        let mut copy = [0; 3 * LINE_WORDS];
        copy_settled(&Restless(Default::default()), 0, &mut copy, true);
        let heads: Vec<u64> = copy.iter().step_by(LINE_WORDS).copied().collect();
        assert_eq!(heads, [state::LIVE, state::WRITING, state::LIVE]);
    }
}
