//! Where segments lie, and what their names say.
//!
//! ```text
//! $MEMSHIM_DIR, or else /dev/shm, $TMPDIR, /tmp
//!   └ memshim-<user id>/
//!       └ <pid>-<start time>-<n>.seg      n counts the programs that one process has executed
//! ```

#![forbid(unsafe_code)]

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::source::process;

/// Whose segments are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Users {
    /// Those of the user who asks.
    Own,
    /// Everybody's; only root may read them.
    All,
}

/// What the name of a segment file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The process.
    pub pid: u32,
    /// When it started, clock ticks since boot.
    pub start_time: u64,
    /// How many programs the process had executed before.
    pub number: u32,
}

/// One segment file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What its name says.
    pub name: Name,
    /// Where it is.
    pub path: PathBuf,
}

impl Name {
    /// Reads `<pid>-<start time>-<n>.seg`.
    pub fn parse(name: &OsStr) -> Option<Name> {
        let mut parts = name.to_str()?.strip_suffix(".seg")?.split('-');
        let name = Name {
            pid: parts.next()?.parse().ok()?,
            start_time: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}-{}-{}.seg",
            self.pid, self.start_time, self.number
        )
    }
}

/// The directories that may hold `memshim-<user id>` directories, without repetition.
pub fn places() -> Vec<PathBuf> {
    if let Some(dir) = std::env::var_os("MEMSHIM_DIR").filter(|dir| !dir.is_empty()) {
        return vec![PathBuf::from(dir)];
    }
    let mut places = vec![PathBuf::from("/dev/shm")];
    let temporary = std::env::var_os("TMPDIR").filter(|dir| !dir.is_empty());
    places.extend(temporary.map(PathBuf::from));
    places.push(PathBuf::from("/tmp"));
    let mut seen = Vec::new();
    places.retain(|place| {
        let id = fs::metadata(place)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()));
        let is_new = id.is_some_and(|id| !seen.contains(&id));
        seen.extend(id);
        is_new
    });
    places
}

/// The same directories as words.
pub fn places_text() -> String {
    let places: Vec<String> = places()
        .iter()
        .map(|place| place.display().to_string())
        .collect();
    places.join(", ")
}

/// Every segment of these users, by process, oldest first.
pub fn find(users: Users) -> Vec<Found> {
    let mut found: Vec<Found> = places()
        .iter()
        .flat_map(|place| user_directories(place, users))
        .flat_map(|directory| entries(&directory))
        .filter_map(|path| {
            Some(Found {
                name: Name::parse(path.file_name()?)?,
                path,
            })
        })
        .collect();
    found.sort();
    found
}

/// The same but of this process, which a shell that preloads the shim everywhere profiles too.
pub fn find_others(users: Users) -> Vec<Found> {
    let own_pid = std::process::id();
    let found = find(users).into_iter();
    found.filter(|found| found.name.pid != own_pid).collect()
}

/// Removes a segment file and nothing else, although its directory may belong to somebody hostile.
///
/// # Errors
///
/// What the file system answers; a name that is no segment's is refused.
pub fn remove(found: &Found) -> io::Result<()> {
    let (Some(directory), Some(name)) = (found.path.parent(), found.path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // The open directory cannot be swapped for a link to another while its entry is removed.
    let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let directory = File::options()
        .read(true)
        .custom_flags(flags)
        .open(directory)?;
    fs::remove_file(format!(
        "/proc/self/fd/{}/{}",
        directory.as_raw_fd(),
        name.display()
    ))
}

/// The directories `memshim-<user id>` in `place` that belong to the user whose id they bear.
fn user_directories(place: &Path, users: Users) -> Vec<PathBuf> {
    let own = process::own_ids().map(|(user, _)| user);
    let is_wanted = |path: &PathBuf| {
        let user = path
            .file_name()
            .and_then(OsStr::to_str)?
            .strip_prefix("memshim-")?;
        let user: u32 = user.parse().ok()?;
        let metadata: Metadata = fs::symlink_metadata(path).ok()?;
        let is_trusted = metadata.is_dir() && metadata.uid() == user;
        (is_trusted && (users == Users::All || Some(user) == own)).then_some(())
    };
    entries(place)
        .into_iter()
        .filter(|path| is_wanted(path).is_some())
        .collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<(u32, u64, u32)>) {
        let expected = expected.map(|(pid, start_time, number)| Name {
            pid,
            start_time,
            number,
        });
        assert_eq!(Name::parse(OsStr::new(name)), expected, "{name}");
    }

    #[test]
    fn only_names_of_segments_are_names() {
        check("12-34-0.seg", Some((12, 34, 0)));
        check("12-34-2.seg", Some((12, 34, 2)));
        check("12-34.seg", None);
        check("12-34-0-1.seg", None);
        check("12-34-0.seg.old", None);
        check("-1-34-0.seg", None);
    }
}
