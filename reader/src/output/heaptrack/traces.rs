//! The names and call stacks of a heaptrack file: lists that refer to each other by place.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use crate::output::clean::clean;
use crate::output::interned::Interned;
use crate::report::{Frame, Stack};

/// Places in these lists count from 1, in hexadecimal; 0 is nothing.
#[derive(Default)]
pub(super) struct Traces {
    strings: Interned<Rc<str>>,
    /// What follows the `i`: one line an address, with all that was inlined there.
    instructions: Interned<Rc<str>>,
    /// The place of an instruction, and of the trace of its caller.
    traces: Interned<(usize, usize)>,
    /// Instructions by the places in memory of their frames, which stacks share and which outlive
    /// this.
    known: HashMap<Vec<*const Frame>, usize>,
}

impl Traces {
    /// The place of the trace that leads to the stack's leaf.
    pub fn of(&mut self, stack: &Stack) -> usize {
        let unknown = [Arc::new(Frame::marker("[no stack]"))];
        let frames = match stack.0.as_slice() {
            [] => &unknown,
            frames => frames,
        };
        // What was inlined comes before the function that holds it.
        let instructions: Vec<&[Arc<Frame>]> =
            frames.split_inclusive(|frame| !frame.inlined).collect();
        let callers_first = instructions.into_iter().rev();
        callers_first.fold(0, |caller, frames| {
            let instruction = self.instruction(frames);
            self.traces.place((instruction, caller)) + 1
        })
    }

    fn instruction(&mut self, frames: &[Arc<Frame>]) -> usize {
        let key: Vec<*const Frame> = frames.iter().map(Arc::as_ptr).collect();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let text = self.describe(frames);
        let place = self.instructions.place(text.into()) + 1;
        self.known.insert(key, place);
        place
    }

    /// Address, module, and function, file and line of each frame, the innermost first.
    fn describe(&mut self, frames: &[Arc<Frame>]) -> String {
        let Some(holder) = frames.last() else {
            return String::new();
        };
        let module = holder.module.as_deref().map_or(0, |path| self.string(path));
        let address = holder.offset.unwrap_or(holder.address);
        let mut text = format!("{address:x} {module:x}");
        for frame in frames {
            // heaptrack takes all code without a name in a module for one function, so it gets one.
            let function = self.string(&frame.label());
            let file = frame.file.as_deref().map_or(0, |file| self.string(file));
            let line = frame.line.unwrap_or(0);
            text.push_str(&format!(" {function:x} {file:x} {line:x}"));
        }
        text
    }

    fn string(&mut self, text: &str) -> usize {
        self.strings.place(clean(text).into()) + 1
    }

    /// Writes the three lists; nothing refers to what comes later.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for string in self.strings.all() {
            writeln!(out, "s {:x} {string}", string.len())?;
        }
        for instruction in self.instructions.all() {
            writeln!(out, "i {instruction}")?;
        }
        for (instruction, caller) in self.traces.all() {
            writeln!(out, "t {instruction:x} {caller:x}")?;
        }
        Ok(())
    }
}
