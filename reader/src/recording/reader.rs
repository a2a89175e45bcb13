//! Looking back: the snapshot of one process at one moment, as a segment.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::moment::{Life, Moment};
use crate::output::format;
use crate::recording::frame::{FILE_HEADER_BYTES, Refusal, Tear, read_file_header};
use crate::recording::index::{Lost, Recorded, open};
use crate::recording::{EXTENSION, Entry, FileIndex, ProcessKey, Round, snapshot};
use crate::source::{Image, Segment};

/// Snapshots that are tried in the place of one that cannot be read.
const TRIES_MAX: usize = 100;

/// Processes that an error names.
const NAMED_MAX: usize = 20;

/// A recording that is open for questions: a directory of files, or one of them.
#[derive(Debug)]
pub struct Recording {
    /// What was opened.
    pub path: PathBuf,
    /// Its files, the oldest first.
    pub files: Vec<RecordedFile>,
    /// Files that could not be read at all, and why.
    pub unreadable: Vec<(PathBuf, Error)>,
}

/// One file of a recording.
#[derive(Debug)]
pub struct RecordedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub index: FileIndex,
}

/// A snapshot, with the file that it is in.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    file: &'a RecordedFile,
    /// What the index says of it.
    pub entry: &'a Entry,
}

/// Whether `path` is a recording: a directory, or a file that begins as one.
pub fn is_recording(path: &Path) -> bool {
    if path.is_dir() {
        return true;
    }
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut header = [0; FILE_HEADER_BYTES as usize];
    let file = fs::File::open(path);
    match file.map(|file| file.read_exact_at(&mut header, 0)) {
        Ok(Ok(())) => read_file_header(&header) != Err(Refusal::Foreign),
        _ => false,
    }
}

/// The files of a recording in `directory`, the oldest first.
///
/// # Errors
///
/// [`Error::Open`].
pub fn files_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(directory).map_err(Error::open(directory))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|it| it == EXTENSION);
    let mut paths: Vec<PathBuf> = paths.filter(is_ours).collect();
    paths.sort();
    Ok(paths)
}

impl Recording {
    /// Opens a directory of a recorder, or one file of it.
    ///
    /// A file of a directory that cannot be read at all is left out and noted.
    ///
    /// # Errors
    ///
    /// [`Error::NoRecording`] where a directory has no file of a recorder, and of a single file
    /// those of [`FileIndex::of`].
    pub fn open(path: &Path) -> Result<Recording, Error> {
        let mut recording = Recording {
            path: path.to_path_buf(),
            files: Vec::new(),
            unreadable: Vec::new(),
        };
        if !path.is_dir() {
            let index = FileIndex::of(path)?;
            recording.files.push(RecordedFile {
                path: path.to_path_buf(),
                index,
            });
            return Ok(recording);
        }
        for path in files_in(path)? {
            match FileIndex::of(&path) {
                Ok(index) => recording.files.push(RecordedFile { path, index }),
                Err(error) => recording.unreadable.push((path, error)),
            }
        }
        match recording.files.is_empty() {
            true => Err(recording.nothing()),
            false => Ok(recording),
        }
    }

    /// Every process with the moment of its last snapshot, the one recorded last first.
    pub fn processes(&self) -> Vec<(&Recorded, u64)> {
        let mut last: BTreeMap<ProcessKey, (&Recorded, u64)> = BTreeMap::new();
        for file in &self.files {
            for entry in &file.index.entries {
                let Some(process) = file.index.processes.get(entry.process as usize) else {
                    continue;
                };
                let known = last.entry(process.key).or_insert((process, 0));
                known.1 = known.1.max(entry.unix_ns);
            }
        }
        let mut processes: Vec<(&Recorded, u64)> = last.into_values().collect();
        processes.sort_by_key(|(_, unix_ns)| std::cmp::Reverse(*unix_ns));
        processes
    }

    /// The process that `wanted` means, by id or by name; the only one where nothing is wanted.
    ///
    /// Of the programs that one process executed it is the last that was there at `moment`.
    ///
    /// # Errors
    ///
    /// [`Error::ManyProcesses`] and [`Error::NotInRecording`], which name those there are.
    pub fn process(
        &self,
        wanted: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<ProcessKey, Error> {
        let all = self.processes();
        if all.is_empty() {
            return Err(self.nothing());
        }
        let is_wanted = |process: &Recorded| {
            wanted.is_none_or(|it| it == process.program || it == process.key.pid.to_string())
        };
        let found = all.iter().filter(|(process, _)| is_wanted(process));
        let found: Vec<(&Recorded, u64)> = found.copied().collect();
        let same = |key: &ProcessKey| (key.pid, key.start_time, key.boot_id);
        match (found.first(), wanted) {
            (None, wanted) => Err(Error::NotInRecording {
                path: self.path.clone(),
                wanted: wanted.unwrap_or_default().to_owned(),
                processes: names(&all),
            }),
            (Some((first, _)), _)
                if found
                    .iter()
                    .all(|(it, _)| same(&it.key) == same(&first.key)) =>
            {
                Ok(self.program_at(&found, moment))
            }
            _ => Err(Error::ManyProcesses {
                path: self.path.clone(),
                processes: names(&found),
            }),
        }
    }

    /// Of programs that one process executed, the last that has a snapshot at the moment.
    fn program_at(&self, found: &[(&Recorded, u64)], moment: Option<Moment>) -> ProcessKey {
        let until = self.unix_ns(moment);
        let began = |key: &ProcessKey| self.snapshots(key).next().map_or(0, |it| it.entry.unix_ns);
        let mut keys: Vec<ProcessKey> = found.iter().map(|(process, _)| process.key).collect();
        keys.sort();
        let last = keys.iter().rfind(|key| began(key) <= until);
        *last.unwrap_or(&keys[0])
    }

    /// Every snapshot of a process, the earliest first.
    pub fn snapshots(&self, key: &ProcessKey) -> impl Iterator<Item = Place<'_>> {
        let key = *key;
        self.files.iter().flat_map(move |file| {
            let place = file.index.processes.iter().position(|it| it.key == key);
            let entries = file.index.entries.iter();
            let own = entries.filter(move |entry| Some(entry.process as usize) == place);
            own.map(move |entry| Place { file, entry })
        })
    }

    /// Every snapshot of all processes, file by file, each with whose it is.
    pub fn all_snapshots(&self) -> impl Iterator<Item = (&Recorded, Place<'_>)> {
        self.files.iter().flat_map(|file| {
            let entries = file.index.entries.iter();
            entries.filter_map(move |entry| {
                let process = file.index.processes.get(entry.process as usize)?;
                Some((process, Place { file, entry }))
            })
        })
    }

    /// The last snapshot of a process that is not later than the moment, or else its first.
    pub fn at(&self, key: &ProcessKey, moment: Option<Moment>) -> Option<Place<'_>> {
        let until = self.unix_ns(moment);
        let mut first = None;
        let mut best = None;
        for place in self.snapshots(key) {
            first = first.or(Some(place));
            if place.entry.unix_ns <= until {
                best = Some(place);
            }
        }
        best.or(first)
    }

    /// From its first snapshot to the last that was heard of its recorder.
    pub fn life(&self) -> Life {
        let of_file = |file: &RecordedFile| {
            let rounds = file.index.rounds.iter().map(|round| round.unix_ns);
            let entries = file.index.entries.iter().map(|entry| entry.unix_ns);
            let all = rounds.chain(entries);
            (all.clone().min(), all.max())
        };
        let (first, last): (Vec<_>, Vec<_>) = self.files.iter().map(of_file).unzip();
        let start = first.into_iter().flatten().min().unwrap_or(0);
        let end = last.into_iter().flatten().max().unwrap_or(start);
        Life {
            start_unix_ns: start,
            age_ns: end - start,
        }
    }

    /// A moment of the recording, ns since the Unix epoch; its end where none is given.
    fn unix_ns(&self, moment: Option<Moment>) -> u64 {
        let life = self.life();
        let age_ns = moment.map_or(life.age_ns, |moment| moment.age_ns(life));
        life.start_unix_ns.saturating_add(age_ns)
    }

    /// What the last look at all processes found and cost.
    pub fn last_round(&self) -> Option<&Round> {
        let rounds = self
            .files
            .iter()
            .filter_map(|it| it.index.last_round.as_ref());
        rounds.max_by_key(|round| round.unix_ns)
    }

    /// The parts of files that are lost.
    pub fn lost(&self) -> impl Iterator<Item = (&Path, &Lost)> {
        let files = self.files.iter();
        files.flat_map(|file| file.index.lost.iter().map(|lost| (&*file.path, lost)))
    }

    /// What of the recording cannot be read, a sentence for each part of it.
    pub fn losses(&self) -> Vec<String> {
        let torn = self.lost().map(|(path, lost)| {
            format!(
                "{} is torn at offset {}: {}; {} are lost",
                path.display(),
                lost.tear.offset,
                lost.tear.problem,
                format::bytes(lost.bytes as f64)
            )
        });
        let orphans = self.files.iter().filter(|file| file.index.orphans > 0);
        let orphans = orphans.map(|file| {
            format!(
                "{}: {} snapshots built on one that is lost",
                file.path.display(),
                file.index.orphans
            )
        });
        torn.chain(orphans).collect()
    }

    /// The snapshot of [`Recording::at`] as a segment, or the nearest that can be read, those
    /// before it first; with a sentence about each that could not.
    ///
    /// # Errors
    ///
    /// That of the first one, where none can be read.
    pub fn readable(
        &self,
        key: &ProcessKey,
        moment: Option<Moment>,
    ) -> Result<(Place<'_>, Segment, Vec<String>), Error> {
        let until = self.unix_ns(moment);
        let all: Vec<Place<'_>> = self.snapshots(key).collect();
        let split = all.partition_point(|place| place.entry.unix_ns <= until);
        let (before, after) = all.split_at(split);
        let mut problems = Vec::new();
        let mut first = None;
        for place in before.iter().rev().chain(after).take(TRIES_MAX) {
            match place.segment() {
                Ok(segment) => return Ok((*place, segment, problems)),
                Err(error) => {
                    let when = format::time(place.entry.unix_ns);
                    problems.push(format!("the snapshot of {when} cannot be read: {error}"));
                    first = first.or(Some(error));
                }
            }
        }
        Err(first.unwrap_or_else(|| self.nothing()))
    }

    fn nothing(&self) -> Error {
        Error::NoRecording {
            path: self.path.clone(),
        }
    }
}

impl Place<'_> {
    /// The segment as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] where the frames are not what they should be, and those of
    /// [`Segment::of_image`].
    pub fn segment(&self) -> Result<Segment, Error> {
        let (about, image) = self.about_and_image()?;
        Segment::of_image(&self.file.path, self.entry.bytes, image, about.frozen)
    }

    /// What was said about it, without its words.
    ///
    /// # Errors
    ///
    /// [`Error::Open`], and [`Error::Damaged`] as [`Place::segment`].
    pub fn about(&self) -> Result<snapshot::About, Error> {
        let file = open(&self.file.path)?;
        let end = self.entry.offset.saturating_add(self.entry.bytes);
        snapshot::about(&file, self.entry.offset, end).map_err(|tear| self.torn(tear))
    }

    /// The words that the segment used.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] as [`Place::segment`].
    pub fn image(&self) -> Result<Image, Error> {
        Ok(self.about_and_image()?.1)
    }

    fn about_and_image(&self) -> Result<(snapshot::About, Image), Error> {
        let file = open(&self.file.path)?;
        let (about, raw) = self.frames(&file, self.entry)?;
        let image = match about.key_unix_ns {
            None => snapshot::image(&raw, None),
            Some(key_unix_ns) => {
                let key = self.key(key_unix_ns)?;
                let (key_about, key_raw) = self.frames(&file, key)?;
                let is_whole =
                    key_about.key_unix_ns.is_none() && key_about.process == about.process;
                let key = snapshot::image(&key_raw, None).filter(|_| is_whole);
                key.and_then(|key| snapshot::image(&raw, Some(&key)))
            }
        };
        let image = image.ok_or_else(|| self.damaged("the snapshot makes no sense"))?;
        Ok((about, image))
    }

    /// The whole snapshot that this one builds on.
    fn key(&self, unix_ns: u64) -> Result<&Entry, Error> {
        let is_key = |entry: &&Entry| {
            entry.process == self.entry.process
                && entry.unix_ns == unix_ns
                && entry.key_unix_ns.is_none()
        };
        let found = self.file.index.entries.iter().find(is_key);
        found.ok_or_else(|| self.damaged("the snapshot that it builds on is not there"))
    }

    fn frames(
        &self,
        file: &fs::File,
        entry: &Entry,
    ) -> Result<(snapshot::About, Vec<Vec<u8>>), Error> {
        let end = entry.offset.saturating_add(entry.bytes);
        snapshot::frames(file, entry.offset, end).map_err(|tear| self.torn(tear))
    }

    fn torn(&self, tear: Tear) -> Error {
        Error::Damaged {
            path: self.file.path.clone(),
            offset: tear.offset,
            problem: tear.problem.to_owned(),
        }
    }

    fn damaged(&self, problem: &str) -> Error {
        Error::Damaged {
            path: self.file.path.clone(),
            offset: self.entry.offset,
            problem: problem.to_owned(),
        }
    }
}

/// Processes as people tell them apart.
fn names(processes: &[(&Recorded, u64)]) -> Vec<String> {
    let mut names: Vec<String> = processes
        .iter()
        .take(NAMED_MAX)
        .map(|(process, _)| format!("{} {}", process.key.pid, process.program))
        .collect();
    if processes.len() > NAMED_MAX {
        names.push(format!("and {} more", processes.len() - NAMED_MAX));
    }
    names
}
