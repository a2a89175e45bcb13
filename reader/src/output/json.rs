//! The report as JSON, the form for programs.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use crate::output::{Options, Output};
use crate::report::{Kind, Report};

/// JSON as `memshim.report/1` documents it, indented, one document and a newline.
pub struct Json;

impl Output for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "everything in the report, for programs (schema memshim.report/1)"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, report)?;
        out.write_all(b"\n")
    }
}
