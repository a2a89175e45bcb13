//! The report as one page for a browser, which needs no network and no server.
//!
//! Two outputs share it: `html` is the whole report, `flamegraph` the flame graph alone.
//!
//! ```text
//! report -> data (numbers in columns) -> escape (no name can end the script) ┐
//! assets (style sheets, scripts) -> digest (what the browser may run)        ┴-> page
//! ```

#![forbid(unsafe_code)]

mod data;
mod digest;
mod escape;
mod intern;
pub mod live;
mod page;

use std::io::{self, Write};

use crate::output::{Options, Output};
use crate::report::{Kind, Report, Section};

/// Everything in the report, in views that one can switch, sort, search and zoom.
pub struct Html;

impl Output for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "one page for a browser, offline: overview, flame graph, tables, charts"
    }

    fn media_type(&self) -> &'static str {
        "text/html; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        page::write(report, page::View::Report, &|_| true, out)
    }
}

/// The flame graph of the report's stacks, and nothing beside it.
pub struct FlameGraph;

impl Output for FlameGraph {
    fn name(&self) -> &'static str {
        "flamegraph"
    }

    fn about(&self) -> &'static str {
        "the flame graph alone, as a page for a browser, offline"
    }

    fn media_type(&self) -> &'static str {
        "text/html; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "flamegraph"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        self.kinds().contains(&section.kind())
            && section
                .table()
                .is_some_and(|table| table.stack_index().is_some())
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        page::write(
            report,
            page::View::FlameGraph,
            &|section| self.draws(section),
            out,
        )
    }
}
