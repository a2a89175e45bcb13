//! Reads numbers out of mapped unwind data, and never past its end.

use super::find::Object;

/// A stretch of mapped, readable memory: the segment that holds an object's unwind data.
#[derive(Clone, Copy)]
pub(super) struct Region {
    start: u64,
    end: u64,
}

impl Region {
    /// The readable memory around `address` in a loaded object: its segment if the object has a
    /// legible program header, else the whole object.
    pub(super) fn around(address: u64, object: &Object) -> Option<Region> {
        let whole = Region {
            start: object.start,
            end: object.end,
        };
        let region = whole.segment(address, object.bias).unwrap_or(whole);
        (region.start <= address && address < region.end).then_some(region)
    }

    /// Finds the loaded segment of `address` by the ELF header at the start of the object, since
    /// between segments an object can have holes.
    fn segment(self, address: u64, bias: u64) -> Option<Region> {
        const MAGIC: u64 = u64::from_le_bytes([0x7f, b'E', b'L', b'F', 2, 1, 1, 0]);
        const HEADER_SIZE: u64 = size_of::<libc::Elf64_Phdr>() as u64;
        /// Program headers follow the ELF header, and both lie in the first page.
        const FIRST_PAGE: u64 = 4096;
        let first = Region {
            start: self.start,
            end: self.end.min(self.start + FIRST_PAGE),
        };
        if first.at(self.start)?.u64()? & 0x00ff_ffff_ffff_ffff != MAGIC {
            return None;
        }
        let table = first.at(self.start + 32)?.u64()?;
        let mut counts = first.at(self.start + 54)?;
        if u64::from(counts.u16()?) != HEADER_SIZE {
            return None;
        }
        let count = counts.u16()?;
        let mut header = first.at(self.start.checked_add(table)?)?;
        for _ in 0..count {
            let kind = header.u32()?;
            header.skip(12)?;
            let start = header.u64()?.wrapping_add(bias);
            header.skip(16)?;
            let end = start.wrapping_add(header.u64()?);
            header.skip(8)?;
            if kind == libc::PT_LOAD && start <= address && address < end {
                return Some(Region { start, end });
            }
        }
        None
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
        // SAFETY: `skip` found the bytes inside the region, and regions are made only from
        // segments of an object that stays loaded because a frame of this thread runs in it.
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
