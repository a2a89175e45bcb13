//! Stacks folded into one tree of functions.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::analysis::tree::Total;
use crate::report::Frame;

/// Which end of the stacks becomes the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The outermost function, as main: callees lie below.
    In,
    /// The innermost function: callers lie below.
    Out,
}

/// A function in its place, with what all stacks through it come to.
struct Node<'a> {
    /// The first frame that came here.
    frame: &'a Frame,
    total: Total,
    /// What of it ends here.
    itself: Total,
    children: Vec<usize>,
}

/// The tree; its first nodes hang below a root that is not drawn.
#[derive(Default)]
pub(super) struct Nodes<'a> {
    all: Vec<Node<'a>>,
    roots: Vec<usize>,
    /// Functions as numbers, by name and module.
    functions: HashMap<(String, Option<&'a str>), u32>,
    /// The number of the function of each frame met before.
    known: HashMap<*const Frame, u32>,
    /// The node of a function below a node.
    places: HashMap<(Option<usize>, u32), usize>,
}

/// One node as it is drawn.
pub(super) struct Shown<'t> {
    pub(super) frame: &'t Frame,
    pub(super) total: &'t Total,
    pub(super) itself: &'t Total,
    /// How many nodes lie above it.
    pub(super) depth: usize,
    /// How many of those have more than one branch that is drawn.
    pub(super) indentation: usize,
}

impl<'a> Nodes<'a> {
    /// Adds a stack, leaf first.
    pub(super) fn add(
        &mut self,
        frames: impl DoubleEndedIterator<Item = &'a Frame>,
        direction: Direction,
        total: &Total,
    ) {
        let mut place = None;
        let mut step = |nodes: &mut Self, frame| place = Some(nodes.below(place, frame, total));
        match direction {
            Direction::Out => frames.for_each(|frame| step(self, frame)),
            Direction::In => frames.rev().for_each(|frame| step(self, frame)),
        }
        if let Some(last) = place {
            self.all[last].itself.add(total);
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The nodes that `is_shown` wants, given their totals and depths; of siblings that with the
    /// largest `number` first, its descendants before the next.
    pub(super) fn shown(
        &self,
        is_shown: impl Fn(&Total, usize) -> bool,
        number: impl Fn(&Total) -> f64,
    ) -> Vec<Shown<'_>> {
        let branches = |children: &[usize], depth: usize| {
            let wanted = |child: &&usize| is_shown(&self.all[**child].total, depth);
            let mut wanted: Vec<usize> = children.iter().filter(wanted).copied().collect();
            wanted.sort_by(|left, right| {
                let number = |node: &usize| number(&self.all[*node].total);
                // The smallest first, since the last is taken first; else in the order of coming.
                number(left).total_cmp(&number(right)).then(right.cmp(left))
            });
            wanted
        };
        let mut open: Vec<(usize, usize, usize)> = Vec::new();
        let mut shown = Vec::new();
        open.extend(
            branches(&self.roots, 0)
                .into_iter()
                .map(|node| (node, 0, 0)),
        );
        while let Some((index, depth, indentation)) = open.pop() {
            let node = &self.all[index];
            shown.push(Shown {
                frame: node.frame,
                total: &node.total,
                itself: &node.itself,
                depth,
                indentation,
            });
            let below = branches(&node.children, depth + 1);
            let indentation = indentation + usize::from(below.len() > 1);
            open.extend(below.into_iter().map(|node| (node, depth + 1, indentation)));
        }
        shown
    }

    fn below(&mut self, parent: Option<usize>, frame: &'a Frame, total: &Total) -> usize {
        let function = self.function(frame);
        let next = self.all.len();
        let place = *self.places.entry((parent, function)).or_insert(next);
        if place == next {
            self.all.push(Node {
                frame,
                total: Total::default(),
                itself: Total::default(),
                children: Vec::new(),
            });
            match parent {
                Some(parent) => self.all[parent].children.push(place),
                None => self.roots.push(place),
            }
        }
        self.all[place].total.add(total);
        place
    }

    fn function(&mut self, frame: &'a Frame) -> u32 {
        let functions = &mut self.functions;
        *self.known.entry(frame).or_insert_with(|| {
            let next = functions.len() as u32;
            let name = (frame.label(), frame.module.as_deref());
            *functions.entry(name).or_insert(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Sum;
    use crate::report::Stack;

    fn total(bytes: u128) -> Total {
        Total {
            sum: Sum {
                bytes,
                ..Sum::default()
            },
            smallest_bytes: None,
        }
    }

    /// Draws the tree of these stacks, leaf first, as `depth/indentation name total itself`.
    fn check(stacks: &[(&[&str], u128)], direction: Direction, expected: &[&str]) {
        let named: Vec<(Stack, u128)> = stacks
            .iter()
            .map(|(names, bytes)| {
                let frames = names.iter().map(|name| Frame::marker(*name));
                (frames.collect(), *bytes)
            })
            .collect();
        let mut nodes = Nodes::default();
        for (stack, bytes) in &named {
            nodes.add(
                stack.0.iter().map(|frame| &**frame),
                direction,
                &total(*bytes),
            );
        }
        let shown = nodes.shown(
            |total, _| total.sum.bytes > 1,
            |total| total.sum.bytes as f64,
        );
        let drawn: Vec<String> = shown
            .iter()
            .map(|node| {
                format!(
                    "{}/{} {} {} {}",
                    node.depth,
                    node.indentation,
                    node.frame.label(),
                    node.total.sum.bytes,
                    node.itself.sum.bytes,
                )
            })
            .collect();
        assert_eq!(drawn, expected);
    }

    const STACKS: &[(&[&str], u128)] = &[
        (&["leaf", "middle", "main"], 10),
        (&["leaf", "other", "main"], 20),
        (&["middle", "main"], 3),
        (&["small", "main"], 1),
    ];

    #[test]
    fn stacks_with_a_common_root_share_its_node() {
        let expected = [
            "0/0 main 34 0",
            "1/1 other 20 0",
            "2/1 leaf 20 20",
            "1/1 middle 13 3",
            "2/1 leaf 10 10",
        ];
        check(STACKS, Direction::In, &expected);
    }

    #[test]
    fn an_inverted_tree_begins_with_those_that_allocate() {
        let expected = [
            "0/0 leaf 30 0",
            "1/1 other 20 0",
            "2/1 main 20 20",
            "1/1 middle 10 0",
            "2/1 main 10 10",
            "0/0 middle 3 0",
            "1/0 main 3 3",
        ];
        check(STACKS, Direction::Out, &expected);
    }
}
