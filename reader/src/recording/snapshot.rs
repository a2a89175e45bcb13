//! One moment of one process: what a frame says about it, and its words.

#![forbid(unsafe_code)]

use std::io;

use serde::{Deserialize, Serialize};

use crate::recording::columns::{Columns, Meaning, WORDS_MAX, apply, changed, parts};
use crate::recording::frame::{self, Frame, Stored, Tear, kind};
use crate::source::{Frozen, Image};

/// The most that the frames of one snapshot may unpack to: its words at nine bytes each.
const RAW_BYTES_MAX: usize = 10 * WORDS_MAX;

/// One program of one process; no other has the same on any machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// Process id.
    pub pid: u32,
    /// When it started, clock ticks since boot.
    pub start_time: u64,
    /// How many programs it had executed before.
    pub number: u32,
    /// The boot it ran in.
    pub boot_id: [u64; 2],
}

/// What is said about a snapshot before its words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Whose it is.
    pub process: ProcessKey,
    /// The parent's process id.
    pub parent_pid: u32,
    /// The program's name.
    pub program: String,
    /// When it was, and what was known then.
    pub frozen: Frozen,
    /// Live bytes, weighted.
    pub live_bytes: u64,
    /// Bytes that were asked for until then.
    pub allocated_bytes: u64,
    /// Bytes of the process in memory, where the kernel told.
    pub resident_bytes: Option<u64>,
    /// The moment of the snapshot in the same file that this one builds on.
    pub key_unix_ns: Option<u64>,
    /// How many frames before this one belong to it.
    pub parts: u32,
    /// The mark that the process had just passed, where that is why it was taken, bytes.
    #[serde(default)]
    pub mark_bytes: Option<u64>,
}

/// What one look at all processes found and cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// When it was, ns since the Unix epoch.
    pub unix_ns: u64,
    /// When this recorder started, ns since the Unix epoch.
    pub started_unix_ns: u64,
    /// Processes that lived.
    pub processes: u64,
    /// Snapshots that were written since the start.
    pub snapshots: u64,
    /// Segments that could not be recorded in this look, too large or unreadable.
    pub left_out: u64,
    /// Bytes that were written since the start.
    pub written_bytes: u64,
    /// Processor time since the start, ns.
    pub cpu_ns: u64,
    /// Memory in use.
    pub resident_bytes: u64,
    /// The largest part of a look's interval that the recorder was kept from recording, ns.
    pub paused_ns: u64,
}

/// The frames of a snapshot, ready to be written one after the other.
///
/// # Errors
///
/// What keeps it from being packed, which is that there is no memory.
pub fn pack(about: &About, image: Image, key: Option<&Image>) -> io::Result<Vec<u8>> {
    let (image, meaning) = match key {
        Some(key) => (changed(&image, key), Meaning::Differences),
        None => (image, Meaning::Words),
    };
    let mut parts = parts(image);
    let last = parts.pop().expect("an image has one part at least");
    let about = About {
        parts: parts.len() as u32,
        ..about.clone()
    };
    let mut bytes = Vec::new();
    for part in &parts {
        let raw = encoded(&Columns::of(part, meaning))?;
        bytes.extend(frame::pack(kind::PART, &[], &raw)?);
    }
    let raw = encoded(&Columns::of(&last, meaning))?;
    bytes.extend(frame::pack(kind::SNAPSHOT, &encoded(&about)?, &raw)?);
    Ok(bytes)
}

/// The image that frames hold, in the order in which they were written.
///
/// `None` where they contradict themselves or each other.
pub fn image(raw: &[Vec<u8>], key: Option<&Image>) -> Option<Image> {
    let meaning = match key {
        Some(_) => Meaning::Differences,
        None => Meaning::Words,
    };
    let mut whole: Option<Image> = None;
    for raw in raw {
        let columns: Columns = rmp_serde::from_slice(raw).ok()?;
        let part = columns.into_image(meaning)?;
        whole = Some(match whole {
            None => part,
            Some(whole) => joined(whole, part)?,
        });
    }
    match key {
        Some(key) => Some(apply(key, &whole?)),
        None => whole,
    }
}

/// The whole snapshot that stands alone in `bytes`, as [`pack`] made them.
pub fn of_frames(bytes: &[u8]) -> Option<Image> {
    let (_, raw) = frames(bytes, 0, bytes.len() as u64).ok()?;
    image(&raw, None)
}

/// What is said of the snapshot from `offset` up to `end`; its words are not unpacked.
///
/// # Errors
///
/// Where and why it cannot be read.
pub fn about<S: Stored + ?Sized>(stored: &S, offset: u64, end: u64) -> Result<About, Tear> {
    let mut next = offset;
    while let Some(found) = frame::read(stored, next, end)? {
        next = found.end();
        if found.kind == kind::SNAPSHOT {
            return about_of(&found);
        }
    }
    Err(Tear {
        offset,
        problem: "there is no snapshot",
    })
}

fn about_of(found: &Frame) -> Result<About, Tear> {
    rmp_serde::from_slice(&found.head).map_err(|_| Tear {
        offset: found.offset,
        problem: "the frame's head makes no sense",
    })
}

/// What is said of a snapshot, and what its frames hold, from `offset` up to `end`.
///
/// # Errors
///
/// Where and why it cannot be read.
pub fn frames<S: Stored + ?Sized>(
    stored: &S,
    offset: u64,
    end: u64,
) -> Result<(About, Vec<Vec<u8>>), Tear> {
    let mut raw = Vec::new();
    let mut next = offset;
    while let Some(found) = frame::read(stored, next, end)? {
        next = found.end();
        match found.kind {
            kind::PART => raw.push(frame::unpack(stored, &found)?),
            kind::SNAPSHOT => {
                raw.push(frame::unpack(stored, &found)?);
                return about_of(&found).map(|about| (about, raw));
            }
            _ => {}
        }
        if raw.iter().map(Vec::len).sum::<usize>() > RAW_BYTES_MAX {
            break;
        }
    }
    Err(Tear {
        offset,
        problem: "there is no snapshot",
    })
}

/// Two parts of an image as one; they stand in order.
fn joined(mut whole: Image, part: Image) -> Option<Image> {
    let end = whole.stretches.last().map_or(0, |stretch| stretch.end());
    let start = part
        .stretches
        .first()
        .map_or(end, |stretch| stretch.first_word);
    let words = whole.word_count() + part.word_count();
    if start < end || words > WORDS_MAX {
        return None;
    }
    whole.stretches.extend(part.stretches);
    Some(whole)
}

/// A value as MessagePack.
///
/// # Errors
///
/// None that a number or text has; they are passed on all the same.
pub fn encoded(value: &impl Serialize) -> io::Result<Vec<u8>> {
    rmp_serde::to_vec(value).map_err(io::Error::other)
}
