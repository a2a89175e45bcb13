//! Names of Go code, which its own runtime's table has however the file was stripped.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::report::Frame;
use crate::source::go::Symbolizer;
use crate::symbols::resolve::Texts;

/// The tables of Go executables that were opened.
#[derive(Default)]
pub(crate) struct GoTables {
    known: HashMap<PathBuf, Option<Symbolizer>>,
}

impl GoTables {
    /// The frames of each address that lies in Go code; the others stay without.
    ///
    /// Stacks that the Go runtime walked have an entry for each inlined call already, so
    /// `is_each_call` gives one frame an address.
    pub(crate) fn resolve(
        &mut self,
        path: &Path,
        is_each_call: bool,
        offsets: &[u64],
        texts: &mut Texts,
    ) -> Vec<Vec<Frame>> {
        let known = self.known.entry(path.to_path_buf());
        let table = known.or_insert_with(|| Symbolizer::open(path).ok());
        let Some(table) = table else {
            return vec![Vec::new(); offsets.len()];
        };
        let resolve = |offset: &u64| match is_each_call {
            true => frame(table, *offset, texts).into_iter().collect(),
            false => {
                let calls = table.calls(*offset).into_iter();
                calls
                    .map_while(|call| frame(table, call, texts))
                    .collect::<Vec<Frame>>()
            }
        };
        offsets.iter().map(resolve).collect()
    }
}

fn frame(table: &Symbolizer, offset: u64, texts: &mut Texts) -> Option<Frame> {
    let line = table.line(offset)?;
    Some(Frame {
        function: Some(texts.shared(&line.function)),
        file: line.file.map(|file| texts.shared(&file)),
        line: line.line,
        inlined: line.called_at.is_some(),
        ..Frame::default()
    })
}
