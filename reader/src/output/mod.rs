//! The forms in which a report can be written, and the one list of them.
//!
//! An output is pure: the same report and options give the same bytes, and nothing else is read.
//! A new one is one file and its line in [`OUTPUTS`]; `--format`, file names and HTTP follow.

#![forbid(unsafe_code)]

mod about;
mod checks;
pub mod clean;
mod contents;
mod csv;
mod dhat;
mod firefox;
mod folded;
pub mod format;
mod github;
mod heaptrack;
mod html;
mod interned;
mod json;
mod junit;
mod markdown;
mod massif;
pub mod measure;
mod pprof;
mod rounding;
mod speedscope;
mod text;
mod valgrind;

pub use html::live;

use std::io::{self, Write};
use std::path::PathBuf;

use crate::report::{Kind, Report, Section};

/// Every output, in the order in which help lists them.
pub static OUTPUTS: &[&dyn Output] = &[
    &text::Text,
    &json::Json,
    &html::Html,
    &html::FlameGraph,
    &markdown::Markdown,
    &csv::Csv,
    &folded::Folded,
    &pprof::Pprof,
    &speedscope::Speedscope,
    &heaptrack::Heaptrack,
    &dhat::Dhat,
    &massif::Massif,
    &firefox::Firefox,
    &junit::JUnit,
    &github::GitHub,
];

/// A form in which reports can be written.
pub trait Output: Sync {
    /// What `--format` calls it.
    fn name(&self) -> &'static str;

    /// One line of help.
    fn about(&self) -> &'static str;

    /// Its media type (RFC 6838), for HTTP.
    fn media_type(&self) -> &'static str;

    /// What its files end in, without the dot.
    fn extension(&self) -> &'static str;

    /// What else its files may end in.
    fn other_extensions(&self) -> &'static [&'static str] {
        &[]
    }

    /// The kinds of sections that it can draw; it skips the others.
    fn kinds(&self) -> &'static [Kind];

    /// Whether it can draw this section; an output that needs stacks looks for them here.
    fn draws(&self, section: &Section) -> bool {
        self.kinds().contains(&section.kind())
    }

    /// Whether it picks the largest rows itself, by [`Options::measure`], so that it has to be
    /// given all of them.
    fn picks_rows(&self) -> bool {
        false
    }

    /// Writes the report.
    ///
    /// # Errors
    ///
    /// Only what `out` answers; a report always can be written.
    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()>;
}

/// What an output may be told; each takes what it understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many characters fit in a line.
    pub width: usize,
    /// Whether terminal colours are wanted.
    pub is_coloured: bool,
    /// How many frames of a stack to show to people.
    pub frames_max: usize,
    /// How many rows to show to people where a section has all of them.
    pub rows_max: usize,
    /// The column that an output with one number a stack takes, or that decides which rows are the
    /// largest; none is the first number.
    pub measure: Option<String>,
    /// The directory that paths of sources are relative to, where an output wants that.
    pub source_root: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            width: 100,
            is_coloured: false,
            frames_max: 8,
            rows_max: 10,
            measure: None,
            source_root: None,
        }
    }
}

/// The output called `name`.
pub fn find(name: &str) -> Option<&'static dyn Output> {
    OUTPUTS.iter().copied().find(|output| output.name() == name)
}

/// The output whose files end in `extension`, which may have dots itself.
pub fn find_by_extension(extension: &str) -> Option<&'static dyn Output> {
    let has_it = |output: &&dyn Output| {
        output.extension() == extension || output.other_extensions().contains(&extension)
    };
    OUTPUTS.iter().copied().find(has_it)
}

/// The output of a file of this name, for `-o FILE` without `--format`; the longest extension
/// decides, so `a.speedscope.json` is not just JSON.
pub fn find_by_file_name(name: &str) -> Option<&'static dyn Output> {
    let mut dots = name.match_indices('.');
    dots.find_map(|(dot, _)| find_by_extension(&name[dot + 1..]))
}

/// Whether `output` can draw anything of this report; if not, say so instead of writing nothing.
pub fn can_draw(output: &dyn Output, report: &Report) -> bool {
    report.sections.is_empty() && output.kinds().contains(&Kind::Facts)
        || report.sections.iter().any(|section| output.draws(section))
}
