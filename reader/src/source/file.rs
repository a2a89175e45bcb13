//! A segment file as words, read piece by piece and never mapped.
//!
//! A mapping of a file that somebody cuts short kills its reader with SIGBUS; a positioned read
//! just ends early. Holes are stepped over, so that a sparse file costs what it holds and not
//! what it claims.
//! Once nobody writes the file any more it is read in large pieces: the looks at one row from
//! several moments, which tell a row that is being written, are then looks at the same bytes.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use memshim_abi::{WORD_BYTES, Words};

use crate::source::Stored;

/// Words fetched by one read: a page.
const PAGE_WORDS: usize = 512;

/// Bytes fetched at once from a file that rests: few enough for the processor's second cache,
/// enough for a system call to cost nothing beside the copy.
const PIECE_BYTES: u64 = 256 << 10;

/// An open segment file.
#[derive(Debug)]
pub struct FileWords {
    file: File,
    /// The stretch of data that was found last, in bytes; data never becomes a hole again.
    data: Cell<(u64, u64)>,
    /// Whether nobody writes the file any more.
    is_at_rest: Cell<bool>,
    /// The piece that was read last, once the file is at rest.
    piece: RefCell<Piece>,
}

/// Bytes of the file that were read ahead.
#[derive(Debug, Default)]
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
}

impl Piece {
    /// The `len` bytes at `offset`, if it has them all.
    fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(start..start.checked_add(len)?)
    }
}

impl FileWords {
    /// Words of an open file.
    pub fn new(file: File) -> FileWords {
        FileWords {
            file,
            data: Cell::new((0, 0)),
            is_at_rest: Cell::new(false),
            piece: RefCell::default(),
        }
    }

    /// Copies words out of the piece that was read ahead, after another piece was read where that
    /// helps; `false` where it does not.
    ///
    /// Pieces end with the stretch of data that [`Words::next_data`] found last: a file of many
    /// small islands costs what it holds.
    fn copy_ahead(&self, offset: u64, into: &mut [u64]) -> bool {
        if !self.is_at_rest.get() {
            return false;
        }
        let len = size_of_val(into);
        let mut piece = self.piece.borrow_mut();
        if piece.get(offset, len).is_none() {
            let (start, end) = self.data.get();
            let ahead = end.saturating_sub(offset).min(PIECE_BYTES);
            if offset < start || ahead < len as u64 {
                return false;
            }
            piece.offset = offset;
            piece.bytes.resize(ahead as usize, 0);
            self.read(&mut piece.bytes, offset);
        }
        let Some(bytes) = piece.get(offset, len) else {
            return false;
        };
        fill_words(into, bytes);
        true
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

/// Words from as many bytes, which stand in the file in the order of the machine that wrote it.
fn fill_words(words: &mut [u64], bytes: &[u8]) {
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
}

fn last_errno() -> Option<i32> {
    std::io::Error::last_os_error().raw_os_error()
}

impl Stored for FileWords {
    fn rest(&self) {
        self.is_at_rest.set(true);
    }
}

impl Words for FileWords {
    fn load(&self, index: u64) -> u64 {
        let mut word = [0];
        // A system call is not moved past another, so later loads see what was stored before.
        self.copy(index, &mut word);
        word[0]
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let mut offset = index.saturating_mul(WORD_BYTES);
        if self.copy_ahead(offset, into) {
            return;
        }
        let mut bytes = [0; PAGE_WORDS * WORD_BYTES as usize];
        for part in into.chunks_mut(PAGE_WORDS) {
            let bytes = &mut bytes[..part.len() * WORD_BYTES as usize];
            self.read(bytes, offset);
            offset = offset.saturating_add(bytes.len() as u64);
            fill_words(part, bytes);
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

    /// `name` keeps tests that run together apart.
    fn sparse_file(name: &str) -> FileWords {
        let name = format!("memshim-sparse-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
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
        let words = sparse_file("terabyte");
        let found = words.next_data(0).expect("there is a word");
        assert!(found > 0 && found <= 1 << 36, "{found}");
        assert_eq!(words.load(1 << 36), 7);
        assert_eq!(words.next_data(1 << 37 | 512), None);
    }

    #[test]
    fn a_file_at_rest_reads_the_same_words() {
        let (live, still) = (sparse_file("live"), sparse_file("still"));
        still.rest();
        for words in [&live, &still] {
            words.next_data(0);
        }
        let around = (1u64 << 36) - 700..(1 << 36) + 700;
        for start in around.step_by(97).chain([0, u64::MAX / 8, u64::MAX]) {
            for len in [1, 64, 512, 1_000] {
                let (mut expected, mut got) = (vec![1; len], vec![2; len]);
                live.copy(start, &mut expected);
                still.copy(start, &mut got);
                assert_eq!(got, expected, "{len} words from {start}");
            }
        }
    }

    #[test]
    fn words_past_the_end_read_as_zero() {
        let mut words = [1; 3];
        sparse_file("end").copy(u64::MAX / 8, &mut words);
        assert_eq!(words, [0; 3]);
    }
}
