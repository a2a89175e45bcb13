//! The tables of a pprof file: each text, function, file and place in code once.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use crate::output::clean::clean;
use crate::output::pprof::proto::{Function, Line, Location, Mapping};
use crate::report::{Frame, Stack};

/// Ends of mappings are rounded up to this, as the kernel's are.
const PAGE_BYTES: u64 = 4096;

/// What was met so far; ids are places counted from 1, texts are places counted from 0.
#[derive(Default)]
pub(crate) struct Tables {
    pub texts: Texts,
    pub functions: Vec<Function>,
    pub mappings: Vec<Mapping>,
    pub locations: Vec<Location>,
    function_ids: HashMap<(i64, i64), u64>,
    mapping_ids: HashMap<(i64, i64, u64), u64>,
    location_ids: HashMap<Location, u64>,
    /// Locations by the places in memory of their frames, which stacks share and which outlive
    /// this: most frames were met before, and then cost no more than a look-up.
    known: HashMap<Box<[*const Frame]>, u64>,
}

impl Tables {
    /// The locations of a stack, leaf first; one that says so where there was no stack.
    pub(crate) fn stack(&mut self, stack: &Stack) -> Vec<u64> {
        if stack.0.is_empty() {
            let marker = Arc::new(Frame::marker("[no stack]"));
            return vec![self.new_location(&[marker])];
        }
        let mut met: Vec<*const Frame> = Vec::new();
        let mut ids = Vec::with_capacity(stack.0.len());
        for frames in stack
            .0
            .chunk_by(|inner, outer| is_inlined_into(inner, outer))
        {
            met.clear();
            met.extend(frames.iter().map(Arc::as_ptr));
            let known = self.known.get(met.as_slice()).copied();
            ids.push(known.unwrap_or_else(|| {
                let id = self.new_location(frames);
                self.known.insert(met.as_slice().into(), id);
                id
            }));
        }
        ids
    }

    /// Makes the file `path` the first mapping, which viewers take for the program.
    pub(crate) fn put_first(&mut self, path: &str) {
        let filename = self.texts.place(path);
        let has_path = |mapping: &Mapping| mapping.filename == filename;
        let Some(index) = self.mappings.iter().position(has_path) else {
            return;
        };
        self.mappings.swap(0, index);
        let (first, other) = (1, index as u64 + 1);
        self.mappings[index].id = other;
        self.mappings[0].id = first;
        for location in &mut self.locations {
            location.mapping_id = match location.mapping_id {
                id if id == first => other,
                id if id == other => first,
                id => id,
            };
        }
    }

    /// The location of frames at one place in code, whose frames were not met before.
    fn new_location(&mut self, frames: &[Arc<Frame>]) -> u64 {
        let line = frames.iter().map(|frame| self.line(frame)).collect();
        let (mapping_id, address) = frames.last().map_or((0, 0), |frame| self.place(frame));
        let mut location = Location {
            id: 0,
            mapping_id,
            address,
            line,
        };
        let next = self.locations.len() as u64 + 1;
        let id = *self.location_ids.entry(location.clone()).or_insert(next);
        if id == next {
            location.id = id;
            self.locations.push(location);
        }
        id
    }

    fn line(&mut self, frame: &Frame) -> Line {
        let number = |number: Option<u32>| number.unwrap_or(0).into();
        Line {
            function_id: self.function(frame),
            line: number(frame.line),
            column: number(frame.column),
        }
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let name = self.texts.place(&frame.label());
        let filename = self.texts.place(frame.file.as_deref().unwrap_or_default());
        let next = self.functions.len() as u64 + 1;
        let id = *self.function_ids.entry((name, filename)).or_insert(next);
        if id == next {
            self.functions.push(Function {
                id,
                name,
                system_name: 0,
                filename,
            });
        }
        id
    }

    /// The mapping of a frame, 0 where its module is unknown, and the address of its call.
    ///
    /// The bias between file and memory is what the recorded address, one byte behind the call,
    /// and the offset of the call in its module differ by; a report that was read from a file has
    /// no addresses, and then the module might as well have been loaded at 0.
    fn place(&mut self, frame: &Frame) -> (u64, u64) {
        let (Some(module), Some(offset)) = (frame.module.as_deref(), frame.offset) else {
            return (0, frame.address);
        };
        let call = frame.address.checked_sub(1);
        let bias = call.and_then(|call| call.checked_sub(offset)).unwrap_or(0);
        let address = bias + offset;
        let filename = self.texts.place(module);
        let build_id = frame.build_id.as_deref().unwrap_or_default();
        let build_id = self.texts.place(build_id);
        let next = self.mappings.len() as u64 + 1;
        let key = (filename, build_id, bias);
        let id = *self.mapping_ids.entry(key).or_insert(next);
        if id == next {
            self.mappings.push(new_mapping(id, key));
        }
        let mapping = &mut self.mappings[id as usize - 1];
        let end = address
            .saturating_add(1)
            .checked_next_multiple_of(PAGE_BYTES);
        mapping.memory_limit = mapping.memory_limit.max(end.unwrap_or(u64::MAX));
        (id, address)
    }
}

/// Whether the two are one place in code, where the compiler folded `inner` into `outer`.
fn is_inlined_into(inner: &Frame, outer: &Frame) -> bool {
    inner.inlined
        && inner.address == outer.address
        && inner.offset == outer.offset
        && inner.module == outer.module
}

/// A mapping that viewers take as fully named, so that they do not look for symbols themselves.
fn new_mapping(id: u64, (filename, build_id, memory_start): (i64, i64, u64)) -> Mapping {
    Mapping {
        id,
        memory_start,
        memory_limit: memory_start,
        file_offset: 0,
        filename,
        build_id,
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
        has_inline_frames: true,
    }
}

/// Texts, each once and made harmless; the empty one is the first.
pub(crate) struct Texts {
    pub all: Vec<String>,
    places: HashMap<String, i64>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts {
            all: vec![String::new()],
            places: HashMap::from([(String::new(), 0)]),
        }
    }
}

impl Texts {
    /// Where `text` stands in the table.
    pub(crate) fn place(&mut self, text: &str) -> i64 {
        let text = clean(text);
        if let Some(place) = self.places.get(text.as_ref()) {
            return *place;
        }
        let place = self.all.len() as i64;
        self.all.push(text.clone().into_owned());
        self.places.insert(text.into_owned(), place);
        place
    }
}
