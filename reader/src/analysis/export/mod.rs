//! Everything at once, for programs that draw or store it: flame graphs, viewers, other profilers.

#![forbid(unsafe_code)]

mod blocks;
mod sites;

use clap::Args;

use crate::analysis::{Analysis, Subject, leaks, lifetimes, sizes, summary, timeline};
use crate::report::Section;

/// Everything, for other tools: pprof, flame graphs, heaptrack, spreadsheets and more
///
/// The answer has the totals, every site with all its figures, the heap over time, the histograms,
/// and the blocks that are known one by one: all that are alive and those that died last. Which of
/// these an output draws is its own affair; give it with `--format`, or by the extension of `-o`.
#[derive(Debug, Args)]
pub struct Export {
    /// Give at most this many single blocks, the latest born
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    blocks: usize,
}

impl Analysis for Export {
    const NAME: &'static str = "export";

    fn sections(&self, subject: &Subject<'_>) -> Vec<Section> {
        vec![
            summary::heap(subject),
            sites::section(subject),
            leaks::section(subject, subject.rows_max(usize::MAX), 0),
            timeline::section(subject.history, subject.is_filtered()),
            sizes::allocated(subject),
            sizes::live_histogram(subject),
            lifetimes::histogram(subject),
            blocks::section(subject, self.blocks),
        ]
    }
}
