//! Names of Go code by the table that the runtime itself uses.

#![forbid(unsafe_code)]

use std::path::Path;

use crate::source::go::pclntab::{Line, Pclntab};
use crate::source::go::{Executable, Refusal, locate};

/// The table of one executable with what is beside it.
#[derive(Debug)]
pub struct Symbolizer {
    executable: Executable,
    table: Pclntab,
    text_start: u64,
    /// Where the functions' data begin; without it inlined calls go by the name of their function.
    functions_data: Option<u64>,
}

impl Symbolizer {
    /// Opens the executable at a path.
    ///
    /// # Errors
    ///
    /// Those of [`Executable::open`], and [`Refusal::NotFound`].
    pub fn open(path: &Path) -> Result<Symbolizer, Refusal> {
        Symbolizer::of(Executable::open(path)?)
    }

    /// Finds the table in an executable.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] where it is not there.
    pub fn of(executable: Executable) -> Result<Symbolizer, Refusal> {
        let found = locate::table::find(&executable)?;
        Ok(Symbolizer {
            executable,
            table: found.table,
            text_start: found.text_start,
            functions_data: found.functions_data,
        })
    }

    /// The executable.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }

    /// The table.
    pub fn table(&self) -> &Pclntab {
        &self.table
    }

    /// Where the code begins, before any bias.
    pub fn text_start(&self) -> u64 {
        self.text_start
    }

    /// The innermost function at an address of the file.
    pub fn line(&self, address: u64) -> Option<Line> {
        let from_start = address.checked_sub(self.text_start)?;
        let mut line = self.table.line(from_start, &|at, len| self.data(at, len))?;
        line.called_at = line.called_at.map(|at| at + self.text_start);
        Some(line)
    }

    /// All calls at an address of the file, inlined ones first: an address for each.
    pub fn calls(&self, address: u64) -> Vec<u64> {
        let Some(from_start) = address.checked_sub(self.text_start) else {
            return vec![address];
        };
        let calls = self.table.calls(from_start, &|at, len| self.data(at, len));
        calls.into_iter().map(|at| at + self.text_start).collect()
    }

    fn data(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let address = self.functions_data?.checked_add(offset)?;
        self.executable.read(address, len as u64)
    }
}
