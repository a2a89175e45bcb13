//! Finds the files that describe a module, and refuses those of another build.
//!
//! A path says where a file was when the program started. By now it may be an upgraded library,
//! a file of another container, or nothing; names from the wrong build are worse than none.
//! So a file is taken only if its build-id is the recorded one, wherever it lies.

#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::symbols::files::Files;
use crate::symbols::{Module, Search, hex};

/// Where distributions put separate debug files.
const DEBUG_ROOT: &str = "usr/lib/debug";

/// The files of a module; empty for one that has no file.
pub(crate) fn locate(module: &Module, search: &Search) -> Files {
    let mut files = Files::default();
    if !module.has_file() {
        return files;
    }
    for path in binary_candidates(module, search) {
        if let Some(identity) = files.accept(&path, &module.build_id) {
            files.binary = Some((path, identity));
            break;
        }
    }
    if files
        .binary
        .as_ref()
        .is_none_or(|(_, identity)| !identity.has_debug_info)
    {
        files.debug = find_debug(module, search, &mut files);
    }
    files
}

/// Roots of separate debug files: the target's own first, since its libraries are installed there.
pub(crate) fn debug_roots(search: &Search) -> Vec<PathBuf> {
    let own = search.pid.map(|pid| process_root(pid).join(DEBUG_ROOT));
    own.into_iter()
        .chain([Path::new("/").join(DEBUG_ROOT)])
        .collect()
}

/// Where the loaded file may be, the surest first.
fn binary_candidates(module: &Module, search: &Search) -> Vec<PathBuf> {
    let path = recorded_path(module);
    let relative = path.strip_prefix("/").unwrap_or(path);
    let mut candidates = Vec::new();
    if let Some(pid) = search.pid {
        candidates.push(process_root(pid).join(relative));
        candidates.extend(mapped_file(pid, module));
    }
    candidates.push(path.to_owned());
    for directory in &search.directories {
        candidates.push(directory.join(relative));
        candidates.extend(path.file_name().map(|name| directory.join(name)));
    }
    candidates
}

/// The path without what the kernel adds to files that were deleted while mapped.
fn recorded_path(module: &Module) -> &Path {
    Path::new(
        module
            .path
            .strip_suffix(" (deleted)")
            .unwrap_or(&module.path),
    )
}

/// The root of the process's file system, which in a container is another than ours (proc(5)).
fn process_root(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
}

/// The kernel's own handle on the mapped file, there even if it was deleted (proc(5)).
///
/// Its name has the range of one mapping, of which a module has several.
fn mapped_file(pid: u32, module: &Module) -> Option<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mut ranges = maps.lines().filter_map(|line| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some((
            u64::from_str_radix(start, 16).ok()?,
            u64::from_str_radix(end, 16).ok()?,
        ))
    });
    let is_of_module = |(start, _): &(u64, u64)| (module.start..module.end).contains(start);
    let (start, end) = ranges.find(is_of_module)?;
    // The names have no leading zeros, unlike the lines of maps.
    Some(PathBuf::from(format!(
        "/proc/{pid}/map_files/{start:x}-{end:x}"
    )))
}

/// The separate debug file: by build-id, then by the name that the binary links to.
fn find_debug(module: &Module, search: &Search, files: &mut Files) -> Option<PathBuf> {
    let roots: Vec<PathBuf> = search
        .directories
        .iter()
        .cloned()
        .chain(debug_roots(search))
        .collect();
    // Where nothing was recorded, the accepted binary says which build its debug file must be of.
    let own_build_id = files
        .binary
        .as_ref()
        .map(|(_, identity)| identity.build_id.clone());
    let build_id = match own_build_id {
        Some(own) if module.build_id.is_empty() => own,
        _ => module.build_id.clone(),
    };
    for path in roots
        .iter()
        .filter_map(|root| build_id_path(root, &build_id))
    {
        if files
            .accept(&path, &build_id)
            .is_some_and(|identity| identity.has_debug_info)
        {
            return Some(path);
        }
    }
    let (binary, identity) = files.binary.clone()?;
    let (name, crc) = identity.debug_link?;
    for path in link_candidates(&binary, recorded_path(module), &name, &roots) {
        let is_right = if build_id.is_empty() {
            files.accept_by_checksum(&path, crc)
        } else {
            files
                .accept(&path, &build_id)
                .is_some_and(|identity| identity.has_debug_info)
        };
        if is_right && path != binary {
            return Some(path);
        }
    }
    None
}

/// `ROOT/.build-id/xx/yyyy.debug`, as GDB's manual describes under "separate debug files".
fn build_id_path(root: &Path, build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id
        .split_first()
        .filter(|(_, rest)| !rest.is_empty())?;
    Some(
        root.join(".build-id")
            .join(hex(&[*first]))
            .join(format!("{}.debug", hex(rest))),
    )
}

/// The places that GDB's manual lists for a debug link, and the roots themselves.
fn link_candidates(binary: &Path, recorded: &Path, name: &str, roots: &[PathBuf]) -> Vec<PathBuf> {
    // A link is a bare name; anything more would lead a hostile file's reader elsewhere.
    let Some(name) = Path::new(name).file_name() else {
        return Vec::new();
    };
    let mut candidates = Vec::new();
    // Behind a symbolic link, debug files lie next to what it points to.
    for beside in [Some(binary.to_owned()), binary.canonicalize().ok()]
        .iter()
        .flatten()
    {
        let directory = beside.parent().unwrap_or(Path::new("/"));
        candidates.push(directory.join(name));
        candidates.push(directory.join(".debug").join(name));
    }
    let directory = recorded.parent().unwrap_or(Path::new("/"));
    let relative = directory.strip_prefix("/").unwrap_or(directory);
    for root in roots {
        candidates.push(root.join(relative).join(name));
        candidates.push(root.join(name));
    }
    candidates
}
