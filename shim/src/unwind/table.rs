//! Finds the unwind entry of an address by the sorted table that linkers write: `.eh_frame_hdr`.
//!
//! ```text
//!  version 1 | encoding of: eh_frame pointer, count, table | eh_frame pointer | count | table
//!  table: (start of function, its entry) as pairs of 32 bits relative to the header
//! ```
//! The format is in the Linux Standard Base, "Exception Frames".

#![forbid(unsafe_code)]

use super::bytes::{Bytes, Region};
use super::eh_frame::{Entry, entry_at, next_entry};
use super::find::Object;

/// The encoding of the table that every linker writes: relative to the header, 32 bits, signed.
const SORTED_PAIRS: u8 = 0x3b;
/// The size of a pair.
const PAIR: u64 = 8;
/// How many entries to look through where there is no sorted table.
const SCAN_LIMIT: u32 = 4096;

/// The unwind entry that covers `pc`, and the segment it lies in.
pub(super) fn find_entry(object: &Object, pc: u64) -> Option<(Entry, Region)> {
    let header = object.eh_frame_hdr;
    let region = Region::around(header, object)?;
    let mut bytes = region.at(header)?;
    if bytes.u8()? != 1 {
        return None;
    }
    let section_encoding = bytes.u8()?;
    let count_encoding = bytes.u8()?;
    let table_encoding = bytes.u8()?;
    let section = bytes.pointer(section_encoding, header)?;
    let entry = if table_encoding == SORTED_PAIRS {
        let count = bytes.pointer(count_encoding, header)?;
        let place = search(bytes, count, pc.wrapping_sub(header).cast_signed())?;
        entry_at(
            region,
            header.wrapping_add(i64::from(place).cast_unsigned()),
            header,
        )?
    } else {
        scan(region, section, header, pc)?
    };
    entry.covers(pc).then_some((entry, region))
}

/// Searches the table for the last function that starts at or below `target`, and returns where its
/// entry is; both relative to the header.
fn search(table: Bytes, count: u64, target: i64) -> Option<i32> {
    let pair = |index: u64| {
        let mut table = table;
        table.skip(index * PAIR)?;
        Some((table.i32()?, table.i32()?))
    };
    let mut first = 0;
    let mut size = count.min(table.left() / PAIR);
    while size > 1 {
        let half = size / 2;
        let (start, _) = pair(first + half)?;
        if i64::from(start) <= target {
            first += half;
        }
        size -= half;
    }
    pair(first).map(|(_, entry)| entry)
}

/// Looks through the section from its beginning, as far as the limit allows.
fn scan(region: Region, section: u64, header: u64, pc: u64) -> Option<Entry> {
    let mut at = section;
    for _ in 0..SCAN_LIMIT {
        if let Some(entry) = entry_at(region, at, header)
            && entry.covers(pc)
        {
            return Some(entry);
        }
        at = next_entry(region, at)?;
    }
    None
}
