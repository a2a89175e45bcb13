//! Whether Go made the program, told by a few bytes that are in memory anyway.

#![forbid(unsafe_code)]

use super::image::{Image, Stretch};

/// A note's kind and the name of who wrote it (Go's cmd/link/internal/ld/elf.go).
const GO_BUILD_ID: u32 = 4;
const GO: u32 = u32::from_le_bytes(*b"Go\0\0");

/// What Go's linker puts before what it tells of the build (Go's debug/buildinfo).
const BUILD_INFO: &[u8] = b"\xff Go buildinf:";

/// The dynamic entry of the table by which names are looked up (elf.h).
const GNU_HASH: u64 = 0x6fff_fef5;

/// The longest list of dynamic entries that is looked through.
const ENTRIES_MAX: u64 = 256;

/// Names that every program with C in it shows the loader (Go's runtime/cgo).
const CGO: [&[u8]; 3] = [b"crosscall2", b"_cgo_panic", b"_cgo_topofstack"];

/// Whether Go made it.
///
/// The linker leaves a note, unless it was told not to (`-ldflags=-buildid=`).
pub(super) fn is_of_go(image: &Image<'_>) -> bool {
    has_note(image) || has_build_info(image) || may_have_cgo(image).is_some()
}

fn has_note(image: &Image<'_>) -> bool {
    let mut notes = image.segments(libc::PT_NOTE);
    notes.any(|notes| {
        let stretch = image.around(notes.start);
        stretch.is_some_and(|stretch| is_note_among(stretch, notes.start, notes.end).is_some())
    })
}

fn is_note_among(stretch: Stretch, start: u64, end: u64) -> Option<()> {
    let mut at = start;
    while at.checked_add(16)? <= end {
        let name_len: u32 = stretch.read(at)?;
        let len: u32 = stretch.read(at + 4)?;
        if stretch.read(at + 8) == Some(GO_BUILD_ID) && stretch.read(at + 12) == Some(GO) {
            return Some(());
        }
        let name_len = u64::from(name_len).next_multiple_of(4);
        at += 12 + name_len + u64::from(len).next_multiple_of(4);
    }
    None
}

/// Go's own linker puts it at the start of the data.
fn has_build_info(image: &Image<'_>) -> bool {
    let data = image.stretches().filter(|stretch| stretch.is_writable);
    let data = data.last();
    data.is_some_and(|stretch| stretch.has(stretch.start, BUILD_INFO))
}

/// The C linker puts that anywhere, but then there are names: none of them is missing in the filter
/// that stands before the table of names. Of other programs one in some hundreds looks so too.
fn may_have_cgo(image: &Image<'_>) -> Option<()> {
    let table = hash_table(image)?;
    let stretch = image.around(table)?;
    let words: u32 = stretch.read(table + 8)?;
    let shift: u32 = stretch.read(table + 12)?;
    let last = words.checked_sub(1)?;
    let is_there = |name: &[u8]| {
        let hash = gnu_hash(name);
        let place = table + 16 + 8 * u64::from((hash / 64) & last);
        let word = stretch.read::<u64>(place).unwrap_or(0);
        let second = hash.checked_shr(shift).unwrap_or(0);
        word >> (hash % 64) & word >> (second % 64) & 1 != 0
    };
    CGO.iter().all(|name| is_there(name)).then_some(())
}

/// Where the table is by which names are looked up.
fn hash_table(image: &Image<'_>) -> Option<u64> {
    let dynamic = image.segments(libc::PT_DYNAMIC).next()?;
    let stretch = image.around(dynamic.start)?;
    for index in 0..ENTRIES_MAX {
        let entry = dynamic.start + 16 * index;
        match stretch.read::<u64>(entry)? {
            0 => return None,
            // The loader has made an address of it, which musl's does not.
            GNU_HASH => return stretch.read(entry + 8),
            _ => {}
        }
    }
    None
}

/// The hash of a name (the gABI's supplement for `DT_GNU_HASH`).
fn gnu_hash(name: &[u8]) -> u32 {
    let bytes = name.iter().map(|byte| u32::from(*byte));
    bytes.fold(5381_u32, |hash, byte| {
        hash.wrapping_mul(33).wrapping_add(byte)
    })
}
