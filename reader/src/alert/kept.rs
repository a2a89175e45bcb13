//! What must not be forgotten when a recorder ends: how every alert stands, in a file beside the
//! recording.

#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::alert::deliver::Tally;
use crate::alert::standing::Standing;

/// The file's name in the directory of a recording.
const NAME: &str = "alerts.json";

/// The form of the file; another one is not read.
const SCHEMA: &str = "memshim.alerts/1";

/// The state of all alerts of a recording.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    schema: String,
    /// How each alert stands for each program, quiet ones left out.
    pub standing: Vec<Standing>,
    /// What became of what was told.
    pub actions: Vec<Tally>,
}

impl Kept {
    /// A state to be kept.
    pub fn new(standing: Vec<Standing>, actions: Vec<Tally>) -> Kept {
        Kept {
            schema: SCHEMA.to_owned(),
            standing,
            actions,
        }
    }

    /// What was kept in a directory; nothing where there is no such file, or another form of it.
    pub fn read(directory: &Path) -> Option<Kept> {
        let text = fs::read_to_string(path(directory)).ok()?;
        let kept: Kept = serde_json::from_str(&text).ok()?;
        (kept.schema == SCHEMA).then_some(kept)
    }

    /// Keeps it; a reader finds this state or the one before.
    ///
    /// # Errors
    ///
    /// What the file system answers.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        let temporary = path(directory).with_extension("tmp");
        let written = fs::write(&temporary, text + "\n")
            .and_then(|()| fs::rename(&temporary, path(directory)));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join(NAME)
}
