//! The files that describe one module: those that are of its build, and those that are not.

#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};

use crate::symbols::elf::{self, Identity};
use crate::symbols::hex;

/// The files of one module that were accepted, and those that were not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// What was loaded, or a copy of it.
    pub(crate) binary: Option<(PathBuf, Identity)>,
    /// Its separate debug information, searched only where the binary has none.
    pub(crate) debug: Option<PathBuf>,
    /// Files that were there, but not what was recorded, each with the reason.
    refused: Vec<String>,
}

impl Files {
    /// What keeps names away, as a phrase; none where functions and lines can be found.
    pub(crate) fn problem(&self) -> Option<String> {
        let missing = match &self.binary {
            _ if self.debug.is_some() => return None,
            Some((_, identity)) if identity.has_debug_info || identity.has_go_table => return None,
            Some((_, identity)) if !identity.has_symbols => {
                "stripped: only exported functions have names"
            }
            // Functions have names; that lines are in a package of their own is no finding.
            Some(_) if self.refused.is_empty() => return None,
            Some(_) => "no lines, only functions",
            None if self.refused.is_empty() => "no file found; say where with --symbol-dir",
            None => "no matching file found; say where with --symbol-dir",
        };
        let mut problem = missing.to_owned();
        for refused in &self.refused {
            problem.push_str("; ");
            problem.push_str(refused);
        }
        Some(problem)
    }

    /// Accepts the file if it is of the wanted build, or notes why not.
    pub(crate) fn accept(&mut self, path: &Path, build_id: &[u8]) -> Option<Identity> {
        match Identity::read(path) {
            Ok(identity) if build_id.is_empty() || identity.build_id == build_id => Some(identity),
            Ok(identity) if identity.build_id.is_empty() => {
                self.refuse(path, "has no build-id");
                None
            }
            Ok(identity) => {
                let found = hex(&identity.build_id);
                self.refuse(path, &format!("is of another build ({found})"));
                None
            }
            Err(error) => {
                self.refuse_unreadable(path, &error);
                None
            }
        }
    }

    /// A file that is not there is no finding, nor is a part of /proc that only root may see.
    fn refuse_unreadable(&mut self, path: &Path, error: &io::Error) {
        use io::ErrorKind::{NotADirectory, NotFound};
        if !matches!(error.kind(), NotFound | NotADirectory) && !path.starts_with("/proc") {
            self.refuse(path, &format!("cannot be read: {error}"));
        }
    }

    fn refuse(&mut self, path: &Path, reason: &str) {
        let refused = format!("{} {reason}", path.display());
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }

    /// Accepts the file if it has the checksum that a debug link names it by, or notes why not.
    pub(crate) fn accept_by_checksum(&mut self, path: &Path, wanted: u32) -> bool {
        match elf::crc32(path) {
            Ok(found) if found == wanted => return true,
            Ok(_) => self.refuse(path, "has another checksum than the debug link"),
            Err(error) => self.refuse_unreadable(path, &error),
        }
        false
    }
}
