//! Reads a loaded object's build-id from its own memory.

use crate::unwind::Object;

const NOTE_SEGMENT: u32 = 4;
const GNU_BUILD_ID: u32 = 3;
const HEADERS_MAX: u64 = 64;

/// Copies the GNU build-id of an object; gives its length, 0 when it has none.
pub fn build_id(object: &Object, into: &mut [u8]) -> usize {
    let image = Image {
        start: object.start,
        end: object.end,
    };
    find(&image, object.bias, into).unwrap_or(0)
}

fn find(image: &Image, bias: u64, into: &mut [u8]) -> Option<usize> {
    // ELF header and program headers lie at the start of the first segment (elf(5)).
    if image.u32(image.start)? != u32::from_le_bytes(*b"\x7fELF") {
        return None;
    }
    let headers = image.start.checked_add(image.u64(image.start + 0x20)?)?;
    let size = u64::from(image.u16(image.start + 0x36)?);
    let count = u64::from(image.u16(image.start + 0x38)?).min(HEADERS_MAX);
    (0..count).find_map(|index| {
        let header = headers.checked_add(index * size)?;
        if image.u32(header)? != NOTE_SEGMENT {
            return None;
        }
        let address = image.u64(header + 0x10)?.wrapping_add(bias);
        let len = image.u64(header + 0x28)?;
        find_note(image, address, address.checked_add(len)?, into)
    })
}

fn find_note(image: &Image, start: u64, end: u64, into: &mut [u8]) -> Option<usize> {
    let mut at = start;
    while at.checked_add(12)? <= end {
        let name_len = u64::from(image.u32(at)?);
        let len = u64::from(image.u32(at + 4)?);
        let kind = image.u32(at + 8)?;
        let content = at + 12 + name_len.next_multiple_of(4);
        if kind == GNU_BUILD_ID && name_len == 4 && image.u32(at + 12)? == 0x0055_4e47 {
            let len = (len as usize).min(into.len());
            for (index, byte) in into.iter_mut().take(len).enumerate() {
                *byte = image.u8(content.checked_add(index as u64)?)?;
            }
            return Some(len);
        }
        at = content.checked_add(len.next_multiple_of(4))?;
    }
    None
}

/// The memory of a loaded object; what lies outside reads as `None`.
struct Image {
    start: u64,
    end: u64,
}

macro_rules! read {
    ($name:ident $type:ty) => {
        fn $name(&self, address: u64) -> Option<$type> {
            let end = address.checked_add(size_of::<$type>() as u64)?;
            if address < self.start || end > self.end {
                return None;
            }
            // SAFETY: within a loaded object that a stack runs through; its headers and notes
            // are in segments that are readable.
            Some(unsafe { (address as *const $type).read_unaligned() })
        }
    };
}

impl Image {
    read!(u8 u8);
    read!(u16 u16);
    read!(u32 u32);
    read!(u64 u64);
}
