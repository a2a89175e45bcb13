//! Gives the frames of a report their names: once, last, after all filtering and cutting.
//!
//! Addresses are grouped by module, so that each file is opened once; what was found stays for
//! the next report of a live session.
//!
//! ```text
//! Frame(address, module) ─► locate: which file, by build-id ─► resolve: function, file, line
//!                                  └► Finding, where there is none
//! ```

#![forbid(unsafe_code)]

mod elf;
mod files;
mod go;
mod locate;
mod resolve;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::report::{Body, Column, Frame, Report, Section, Table, Unit, Value};
use crate::symbols::files::Files;
use crate::symbols::locate::locate;
use crate::symbols::resolve::Resolver;

/// An executable or library as the target had it loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Module {
    /// The path in the target's own file system, or a name in brackets such as `[vdso]`.
    pub path: String,
    /// The GNU build-id; empty where the module has none.
    pub build_id: Vec<u8>,
    /// What to subtract from an address in the process to get one in the file.
    pub bias: u64,
    /// The first address of the module in the process.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
}

impl Module {
    /// Whether there is a file behind it; `[vdso]` has none.
    fn has_file(&self) -> bool {
        !self.path.is_empty() && !self.path.starts_with('[')
    }

    fn build_id_hex(&self) -> String {
        hex(&self.build_id)
    }
}

/// Where files of modules may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The process, while it is alive: its file system and its deleted files can be seen.
    pub pid: Option<u32>,
    /// More directories with binaries or debug files, tried first among debug files.
    pub directories: Vec<PathBuf>,
    /// Whether the Go runtime walked the stacks, which have an entry for each inlined call then.
    pub is_go: bool,
}

/// Why a module's names are missing or poor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The recorded path.
    pub module: String,
    /// The recorded build-id in hexadecimal; empty where there was none.
    pub build_id: String,
    /// What was found wrong, and what would help, as a phrase.
    pub problem: String,
}

/// The names of one target's addresses.
///
/// It must stay in the thread that made it. Its memory grows with the debug information that
/// was used; drop it to give that back.
pub struct Symbols {
    search: Search,
    resolver: Resolver,
    files: HashMap<usize, Files>,
    /// Frames by module and call address: the inlined ones first, then the function itself.
    known: HashMap<(usize, u64), Box<[Arc<Frame>]>>,
}

impl Symbols {
    /// Nothing known yet; files are opened when they are needed.
    pub fn new(search: Search) -> Symbols {
        let resolver = Resolver::new(&locate::debug_roots(&search), search.is_go);
        Symbols {
            search,
            resolver,
            files: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// Gives back the memory of what was parsed, and keeps every name that was found.
    ///
    /// For whoever asks again and again: new addresses are rare, and cost the parsing again.
    pub fn forget_files(&mut self) {
        self.resolver = Resolver::new(&locate::debug_roots(&self.search), self.search.is_go);
    }

    /// Fills in every frame that has an address and no name yet.
    ///
    /// A frame becomes several where functions were inlined. `modules` is the list that
    /// [`Frame::module_index`] refers to; it may have grown since the last call, but not
    /// changed. An address without a module is looked for in their ranges, the newest first.
    pub fn fill(&mut self, report: &mut Report, modules: &[Module]) -> Vec<Finding> {
        let wanted = self.unknown_calls(report, modules);
        let mut findings = Vec::new();
        for (index, calls) in wanted {
            findings.extend(self.resolve_module(index, &modules[index], &calls));
        }
        for stack in report.stacks_mut() {
            let mut named = Vec::with_capacity(stack.0.len());
            for frame in &stack.0 {
                named.extend_from_slice(self.named(frame, modules));
            }
            // Stacks outlive the report's making, and there may be many.
            named.shrink_to_fit();
            stack.0 = named;
        }
        findings
    }

    /// The calls that no earlier report had, by module.
    fn unknown_calls(&self, report: &mut Report, modules: &[Module]) -> BTreeMap<usize, Vec<u64>> {
        let mut wanted: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
        // Stacks share their frames: most were met before, and cost no more than that.
        let mut met = HashSet::new();
        for frame in report.stacks_mut().flat_map(|stack| &stack.0) {
            if met.insert(Arc::as_ptr(frame))
                && let Some((index, call)) = key(frame, modules)
                && !self.known.contains_key(&(index, call))
            {
                wanted.entry(index).or_default().insert(call);
            }
        }
        wanted
            .into_iter()
            .map(|(index, calls)| (index, calls.into_iter().collect()))
            .collect()
    }

    /// Looks all calls of one module up, and says what was wrong with it the first time.
    fn resolve_module(&mut self, index: usize, module: &Module, calls: &[u64]) -> Option<Finding> {
        let is_first = !self.files.contains_key(&index);
        let files = self
            .files
            .entry(index)
            .or_insert_with(|| locate(module, &self.search));
        let offsets: Vec<u64> = calls
            .iter()
            .map(|call| call.wrapping_sub(module.bias))
            .collect();
        let resolved = self.resolver.resolve(files, &offsets);

        let path: Arc<str> = module.path.as_str().into();
        let build_id = (!module.build_id.is_empty()).then(|| module.build_id_hex().into());
        for ((call, offset), mut frames) in calls.iter().zip(&offsets).zip(resolved) {
            if frames.is_empty() {
                frames.push(Frame::default());
            }
            let complete = |frame| Frame {
                address: call + 1,
                module_index: Some(index),
                module: Some(path.clone()),
                build_id: build_id.clone(),
                offset: Some(*offset),
                ..frame
            };
            let frames = frames.into_iter().map(|frame| Arc::new(complete(frame)));
            self.known.insert((index, *call), frames.collect());
        }
        let problem = files.problem().filter(|_| is_first && module.has_file())?;
        Some(Finding {
            module: module.path.clone(),
            build_id: module.build_id_hex(),
            problem,
        })
    }

    /// The frame with all that is known, preceded by what was inlined into it.
    fn named<'a>(&'a self, frame: &'a Arc<Frame>, modules: &[Module]) -> &'a [Arc<Frame>] {
        let known = key(frame, modules).and_then(|key| self.known.get(&key));
        known.map_or(std::slice::from_ref(frame), |known| known)
    }
}

/// The module and the call that a frame without a name stands for.
fn key(frame: &Frame, modules: &[Module]) -> Option<(usize, u64)> {
    if frame.function.is_some() || frame.module.is_some() {
        return None;
    }
    // Every recorded address, the leaf's too, is where a call returns to, which may already be
    // another line or function; the byte before it belongs to the call.
    let call = frame.address.checked_sub(1)?;
    let is_inside = |module: &Module| (module.start..module.end).contains(&call);
    let index = frame
        .module_index
        .or_else(|| modules.iter().rposition(is_inside))?;
    (index < modules.len()).then_some((index, call))
}

/// The findings as a section of the report, one row a module; none where all went well.
pub fn section(findings: &[Finding]) -> Option<Section> {
    if findings.is_empty() {
        return None;
    }
    let mut table = Table::new(vec![
        Column::new("module", "module", Unit::Text),
        Column::new("build_id", "build-id", Unit::Text),
        Column::new("problem", "problem", Unit::Text),
    ]);
    for finding in findings {
        let texts = [&finding.module, &finding.build_id, &finding.problem];
        table
            .rows
            .push(texts.into_iter().map(Value::text).collect());
    }
    let title = "Modules whose names are missing";
    Some(Section::new(
        "modules_without_names",
        title,
        Body::Table(table),
    ))
}

/// Bytes in hexadecimal, as build-ids are written.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
