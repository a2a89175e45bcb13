//! A segment file as words, read piece by piece and never mapped.
//!
//! A mapping of a file that somebody cuts short kills its reader with SIGBUS; a positioned read
//! just ends early. Holes are stepped over, so that a sparse file costs what it holds and not
//! what it claims.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use memshim_abi::{WORD_BYTES, Words};

/// Words fetched by one read: a page.
const PAGE_WORDS: usize = 512;

/// An open segment file.
#[derive(Debug)]
pub struct FileWords {
    file: File,
    /// The stretch of data that was found last, in bytes; data never becomes a hole again.
    data: Cell<(u64, u64)>,
}

impl FileWords {
    /// Words of an open file.
    pub fn new(file: File) -> FileWords {
        FileWords {
            file,
            data: Cell::new((0, 0)),
        }
    }

    /// Fills `into` from `offset` on; what the file does not have reads as 0.
    fn read(&self, into: &mut [u8], offset: u64) {
        let mut filled = 0;
        while filled < into.len() {
            let Some(rest) = into.get_mut(filled..) else {
                break;
            };
            match self
                .file
                .read_at(rest, offset.saturating_add(filled as u64))
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        into[filled..].fill(0);
    }

    /// Moves to the first data (`SEEK_DATA`) or hole (`SEEK_HOLE`) at or after `offset`; see
    /// lseek(2).
    fn seek(&self, offset: u64, whence: libc::c_int) -> Seek {
        let Ok(offset) = libc::off_t::try_from(offset) else {
            return Seek::PastEnd;
        };
        // SAFETY: lseek only moves the position of this descriptor, which `file` keeps open; no
        // other code uses that position, since all reads here are positioned.
        let found = unsafe { libc::lseek(self.file.as_raw_fd(), offset, whence) };
        match u64::try_from(found) {
            Ok(found) => Seek::Found(found),
            Err(_) if last_errno() == Some(libc::ENXIO) => Seek::PastEnd,
            Err(_) => Seek::Unsupported,
        }
    }
}

/// What lseek(2) answers about data and holes.
enum Seek {
    Found(u64),
    PastEnd,
    Unsupported,
}

fn last_errno() -> Option<i32> {
    std::io::Error::last_os_error().raw_os_error()
}

impl Words for FileWords {
    fn load(&self, index: u64) -> u64 {
        let mut word = [0];
        // A system call is not moved past another, so later loads see what was stored before.
        self.copy(index, &mut word);
        word[0]
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let mut bytes = [0; PAGE_WORDS * WORD_BYTES as usize];
        let mut offset = index.saturating_mul(WORD_BYTES);
        for part in into.chunks_mut(PAGE_WORDS) {
            let bytes = &mut bytes[..part.len() * WORD_BYTES as usize];
            self.read(bytes, offset);
            offset = offset.saturating_add(bytes.len() as u64);
            for (word, bytes) in part.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
    }

    fn next_data(&self, index: u64) -> Option<u64> {
        let offset = index.checked_mul(WORD_BYTES)?;
        let (start, end) = self.data.get();
        if (start..end).contains(&offset) {
            return Some(index);
        }
        let start = match self.seek(offset, libc::SEEK_DATA) {
            Seek::Found(start) => start,
            Seek::PastEnd => return None,
            Seek::Unsupported => return Some(index),
        };
        if let Seek::Found(end) = self.seek(start, libc::SEEK_HOLE) {
            self.data.set((start, end));
        }
        Some((start / WORD_BYTES).max(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse_file() -> FileWords {
        let path = std::env::temp_dir().join(format!("memshim-sparse-{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let file = file.expect("the temporary directory is writable");
        std::fs::remove_file(path).expect("a new file can be removed");
        file.set_len(1 << 40).expect("a sparse file takes no room");
        file.write_all_at(&7u64.to_le_bytes(), 1 << 39)
            .expect("a file can be written");
        FileWords::new(file)
    }

    #[test]
    fn a_terabyte_of_nothing_is_stepped_over() {
        let words = sparse_file();
        let found = words.next_data(0).expect("there is a word");
        assert!(found > 0 && found <= 1 << 36, "{found}");
        assert_eq!(words.load(1 << 36), 7);
        assert_eq!(words.next_data(1 << 37 | 512), None);
    }

    #[test]
    fn words_past_the_end_read_as_zero() {
        let mut words = [1; 3];
        sparse_file().copy(u64::MAX / 8, &mut words);
        assert_eq!(words, [0; 3]);
    }
}
