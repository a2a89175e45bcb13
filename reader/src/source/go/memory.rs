//! The memory of a running process, read in large pieces and never stopped for it.
//!
//! It is read through /proc/PID/mem, whose open file belongs to one address space and not to a
//! process id: after an exec, or when the id is another's by then, nothing is read and nothing
//! written.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a piece; reads of less cost as much.
const PIECE_BYTES: u64 = 64 << 10;

/// Bytes of a page: mappings begin and end with one.
const PAGE_BYTES: u64 = 4 << 10;

/// Pieces that are kept: a list runs through few regions at a time.
const PIECES_MAX: usize = 16;

/// An address space.
#[derive(Debug)]
pub struct Memory {
    file: File,
    pieces: Vec<Piece>,
    /// Which piece gives way next.
    oldest: usize,
    /// Bytes that were read so far.
    pub read_bytes: u64,
}

#[derive(Debug)]
struct Piece {
    address: u64,
    bytes: Vec<u8>,
}

impl Memory {
    /// The address space that a process has now.
    ///
    /// # Errors
    ///
    /// Those of the kernel: the process is gone, or is another user's.
    pub fn open(pid: u32) -> io::Result<Memory> {
        // Who may read it may write to it too (proc_pid_mem(5)).
        let mut options = File::options();
        let options = options.read(true).write(true);
        Ok(Memory::of(options.open(format!("/proc/{pid}/mem"))?))
    }

    /// The address space that an open file stands for.
    pub(crate) fn of(file: File) -> Memory {
        Memory {
            file,
            pieces: Vec::new(),
            oldest: 0,
            read_bytes: 0,
        }
    }

    /// Writes bytes at an address, also where the program itself may not.
    ///
    /// # Errors
    ///
    /// Those of the kernel: nothing is mapped there, or the address space is gone.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, address)
    }

    /// Forgets what was read, so that the next reads are of now.
    pub fn forget(&mut self) {
        self.pieces.clear();
        self.oldest = 0;
    }

    /// Copies bytes at an address, perhaps as they were at an earlier read since the last
    /// [`Memory::forget`]; `false` where there are not so many.
    pub fn copy(&mut self, address: u64, into: &mut [u8]) -> bool {
        let mut done = 0;
        while done < into.len() {
            let Some(at) = address.checked_add(done as u64) else {
                return false;
            };
            let Some(bytes) = self.piece(at) else {
                return false;
            };
            let len = bytes.len().min(into.len() - done);
            into[done..done + len].copy_from_slice(&bytes[..len]);
            done += len;
        }
        true
    }

    /// Copies bytes as they are now.
    pub fn copy_now(&mut self, address: u64, into: &mut [u8]) -> bool {
        self.read_bytes += into.len() as u64;
        self.file.read_exact_at(into, address).is_ok()
    }

    /// A word as it is now.
    pub fn word_now(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.copy_now(address, &mut bytes)
            .then(|| u64::from_le_bytes(bytes))
    }

    /// What follows an address within its piece; `None` where nothing is mapped.
    fn piece(&mut self, address: u64) -> Option<&[u8]> {
        let has = |piece: &Piece| {
            address
                .checked_sub(piece.address)
                .is_some_and(|at| at < piece.bytes.len() as u64)
        };
        let index = match self.pieces.iter().position(has) {
            Some(index) => index,
            None => self.fetch(address)?,
        };
        let piece = &self.pieces[index];
        piece.bytes.get((address - piece.address) as usize..)
    }

    /// Reads the piece around an address, or only its page where the piece is not all mapped.
    fn fetch(&mut self, address: u64) -> Option<usize> {
        let piece = self
            .read_aligned(address, PIECE_BYTES)
            .or_else(|| self.read_aligned(address, PAGE_BYTES))?;
        if self.pieces.len() < PIECES_MAX {
            self.pieces.push(piece);
            return Some(self.pieces.len() - 1);
        }
        let index = self.oldest;
        self.oldest = (index + 1) % PIECES_MAX;
        self.pieces[index] = piece;
        Some(index)
    }

    fn read_aligned(&mut self, address: u64, len: u64) -> Option<Piece> {
        let address = address - address % len;
        let mut bytes = vec![0; len as usize];
        self.file.read_exact_at(&mut bytes, address).ok()?;
        self.read_bytes += len;
        Some(Piece { address, bytes })
    }
}
