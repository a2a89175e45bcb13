//! What is where in a file of a recording: found by reading its heads, and kept beside it.
//!
//! The index says nothing that the file does not; one that is missing, damaged or of an older state
//! of the file is made again.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::recording::frame::{
    self, FILE_HEADER_BYTES, Frame, Refusal, Tear, VERSION, kind, read_file_header,
};
use crate::recording::snapshot::encoded;
use crate::recording::{About, ProcessKey, Round, resync};

/// Bytes at the end of a file by which an index knows that it is of this state of it.
const TAIL_BYTES: u64 = 256;

/// A process that a file has snapshots of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Which it is.
    pub key: ProcessKey,
    /// Its parent's process id.
    pub parent_pid: u32,
    /// The program's name.
    pub program: String,
}

/// Where a snapshot is, and what it comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Place of its process in [`FileIndex::processes`].
    pub process: u32,
    /// When it was, ns since the Unix epoch.
    pub unix_ns: u64,
    /// The moment of the snapshot that it builds on.
    pub key_unix_ns: Option<u64>,
    /// Where its first frame begins, in bytes.
    pub offset: u64,
    /// Bytes of all of its frames.
    pub bytes: u64,
    /// Live bytes then, weighted.
    pub live_bytes: u64,
    /// Bytes that were asked for until then.
    pub allocated_bytes: u64,
    /// Bytes in memory then, where the kernel told.
    pub resident_bytes: Option<u64>,
    /// The mark that the process had just passed, where that is why it was taken, bytes.
    #[serde(default)]
    pub mark_bytes: Option<u64>,
}

/// Where the report of a look at all processes is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundEntry {
    /// When it was, ns since the Unix epoch.
    pub unix_ns: u64,
    /// Where its frame begins, in bytes.
    pub offset: u64,
    /// Bytes of its frame.
    pub bytes: u64,
}

/// What a file holds, as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileIndex {
    /// When it began, ns since the Unix epoch.
    pub began_unix_ns: u64,
    /// Bytes that could be read.
    pub bytes: u64,
    /// Whose snapshots it has.
    pub processes: Vec<Recorded>,
    /// Its snapshots, in their order in the file, which is that of time.
    pub entries: Vec<Entry>,
    /// The looks at all processes.
    pub rounds: Vec<RoundEntry>,
    /// What the last look found and cost.
    pub last_round: Option<Round>,
    /// What of it is lost; an index that was kept is of a file that was whole.
    #[serde(skip)]
    pub lost: Vec<Lost>,
    /// Snapshots that are there, but build on one that is lost.
    #[serde(skip)]
    pub orphans: u64,
}

/// A part of a file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Where it begins, and why.
    pub tear: Tear,
    /// How long it is.
    pub bytes: u64,
}

/// Where the index of a file is kept.
pub fn path_beside(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".index");
    path.into()
}

impl FileIndex {
    /// The index of a file: the one kept beside it where that is of its present state, or else from
    /// the file itself.
    ///
    /// # Errors
    ///
    /// Those of [`FileIndex::survey`].
    pub fn of(path: &Path) -> Result<FileIndex, Error> {
        let file = open(path)?;
        let kept = FileIndex::kept(path, &file);
        match kept {
            Some(index) => Ok(index),
            None => FileIndex::survey_file(path, &file),
        }
    }

    /// The index of a file from the heads of its frames.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], and where the file's beginning is not that of a recording
    /// [`Error::Foreign`], [`Error::OtherVersion`] or [`Error::Damaged`].
    pub fn survey(path: &Path) -> Result<FileIndex, Error> {
        FileIndex::survey_file(path, &open(path)?)
    }

    fn survey_file(path: &Path, file: &File) -> Result<FileIndex, Error> {
        let file_bytes = len(path, file)?;
        let mut header = [0; FILE_HEADER_BYTES as usize];
        let read = file.read_exact_at(&mut header, 0);
        let header = if read.is_ok() { &header[..] } else { &[] };
        let began_unix_ns = read_file_header(header).map_err(|it| refused(path, it))?;
        let mut survey = Survey {
            index: FileIndex {
                began_unix_ns,
                bytes: FILE_HEADER_BYTES,
                ..FileIndex::default()
            },
            parts: Vec::new(),
        };
        let mut next = FILE_HEADER_BYTES;
        let mut before: Option<Frame> = None;
        while next < file_bytes {
            match frame::read(file, next, file_bytes) {
                Ok(Some(frame)) => {
                    survey.add(file, &frame);
                    next = frame.end();
                    before = Some(frame);
                }
                Ok(None) => break,
                Err(mut tear) => {
                    // A frame of which a part was cut out reaches into those behind it.
                    if let Some(short) = before.take()
                        && frame::unpack(file, &short).is_err()
                    {
                        survey.take_back(&short);
                        tear.offset = short.offset;
                    }
                    let found = resync::next(file, tear.offset + 1, file_bytes);
                    next = found.unwrap_or(file_bytes);
                    let bytes = next - tear.offset;
                    survey.lose(tear, bytes);
                }
            }
        }
        Ok(survey.finish())
    }

    /// Notes a snapshot that is at `offset`.
    pub fn add(&mut self, about: &About, offset: u64, bytes: u64) {
        let place = self
            .processes
            .iter()
            .rposition(|it| it.key == about.process);
        let process = place.unwrap_or_else(|| {
            self.processes.push(Recorded {
                key: about.process,
                parent_pid: about.parent_pid,
                program: about.program.clone(),
            });
            self.processes.len() - 1
        });
        self.entries.push(Entry {
            process: process as u32,
            unix_ns: about.frozen.unix_ns,
            key_unix_ns: about.key_unix_ns,
            offset,
            bytes,
            live_bytes: about.live_bytes,
            allocated_bytes: about.allocated_bytes,
            resident_bytes: about.resident_bytes,
            mark_bytes: about.mark_bytes,
        });
    }

    /// Notes a look at all processes.
    pub fn add_round(&mut self, round: Round, offset: u64, bytes: u64) {
        self.rounds.push(RoundEntry {
            unix_ns: round.unix_ns,
            offset,
            bytes,
        });
        self.last_round = Some(round);
    }

    /// Keeps the index beside its file, which will not change any more.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let head = encoded(&(self.bytes, tail_crc(&File::open(path)?, self.bytes)))?;
        let mut bytes = frame::file_header(self.began_unix_ns);
        bytes.extend(frame::pack(kind::INDEX, &head, &encoded(self)?)?);
        let beside = path_beside(path);
        let written = fs::write(&beside, bytes);
        if written.is_err() {
            // A part of it says nothing, and takes room that is short.
            let _ = fs::remove_file(&beside);
        }
        written
    }

    fn kept(path: &Path, file: &File) -> Option<FileIndex> {
        let bytes = file.metadata().ok()?.len();
        let beside = File::open(path_beside(path)).ok()?;
        let beside_bytes = beside.metadata().ok()?.len();
        let frame = frame::read(&beside, FILE_HEADER_BYTES, beside_bytes).ok()??;
        let of: (u64, u32) = rmp_serde::from_slice(&frame.head).ok()?;
        if frame.kind != kind::INDEX || of != (bytes, tail_crc(file, bytes)) {
            return None;
        }
        let index: FileIndex = rmp_serde::from_slice(&frame::unpack(&beside, &frame).ok()?).ok()?;
        let processes = index.processes.len();
        let is_sane = index
            .entries
            .iter()
            .all(|it| (it.process as usize) < processes);
        (is_sane && index.entries.is_sorted_by_key(|it| it.offset)).then_some(index)
    }
}

/// A file that is being surveyed.
struct Survey {
    index: FileIndex,
    /// Offsets of the parts whose snapshot was not met yet.
    parts: Vec<u64>,
}

impl Survey {
    fn add(&mut self, file: &File, frame: &Frame) {
        let end = frame.end();
        match frame.kind {
            kind::PART => self.parts.push(frame.offset),
            kind::SNAPSHOT => {
                let parts = std::mem::take(&mut self.parts);
                match rmp_serde::from_slice::<About>(&frame.head) {
                    // Parts without a snapshot stem from a recorder that found no room for it.
                    Ok(about) if about.parts as usize <= parts.len() => {
                        let own = parts.len() - about.parts as usize;
                        let offset = parts.get(own).copied().unwrap_or(frame.offset);
                        self.index.add(&about, offset, end - offset);
                    }
                    Ok(_) => return self.lose_frame(frame, "the parts before it are lost"),
                    Err(_) => return self.lose_frame(frame, "the frame's head makes no sense"),
                }
            }
            kind::ROUND => {
                let raw = frame::unpack(file, frame);
                match raw.map(|raw| rmp_serde::from_slice::<Round>(&raw)) {
                    Ok(Ok(round)) => self
                        .index
                        .add_round(round, frame.offset, end - frame.offset),
                    Ok(Err(_)) => return self.lose_frame(frame, "the frame makes no sense"),
                    Err(tear) => return self.lose_frame(frame, tear.problem),
                }
            }
            _ => {}
        }
        self.index.bytes = end;
    }

    /// Forgets the frame that was added last.
    fn take_back(&mut self, frame: &Frame) {
        let is_it = |offset: u64, bytes: u64| offset + bytes == frame.end();
        let entries = &mut self.index.entries;
        entries.pop_if(|it| is_it(it.offset, it.bytes));
        let rounds = &mut self.index.rounds;
        rounds.pop_if(|it| is_it(it.offset, it.bytes));
    }

    /// Notes a frame whose end is known, but not what it means.
    fn lose_frame(&mut self, frame: &Frame, problem: &'static str) {
        let tear = Tear {
            offset: frame.offset,
            problem,
        };
        self.lose(tear, frame.end() - frame.offset);
    }

    fn lose(&mut self, tear: Tear, bytes: u64) {
        // What stood before a tear belongs to nothing behind it.
        self.parts.clear();
        self.index.lost.push(Lost { tear, bytes });
    }

    /// The index, without the snapshots that build on one that is lost.
    fn finish(mut self) -> FileIndex {
        if !self.index.lost.is_empty() {
            let entries = &self.index.entries;
            let whole = entries.iter().filter(|it| it.key_unix_ns.is_none());
            let whole: HashSet<(u32, u64)> = whole.map(|it| (it.process, it.unix_ns)).collect();
            let before = entries.len();
            self.index.entries.retain(|it| {
                it.key_unix_ns
                    .is_none_or(|key_unix_ns| whole.contains(&(it.process, key_unix_ns)))
            });
            self.index.orphans = (before - self.index.entries.len()) as u64;
        }
        self.index
    }
}

pub(crate) fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(Error::open(path))
}

fn len(path: &Path, file: &File) -> Result<u64, Error> {
    let metadata = file.metadata().map_err(Error::open(path))?;
    Ok(metadata.len())
}

fn refused(path: &Path, refusal: Refusal) -> Error {
    let path = path.to_path_buf();
    match refusal {
        Refusal::Foreign => Error::Foreign { path },
        Refusal::OtherVersion(version) => Error::OtherVersion {
            path,
            version,
            known: VERSION as u32,
        },
        Refusal::Damaged => Error::Damaged {
            path,
            offset: 0,
            problem: "its first bytes do not match their checksum".to_owned(),
        },
    }
}

/// A checksum of the last bytes of a file.
fn tail_crc(file: &File, file_bytes: u64) -> u32 {
    let mut tail = vec![0; TAIL_BYTES.min(file_bytes) as usize];
    let read = file.read_exact_at(&mut tail, file_bytes.saturating_sub(TAIL_BYTES));
    read.map_or(0, |()| crc32fast::hash(&tail))
}
