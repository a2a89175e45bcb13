//! Rotation: what is kept for how long, and how old files become smaller.
//!
//! Of the last hour every snapshot is kept, of the last day one a minute, of the rest one each ten
//! minutes, up to the age that was asked for. The last snapshot of each process in a file is kept
//! as long as the file, and so are those taken because a mark was passed, and what a kept one
//! builds on. A file that lost something is written
//! anew and takes the old one's place by its name, so that a reader finds one or the other.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::recording::frame::{self, FILE_HEADER_BYTES};
use crate::recording::index::path_beside;
use crate::recording::reader::files_in;
use crate::recording::{Entry, FileIndex};

const MINUTE_NS: u64 = 60_000_000_000;
const HOUR_NS: u64 = 60 * MINUTE_NS;
const DAY_NS: u64 = 24 * HOUR_NS;

/// What is older than this is kept once in so long; the first that applies counts, both in ns.
const THINNING: [(u64, u64); 2] = [(DAY_NS, 10 * MINUTE_NS), (HOUR_NS, MINUTE_NS)];

/// A file is written anew when at least one in so many of its bytes can go.
const REWRITE_SHARE: u64 = 4;

/// What a recording may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How old the oldest snapshot may become, ns.
    pub keep_ns: u64,
    /// Bytes of all files together.
    pub bytes_max: u64,
}

impl Limits {
    /// How long a file may become before another is begun: so short that dropping the oldest one
    /// costs little history.
    pub fn file_bytes_max(&self) -> u64 {
        (self.bytes_max / 16).clamp(64 << 10, 64 << 20)
    }

    /// How long a file may be written to, ns.
    pub fn file_age_max_ns(&self) -> u64 {
        (self.keep_ns / 16).clamp(MINUTE_NS, HOUR_NS)
    }
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotated {
    /// Files that were removed.
    pub removed: u64,
    /// Files that were written anew.
    pub rewritten: u64,
    /// Bytes that all files have now.
    pub bytes: u64,
}

/// Applies the limits to the files in `directory` but the one that grows.
///
/// # Errors
///
/// [`Error::Open`] and [`Error::Write`]; what was done until then stays done.
pub fn rotate(
    directory: &Path,
    growing: Option<&Path>,
    limits: &Limits,
    now_unix_ns: u64,
) -> Result<Rotated, Error> {
    let mut rotated = Rotated::default();
    remove_left_over(directory);
    let files = files_in(directory)?;
    let mut sizes: Vec<(PathBuf, u64)> = Vec::new();
    for path in files {
        if Some(&*path) == growing {
            rotated.bytes += size(&path);
            continue;
        }
        // A file that cannot be read takes room all the same, and goes when it is the oldest.
        if let Ok(index) = FileIndex::of(&path) {
            let (kept, dropped_bytes) = kept(&index, limits, now_unix_ns);
            if kept.is_empty() {
                remove(&path)?;
                rotated.removed += 1;
                continue;
            }
            if dropped_bytes > 0 && dropped_bytes >= index.bytes / REWRITE_SHARE {
                rewrite(&path, &index, &kept)?;
                rotated.rewritten += 1;
            }
        }
        let bytes = size(&path) + size(&path_beside(&path));
        rotated.bytes += bytes;
        sizes.push((path, bytes));
    }
    // Room for the file that grows, which is not rotated before it is as long as it may be.
    let reserve = limits
        .file_bytes_max()
        .saturating_mul(2)
        .min(limits.bytes_max / 4);
    for (path, bytes) in sizes {
        if rotated.bytes.saturating_add(reserve) <= limits.bytes_max {
            break;
        }
        remove(&path)?;
        rotated.bytes -= bytes;
        rotated.removed += 1;
    }
    Ok(rotated)
}

/// The places of the snapshots to keep, and the bytes of those to drop.
fn kept(index: &FileIndex, limits: &Limits, now_unix_ns: u64) -> (Vec<usize>, u64) {
    let mut last_of: HashMap<u32, usize> = HashMap::new();
    for (place, entry) in index.entries.iter().enumerate() {
        last_of.insert(entry.process, place);
    }
    let is_young = |entry: &Entry| now_unix_ns.saturating_sub(entry.unix_ns) <= limits.keep_ns;
    let mut steps = HashSet::new();
    let mut keys: HashSet<(u32, u64)> = HashSet::new();
    let mut kept = Vec::new();
    // From the last on, so that what a kept one builds on is known when its turn comes.
    for (place, entry) in index.entries.iter().enumerate().rev() {
        let age_ns = now_unix_ns.saturating_sub(entry.unix_ns);
        let step = THINNING.iter().find(|(older_ns, _)| age_ns > *older_ns);
        let is_first_of_step = match step {
            Some((_, step_ns)) => is_first_of_its_step(index, place, *step_ns, &mut steps),
            None => true,
        };
        let is_needed = keys.contains(&(entry.process, entry.unix_ns));
        let is_last = last_of.get(&entry.process) == Some(&place);
        let is_wanted = is_first_of_step || is_last || entry.mark_bytes.is_some();
        if (is_young(entry) && is_wanted) || is_needed {
            keys.extend(entry.key_unix_ns.map(|key| (entry.process, key)));
            kept.push(place);
        }
    }
    kept.reverse();
    let all: u64 = index.entries.iter().map(|entry| entry.bytes).sum();
    let left: u64 = kept.iter().map(|place| index.entries[*place].bytes).sum();
    (kept, all - left)
}

/// Whether no later snapshot of the process is in the same step of time, which are `step_ns` long.
fn is_first_of_its_step(
    index: &FileIndex,
    place: usize,
    step_ns: u64,
    seen: &mut HashSet<(u32, u64, u64)>,
) -> bool {
    let entry = &index.entries[place];
    seen.insert((entry.process, step_ns, entry.unix_ns / step_ns))
}

/// Writes a file anew with some of its snapshots and the last look at all processes.
fn rewrite(path: &Path, index: &FileIndex, kept: &[usize]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_path_buf(),
        source,
    };
    let temporary = path.with_extension("tmp");
    let written = write_kept(path, &temporary, index, kept).and_then(|new| {
        fs::rename(&temporary, path)?;
        // The new name is on the disk before anything that the old file had is counted as gone.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(new)
    });
    match written {
        Ok(new) => {
            // Without it a reader surveys the file.
            let _ = new.keep(path);
            Ok(())
        }
        Err(source) => {
            let _ = fs::remove_file(&temporary);
            Err(failed(source))
        }
    }
}

fn write_kept(
    path: &Path,
    temporary: &Path,
    index: &FileIndex,
    kept: &[usize],
) -> io::Result<FileIndex> {
    let old = File::open(path)?;
    let mut out = io::BufWriter::new(File::create(temporary)?);
    let mut new = FileIndex {
        began_unix_ns: index.began_unix_ns,
        bytes: FILE_HEADER_BYTES,
        processes: index.processes.clone(),
        last_round: index.last_round.clone(),
        ..FileIndex::default()
    };
    out.write_all(&frame::file_header(index.began_unix_ns))?;
    let mut copy = |offset: u64, bytes: u64| {
        let mut frames = vec![0; bytes as usize];
        old.read_exact_at(&mut frames, offset)?;
        out.write_all(&frames)
    };
    for place in kept {
        let entry = &index.entries[*place];
        copy(entry.offset, entry.bytes)?;
        new.entries.push(Entry {
            offset: new.bytes,
            ..entry.clone()
        });
        new.bytes += entry.bytes;
    }
    if let Some(round) = index.rounds.last() {
        copy(round.offset, round.bytes)?;
        new.rounds.push(crate::recording::index::RoundEntry {
            offset: new.bytes,
            ..round.clone()
        });
        new.bytes += round.bytes;
    }
    out.into_inner()?.sync_all()?;
    Ok(new)
}

/// Removes what a recorder that was killed while it wrote a file anew has left.
fn remove_left_over(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|it| it == "tmp")) {
        let _ = fs::remove_file(path);
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    let _ = fs::remove_file(path_beside(path));
    fs::remove_file(path).map_err(|source| Error::Write {
        path: path.to_path_buf(),
        source,
    })
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[cfg(test)]
mod tests;
