//! Reads the entries of `.eh_frame`: what one function's frames look like (FDE) and what it shares
//! with its neighbours (CIE).
//!
//! ```text
//!  CIE: length | 0            | version | "zR..." | factors, RA column | encodings | program
//!  FDE: length | back to CIE  | start | size      | augmentation       | program
//! ```
//! The format is in the Linux Standard Base, "Exception Frames", and in DWARF 5, 6.4.

#![forbid(unsafe_code)]

use super::arch::FRAME_POINTER;
use super::bytes::{Bytes, Region};
use super::find::Object;
use super::program::{Row, row_at};
use super::table::find_entry;

/// What the functions of one object file share.
pub(super) struct Shared {
    /// Multiplies every advance of the location.
    pub(super) code_factor: u64,
    /// Multiplies most offsets.
    pub(super) data_factor: i64,
    /// The column that stands for the return address.
    pub(super) return_column: u64,
    /// How code addresses are written.
    pub(super) encoding: u8,
    /// Whether the frame was made by the kernel for a signal handler.
    pub(super) is_signal_frame: bool,
    /// Whether entries have augmentation data.
    has_augmentation: bool,
    /// The instructions that come before those of every entry.
    pub(super) program: Bytes,
}

/// The unwind data of one function.
pub(super) struct Entry {
    /// The first address of its code.
    pub(super) start: u64,
    /// How long its code is.
    size: u64,
    /// What data-relative pointers are relative to.
    pub(super) data: u64,
    /// What it shares with others.
    pub(super) shared: Shared,
    /// Its instructions.
    pub(super) program: Bytes,
}

/// What the unwind data says about one address.
pub(super) struct Description {
    /// How to restore the registers.
    pub(super) row: Row,
    /// Whether the frame was made by the kernel for a signal handler.
    pub(super) is_signal_frame: bool,
    /// The segment that the row's expressions lie in.
    pub(super) region: Region,
}

/// What an object says about an address of its own; nothing where no entry covers it or the entry
/// cannot be read.
pub(super) fn describe(object: &Object, pc: u64) -> Option<Description> {
    describe_with(object, pc, FRAME_POINTER)
}

/// The same, with another register in the place of the frame pointer.
pub(super) fn describe_with(object: &Object, pc: u64, register: u64) -> Option<Description> {
    let (entry, region) = find_entry(object, pc)?;
    let row = row_at(&entry, region, pc, register)?;
    Some(Description {
        row,
        is_signal_frame: entry.shared.is_signal_frame,
        region,
    })
}

impl Entry {
    /// Whether an address lies in the function.
    pub(super) fn covers(&self, pc: u64) -> bool {
        pc.wrapping_sub(self.start) < self.size
    }
}

/// The length field of either kind, and the bytes it counts.
fn record(region: Region, at: u64) -> Option<Bytes> {
    const IS_64_BIT: u32 = u32::MAX;
    let mut bytes = region.at(at)?;
    let length = match bytes.u32()? {
        0 => return None,
        IS_64_BIT => bytes.u64()?,
        length => u64::from(length),
    };
    bytes.take(length)
}

/// Where the entry after the one at an address begins.
pub(super) fn next_entry(region: Region, at: u64) -> Option<u64> {
    let mut bytes = record(region, at)?;
    bytes.skip(bytes.left())?;
    Some(bytes.address())
}

/// Reads the FDE at an address, with its CIE.
pub(super) fn entry_at(region: Region, at: u64, data: u64) -> Option<Entry> {
    let mut bytes = record(region, at)?;
    let place = bytes.address();
    // In .eh_frame this field has 32 bits even in an entry of the 64-bit form; 0 marks a CIE.
    let distance = bytes.u32().filter(|distance| *distance != 0)?;
    let shared = shared_at(region, place.checked_sub(u64::from(distance))?)?;
    let start = bytes.pointer(shared.encoding, data)?;
    const FORMAT_ONLY: u8 = 0x0f;
    let size = bytes.pointer(shared.encoding & FORMAT_ONLY, data)?;
    if shared.has_augmentation {
        let size = bytes.unsigned()?;
        bytes.skip(size)?;
    }
    Some(Entry {
        start,
        size,
        data,
        shared,
        program: bytes,
    })
}

/// Reads the CIE at an address.
fn shared_at(region: Region, at: u64) -> Option<Shared> {
    let mut bytes = record(region, at)?;
    if bytes.u32()? != 0 {
        return None;
    }
    let version = bytes.u8()?;
    let mut letters = bytes;
    while bytes.u8()? != 0 {}
    match version {
        1 | 3 => {}
        // Version 4 tells the sizes of an address and of a segment selector.
        4 if (bytes.u8()?, bytes.u8()?) == (8, 0) => {}
        _ => return None,
    }
    let code_factor = bytes.unsigned()?;
    let data_factor = bytes.signed()?;
    let return_column = if version == 1 {
        u64::from(bytes.u8()?)
    } else {
        bytes.unsigned()?
    };
    let mut shared = Shared {
        code_factor,
        data_factor,
        return_column,
        encoding: 0,
        is_signal_frame: false,
        has_augmentation: false,
        program: bytes,
    };
    match letters.u8()? {
        0 => return Some(shared),
        b'z' => shared.has_augmentation = true,
        _ => return None,
    }
    let size = bytes.unsigned()?;
    let mut augmentation = bytes.take(size)?;
    shared.program = bytes;
    loop {
        match letters.u8()? {
            b'R' => shared.encoding = augmentation.u8()?,
            b'S' => shared.is_signal_frame = true,
            b'L' => augmentation.skip(1)?,
            b'P' => {
                const FORMAT_ONLY: u8 = 0x0f;
                let encoding = augmentation.u8()?;
                augmentation.pointer(encoding & FORMAT_ONLY, 0)?;
            }
            // The end, or a letter whose data is unknown: the size tells where it ends.
            _ => return Some(shared),
        }
    }
}
