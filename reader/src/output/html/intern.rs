//! Texts, frames and stacks, each kept once and known by its number.
//!
//! A hundred thousand stacks of thirty frames are three million frames written out, but only a
//! few thousand different ones, and their callers are largely the same: stacks become a tree.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use crate::output::clean::clean;
use crate::report::{Frame, Stack};

/// Everything that sections refer to by number.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tables {
    /// Every text once, made harmless; the first is empty.
    texts: Vec<String>,
    frames: Frames,
    stacks: Stacks,
    #[serde(skip)]
    text_numbers: HashMap<String, u32>,
    #[serde(skip)]
    frame_numbers: HashMap<FrameKey, u32>,
    /// By the place in memory of frames, which stacks share and which outlive this.
    #[serde(skip)]
    frame_places: HashMap<*const Frame, u32>,
    #[serde(skip)]
    stack_numbers: HashMap<(Option<u32>, u32), u32>,
}

/// One array a property; what is unknown is the empty text, 0 or null.
#[derive(Debug, Default, Serialize)]
struct Frames {
    name: Vec<u32>,
    file: Vec<u32>,
    line: Vec<u32>,
    module: Vec<u32>,
    build_id: Vec<u32>,
    offset: Vec<Option<u64>>,
    inlined: Vec<u8>,
}

/// The tree of callers: a stack is the number of its leaf.
#[derive(Debug, Default, Serialize)]
struct Stacks {
    /// How far before a node its caller stands; 0 for the outermost frame.
    caller: Vec<u32>,
    frame: Vec<u32>,
}

/// What makes two frames the same to a person.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FrameKey {
    name: u32,
    file: u32,
    line: u32,
    module: u32,
    build_id: u32,
    offset: Option<u64>,
    inlined: bool,
}

impl Tables {
    pub(crate) fn new() -> Tables {
        let mut tables = Tables::default();
        tables.text("");
        tables
    }

    /// The number of a text that may come from the target.
    pub(crate) fn text(&mut self, text: &str) -> u32 {
        let text = clean(text);
        if let Some(known) = self.text_numbers.get(text.as_ref()) {
            return *known;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.clone().into_owned());
        self.text_numbers.insert(text.into_owned(), number);
        number
    }

    /// The number of a stack's leaf; its callers have smaller ones.
    pub(crate) fn stack(&mut self, stack: &Stack) -> u32 {
        if stack.0.is_empty() {
            let frame = self.frame(&Frame::marker("[no stack]"));
            return self.node(None, frame);
        }
        let mut leaf = None;
        for frame in stack.0.iter().rev() {
            let frame = self.shared_frame(frame);
            leaf = Some(self.node(leaf, frame));
        }
        leaf.expect("a stack that is not empty has a leaf")
    }

    fn node(&mut self, caller: Option<u32>, frame: u32) -> u32 {
        let stacks = &mut self.stacks;
        let next = stacks.frame.len() as u32;
        *self
            .stack_numbers
            .entry((caller, frame))
            .or_insert_with(|| {
                stacks.caller.push(caller.map_or(0, |caller| next - caller));
                stacks.frame.push(frame);
                next
            })
    }

    fn shared_frame(&mut self, frame: &Arc<Frame>) -> u32 {
        if let Some(known) = self.frame_places.get(&Arc::as_ptr(frame)) {
            return *known;
        }
        let number = self.frame(frame);
        self.frame_places.insert(Arc::as_ptr(frame), number);
        number
    }

    fn frame(&mut self, frame: &Frame) -> u32 {
        let mut text = |text: &Option<Arc<str>>| self.text(text.as_deref().unwrap_or_default());
        let key = FrameKey {
            file: text(&frame.file),
            module: text(&frame.module),
            build_id: text(&frame.build_id),
            line: frame.line.unwrap_or(0),
            // A line says more, and one line may have a hundred calls.
            offset: frame.offset.filter(|_| frame.line.is_none()),
            inlined: frame.inlined,
            name: self.text(&frame.label()),
        };
        if let Some(known) = self.frame_numbers.get(&key) {
            return *known;
        }
        let number = self.frames.name.len() as u32;
        self.frames.push(&key);
        self.frame_numbers.insert(key, number);
        number
    }
}

impl Frames {
    fn push(&mut self, key: &FrameKey) {
        self.name.push(key.name);
        self.file.push(key.file);
        self.line.push(key.line);
        self.module.push(key.module);
        self.build_id.push(key.build_id);
        self.offset.push(key.offset);
        self.inlined.push(key.inlined.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str]) -> Stack {
        Stack::from_iter(names.iter().map(|name| Frame::marker(*name)))
    }

    #[test]
    fn stacks_share_their_callers() {
        let mut tables = Tables::new();
        let stacks = [
            stack(&["leaf", "work", "main"]),
            stack(&["other", "work", "main"]),
            stack(&["leaf", "work", "main"]),
        ];
        let numbers = stacks.each_ref().map(|stack| tables.stack(stack));
        assert_eq!(numbers, [2, 3, 2]);
        assert_eq!(tables.stacks.caller, [0, 1, 1, 2]);
        assert_eq!(tables.stacks.frame, [0, 1, 2, 3]);
    }

    #[test]
    fn an_empty_stack_has_a_frame_that_says_so() {
        let mut tables = Tables::new();
        assert_eq!(tables.stack(&Stack::default()), 0);
        assert_eq!(tables.texts, ["", "[no stack]"]);
    }

    #[test]
    fn texts_are_made_harmless() {
        let mut tables = Tables::new();
        tables.text("a\u{202e}b\u{1b}[2J");
        assert_eq!(tables.texts, ["", "ab"]);
    }
}
