//! The inner ends of some recent stacks, beside the one that is remembered as a whole.
//!
//! ```text
//!  trunk      _start  main  parse  list  item  number      the last stack that was new
//!                                   |
//!  branches                         |-- name  copy
//!                                   '-- item  key  copy
//! ```
//! A program allocates at a few places again and again, in turns: each walk then has a few new
//! inner frames, which are not new at all. A branch is such an end, from its innermost frame to the
//! link of the trunk that it begins at. It holds as long as this link is still at its place, and
//! the words that the frames between them were found by are the same.

#![forbid(unsafe_code)]

use memshim_abi::sites::FRAMES_MAX;

use super::chain::{Chain, Link, Trunk};
use super::frame::Frame;
use super::stack::Readable;

/// How many new frames a branch may have.
const LONGEST: usize = 15;
const BRANCH_BITS: u32 = 7;
const BRANCHES: usize = 1 << BRANCH_BITS;

/// An inner end. All zeros are none.
#[repr(C)]
struct Branch {
    /// The rules that it was made by.
    generation: u64,
    /// Which link of the trunk it begins at.
    joint: usize,
    /// That link, as it was, and those inside it.
    links: Chain<{ LONGEST + 1 }>,
}

/// As many branches as there are places for, found by their innermost frame.
pub(super) struct Branches([Branch; BRANCHES]);

impl Branches {
    #[cfg(test)]
    pub(super) const fn new() -> Branches {
        Branches(
            [const {
                Branch {
                    generation: 0,
                    joint: 0,
                    links: Chain::new(),
                }
            }; BRANCHES],
        )
    }

    /// The branch of the stack that begins with a frame, and the link of the trunk that it begins
    /// at, if the trunk has that link and everything between is as it was.
    #[inline]
    pub(super) fn find(
        &self,
        frame: Frame,
        trunk: &Trunk,
        generation: u64,
        readable: Readable,
    ) -> Option<(usize, usize)> {
        let place = place_of(frame);
        let branch = self.0.get(place)?;
        if !branch.links.is_leaf(frame) || branch.generation != generation {
            return None;
        }
        let beginning = branch.links.links().first()?;
        let is_joined = trunk
            .links()
            .get(branch.joint)
            .is_some_and(|link| link.is_same(beginning));
        let last = branch.links.len().wrapping_sub(1);
        let is_unchanged = is_joined && branch.links.unchanged(last, readable) == 0;
        is_unchanged.then_some((place, branch.joint))
    }

    /// Remembers the links of the trunk inside one of them as a branch, if there are not too many;
    /// gives its place.
    #[inline]
    pub(super) fn add(
        &mut self,
        frame: Frame,
        trunk: &Trunk,
        joint: usize,
        generation: u64,
    ) -> Option<usize> {
        let links = trunk.links();
        let new = links.get(joint..)?;
        if links.len() > FRAMES_MAX || !(2..=LONGEST + 1).contains(&new.len()) {
            return None;
        }
        let place = place_of(frame);
        let branch = self.0.get_mut(place)?;
        branch.links.truncate(0);
        branch.generation = generation;
        branch.joint = joint;
        new.iter()
            .all(|link| branch.links.push(*link))
            .then_some(place)
    }

    /// The innermost link of a branch.
    #[inline]
    pub(super) fn leaf(&mut self, place: usize) -> Option<&mut Link> {
        self.0.get_mut(place)?.links.leaf()
    }

    /// The links of a branch inside the one that it begins at, and which one that is.
    #[inline]
    pub(super) fn links(&self, place: usize) -> (&[Link], usize) {
        self.0.get(place).map_or((&[], 0), |branch| {
            (branch.links.links().get(1..).unwrap_or(&[]), branch.joint)
        })
    }
}

/// Where the branch that begins with a frame would be.
#[inline]
fn place_of(frame: Frame) -> usize {
    let mixed = (frame.pc ^ frame.stack_pointer << 24).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - BRANCH_BITS)) as usize
}
