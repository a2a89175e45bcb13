//! From addresses in a file to functions, lines and what was inlined there.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{CodeInfo, Input, Sym, Symbolized, Symbolizer};

use crate::report::Frame;
use crate::symbols::files::Files;
use crate::symbols::go::GoTables;

/// Looks names up, keeping what it parsed for the next time.
pub(crate) struct Resolver {
    symbolizer: Symbolizer,
    go: GoTables,
    texts: Texts,
    /// Whether stacks have an entry for each inlined call of Go code already.
    has_each_call: bool,
}

/// Every text that was given out, since few functions stand in many frames.
#[derive(Default)]
pub(crate) struct Texts {
    known: HashSet<Arc<str>>,
}

impl Texts {
    /// The one copy of this text.
    pub(crate) fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.known.insert(new.clone());
        new
    }
}

impl Resolver {
    /// `debug_roots` is where supplementary files of debug files (dwz) are looked for;
    /// `has_each_call` says that the Go runtime itself walked the stacks.
    pub(crate) fn new(debug_roots: &[PathBuf], has_each_call: bool) -> Resolver {
        // The files were checked by build-id; if one changes now, it is not the recorded one.
        let builder = Symbolizer::builder().enable_auto_reload(false);
        let symbolizer = builder.set_debug_dirs(Some(debug_roots)).build();
        Resolver {
            symbolizer,
            go: GoTables::default(),
            texts: Texts::default(),
            has_each_call,
        }
    }

    /// For each virtual address its frames, leaf first: the inlined functions, then the one they
    /// were inlined into; none where nothing is known.
    pub(crate) fn resolve(&mut self, files: &Files, offsets: &[u64]) -> Vec<Vec<Frame>> {
        let mut resolved = vec![Vec::new(); offsets.len()];
        if let Some((binary, identity)) = &files.binary
            && identity.has_go_table
        {
            let (go, texts) = (&mut self.go, &mut self.texts);
            resolved = go.resolve(binary, self.has_each_call, offsets, texts);
        }
        if let Some(debug) = &files.debug {
            self.resolve_unknown(debug, true, offsets, &mut resolved);
        }
        if let Some((binary, identity)) = &files.binary {
            // The engine follows debug links by itself, which only `locate` can check.
            if identity.has_debug_info {
                self.resolve_unknown(binary, true, offsets, &mut resolved);
            }
            self.resolve_unknown(binary, false, offsets, &mut resolved);
        }
        resolved
    }

    /// Looks up in one file what no file before it knew.
    fn resolve_unknown(
        &mut self,
        path: &Path,
        with_debug_info: bool,
        offsets: &[u64],
        resolved: &mut [Vec<Frame>],
    ) {
        let is_unknown = |(index, _): &(usize, &u64)| resolved[*index].is_empty();
        let unknown: Vec<(usize, u64)> = offsets
            .iter()
            .enumerate()
            .filter(is_unknown)
            .map(|(i, offset)| (i, *offset))
            .collect();
        if unknown.is_empty() {
            return;
        }
        let mut elf = Elf::new(path);
        elf.debug_syms = with_debug_info;
        let addresses: Vec<u64> = unknown.iter().map(|(_, offset)| *offset).collect();
        let input = Input::VirtOffset(addresses.as_slice());
        // Damaged debug information is no reason to lose the symbol table: the caller goes on.
        let Ok(symbols) = self.symbolizer.symbolize(&Source::Elf(elf), input) else {
            return;
        };
        for ((index, _), symbolized) in unknown.iter().zip(&symbols) {
            if let Symbolized::Sym(symbol) = symbolized {
                resolved[*index] = frames(symbol, &mut self.texts);
            }
        }
    }
}

/// The frames of one symbol; the engine lists what was inlined from the outside in.
fn frames(symbol: &Sym<'_>, texts: &mut Texts) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(symbol.inlined.len() + 1);
    for inlined in symbol.inlined.iter().rev() {
        frames.push(frame(
            &inlined.name,
            inlined.code_info.as_ref(),
            true,
            texts,
        ));
    }
    frames.push(frame(
        &symbol.name,
        symbol.code_info.as_deref(),
        false,
        texts,
    ));
    frames
}

fn frame(name: &str, code: Option<&CodeInfo<'_>>, inlined: bool, texts: &mut Texts) -> Frame {
    Frame {
        function: (!name.is_empty()).then(|| texts.shared(name)),
        file: code.map(|code| texts.shared(&code.to_path().to_string_lossy())),
        line: code.and_then(|code| code.line),
        column: code
            .and_then(|code| code.column)
            .filter(|column| *column > 0)
            .map(u32::from),
        inlined,
        ..Frame::default()
    }
}
