//! Writing a recording: one file that grows frame by frame, until another is begun.
//!
//! A frame is written by one call, behind the last one. One that did not fit is cut off again, so
//! that a full disk leaves a whole file.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::recording::frame::{self, kind};
use crate::recording::snapshot::{self, encoded};
use crate::recording::{About, EXTENSION, FileIndex, ProcessKey, Round};
use crate::source::Image;

/// A snapshot that builds on another must be at most this part of a whole one, else a whole one is
/// written, on which later ones build.
const DIFFERENCE_MOST: f64 = 0.5;

/// A recording that is being written.
pub struct Writer {
    directory: PathBuf,
    file: Option<Growing>,
    written_bytes: u64,
    /// Keeps other recorders out for as long as it is open.
    _lock: File,
}

/// The file that grows.
struct Growing {
    path: PathBuf,
    file: File,
    index: FileIndex,
    keys: HashMap<ProcessKey, Key>,
}

/// The last whole snapshot of a process.
struct Key {
    unix_ns: u64,
    /// Its frames, which are smaller than its image.
    packed: Vec<u8>,
}

impl Writer {
    /// A recording in `directory`, which is made where it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] where that is not possible, also because somebody records there already.
    pub fn open(directory: &Path) -> Result<Writer, Error> {
        let failed = |source| Error::Write {
            path: directory.to_path_buf(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let lock = File::create(directory.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let reason = "another recorder writes there";
                return Err(failed(io::Error::other(reason)));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        Ok(Writer {
            directory: directory.to_path_buf(),
            file: None,
            written_bytes: 0,
            _lock: lock,
        })
    }

    /// Writes a snapshot; gives how many bytes it took.
    ///
    /// # Errors
    ///
    /// What the file system answers; the recording is then as it was before.
    pub fn snapshot(&mut self, about: About, image: Image) -> io::Result<u64> {
        let growing = self.growing(about.frozen.unix_ns)?;
        let (about, bytes) = match growing.difference(&about, &image)? {
            Some(found) => found,
            None => {
                let packed = snapshot::pack(&about, image, None)?;
                let key = Key {
                    unix_ns: about.frozen.unix_ns,
                    packed: packed.clone(),
                };
                growing.keys.insert(about.process, key);
                (about, packed)
            }
        };
        let written = growing.append(&bytes);
        match written {
            Ok(offset) => growing.index.add(&about, offset, bytes.len() as u64),
            Err(error) => {
                // What is not in the file, nothing may build on.
                if about.key_unix_ns.is_none() {
                    growing.keys.remove(&about.process);
                }
                return Err(error);
            }
        }
        self.written_bytes += bytes.len() as u64;
        Ok(bytes.len() as u64)
    }

    /// Writes what a look at all processes found and cost.
    ///
    /// # Errors
    ///
    /// As [`Writer::snapshot`].
    pub fn round(&mut self, round: Round) -> io::Result<()> {
        let growing = self.growing(round.unix_ns)?;
        let bytes = frame::pack(kind::ROUND, &[], &encoded(&round)?)?;
        let offset = growing.append(&bytes)?;
        growing.index.add_round(round, offset, bytes.len() as u64);
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what later snapshots of a process would build on: it is gone.
    pub fn forget(&mut self, process: &ProcessKey) {
        if let Some(growing) = &mut self.file {
            growing.keys.remove(process);
        }
    }

    /// Ends the file that grows: it is on the disk then, with an index beside it.
    ///
    /// # Errors
    ///
    /// What the file system answers about the file; without its index a recording is whole too.
    pub fn rotate(&mut self) -> io::Result<()> {
        if let Some(growing) = self.file.take() {
            growing.file.sync_all()?;
            // Its name too, or the file could be nowhere after the machine has lost its power.
            File::open(&self.directory)?.sync_all()?;
            // A full disk has no room for it, and a reader can do without.
            let _ = growing.index.keep(&growing.path);
        }
        Ok(())
    }

    /// Has what was written so far put on the disk.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn sync(&self) -> io::Result<()> {
        match &self.file {
            Some(growing) => growing.file.sync_data(),
            None => Ok(()),
        }
    }

    /// The file that grows: when it began and how long it is.
    pub fn current(&self) -> Option<(u64, u64)> {
        let index = &self.file.as_ref()?.index;
        Some((index.began_unix_ns, index.bytes))
    }

    /// The path of the file that grows.
    pub fn current_path(&self) -> Option<&Path> {
        Some(&self.file.as_ref()?.path)
    }

    /// Bytes that were written since it was opened.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Where it writes.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn growing(&mut self, unix_ns: u64) -> io::Result<&mut Growing> {
        if self.file.is_none() {
            self.file = Some(Growing::begin(&self.directory, unix_ns)?);
        }
        Ok(self.file.as_mut().expect("it was just begun"))
    }
}

impl Growing {
    fn begin(directory: &Path, unix_ns: u64) -> io::Result<Growing> {
        // Two files of one millisecond differ by the number that follows.
        let names = (unix_ns / 1_000_000..).map(|ms| format!("{ms:017}.{EXTENSION}"));
        for path in names.map(|name| directory.join(name)).take(1_000) {
            let created = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path);
            let file = match created {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let header = frame::file_header(unix_ns);
            if let Err(error) = file.write_all_at(&header, 0) {
                let _ = fs::remove_file(&path);
                return Err(error);
            }
            let index = FileIndex {
                began_unix_ns: unix_ns,
                bytes: header.len() as u64,
                ..FileIndex::default()
            };
            return Ok(Growing {
                path,
                file,
                index,
                keys: HashMap::new(),
            });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// The frames of a snapshot that builds on the last whole one, where that is worth it.
    fn difference(&self, about: &About, image: &Image) -> io::Result<Option<(About, Vec<u8>)>> {
        let Some(key) = self.keys.get(&about.process) else {
            return Ok(None);
        };
        let Some(before) = snapshot::of_frames(&key.packed) else {
            return Ok(None);
        };
        let about = About {
            key_unix_ns: Some(key.unix_ns),
            ..about.clone()
        };
        let bytes = snapshot::pack(&about, image.clone(), Some(&before))?;
        let is_worth_it = bytes.len() as f64 <= key.packed.len() as f64 * DIFFERENCE_MOST;
        Ok(is_worth_it.then_some((about, bytes)))
    }

    /// Writes behind the last frame; gives where.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.index.bytes;
        if let Err(error) = self.file.write_all_at(bytes, offset) {
            // What was written of it would be a tear.
            self.file.set_len(offset)?;
            return Err(error);
        }
        self.index.bytes = offset + bytes.len() as u64;
        Ok(offset)
    }
}
