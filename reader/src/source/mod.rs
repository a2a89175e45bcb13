//! Segments: finding them, opening them, and reading their tables word by checked word.
//!
//! Only this folder and `event` know how a segment is laid out; the rest of the reader sees the
//! types that are named here.

#![deny(unsafe_code)]

pub mod bytes;
pub mod clock;
pub mod cost;
pub mod directory;
pub mod file;
pub mod frozen;
pub mod go;
pub mod identity;
pub mod image;
pub mod issue;
pub mod limit;
pub mod maps;
pub mod noted;
pub mod oom;
pub mod process;
pub mod resident;
pub mod tables;
mod texts;
pub mod timeline;

#[cfg(test)]
pub mod fixture;

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memshim_abi::header::{Attach, HEADER_WORDS, Header, at, attach, go as abi_go};
use memshim_abi::{LAYOUT_VERSION, WORD_BYTES, Words};

pub use bytes::Bytes;
pub use clock::Clock;
pub use cost::Cost;
pub use file::FileWords;
pub use frozen::Frozen;
pub use identity::{Bypass, End, GoProfile, Identity, Origin};
pub use image::Image;
pub use issue::{Issue, Issues};
pub use memshim_abi::counters::Subject;
pub use memshim_abi::event::Kind;
pub use memshim_abi::histogram::{
    LIFETIME_BUCKETS, SIZE_BUCKETS, lifetime_bucket, lifetime_bucket_limit, size_bucket,
    size_bucket_limit,
};
use memshim_abi::sites::flag;
pub use memshim_abi::sites::{
    AtPeak, FRAMES_MAX, Identity as StackIdentity, Site, Totals, UNKNOWN_SITE,
};
pub use memshim_abi::slots::Slot;
pub use memshim_abi::weight::{Interval, OBJECT_UNIT, Weight};
pub use tables::{Counter, Module, Peak, Thread};

use crate::error::Error;

/// Root may read the segments of all users.
const ROOT: u32 = 0;

/// A segment whose header was found good; the rest is checked as it is read.
pub struct Segment {
    /// Where it is; the name of a frozen copy.
    pub path: PathBuf,
    /// Bytes that it takes where it is stored.
    pub stored_bytes: u64,
    words: Box<dyn Stored>,
    header: Header,
    /// The moment of which it is a copy; `None` for the segment itself.
    frozen: Option<Frozen>,
}

/// Words of a segment, wherever they are stored.
trait Stored: Words {
    /// Says that nobody writes them any more, so that they may be read ahead.
    fn rest(&self) {}
}

impl Segment {
    /// Opens the segment in the file `path`; one of a Go runtime is brought up to date first.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when the file cannot be read or belongs to another user, and whatever
    /// [`Segment::from_bytes`] answers.
    pub fn open(path: &Path) -> Result<Segment, Error> {
        let segment = Segment::open_as_it_is(path)?;
        if segment.header.word(at::GO) == abi_go::NONE {
            return Ok(segment);
        }
        go::keeper::refresh_stale(path, &segment.header);
        Segment::open_as_it_is(path)
    }

    pub(crate) fn open_as_it_is(path: &Path) -> Result<Segment, Error> {
        let refused = Error::open(path);
        // A name that turns out to be a pipe must not make the reader wait for its writer.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        let file = file.map_err(refused)?;
        let metadata = file.metadata().map_err(refused)?;
        if !metadata.is_file() {
            return Err(Error::Foreign {
                path: path.to_path_buf(),
            });
        }
        check_owner(metadata.uid()).map_err(refused)?;
        // st_blocks counts in 512 bytes whatever the file system (stat(3type)).
        let stored_bytes = metadata.blocks().saturating_mul(512);
        let words = Box::new(FileWords::new(file));
        Segment::attach(path, metadata.len(), stored_bytes, words)
    }

    /// A segment that was copied to memory; `path` only names it.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`], [`Error::NotReady`], [`Error::Foreign`], [`Error::OtherVersion`] or
    /// [`Error::Damaged`], as the header is.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Segment, Error> {
        let bytes = Bytes::new(bytes);
        Segment::attach(path, bytes.len(), bytes.len(), Box::new(bytes))
    }

    /// A segment as it was at a moment that is past; `path` is where that is kept.
    ///
    /// # Errors
    ///
    /// Those of [`Segment::from_bytes`].
    pub fn of_image(
        path: &Path,
        stored_bytes: u64,
        image: Image,
        frozen: Frozen,
    ) -> Result<Segment, Error> {
        let mut segment = Segment::attach(path, image.file_bytes, stored_bytes, Box::new(image))?;
        segment.frozen = Some(frozen);
        Ok(segment)
    }

    fn attach(
        path: &Path,
        file_bytes: u64,
        stored_bytes: u64,
        words: Box<dyn Stored>,
    ) -> Result<Segment, Error> {
        let path = path.to_path_buf();
        let damaged = |path, place: usize, problem: &str| Error::Damaged {
            path,
            offset: place as u64 * WORD_BYTES,
            problem: problem.to_owned(),
        };
        match attach(&*words, file_bytes) {
            Attach::Attached(header) => Ok(Segment {
                path,
                stored_bytes,
                words,
                header,
                frozen: None,
            }),
            Attach::TooShort => Err(Error::TooShort {
                path,
                size_bytes: file_bytes,
                needed_bytes: HEADER_WORDS * WORD_BYTES,
            }),
            Attach::NotReady => Err(Error::NotReady { path }),
            Attach::NotASegment => Err(Error::Foreign { path }),
            Attach::OtherVersion(version) => Err(Error::OtherVersion {
                path,
                version: version as u32,
                known: LAYOUT_VERSION as u32,
            }),
            Attach::OtherByteOrder => Err(damaged(
                path,
                at::BYTE_ORDER,
                "its bytes are in the order of another machine",
            )),
            Attach::Corrupt(problem) => Err(damaged(path, at::REGIONS, problem)),
        }
    }

    /// The checked header, for those who know the layout.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Says that the process which wrote it is gone, so that it may be read faster.
    pub fn rest(&self) {
        self.words.rest();
    }

    /// The words, for those who know the layout.
    pub(crate) fn words(&self) -> &dyn Words {
        &*self.words
    }
}

/// The smallest size that falls into a bucket of the size histogram.
pub fn size_bucket_start(bucket: usize) -> u64 {
    let below = bucket.checked_sub(1).and_then(size_bucket_limit);
    below.map_or(0, |limit| limit + 1)
}

/// The shortest lifetime in ticks that falls into a bucket of the lifetime histogram.
pub fn lifetime_bucket_start(bucket: usize) -> u64 {
    let below = bucket.checked_sub(1).and_then(lifetime_bucket_limit);
    below.unwrap_or(0)
}

/// Whether the middle of a stack is left out.
pub fn is_elided(stack: &StackIdentity) -> bool {
    stack.flags & flag::ELIDED != 0
}

/// Whether the walk of a stack ended before the root.
pub fn is_truncated(stack: &StackIdentity) -> bool {
    stack.flags & flag::TRUNCATED != 0
}

/// Refuses the segment of another user, who could fill it with lies; root must read those too.
fn check_owner(owner: u32) -> io::Result<()> {
    match process::own_ids() {
        Some((own, _)) if own != ROOT && own != owner => {
            let reason = format!("it belongs to user {owner}");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
        _ => Ok(()),
    }
}
