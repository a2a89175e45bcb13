//! What the threads of the view tell each other.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use crate::analysis::watch::Watched;
use crate::report::Stack;
use crate::session::Followed;

/// From the screen to the thread that reads segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Read this segment in full, from now on.
    Open(PathBuf),
    /// Read the list only.
    Close,
    /// Read nothing, or go on.
    Pause(bool),
}

/// From the other threads to the screen.
#[derive(Debug)]
pub(super) enum News {
    /// All processes.
    Processes(Vec<ProcessRow>),
    /// The process that is open.
    Sites(Box<Sites>),
    /// Stacks with names, by the rows of their sites.
    Names {
        path: PathBuf,
        stacks: Vec<(u64, Stack)>,
    },
    /// The process that is open cannot be read.
    Unreadable { path: PathBuf, why: String },
}

/// One process in the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProcessRow {
    pub(super) followed: Followed,
    /// `None` until it was read in full once.
    pub(super) leaks: Option<Leaks>,
}

/// What leaks in one process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Leaks {
    /// Call stacks.
    pub(super) sites: usize,
    /// How fast they all grow.
    pub(super) bytes_per_second: f64,
}

/// One process in full.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sites {
    pub(super) path: PathBuf,
    /// Ages in seconds and what was live then.
    pub(super) curve: Vec<(f64, f64)>,
    /// How long "of late" is, seconds.
    pub(super) window_seconds: Option<f64>,
    /// Whether all deaths in that time are known.
    pub(super) is_complete: bool,
    /// The call stacks that are largest in one order or another.
    pub(super) rows: Vec<SiteRow>,
    /// How many call stacks there are.
    pub(super) all: usize,
}

/// One call stack.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SiteRow {
    /// The row in the segment, which stays while others come.
    pub(super) row: u64,
    pub(super) watched: Watched,
}
