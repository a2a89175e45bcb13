//! The tables of a thread: strings, functions, frames and stacks, each naming rows of the others.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::output::clean::clean;
use crate::output::firefox::library::Library;
use crate::output::interned::Interned;
use crate::report::{Frame, Stack};

/// The places of the categories in [`categories`].
const OTHER: usize = 0;
const PROGRAM: usize = 1;
const LIBRARY: usize = 2;

/// The categories of frames; the viewer needs a grey one for those that have none.
pub(super) fn categories() -> Json {
    json!([
        { "name": "Other", "color": "grey", "subcategories": ["Other"] },
        { "name": "Program", "color": "yellow", "subcategories": ["Other"] },
        { "name": "Library", "color": "lightblue", "subcategories": ["Other"] },
    ])
}

/// All rows so far.
pub(super) struct Tables<'a> {
    program: &'a str,
    strings: Interned<Rc<str>>,
    /// The libraries of the whole profile, each of which is also a resource.
    pub libraries: Interned<Library>,
    functions: Interned<Function>,
    frames: Interned<Row>,
    /// The place of the stack of the caller, and that of the frame.
    stacks: Interned<(Option<usize>, usize)>,
    /// Rows of frames by the place in memory of the frame, which stacks share and which outlives
    /// this, and by how deep the frame is inlined.
    known: HashMap<(*const Frame, usize), usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Function {
    name: usize,
    library: Option<usize>,
    file: Option<usize>,
}

/// A row of `frameTable`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    /// In the library.
    address: Option<u64>,
    /// 0 for the function that has the code, 1 for what was inlined into it, and so on.
    inline_depth: usize,
    category: usize,
    function: usize,
    line: Option<u32>,
    column: Option<u32>,
}

impl<'a> Tables<'a> {
    pub fn new(program: &'a str) -> Tables<'a> {
        Tables {
            program,
            strings: Interned::default(),
            libraries: Interned::default(),
            functions: Interned::default(),
            frames: Interned::default(),
            stacks: Interned::default(),
            known: HashMap::new(),
        }
    }

    /// The place of a stack; none where it is empty.
    pub fn stack(&mut self, stack: &Stack) -> Option<usize> {
        let (mut caller, mut inline_depth) = (None, 0);
        for frame in stack.0.iter().rev() {
            inline_depth = if frame.inlined { inline_depth + 1 } else { 0 };
            let row = self.frame(frame, inline_depth);
            caller = Some(self.stacks.place((caller, row)));
        }
        caller
    }

    fn frame(&mut self, frame: &Arc<Frame>, inline_depth: usize) -> usize {
        let key = (Arc::as_ptr(frame), inline_depth);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let library = frame.module.as_deref().map(|path| {
            let library = Library::new(path, frame.build_id.as_ref());
            self.libraries.place(library)
        });
        let function = Function {
            name: self.string(&frame.label()),
            library,
            file: frame.file.as_deref().map(|file| self.string(file)),
        };
        let category = match frame.module_name() {
            None => OTHER,
            Some(name) if name == self.program => PROGRAM,
            Some(_) => LIBRARY,
        };
        let row = Row {
            address: frame.offset,
            inline_depth,
            category,
            function: self.functions.place(function),
            line: frame.line,
            column: frame.column,
        };
        let place = self.frames.place(row);
        self.known.insert(key, place);
        place
    }

    fn string(&mut self, text: &str) -> usize {
        self.strings.place(clean(text).into())
    }

    /// The tables by their names in the form.
    pub fn into_json(mut self) -> Json {
        let libraries = self.libraries.all().to_vec();
        let names = libraries.iter().map(|library| self.string(&library.name));
        let names: Vec<usize> = names.collect();
        json!({
            "stackTable": self.stack_table(),
            "frameTable": self.frame_table(),
            "funcTable": self.function_table(),
            "resourceTable": {
                "lib": (0..names.len()).collect::<Vec<usize>>(),
                "name": names,
                "host": vec![Json::Null; libraries.len()],
                "type": vec![LIBRARY_RESOURCE; libraries.len()],
                "length": libraries.len(),
            },
            "nativeSymbols": {
                "libIndex": [], "address": [], "name": [], "functionSize": [], "length": 0,
            },
            "stringArray": self.strings.all().iter().map(|text| &**text).collect::<Vec<&str>>(),
        })
    }

    fn stack_table(&self) -> Json {
        let stacks = self.stacks.all();
        json!({
            "prefix": column(stacks, |(prefix, _)| *prefix),
            "frame": column(stacks, |(_, frame)| *frame),
            "length": stacks.len(),
        })
    }

    fn frame_table(&self) -> Json {
        let frames = self.frames.all();
        json!({
            "address": column(frames, |row| row.address.map_or(-1, |address| address as i64)),
            "inlineDepth": column(frames, |row| row.inline_depth),
            "category": column(frames, |row| row.category),
            "subcategory": vec![0; frames.len()],
            "func": column(frames, |row| row.function),
            "nativeSymbol": vec![Json::Null; frames.len()],
            "innerWindowID": vec![0; frames.len()],
            "line": column(frames, |row| row.line),
            "column": column(frames, |row| row.column),
            "length": frames.len(),
        })
    }

    fn function_table(&self) -> Json {
        let functions = self.functions.all();
        let nothing = vec![Json::Null; functions.len()];
        json!({
            "name": column(functions, |function| function.name),
            "isJS": vec![false; functions.len()],
            "relevantForJS": vec![false; functions.len()],
            "resource": column(functions, |function| {
                function.library.map_or(-1, |library| library as i64)
            }),
            "fileName": column(functions, |function| function.file),
            "lineNumber": nothing,
            "columnNumber": nothing,
            "length": functions.len(),
        })
    }
}

/// The type of a resource that is a library.
const LIBRARY_RESOURCE: u32 = 1;

/// One column of a table.
fn column<T, V>(rows: &[T], value: impl Fn(&T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
