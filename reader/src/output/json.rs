//! The report as JSON, the form for programs.

#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::output::{Options, Output};
use crate::report::{Kind, Report};

/// JSON as `memshim.report/1` documents it: one document and a newline, indented down to the
/// facts and rows, each of which is a line.
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
        // A report may have a gigabyte, and is written in pieces of a few bytes each; a buffer of
        // known type takes them without a call through `dyn`.
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        report.serialize(&mut Serializer::with_formatter(&mut out, Layout::default()))?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

const BUFFER_BYTES: usize = 64 << 10;

/// Values nested deeper than this stand on the line of what they are in: the report is 1, its
/// sections 2, a section 3, its facts or rows 4.
const DEPTH_OF_LINES: usize = 4;

/// Where lines begin. Indenting stacks too would nearly double a report.
#[derive(Debug, Default)]
struct Layout {
    depth: usize,
    /// Whether what was closed or written last stands in something that is not empty.
    has_value: bool,
}

impl Layout {
    fn open<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        out.write_all(bracket)
    }

    fn close<W: Write + ?Sized>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        if self.has_value && self.depth <= DEPTH_OF_LINES {
            self.new_line(out, self.depth - 1)?;
        }
        self.depth -= 1;
        out.write_all(bracket)
    }

    fn next<W: Write + ?Sized>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        if !is_first {
            out.write_all(b",")?;
        }
        if self.depth <= DEPTH_OF_LINES {
            self.new_line(out, self.depth)?;
        }
        Ok(())
    }

    fn new_line<W: Write + ?Sized>(&self, out: &mut W, depth: usize) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..depth).try_for_each(|_| out.write_all(b"  "))
    }
}

impl Formatter for Layout {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        match self.depth <= DEPTH_OF_LINES {
            true => out.write_all(b": "),
            false => out.write_all(b":"),
        }
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _out: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
}
