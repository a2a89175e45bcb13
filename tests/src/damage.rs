//! Breaks segments in place, as a dying machine or a hostile user would.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;

/// A copy of a segment that a test may break.
pub struct Victim {
    /// The file, with the name of a segment.
    pub path: PathBuf,
    original: Vec<u8>,
}

impl Victim {
    /// A copy of `segment` in `dir`, under the same name.
    pub fn copy(segment: &Path, dir: &Path) -> Victim {
        let name = segment.file_name().expect("a segment has a name");
        let len = std::fs::metadata(segment)
            .expect("a segment is there")
            .len();
        assert!(
            len <= 256 << 20,
            "{len} bytes: set MEMSHIM_MAX_SEGMENT, segments are sparse"
        );
        let original = std::fs::read(segment).expect("a segment can be read");
        let victim = Victim {
            path: dir.join(name),
            original,
        };
        victim.heal();
        victim
    }

    /// The size of the whole segment.
    pub fn len(&self) -> usize {
        self.original.len()
    }

    /// Whether there is nothing to break.
    pub fn is_empty(&self) -> bool {
        self.original.is_empty()
    }

    /// Undoes all damage.
    pub fn heal(&self) {
        std::fs::write(&self.path, &self.original).expect("a victim can be written");
    }

    /// Cuts everything behind the first `len` bytes.
    pub fn truncate(&self, len: usize) {
        self.heal();
        let file = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .expect("a victim can be opened");
        file.set_len(len as u64).expect("a victim can be cut");
    }

    /// Writes zeros over `range`.
    pub fn zero(&self, range: std::ops::Range<usize>) {
        self.change(|bytes| bytes[range].fill(0));
    }

    /// Turns single bits, given by their distance from the start in bits.
    pub fn flip(&self, bits: &[usize]) {
        self.change(|bytes| {
            for bit in bits {
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        });
    }

    /// Changes a healed copy through a shared map.
    pub fn change(&self, change: impl FnOnce(&mut [u8])) {
        self.heal();
        let file = OpenOptions::new().read(true).write(true).open(&self.path);
        let mut map = map_shared(&file.expect("a victim can be opened"));
        change(&mut map);
        map.flush().expect("a map of a file can be flushed");
    }
}

fn map_shared(file: &File) -> MmapMut {
    // SAFETY: the file is a private copy that only this test changes, and never cuts while mapped.
    unsafe { MmapMut::map_mut(file) }.expect("a victim can be mapped")
}
