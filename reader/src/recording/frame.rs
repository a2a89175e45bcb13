//! The frames that a recording's files are made of, and the checks that every byte passes.
//!
//! ```text
//!  file      magic + version (8)   when it began, ns since 1970 (8)   CRC-32 of those (4)   0 (4)
//!  frame     kind (2)   flags (2)   head length (4)   raw length (4)   stored length (4)
//!            CRC-32 of these 16 bytes and the head (4)   CRC-32 of the stored bytes (4)
//!            head, MessagePack   stored bytes, one zstd frame
//! ```
//!
//! All numbers are little-endian. The head says what is in a frame and has a checksum of its own,
//! so that a file can be surveyed without reading what it stores. A frame of an unknown kind is
//! stepped over; behind one that is cut short or does not match its checksum the next one that does
//! is looked for.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// "MSHMRC" in the low six bytes of the first word; the version is in the two above.
const MAGIC: u64 = 0x4352_4d48_534d;

/// The newest form of files that this reader knows.
pub const VERSION: u64 = 1;

/// Bytes before the first frame.
pub const FILE_HEADER_BYTES: u64 = 24;

/// Bytes of a frame before its head.
pub const FRAME_HEADER_BYTES: u64 = 24;

/// The largest head; ours have some hundred bytes.
const HEAD_MAX: u32 = 64 << 10;

/// The most that a frame may become when it is unpacked, so that no file can fill the memory.
pub const RAW_MAX: u32 = 24 << 20;

/// The most that a frame stores; zstd adds a little to what it cannot make smaller.
const STORED_MAX: u32 = RAW_MAX + (1 << 20);

/// How hard zstd tries: recording must cost less than what it records.
const LEVEL: i32 = 1;

/// What is in a frame.
pub mod kind {
    /// A part of the snapshot that follows.
    pub const PART: u16 = 1;
    /// A snapshot, or the last part of one.
    pub const SNAPSHOT: u16 = 2;
    /// What one look at all processes cost.
    pub const ROUND: u16 = 3;
    /// The index of another file.
    pub const INDEX: u16 = 4;
}

/// Why some of a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tear {
    /// Where the bad frame begins, in bytes.
    pub offset: u64,
    /// What is wrong with it, as a phrase.
    pub problem: &'static str,
}

/// Why a file's first bytes are not those of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is another kind of file.
    Foreign,
    /// Its version is not known.
    OtherVersion(u32),
    /// It is cut short or changed.
    Damaged,
}

/// Where frames are read from.
pub trait Stored {
    /// Fills `into` from `offset` on; `None` where there are not so many bytes.
    fn fill(&self, into: &mut [u8], offset: u64) -> Option<()>;
}

impl Stored for File {
    fn fill(&self, into: &mut [u8], offset: u64) -> Option<()> {
        self.read_exact_at(into, offset).ok()
    }
}

impl Stored for [u8] {
    fn fill(&self, into: &mut [u8], offset: u64) -> Option<()> {
        let rest = self.get(usize::try_from(offset).ok()?..)?;
        into.copy_from_slice(rest.get(..into.len())?);
        Some(())
    }
}

/// One frame, of which only the head was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// One of [`kind`], or one that this reader does not know.
    pub kind: u16,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What it says about itself.
    pub head: Vec<u8>,
    raw_len: u32,
    stored_len: u32,
    stored_crc: u32,
}

impl Frame {
    /// Where the next frame begins, in bytes.
    pub fn end(&self) -> u64 {
        self.stored_offset() + u64::from(self.stored_len)
    }

    fn stored_offset(&self) -> u64 {
        self.offset + FRAME_HEADER_BYTES + self.head.len() as u64
    }
}

/// The first bytes of a file that begins at `began_unix_ns`.
pub fn file_header(began_unix_ns: u64) -> Vec<u8> {
    let mut bytes = Vec::from((MAGIC | VERSION << 48).to_le_bytes());
    bytes.extend(began_unix_ns.to_le_bytes());
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes.extend([0; 4]);
    bytes
}

/// When the file of these first bytes began, ns since the Unix epoch.
///
/// # Errors
///
/// Why it is no recording that can be read.
pub fn read_file_header(bytes: &[u8]) -> Result<u64, Refusal> {
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let magic = number(0).ok_or(Refusal::Foreign)?;
    if magic & 0xffff_ffff_ffff != MAGIC {
        return Err(Refusal::Foreign);
    }
    if magic >> 48 != VERSION {
        return Err(Refusal::OtherVersion((magic >> 48) as u32));
    }
    let began = number(8).ok_or(Refusal::Damaged)?;
    let crc = number(16).ok_or(Refusal::Damaged)? as u32;
    match crc == crc32fast::hash(&bytes[..16]) {
        true => Ok(began),
        false => Err(Refusal::Damaged),
    }
}

/// The bytes of a frame that stores `raw`.
///
/// # Errors
///
/// What zstd answers, which is that there is no memory; and that `raw` is too long.
pub fn pack(kind: u16, head: &[u8], raw: &[u8]) -> io::Result<Vec<u8>> {
    if raw.len() > RAW_MAX as usize || head.len() > HEAD_MAX as usize {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let stored = zstd::bulk::compress(raw, LEVEL)?;
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES as usize + head.len() + stored.len());
    bytes.extend(kind.to_le_bytes());
    bytes.extend([0; 2]);
    for len in [head.len(), raw.len(), stored.len()] {
        bytes.extend((len as u32).to_le_bytes());
    }
    let crc = head_crc(&bytes, head);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(crc32fast::hash(&stored).to_le_bytes());
    bytes.extend(head);
    bytes.extend(stored);
    Ok(bytes)
}

/// The frame at `offset` of a file of `file_bytes`; `None` at its end.
///
/// # Errors
///
/// Where and why the file cannot be read on.
pub fn read<S: Stored + ?Sized>(
    file: &S,
    offset: u64,
    file_bytes: u64,
) -> Result<Option<Frame>, Tear> {
    let torn = |problem| Tear { offset, problem };
    if offset == file_bytes {
        return Ok(None);
    }
    let mut header = [0; FRAME_HEADER_BYTES as usize];
    file.fill(&mut header, offset)
        .ok_or(torn("the frame is cut short"))?;
    let number = |at: usize| {
        let bytes = header.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    };
    let head_len = number(4);
    if head_len > HEAD_MAX {
        return Err(torn("the frame's head is longer than any"));
    }
    let mut head = vec![0; head_len as usize];
    file.fill(&mut head, offset + FRAME_HEADER_BYTES)
        .ok_or(torn("the frame's head is cut short"))?;
    if head_crc(&header[..16], &head) != number(16) {
        return Err(torn("the frame's head does not match its checksum"));
    }
    let frame = Frame {
        kind: number(0) as u16,
        offset,
        head,
        raw_len: number(8),
        stored_len: number(12),
        stored_crc: number(20),
    };
    match frame.end() <= file_bytes {
        true => Ok(Some(frame)),
        false => Err(torn("the frame is cut short")),
    }
}

/// What a frame stores, unpacked.
///
/// # Errors
///
/// Where and why it cannot be had.
pub fn unpack<S: Stored + ?Sized>(file: &S, frame: &Frame) -> Result<Vec<u8>, Tear> {
    let torn = |problem| Tear {
        offset: frame.offset,
        problem,
    };
    if frame.stored_len > STORED_MAX || frame.raw_len > RAW_MAX {
        return Err(torn("the frame is larger than any"));
    }
    let mut stored = vec![0; frame.stored_len as usize];
    file.fill(&mut stored, frame.stored_offset())
        .ok_or(torn("the frame is cut short"))?;
    if crc32fast::hash(&stored) != frame.stored_crc {
        return Err(torn("the frame does not match its checksum"));
    }
    let raw_len = frame.raw_len as usize;
    let raw = zstd::bulk::decompress(&stored, raw_len);
    raw.ok()
        .filter(|raw| raw.len() == raw_len)
        .ok_or(torn("the frame cannot be unpacked"))
}

fn head_crc(header: &[u8], head: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(head);
    crc.finalize()
}
