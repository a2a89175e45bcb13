//! The runtime's table of its functions, found in the memory of an object.
//!
//! Every Go program has it, stripped or not. The runtime's description of an object begins with a
//! pointer to the table and one to the names in it, which follow its header; see `pclntab` of the
//! reader for the fields.

#![forbid(unsafe_code)]

use super::image::{Image, Stretch};

/// The first eight bytes: of Go 1.20 and later, and of 1.18 and 1.19.
const MAGIC: u64 = u64::from_le_bytes([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
const MAGIC_118: u64 = u64::from_le_bytes([0xf0, 0xff, 0xff, 0xff, 0, 0, 1, 8]);

/// Bytes of the header, and what is taken for one at most.
const HEADER: u64 = 72;
const HEADER_MAX: u64 = 4096;

/// Where the description has the start of the code, in every version that is known.
const DESCRIBED_TEXT: u64 = 176;

/// Where the header has the number of functions, the place of their names, and their list.
const COUNT: u64 = 8;
const NAMES: u64 = 32;
const LIST: u64 = 64;

/// Functions that are looked at: the runtime's come among the first two thousand.
const LOOKED_AT: u64 = 16 << 10;

/// The table.
pub(super) struct Table {
    stretch: Stretch,
    names: u64,
    list: u64,
    count: u64,
    text: u64,
}

/// A function: its first address and one past its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Finds it by the two pointers.
pub(super) fn find(image: &Image<'_>) -> Option<Table> {
    let mut data = image.stretches().filter(|stretch| stretch.is_writable);
    data.find_map(|stretch| find_in(image, stretch))
}

fn find_in(image: &Image<'_>, stretch: Stretch) -> Option<Table> {
    let mut at = stretch.start.checked_next_multiple_of(8)?;
    let mut first: u64 = stretch.read(at)?;
    loop {
        let second: u64 = stretch.read(at + 8)?;
        if (HEADER..HEADER_MAX).contains(&second.wrapping_sub(first))
            && let Some(text) = stretch.read(at + DESCRIBED_TEXT)
            && let Some(table) = Table::at(image, first, second, text)
        {
            return Some(table);
        }
        at += 8;
        first = second;
    }
}

impl Table {
    fn at(image: &Image<'_>, start: u64, names: u64, text: u64) -> Option<Table> {
        let stretch = image.around(start)?;
        let is_table = matches!(stretch.read(start)?, MAGIC | MAGIC_118);
        let offset: u64 = stretch.read(start + NAMES)?;
        let is_code = image.around(text).is_some_and(|it| it.is_code);
        if !is_table || start.checked_add(offset)? != names || !is_code {
            return None;
        }
        let list: u64 = stretch.read(start + LIST)?;
        Some(Table {
            stretch,
            names,
            list: start.checked_add(list)?,
            count: stretch.read(start + COUNT)?,
            text,
        })
    }

    /// The functions of two names, in their order, as far as they are there.
    pub(super) fn named<'a>(
        &'a self,
        names: [&'a [u8]; 2],
    ) -> impl Iterator<Item = (usize, Function)> + 'a {
        let looked_at = 0..self.count.min(LOOKED_AT);
        let named = looked_at.filter_map(move |index| {
            let entry = self.list.checked_add(8 * index)?;
            let record: u32 = self.stretch.read(entry + 4)?;
            let record = self.list.checked_add(record.into())?;
            let name: u32 = self.stretch.read(record.checked_add(4)?)?;
            let name = self.names.checked_add(name.into())?;
            let which = names
                .iter()
                .position(|wanted| self.has_name(name, wanted))?;
            let start: u32 = self.stretch.read(entry)?;
            let end: u32 = self.stretch.read(entry + 8)?;
            let function = Function {
                start: self.text.checked_add(start.into())?,
                end: self.text.checked_add(end.into())?,
            };
            Some((which, function))
        });
        named.take(names.len())
    }

    fn has_name(&self, at: u64, name: &[u8]) -> bool {
        let end = at.checked_add(name.len() as u64);
        self.stretch.has(at, name) && end.and_then(|end| self.stretch.read(end)) == Some(0_u8)
    }
}
