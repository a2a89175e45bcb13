//! A Go executable on disk: which Go made it, what lies where, and what relocations change.
//!
//! Only what is asked for is read. Every address and length comes from a file that may be cut short
//! or hostile, so reads outside of it are `None` and nothing is larger than the file.

#![forbid(unsafe_code)]

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use object::read::elf::{FileHeader, ProgramHeader};
use sha2::{Digest, Sha256};

use object::{Endianness, Object, ObjectSection, ObjectSymbol, ReadCache, elf};

use crate::source::go::Refusal;

/// What the linker puts before the version; see Go's debug/buildinfo.
const BUILD_INFO_MAGIC: &[u8] = b"\xff Go buildinf:";

/// The version follows the header directly, as a length and text, since Go 1.18.
const BUILD_INFO_INLINE: u8 = 2;
const BUILD_INFO_HEADER: usize = 32;

/// The build info stands at the start of the data; Go's own tools look no further than this.
const BUILD_INFO_SEARCHED: usize = 64 << 10;

/// The longest version text that makes sense, such as `devel go1.24-... X:experiments`.
const VERSION_MAX: usize = 256;

/// Bytes of the digest that stands for Go's own build-id.
const GO_ID_BYTES: usize = 20;

/// The symbols that the rest of this folder asks for.
pub const SYMBOLS: &[&str] = &[
    "runtime.mbuckets",
    "runtime.mProfCycle",
    "runtime.disableMemoryProfiling",
    "runtime.MemProfileRate",
    "runtime.text",
    "runtime.firstmoduledata",
    "runtime.allglen",
    "runtime.sched",
    "runtime.allp",
    "go:func.*",
    "go.func.*",
];

/// A stretch of the file that is loaded to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Its address before any bias.
    pub address: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// Bytes of it that the file has.
    pub file_bytes: u64,
    /// Bytes that it takes in memory; what the file has not is 0 at first.
    pub memory_bytes: u64,
    /// Whether the program may write to it.
    pub is_writable: bool,
    /// Whether it is code.
    pub is_code: bool,
}

/// A section: its address and its length.
pub type Section = (u64, u64);

/// A Go executable that is open for reading.
#[derive(Debug)]
pub struct Executable {
    file: File,
    /// What is loaded, by address.
    pub loads: Vec<Load>,
    /// The Go that built it, such as `go1.21.13`.
    pub version_text: String,
    /// The same as a pair: minor and patch of Go 1; `None` for a version that is none.
    pub version: Option<(u32, u32)>,
    /// Its GNU build-id, or else a digest of Go's own; empty where it has neither.
    pub build_id: Vec<u8>,
    /// Whether the loader resolves symbols for it, so that a preload reaches it.
    pub has_interpreter: bool,
    /// Whether it is loaded at another address than the file says.
    pub is_position_independent: bool,
    sections: HashMap<String, Section>,
    symbols: HashMap<&'static str, u64>,
    relocation_table: Option<Section>,
    relocations: OnceCell<HashMap<u64, u64>>,
}

impl Executable {
    /// Opens an executable and looks whether Go made it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotGo`] where it is something else, [`Refusal::Executable`] where the file cannot
    /// be read.
    pub fn open(path: &Path) -> Result<Executable, Refusal> {
        let refused = Refusal::Executable;
        if !path.metadata().map_err(refused)?.is_file() {
            return Err(refused(io::Error::other("it is no regular file")));
        }
        let file = File::open(path).map_err(refused)?;
        let cache = ReadCache::new(file.try_clone().map_err(refused)?);
        Executable::parse(file, &cache).ok_or(Refusal::NotGo)
    }

    fn parse(file: File, cache: &ReadCache<File>) -> Option<Executable> {
        let header = elf::FileHeader64::<Endianness>::parse(cache).ok()?;
        let endian = header.endian().ok()?;
        if header.e_machine(endian) != elf::EM_X86_64 {
            return None;
        }
        let mut executable = Executable {
            file,
            loads: Vec::new(),
            version_text: String::new(),
            version: None,
            build_id: Vec::new(),
            has_interpreter: false,
            is_position_independent: header.e_type(endian) == elf::ET_DYN,
            sections: HashMap::new(),
            symbols: HashMap::new(),
            relocation_table: None,
            relocations: OnceCell::new(),
        };
        let mut dynamic = None;
        for segment in header.program_headers(endian, cache).ok()? {
            let flags = segment.p_flags(endian);
            match segment.p_type(endian) {
                elf::PT_LOAD => executable.loads.push(Load {
                    address: segment.p_vaddr(endian),
                    offset: segment.p_offset(endian),
                    file_bytes: segment.p_filesz(endian).min(segment.p_memsz(endian)),
                    memory_bytes: segment.p_memsz(endian),
                    is_writable: flags & elf::PF_W != elf::ProgramFlags(0),
                    is_code: flags & elf::PF_X != elf::ProgramFlags(0),
                }),
                elf::PT_INTERP => executable.has_interpreter = true,
                elf::PT_DYNAMIC => {
                    dynamic = Some((segment.p_vaddr(endian), segment.p_filesz(endian)));
                }
                _ => {}
            }
        }
        executable.loads.sort_by_key(|load| load.address);
        // A damaged section table is no reason to give up: the segments say enough.
        let parsed = object::File::parse(cache).ok();
        if let Some(parsed) = &parsed {
            executable.note_sections(parsed);
        }
        executable.version_text = executable.find_version()?;
        if let Some(parsed) = &parsed {
            executable.build_id = build_id(parsed);
            executable.note_symbols(parsed);
        }
        executable.version = version_of(&executable.version_text);
        executable.relocation_table = dynamic.and_then(|table| executable.find_relocations(table));
        Some(executable)
    }

    fn note_sections<'a>(&mut self, parsed: &object::File<'a, &'a ReadCache<File>>) {
        for section in parsed.sections() {
            if let Ok(name) = section.name() {
                let place = (section.address(), section.size());
                self.sections.insert(name.to_owned(), place);
            }
        }
    }

    fn note_symbols<'a>(&mut self, parsed: &object::File<'a, &'a ReadCache<File>>) {
        for symbol in parsed.symbols() {
            let name = symbol.name_bytes().unwrap_or_default();
            // Few names begin so, and comparing each with all would take most of the time.
            if !name.starts_with(b"runtime.") && !name.starts_with(b"go") {
                continue;
            }
            if let Some(known) = SYMBOLS.iter().find(|known| known.as_bytes() == name) {
                self.symbols.insert(known, symbol.address());
            }
        }
    }

    /// The address of one of [`SYMBOLS`], where the file still names it.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.symbols.get(name).copied()
    }

    /// A section by its name, with or without what the linker puts before it in relocated ones.
    pub fn section(&self, name: &str) -> Option<Section> {
        let found = self.sections.get(name);
        found
            .or_else(|| self.sections.get(&format!(".data.rel.ro{name}")))
            .copied()
            .filter(|(address, size)| *address != 0 && *size != 0)
    }

    /// The stretch that an address lies in.
    pub fn load_of(&self, address: u64) -> Option<&Load> {
        let last = self.loads.partition_point(|load| load.address <= address);
        let load = self.loads.get(last.checked_sub(1)?)?;
        (address - load.address < load.memory_bytes).then_some(load)
    }

    /// Whether a variable may lie here.
    pub fn is_writable(&self, address: u64) -> bool {
        self.load_of(address).is_some_and(|load| load.is_writable)
    }

    /// Bytes that the file has from `address` on in the same stretch.
    pub fn bytes_from(&self, address: u64) -> u64 {
        self.load_of(address).map_or(0, |load| {
            load.file_bytes.saturating_sub(address - load.address)
        })
    }

    /// The bytes at an address as the file has them; `None` where it has not all of them.
    pub fn read(&self, address: u64, len: u64) -> Option<Vec<u8>> {
        if len > self.bytes_from(address) {
            return None;
        }
        let load = self.load_of(address)?;
        let offset = load.offset.checked_add(address - load.address)?;
        // A header may claim more than there is; the file's own length bounds what is asked for.
        let file_bytes = self.file.metadata().ok()?.len();
        if offset.checked_add(len)? > file_bytes {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    /// The pointer at an address, as it is once the program is loaded without a bias.
    pub fn pointer(&self, address: u64) -> Option<u64> {
        if let Some(target) = self.relocations().get(&address) {
            return Some(*target);
        }
        let bytes = self.read(address, 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// Pointers that the loader fills in: their addresses and what they point at.
    pub fn relocations(&self) -> &HashMap<u64, u64> {
        self.relocations.get_or_init(|| {
            let table = self
                .relocation_table
                .filter(|_| self.is_position_independent);
            let bytes = table.and_then(|(address, size)| self.read(address, size));
            let bytes = bytes.unwrap_or_default();
            let relatives = bytes.as_chunks::<24>().0.iter().filter_map(relative);
            relatives.collect()
        })
    }

    /// The table that DT_RELA and DT_RELASZ name (elf(5)).
    fn find_relocations(&self, (address, size): Section) -> Option<Section> {
        let bytes = self.read(address, size)?;
        let value = |wanted: u64| {
            let entries = bytes.as_chunks::<16>().0.iter();
            let mut entries = entries.map(|entry| {
                let (tag, value) = entry.split_at(8);
                (word(tag), word(value))
            });
            entries.find_map(|(tag, value)| (tag == wanted).then_some(value))
        };
        const DT_RELA: u64 = 7;
        const DT_RELASZ: u64 = 8;
        Some((value(DT_RELA)?, value(DT_RELASZ)?))
    }

    /// The version in the build info.
    fn find_version(&self) -> Option<String> {
        if let Some((address, size)) = self.section(".go.buildinfo")
            && let Some(bytes) = self.read(address, size)
        {
            return version_text(&bytes);
        }
        if !self.sections.is_empty() {
            // Whoever strips the names of sections strips all of them.
            return None;
        }
        let loads = self.loads.iter().filter(|load| !load.is_code);
        loads.into_iter().find_map(|load| {
            let len = load.file_bytes.min(BUILD_INFO_SEARCHED as u64);
            let bytes = self.read(load.address, len)?;
            // The linker aligns it by its address, which a segment's start need not be.
            let skipped = load.address.next_multiple_of(16) - load.address;
            let places = bytes.get(skipped as usize..)?;
            let mut places = (0..places.len())
                .step_by(16)
                .filter_map(|at| places.get(at..));
            places.find_map(version_text)
        })
    }
}

/// What tells one build from another: the GNU build-id, or else a digest of the id that Go gives
/// to all it builds, which is too long for a segment.
pub(crate) fn build_id<'a>(file: &object::File<'a, &'a ReadCache<File>>) -> Vec<u8> {
    if let Ok(Some(id)) = file.build_id() {
        return id.to_vec();
    }
    let section = file.section_by_name(".note.go.buildid");
    let note = section.and_then(|section| section.data().ok());
    let digest = |note: &[u8]| Sha256::digest(note)[..GO_ID_BYTES].to_vec();
    note.map(digest).unwrap_or_default()
}

/// What a relative relocation changes, and to what; others need symbols, which Go's data do not.
fn relative(entry: &[u8; 24]) -> Option<(u64, u64)> {
    const R_X86_64_RELATIVE: u64 = 8;
    let (address, rest) = entry.split_at(8);
    let (kind, addend) = rest.split_at(8);
    (word(kind) == R_X86_64_RELATIVE).then(|| (word(address), word(addend)))
}

/// The version in build info that begins with `bytes`.
fn version_text(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(BUILD_INFO_MAGIC) || bytes.get(15)? & BUILD_INFO_INLINE == 0 {
        return None;
    }
    let (len, used) = variable_length(bytes.get(BUILD_INFO_HEADER..)?)?;
    let start = BUILD_INFO_HEADER + used;
    let len = usize::try_from(len)
        .ok()
        .filter(|len| *len <= VERSION_MAX)?;
    let text = bytes.get(start..start.checked_add(len)?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Minor and patch of `go1.21.13`, `go1.22rc1` or `go1.24.1 X:experiment`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let start = text.find("go1.")?;
    let rest = &text[start + "go1.".len()..];
    let number = |text: &str| {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        (text[..digits].parse::<u32>(), text[digits..].to_owned())
    };
    let (minor, rest) = number(rest);
    let patch = rest.strip_prefix('.').map(|rest| number(rest).0);
    Some((minor.ok()?, patch.and_then(Result::ok).unwrap_or(0)))
}

/// A number in seven bits a byte, the lowest first, and how many bytes it took.
pub(crate) fn variable_length(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u32, u32)>) {
        assert_eq!(version_of(text), expected, "{text}");
    }

    #[test]
    fn versions_of_every_kind_are_understood() {
        check("go1.21.13", Some((21, 13)));
        check("go1.22rc1", Some((22, 0)));
        check("go1.24.1 X:aliastypeparams", Some((24, 1)));
        check("devel go1.28-d1a2b3", Some((28, 0)));
        check("go2.1", None);
        check("unknown", None);
    }

    #[test]
    fn an_executable_of_another_language_is_no_go_program() {
        let path = std::env::current_exe().expect("a test is a file");
        assert!(matches!(Executable::open(&path), Err(Refusal::NotGo)));
        assert!(matches!(
            Executable::open(Path::new("/")),
            Err(Refusal::Executable(_))
        ));
    }
}
