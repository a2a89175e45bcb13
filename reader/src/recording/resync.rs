//! Finds the next frame behind a place where a file is torn.
//!
//! Frames have no mark that nothing else could have, so every byte may be the first of one; what
//! is no frame fails by its lengths or by the checksum of its head.

#![forbid(unsafe_code)]

use crate::recording::frame::{self, FRAME_HEADER_BYTES, RAW_MAX, Stored, kind};

/// Bytes that are looked through at once.
const WINDOW: usize = 64 << 10;

/// The longest head that is believed behind a tear; ours have some hundred bytes.
const HEAD_MOST: u32 = 4 << 10;

/// Bytes of heads that are tried in all, so that a file made to look like frames everywhere costs
/// a second and not a day.
const TRIED_MOST: u64 = 256 << 20;

/// Where the first whole frame at or behind `from` begins; `None` where there is none.
pub fn next<S: Stored + ?Sized>(file: &S, from: u64, file_bytes: u64) -> Option<u64> {
    let header_bytes = FRAME_HEADER_BYTES as usize;
    let mut tried = 0;
    let mut start = from;
    let mut window = Vec::new();
    while start + FRAME_HEADER_BYTES <= file_bytes && tried < TRIED_MOST {
        let len = (file_bytes - start).min(WINDOW as u64) as usize;
        window.resize(len, 0);
        file.fill(&mut window, start)?;
        for (place, header) in window.windows(header_bytes).enumerate() {
            let Some(head_len) = head_len_of_likely(header) else {
                continue;
            };
            let offset = start + place as u64;
            tried += u64::from(head_len) + FRAME_HEADER_BYTES;
            if matches!(frame::read(file, offset, file_bytes), Ok(Some(_))) {
                return Some(offset);
            }
        }
        // A header that begins in the last bytes of a window is whole in the next one.
        start += (len - header_bytes + 1) as u64;
    }
    None
}

/// The length of the head where these bytes may be a frame's header.
fn head_len_of_likely(header: &[u8]) -> Option<u32> {
    let is_known = (kind::PART..=kind::INDEX).contains(&u16::from_le_bytes([header[0], header[1]]));
    if !is_known || header[2..4] != [0, 0] {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let (head_len, raw_len) = (number(4)?, number(8)?);
    (head_len <= HEAD_MOST && raw_len <= RAW_MAX).then_some(head_len)
}
