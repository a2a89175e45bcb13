//! The stacks of a segment as bare addresses, read without the reader: what the shim itself wrote.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memshim_abi::header::{Attach, Header, attach};
use memshim_abi::region::Region;
use memshim_abi::{WORD_BYTES, Words, sites};

pub use memshim_abi::counters;
pub use memshim_abi::sites::flag;

/// The stack of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Return addresses, innermost first.
    pub pcs: Vec<u64>,
    /// Bits of [`flag`].
    pub flags: u16,
}

/// A segment at rest.
pub struct Stacks {
    header: Header,
    /// One for each site.
    pub all: Vec<Stack>,
}

/// A file that is read word by word: it is as long as it may become, and nearly all hole.
struct FileWords(File);

impl Words for FileWords {
    fn load(&self, index: u64) -> u64 {
        let mut word = [0];
        self.copy(index, &mut word);
        word[0]
    }

    fn copy(&self, index: u64, into: &mut [u64]) {
        let mut bytes = vec![0; into.len() * WORD_BYTES as usize];
        let read = self.0.read_exact_at(&mut bytes, index * WORD_BYTES);
        read.expect("the segment is as long as its header says");
        for (word, bytes) in into.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
    }
}

impl Stacks {
    /// Reads the segment of a process that has ended.
    pub fn of(path: &Path) -> Stacks {
        let file = File::open(path).expect("a segment can be read");
        let len = file.metadata().expect("a segment has a length").len();
        let words = FileWords(file);
        let header = match attach(&words, len) {
            Attach::Attached(header) => header,
            other => panic!("{} is no segment: {other:?}", path.display()),
        };
        let (rows, frames) = (header.region(Region::Sites), header.region(Region::Frames));
        let sites = (0..rows.rows).filter_map(|row| sites::read(&words, rows, row));
        let stack = |site: sites::Site| {
            let mut pcs = vec![0; usize::from(site.identity.depth)];
            words.copy(frames.row(site.identity.first_frame.into()), &mut pcs);
            let flags = site.identity.flags;
            Stack { pcs, flags }
        };
        let all = sites.map(stack).collect();
        Stacks { header, all }
    }

    /// The value of one of [`counters`].
    pub fn counter(&self, id: usize) -> u64 {
        self.header.counter(id)
    }
}
