//! `clean`: removes what dead processes left.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::error::Error;
use crate::source::directory::{Found, Users, find, remove};
use crate::source::process::{Liveness, liveness, mapped_segments};

/// Remove the segments of dead processes
#[derive(Debug, Args)]
pub struct Clean {
    /// Those of all users; only root may remove them
    #[arg(long)]
    all_users: bool,
}

/// Removes and says what was removed.
///
/// # Errors
///
/// [`Error::Write`] when nobody reads what it says.
pub fn clean(clean: &Clean) -> Result<ExitCode, Error> {
    let users = if clean.all_users {
        Users::All
    } else {
        Users::Own
    };
    let mapped = mapped_segments();
    let (mut removed, mut kept, mut bytes) = (0, 0, 0);
    for found in find(users) {
        let stored_bytes = stored_bytes(&found);
        if is_in_use(&found, &mapped) {
            kept += 1;
            continue;
        }
        match remove(&found) {
            Ok(()) => {
                removed += 1;
                bytes += stored_bytes;
                say(&format!("removed {}", found.path.display()))?;
            }
            Err(error) => say(&format!("cannot remove {}: {error}", found.path.display()))?,
        }
    }
    let size = crate::output::format::bytes(bytes as f64);
    say(&format!(
        "{removed} removed, {size}; {kept} kept, whose processes live"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the process lives, be it by now as another program or in another pid namespace.
fn is_in_use(found: &Found, mapped: &HashSet<u64>) -> bool {
    let inode = std::fs::metadata(&found.path).map(|metadata| metadata.ino());
    inode.is_ok_and(|inode| mapped.contains(&inode))
        || liveness(found.name.pid, found.name.start_time) != Liveness::Dead
}

fn stored_bytes(found: &Found) -> u64 {
    std::fs::metadata(&found.path).map_or(0, |metadata| metadata.blocks().saturating_mul(512))
}

fn say(line: &str) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: PathBuf::from("-"),
        source,
    };
    writeln!(io::stdout(), "{line}").map_err(failed)
}
