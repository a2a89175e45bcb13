//! What an ELF file says about itself: which build it is, and where its debug information went.

#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use object::{Object, ObjectSection, ReadCache};

use crate::source::go::executable::{Executable, build_id};

/// The identity of one ELF file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The GNU build-id; empty where there is none.
    pub(crate) build_id: Vec<u8>,
    /// The name and the CRC-32 of the file that has the debug information.
    pub(crate) debug_link: Option<(String, u32)>,
    /// Whether lines and inlined functions can be found in it.
    pub(crate) has_debug_info: bool,
    /// Whether it names functions that it does not export.
    pub(crate) has_symbols: bool,
    /// Whether Go made it, whose own table names its functions and lines.
    pub(crate) has_go_table: bool,
}

impl Identity {
    /// Reads only headers, notes and section names: a 100 MB file costs a few reads.
    pub(crate) fn read(path: &Path) -> io::Result<Identity> {
        let cache = ReadCache::new(open(path)?);
        let file = object::File::parse(&cache).map_err(io::Error::other)?;
        let build_id = build_id(&file);
        // A damaged link is no reason to refuse a file that is right otherwise.
        let debug_link = file.gnu_debuglink().ok().flatten();
        let is_filled = |name: &str| {
            file.section_by_name(name)
                .is_some_and(|section| section.size() > 0)
        };
        Ok(Identity {
            build_id,
            debug_link: debug_link.map(|(name, crc)| (String::from_utf8_lossy(name).into(), crc)),
            has_debug_info: is_filled(".debug_info"),
            has_symbols: is_filled(".symtab"),
            has_go_table: [".gopclntab", ".data.rel.ro.gopclntab"]
                .iter()
                .any(|name| is_filled(name))
                || file.sections().next().is_none() && Executable::open(path).is_ok(),
        })
    }
}

/// The checksum that a `.gnu_debuglink` names its file by.
pub(crate) fn crc32(path: &Path) -> io::Result<u32> {
    let mut reader = BufReader::with_capacity(1 << 20, open(path)?);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Opens regular files only: a path from a hostile target may name a pipe that never answers.
fn open(path: &Path) -> io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}
