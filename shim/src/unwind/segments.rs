//! Reads the program headers of loaded objects: which stretches of memory belong to them.
//!
//! Between its segments an object can have holes, which cannot be read.

use core::ops::Range;

use super::auxiliary::auxiliary;
use super::bytes::{Bytes, Region};

/// The size of a program header (`Elf64_Phdr`).
const HEADER: u64 = size_of::<libc::Elf64_Phdr>() as u64;

/// The segments of one kind of an object; those that are loaded come lowest first.
pub(super) struct Segments {
    headers: Option<Bytes>,
    bias: u64,
    kind: u32,
}

impl Iterator for Segments {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let headers = self.headers.as_mut()?;
        loop {
            let mut header = headers.take(HEADER)?;
            let kind = header.u32()?;
            header.skip(12)?;
            let start = header.u64()?.wrapping_add(self.bias);
            header.skip(16)?;
            let end = start.wrapping_add(header.u64()?);
            if kind == self.kind {
                return Some(start..end);
            }
        }
    }
}

/// The segments of the object whose first one lies at `start`; none if no ELF header is there.
pub(super) fn segments_at(start: u64, end: u64, bias: u64) -> Segments {
    /// The headers follow the ELF header, and both lie in the first page.
    const FIRST_PAGE: u64 = 4096;
    let end = end.min(start.saturating_add(FIRST_PAGE));
    // SAFETY: callers pass the range of a loaded object, or of a page that they asked about.
    let first = unsafe { Region::new(start, end) };
    Segments {
        headers: program_headers(first, start),
        bias,
        kind: libc::PT_LOAD,
    }
}

/// The segments with notes of the object whose first one lies at `start`.
pub(super) fn notes_at(start: u64, end: u64, bias: u64) -> Segments {
    let kind = libc::PT_NOTE;
    Segments {
        kind,
        ..segments_at(start, end, bias)
    }
}

fn program_headers(first: Region, start: u64) -> Option<Bytes> {
    /// 64 bits, little-endian, version 1; the last byte is the system's and is masked.
    const MAGIC: u64 = u64::from_le_bytes([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
    if first.at(start)?.u64()? & u64::MAX >> 8 != MAGIC {
        return None;
    }
    let offset = first.at(start.checked_add(32)?)?.u64()?;
    let mut counts = first.at(start.checked_add(54)?)?;
    let size = u64::from(counts.u16()?);
    let count = u64::from(counts.u16()?);
    let mut headers = first.at(start.checked_add(offset)?)?;
    (size == HEADER).then(|| headers.take(count * HEADER))?
}

/// The segments of the program itself, if it is linked to fixed addresses.
pub(super) fn segments_of_fixed_program() -> Segments {
    let (start, count) = (auxiliary(libc::AT_PHDR), auxiliary(libc::AT_PHNUM));
    let end = start.saturating_add(count.saturating_mul(HEADER));
    // SAFETY: the kernel mapped the program's headers and said where; they are never unmapped.
    let region = unsafe { Region::new(start, end) };
    let headers = if start == 0 { None } else { region.at(start) };
    Segments {
        headers,
        bias: 0,
        kind: libc::PT_LOAD,
    }
}

/// The segments with notes of the program itself, if it is linked to fixed addresses.
pub(super) fn notes_of_fixed_program() -> Segments {
    let kind = libc::PT_NOTE;
    Segments {
        kind,
        ..segments_of_fixed_program()
    }
}
