//! Where libmemshim.so is.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use crate::error::Error;

/// The library's file name.
const NAME: &str = "libmemshim.so";

/// The library: where `MEMSHIM_LIB` says, or beside this executable, or where a package puts it.
///
/// # Errors
///
/// [`Error::NoShim`] with every place that was tried.
pub(crate) fn find() -> Result<PathBuf, Error> {
    let searched = match std::env::var_os("MEMSHIM_LIB").filter(|path| !path.is_empty()) {
        Some(path) => vec![PathBuf::from(path)],
        None => usual_places(),
    };
    // The program may change its directory before it starts others, so the path is absolute.
    let found = searched.iter().find_map(|path| path.canonicalize().ok());
    found.ok_or(Error::NoShim { searched })
}

fn usual_places() -> Vec<PathBuf> {
    let executable = std::env::current_exe().unwrap_or_default();
    let beside = executable.parent().unwrap_or(Path::new("/")).to_path_buf();
    vec![beside.join(NAME), beside.join("../lib/memshim").join(NAME)]
}
