//! Reads numbers out of mapped unwind data, and never past its end.

use core::ops::Range;

use super::find::Object;
use super::segments::segments_at;

/// A stretch of mapped, readable memory: the segment that holds an object's unwind data.
#[derive(Clone, Copy)]
pub(super) struct Region {
    start: u64,
    end: u64,
}

impl Region {
    /// Memory that may be read.
    ///
    /// # Safety
    ///
    /// It is readable for as long as the region and its readers are used.
    pub(super) unsafe fn new(start: u64, end: u64) -> Region {
        Region { start, end }
    }

    /// The memory of some bytes, which must outlive it.
    #[cfg(test)]
    pub(super) fn of(bytes: &[u8]) -> Region {
        let start = bytes.as_ptr().expose_provenance() as u64;
        Region {
            start,
            end: start + bytes.len() as u64,
        }
    }

    /// The readable memory around `address` in a loaded object: its segment if the object's program
    /// headers are legible, else the whole object.
    pub(super) fn around(address: u64, object: &Object) -> Option<Region> {
        let mut segments = segments_at(object.start, object.end, object.bias);
        let segment = segments.find(|segment| segment.contains(&address));
        let Range { start, end } = segment.unwrap_or(object.start..object.end);
        (start <= address && address < end).then_some(Region { start, end })
    }

    /// A reader that begins at an address of the region and ends with the region.
    pub(super) fn at(self, address: u64) -> Option<Bytes> {
        let inside = self.start <= address && address <= self.end;
        inside.then_some(Bytes {
            at: address,
            end: self.end,
        })
    }

    /// How far into the region a reader stands: a short name for it that fits a rule.
    pub(super) fn offset_of(self, bytes: Bytes) -> Option<u32> {
        u32::try_from(bytes.at.checked_sub(self.start)?).ok()
    }

    /// The reader that [`Region::offset_of`] named.
    pub(super) fn at_offset(self, offset: u32) -> Option<Bytes> {
        self.at(self.start + u64::from(offset))
    }
}

/// A place in a region, and where reading must stop.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    at: u64,
    end: u64,
}

/// The integers that any bytes make.
trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}

impl Bytes {
    /// The address of the next byte.
    pub(super) fn address(self) -> u64 {
        self.at
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(self) -> bool {
        self.at == self.end
    }

    /// How many bytes are left.
    pub(super) fn left(self) -> u64 {
        self.end - self.at
    }

    /// Passes over bytes.
    pub(super) fn skip(&mut self, size: u64) -> Option<()> {
        if size > self.left() {
            return None;
        }
        self.at += size;
        Some(())
    }

    /// Splits off a reader of the next `size` bytes, and passes over them.
    pub(super) fn take(&mut self, size: u64) -> Option<Bytes> {
        let at = self.at;
        self.skip(size)?;
        Some(Bytes { at, end: self.at })
    }

    fn plain<T: Plain>(&mut self) -> Option<T> {
        let pointer = core::ptr::with_exposed_provenance::<T>(self.at as usize);
        self.skip(size_of::<T>() as u64)?;
        // SAFETY: `skip` found the bytes inside the region, which is readable: its maker promised
        // so, or it is a segment of an object that stays loaded, since this thread runs code of it.
        Some(unsafe { pointer.read_unaligned() })
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.plain()
    }

    /// The next two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.plain()
    }

    /// The next four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.plain()
    }

    /// The next four bytes, signed.
    pub(super) fn i32(&mut self) -> Option<i32> {
        self.plain::<u32>().map(u32::cast_signed)
    }

    /// The next eight bytes.
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.plain()
    }

    /// An unsigned LEB128 number; bits beyond 64 are lost.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        self.leb128().map(|(value, _, _)| value)
    }

    /// A signed LEB128 number.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let (value, bits, is_negative) = self.leb128()?;
        let extension = if is_negative && bits < 64 {
            u64::MAX << bits
        } else {
            0
        };
        Some((value | extension).cast_signed())
    }

    /// The value, how many bits it had, and whether the highest of them was set.
    fn leb128(&mut self) -> Option<(u64, u32, bool)> {
        let mut value = 0;
        let mut bits = 0;
        loop {
            let byte = self.u8()?;
            if bits < 64 {
                value |= u64::from(byte & 0x7f) << bits;
            }
            bits += 7;
            if byte & 0x80 == 0 {
                return Some((value, bits, byte & 0x40 != 0));
            }
            if bits > 126 {
                return None;
            }
        }
    }

    /// A pointer in one of the encodings of `.eh_frame` (LSB, "DWARF Exception Header Encoding").
    /// `data` is what data-relative pointers are relative to.
    pub(super) fn pointer(&mut self, encoding: u8, data: u64) -> Option<u64> {
        let place = self.at;
        let value = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => self.u64()?,
            0x01 => self.unsigned()?,
            0x02 => u64::from(self.u16()?),
            0x03 => u64::from(self.u32()?),
            0x09 => self.signed()?.cast_unsigned(),
            0x0a => i64::from(self.u16()?.cast_signed()).cast_unsigned(),
            0x0b => i64::from(self.i32()?).cast_unsigned(),
            _ => return None,
        };
        match encoding & 0xf0 {
            0x00 => Some(value),
            0x10 => Some(place.wrapping_add(value)),
            0x30 => Some(data.wrapping_add(value)),
            // Text- and function-relative, aligned and indirect ones are not used for code here.
            _ => None,
        }
    }
}
