//! The call stacks that hold the heap at one moment, from the innermost callers outwards.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::output::interned::Interned;
use crate::output::valgrind::describe;
use crate::report::{Frame, Stack};

/// A tree of frames, whose root stands for the allocation functions.
pub(super) struct Tree {
    nodes: Vec<Node>,
    names: Interned<String>,
}

#[derive(Default)]
struct Node {
    /// In [`Tree::names`]; that of the root is not used.
    name: usize,
    bytes: u64,
    children: Vec<usize>,
}

/// massif's own name of the root, which viewers know.
const ROOT_NAME: &str = "(heap allocation functions) malloc/new/new[], --alloc-fns, etc.";

/// What is less than this part of the whole is only counted, as by massif.
const THRESHOLD: f64 = 0.01;

impl Tree {
    /// The tree of these stacks, each with the bytes that it holds.
    pub fn of<'a>(stacks: impl Iterator<Item = (&'a Stack, f64)>) -> Tree {
        let mut tree = Tree {
            nodes: vec![Node::default()],
            names: Interned::default(),
        };
        let mut known: HashMap<*const Frame, usize> = HashMap::new();
        let mut children: HashMap<(usize, usize), usize> = HashMap::new();
        for (stack, bytes) in stacks {
            let bytes = bytes.round() as u64;
            if bytes == 0 {
                continue;
            }
            tree.nodes[0].bytes = tree.nodes[0].bytes.saturating_add(bytes);
            let mut node = 0;
            for frame in &stack.0 {
                let name = *known
                    .entry(Arc::as_ptr(frame))
                    .or_insert_with(|| tree.names.place(name(frame)));
                let next = tree.nodes.len();
                let child = *children.entry((node, name)).or_insert(next);
                if child == next {
                    tree.nodes[node].children.push(child);
                    tree.nodes.push(Node {
                        name,
                        ..Node::default()
                    });
                }
                tree.nodes[child].bytes = tree.nodes[child].bytes.saturating_add(bytes);
                node = child;
            }
        }
        tree
    }

    /// What all stacks hold together.
    pub fn bytes(&self) -> u64 {
        self.nodes[0].bytes
    }

    /// Writes it, one line a node, the largest first; what it is too small for is one line more.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut waiting = vec![Line::Node { node: 0, depth: 0 }];
        while let Some(line) = waiting.pop() {
            match line {
                Line::Node { node, depth } => self.write_node(node, depth, &mut waiting, out)?,
                Line::Rest {
                    bytes,
                    places,
                    depth,
                } => {
                    let plural = if places == 1 { "" } else { "s" };
                    writeln!(
                        out,
                        "{:depth$}n0: {bytes} in {places} place{plural}, all below massif's \
                         threshold ({:.2}%)",
                        "",
                        THRESHOLD * 100.0
                    )?;
                }
            }
        }
        Ok(())
    }

    fn write_node(
        &self,
        node: usize,
        depth: usize,
        waiting: &mut Vec<Line>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Node {
            name,
            bytes,
            children,
        } = &self.nodes[node];
        let least = self.bytes() as f64 * THRESHOLD;
        let is_large = |child: &&usize| self.nodes[**child].bytes as f64 >= least;
        let (mut large, small): (Vec<&usize>, Vec<&usize>) = children.iter().partition(is_large);
        large.sort_by_key(|child| self.nodes[**child].bytes);
        let lines = large.len() + usize::from(!small.is_empty());
        let name = match node {
            0 => ROOT_NAME,
            _ => &self.names.all()[*name],
        };
        writeln!(out, "{:depth$}n{lines}: {bytes} {name}", "")?;
        // The last that is put here is written next.
        if !small.is_empty() {
            waiting.push(Line::Rest {
                bytes: small.iter().map(|child| self.nodes[**child].bytes).sum(),
                places: small.len(),
                depth: depth + 1,
            });
        }
        waiting.extend(large.into_iter().map(|child| Line::Node {
            node: *child,
            depth: depth + 1,
        }));
        Ok(())
    }
}

/// A line that is still to be written, below those that were.
enum Line {
    Node {
        node: usize,
        depth: usize,
    },
    Rest {
        bytes: u64,
        places: usize,
        depth: usize,
    },
}

/// The frame without the sign that begins a comment, as in Rust's `{closure#0}`.
fn name(frame: &Frame) -> String {
    describe(frame).replace('#', ".")
}
