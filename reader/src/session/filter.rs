//! What of a target counts: by names of frames, by threads, and by properties of blocks.

#![forbid(unsafe_code)]

use std::ops::RangeInclusive;

use regex::Regex;

use crate::history::{History, Part};
use crate::moment::Moment;
use crate::report::{Frame, Stack};

/// What counts; everything by default.
///
/// The names are of frames anywhere in a stack, and each pattern needs one frame that matches it.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The demangled name of a function.
    pub function: Option<Regex>,
    /// The path of a module.
    pub module: Option<Regex>,
    /// The path of a source file.
    pub source: Option<Regex>,
    /// The name of the thread that allocated.
    pub thread: Option<Regex>,
    /// Bytes asked for.
    pub size_bytes: Option<RangeInclusive<u64>>,
    /// How old a block is, or was when it died, ns.
    pub age_ns: Option<RangeInclusive<u64>>,
    /// It was born then or later.
    pub born_since: Option<Moment>,
    /// It was born then or earlier.
    pub born_until: Option<Moment>,
}

impl Filter {
    /// Whether names of frames decide.
    pub fn is_of_names(&self) -> bool {
        self.function.is_some() || self.module.is_some() || self.source.is_some()
    }

    /// Whether the names of functions and files are needed, and not only those of modules.
    pub fn needs_symbols(&self) -> bool {
        self.function.is_some() || self.source.is_some()
    }

    /// Whether the stack has the frames that are asked for; `modules` are the paths of those that
    /// its addresses lie in.
    pub(super) fn passes<'a>(
        &self,
        stack: &Stack,
        mut modules: impl Iterator<Item = &'a str>,
    ) -> bool {
        let has = |pattern: &Option<Regex>, name: fn(&Frame) -> Option<&str>| {
            let Some(pattern) = pattern else {
                return true;
            };
            let mut names = stack.0.iter().filter_map(|frame| name(frame));
            names.any(|name| pattern.is_match(name))
        };
        has(&self.function, |frame| frame.function.as_deref())
            && has(&self.source, |frame| frame.file.as_deref())
            && self
                .module
                .as_ref()
                .is_none_or(|pattern| modules.any(|path| pattern.is_match(path)))
    }

    /// The part of the blocks that counts; `None` where all do.
    pub(super) fn part(&self, history: &History) -> Option<Part> {
        let is_whole = self.thread.is_none()
            && self.size_bytes.is_none()
            && self.age_ns.is_none()
            && self.born_since.is_none()
            && self.born_until.is_none();
        if is_whole {
            return None;
        }
        // What has no end in nanoseconds has none in ticks.
        let ticks = |ns: u64| {
            let ticks = history.clock.ticks(ns).filter(|_| ns < u64::MAX);
            ticks.unwrap_or(ns)
        };
        let at = |moment: Option<Moment>| history.ticks_at(moment?);
        let all = Part::WHOLE;
        Some(Part {
            threads: self.thread.as_ref().map(|pattern| {
                let threads = history.threads.iter();
                let named = threads.filter(|thread| pattern.is_match(&thread.name));
                named
                    .filter_map(|thread| u32::try_from(thread.row).ok())
                    .collect()
            }),
            size_bytes: self.size_bytes.clone().unwrap_or(all.size_bytes),
            age_ticks: self
                .age_ns
                .as_ref()
                .map_or(all.age_ticks, |age| ticks(*age.start())..=ticks(*age.end())),
            birth_ticks: at(self.born_since).unwrap_or(0)..=at(self.born_until).unwrap_or(u64::MAX),
        })
    }
}
