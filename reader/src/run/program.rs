//! Whether a program can be preloaded at all, found out before it runs.

#![forbid(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use object::read::elf::FileHeader;
use object::{Endianness, Object, ObjectSymbol, ReadCache, elf};

use crate::source::go::Executable;
use crate::source::process::own_ids;

/// Scripts may be interpreted by scripts; the kernel follows this many (execve(2)).
const INTERPRETERS_MAX: usize = 5;

/// Bytes of a script's first line that the kernel looks at.
const LINE_BYTES: usize = 256;

/// Why memshim sees nothing of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obstacle {
    Static,
    /// None in truth: the Go runtime is asked instead of a preload.
    StaticGo,
    Privileged,
    OwnMalloc,
    OtherClass,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Obstacle::Static => {
                "it is a static executable, which loads no libraries, so its allocations cannot be \
                 seen"
            }
            Obstacle::StaticGo => "it is a static Go program",
            Obstacle::Privileged => {
                "it is setuid or setgid, and the loader ignores LD_PRELOAD for such programs"
            }
            Obstacle::OwnMalloc => {
                "it has its own malloc, so its calls never reach a preloaded one"
            }
            Obstacle::OtherClass => "it is built for another processor or word size than memshim",
        })
    }
}

/// What keeps memshim from seeing the allocations of the command `name`; `None` where nothing
/// does, or where nobody can tell.
pub(crate) fn obstacle(name: &OsStr) -> Option<Obstacle> {
    let mut path = find_in_path(name)?;
    for _ in 0..INTERPRETERS_MAX {
        match interpreter(&path) {
            Some(interpreter) => path = interpreter,
            None => return of_executable(&path),
        }
    }
    None
}

/// The file that the system would execute.
fn find_in_path(name: &OsStr) -> Option<PathBuf> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    let is_executable = |path: &PathBuf| {
        let metadata = fs::metadata(path);
        metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(is_executable)
}

/// The program in the `#!` line of a script; for env(1) the one that it will start.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut line = Vec::new();
    let file = File::open(path).ok().filter(|_| path.is_file())?;
    file.take(LINE_BYTES as u64).read_to_end(&mut line).ok()?;
    let line = line
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let words = line
        .split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let mut words = words.map(|word| OsString::from_vec(word.to_vec()));
    let interpreter = PathBuf::from(words.next()?);
    if interpreter.file_name() != Some(OsStr::new("env")) {
        return Some(interpreter);
    }
    let is_flag = |word: &OsString| {
        let bytes = word.as_encoded_bytes();
        bytes.starts_with(b"-") || bytes.contains(&b'=')
    };
    words
        .find(|word| !is_flag(word))
        .and_then(|name| find_in_path(&name))
        .or(Some(interpreter))
}

fn of_executable(path: &Path) -> Option<Obstacle> {
    let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
    if is_privileged(&metadata) {
        return Some(Obstacle::Privileged);
    }
    let data = ReadCache::new(File::open(path).ok()?);
    let Ok(header) = elf::FileHeader64::<Endianness>::parse(&data) else {
        let is_elf32 = elf::FileHeader32::<Endianness>::parse(&data).is_ok();
        return is_elf32.then_some(Obstacle::OtherClass);
    };
    let endian = header.endian().ok()?;
    if header.e_machine(endian) != OWN_MACHINE {
        return Some(Obstacle::OtherClass);
    }
    let segments = header.program_headers(endian, &data).ok()?;
    if !segments
        .iter()
        .any(|segment| segment.p_type.get(endian) == elf::PT_INTERP)
    {
        let is_go = Executable::open(path).is_ok();
        return Some(if is_go {
            Obstacle::StaticGo
        } else {
            Obstacle::Static
        });
    }
    let file = object::File::parse(&data).ok()?;
    let is_malloc = |symbol: object::Symbol<'_, '_, _>| {
        symbol.is_definition() && symbol.name_bytes() == Ok(b"malloc")
    };
    file.dynamic_symbols()
        .any(is_malloc)
        .then_some(Obstacle::OwnMalloc)
}

/// Whether executing the file changes whom the process acts as.
fn is_privileged(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    let Some((user, group)) = own_ids() else {
        return false;
    };
    mode & libc::S_ISUID != 0 && metadata.uid() != user
        || mode & libc::S_ISGID != 0 && mode & libc::S_IXGRP != 0 && metadata.gid() != group
}

/// The processor that this reader, and so the shim beside it, was built for.
const OWN_MACHINE: elf::Machine = if cfg!(target_arch = "aarch64") {
    elf::EM_AARCH64
} else {
    elf::EM_X86_64
};

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, expected: Option<Obstacle>) {
        assert_eq!(obstacle(OsStr::new(command)), expected, "{command}");
    }

    #[test]
    fn an_ordinary_program_and_one_that_is_not_there_meet_no_obstacle() {
        check("sh", None);
        check("no-such-program-anywhere", None);
        check("/no/such/file", None);
        check("/", None);
    }

    #[test]
    fn an_interpreter_is_looked_at_in_the_place_of_its_script() {
        let path = std::env::temp_dir().join(format!("memshim-script-{}", std::process::id()));
        fs::write(&path, "#!/usr/bin/env -S X=1 sh -e\n").expect("a script can be written");
        let found = interpreter(&path);
        fs::remove_file(&path).expect("a script can be removed");
        assert_eq!(found, find_in_path(OsStr::new("sh")));
    }
}
