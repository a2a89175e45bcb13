//! The words of an image as a frame stores them: columns of small differences.
//!
//! The words of one column of a table stand together, each as its difference from the one before
//! it. MessagePack then takes one byte for most of them, and zstd finds what repeats. Of an image
//! that is itself a difference between two the words are stored as they are, but for their sign.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::source::image::{BLOCK_WORDS, Image, Rows, Stretch};

/// Words of all that one frame holds; at nine bytes each they fit what a frame may unpack to.
pub const PART_WORDS: usize = 1 << 21;

/// Words of the largest image that is read or written, 128 MiB.
pub const WORDS_MAX: usize = 1 << 24;

/// Words of the largest segment, holes included, that a frame may speak of.
const END_MAX: u64 = 1 << 50;

/// Tables of an image; a segment has eight and the header.
const TABLES_MAX: usize = 64;

/// Columns of a table that has rows of many words: those of the events in a chunk of the ring.
const COLUMNS_OF_LONG_ROWS: u64 = 4;

/// The most columns that a table is taken apart into.
const COLUMNS_MAX: u64 = 128;

/// Whether words are those of a segment, or differences from those of another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Words as a segment has them.
    Words,
    /// What must be added to the words of the key.
    Differences,
}

/// What a frame stores of an image.
#[derive(Debug, Serialize, Deserialize)]
pub struct Columns {
    file_bytes: u64,
    /// First word and columns of each table.
    tables: Vec<(u64, u64)>,
    /// Words between the end of the last stretch and this one, and words in it.
    stretches: Vec<(u64, u64)>,
    /// The words, column by column.
    values: Vec<u64>,
}

impl Columns {
    /// The columns of an image.
    pub fn of(image: &Image, meaning: Meaning) -> Columns {
        let tables = image.rows.iter();
        let tables: Vec<(u64, u64)> = tables
            .map(|rows| (rows.first_word, columns_of(rows)))
            .collect();
        let mut end = 0;
        let mut shapes = Vec::with_capacity(image.stretches.len());
        let mut stretches = Vec::with_capacity(image.stretches.len());
        for stretch in &image.stretches {
            stretches.push((stretch.first_word - end, stretch.words.len() as u64));
            shapes.push((stretch.first_word, stretch.words.len()));
            end = stretch.end();
        }
        let mut values = Vec::with_capacity(image.word_count());
        let mut previous = 0;
        each_word(&tables, &shapes, |stretch, place| {
            let word = image.stretches[stretch].words[place];
            values.push(zigzag(word.wrapping_sub(previous)));
            if meaning == Meaning::Words {
                previous = word;
            }
        });
        Columns {
            file_bytes: image.file_bytes,
            tables,
            stretches,
            values,
        }
    }

    /// The image again; `None` where that would be larger than any, or contradicts itself.
    pub fn into_image(self, meaning: Meaning) -> Option<Image> {
        let is_sane = self.tables.len() <= TABLES_MAX
            && self.values.len() <= WORDS_MAX
            && self.tables.is_sorted()
            && self
                .tables
                .iter()
                .all(|(_, columns)| (1..=COLUMNS_MAX).contains(columns));
        if !is_sane {
            return None;
        }
        let shapes = self.shapes()?;
        let stretches = shapes.iter().map(|(first_word, len)| Stretch {
            first_word: *first_word,
            words: vec![0; *len],
        });
        let mut stretches: Vec<Stretch> = stretches.collect();
        let mut values = self.values.iter();
        let mut previous = 0u64;
        each_word(&self.tables, &shapes, |stretch, place| {
            let value = values.next().copied().unwrap_or(0);
            let word = previous.wrapping_add(unzigzag(value));
            stretches[stretch].words[place] = word;
            if meaning == Meaning::Words {
                previous = word;
            }
        });
        let rows = self.tables.iter().map(|(first_word, row_words)| Rows {
            first_word: *first_word,
            row_words: *row_words,
        });
        Some(Image {
            file_bytes: self.file_bytes,
            rows: rows.collect(),
            stretches,
        })
    }

    /// First word and length of each stretch; `None` where they are not of whole blocks, or not of
    /// as many words as there are values.
    fn shapes(&self) -> Option<Vec<(u64, usize)>> {
        let mut left = self.values.len();
        let mut end = 0u64;
        let mut shapes = Vec::new();
        for (gap, len) in &self.stretches {
            let words = usize::try_from(*len).ok()?;
            left = left.checked_sub(words)?;
            let first_word = end.checked_add(*gap)?;
            end = first_word.checked_add(*len).filter(|end| *end <= END_MAX)?;
            let is_whole =
                words.is_multiple_of(BLOCK_WORDS) && first_word.is_multiple_of(BLOCK_WORDS as u64);
            if words == 0 || !is_whole {
                return None;
            }
            shapes.push((first_word, words));
        }
        (left == 0).then_some(shapes)
    }
}

/// The blocks of `image` that are different from those of `key`, as differences; what became zero
/// is among them.
pub fn changed(image: &Image, key: &Image) -> Image {
    let zeros = [0; BLOCK_WORDS];
    let mut blocks: BTreeMap<u64, (&[u64], &[u64])> = BTreeMap::new();
    for (first_word, block) in blocks_of(key) {
        blocks.insert(first_word, (block, &zeros));
    }
    for (first_word, block) in blocks_of(image) {
        blocks.entry(first_word).or_insert((&zeros, block)).1 = block;
    }
    let changed = blocks
        .into_iter()
        .filter(|(_, (before, now))| before != now);
    let differences = changed.map(|(first_word, (before, now))| {
        let words = now.iter().zip(before);
        let words = words.map(|(now, before)| now.wrapping_sub(*before));
        (first_word, words.collect())
    });
    of_blocks(image, differences)
}

/// The image that `key` becomes with what [`changed`] found.
pub fn apply(key: &Image, changed: &Image) -> Image {
    let mut blocks: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (first_word, block) in blocks_of(key) {
        blocks.insert(first_word, block.to_vec());
    }
    for (first_word, block) in blocks_of(changed) {
        let words = blocks.entry(first_word).or_insert(vec![0; block.len()]);
        for (word, difference) in words.iter_mut().zip(block) {
            *word = word.wrapping_add(*difference);
        }
    }
    blocks.retain(|_, block| block.iter().any(|word| *word != 0));
    of_blocks(changed, blocks)
}

/// Parts of an image that fit a frame each, at least one.
pub fn parts(image: Image) -> Vec<Image> {
    let empty = Image {
        stretches: Vec::new(),
        rows: image.rows,
        ..image
    };
    let mut parts = vec![empty.clone()];
    let mut room = PART_WORDS;
    for stretch in image.stretches {
        for (number, words) in stretch.words.chunks(PART_WORDS).enumerate() {
            if words.len() > room {
                parts.push(empty.clone());
                room = PART_WORDS;
            }
            room -= words.len();
            let part = parts.last_mut().expect("there is one at least");
            part.stretches.push(Stretch {
                first_word: stretch.first_word + (number * PART_WORDS) as u64,
                words: words.to_vec(),
            });
        }
    }
    parts
}

/// An image like `model` of these blocks, which are in order.
fn of_blocks(model: &Image, blocks: impl IntoIterator<Item = (u64, Vec<u64>)>) -> Image {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (first_word, block) in blocks {
        let begins_table = model.rows.iter().any(|rows| rows.first_word == first_word);
        match stretches.last_mut() {
            Some(last) if last.end() == first_word && !begins_table => last.words.extend(block),
            _ => stretches.push(Stretch {
                first_word,
                words: block,
            }),
        }
    }
    Image {
        file_bytes: model.file_bytes,
        rows: model.rows.clone(),
        stretches,
    }
}

fn blocks_of(image: &Image) -> impl Iterator<Item = (u64, &[u64])> {
    image.stretches.iter().flat_map(|stretch| {
        let blocks = stretch.words.chunks(BLOCK_WORDS);
        (stretch.first_word..).step_by(BLOCK_WORDS).zip(blocks)
    })
}

/// Columns that the rows of a table are taken apart into.
fn columns_of(rows: &Rows) -> u64 {
    match rows.row_words {
        words @ 1..=COLUMNS_MAX => words,
        _ => COLUMNS_OF_LONG_ROWS,
    }
}

/// Gives the stretch and place of every word, column by column, one table after the other.
///
/// `tables` are first words and columns, `stretches` first words and lengths, both in order.
fn each_word(
    tables: &[(u64, u64)],
    stretches: &[(u64, usize)],
    mut each: impl FnMut(usize, usize),
) {
    let mut done = 0;
    while let Some((first_word, _)) = stretches.get(done) {
        let after = tables.partition_point(|(start, _)| start <= first_word);
        let end = tables.get(after).map_or(u64::MAX, |(start, _)| *start);
        let (start, columns) = match after.checked_sub(1) {
            Some(table) => tables[table],
            None => (0, 1),
        };
        let rest = &stretches[done..];
        let count = rest.partition_point(|(first_word, _)| *first_word < end);
        for column in 0..columns {
            for (number, (first_word, len)) in rest[..count].iter().enumerate() {
                let into_row = (first_word - start) % columns;
                let skipped = (column + columns - into_row) % columns;
                let places = (skipped as usize..*len).step_by(columns as usize);
                places.for_each(|place| each(done + number, place));
            }
        }
        done += count;
    }
}

/// Small numbers for small differences of either sign.
fn zigzag(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}
