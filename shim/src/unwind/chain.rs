//! The walk that a thread remembers, as a chain that can be proved to hold still by reading a few
//! words of the stack.
//!
//! ```text
//!  0            1                      len            first              CAPACITY
//!  | outermost  |  its callee  |  ...   |   (unused)   |  new, innermost last |
//! ```
//! A link is a frame and how its caller was found. By a packed rule, the caller's three registers
//! are a pure function of the frame's own, of the return address and of at most one other word: if
//! the frame is the same and the words are, then so is the caller. Where more was needed, the step
//! is marked to be made anew.
//!
//! The outermost link is the first, so that what the next walk shares with this one stays in place.
//! That walk's new links come from the other end, innermost first: they are behind `first` until it
//! is known how many links they take the place of.
//!
//! Links below `len` always fulfil what [`Chain::unchanged`] reads memory by: stack pointers grow
//! outwards, and the words that a step was made by lie above the red zone of its frame.

use super::arch::RED_ZONE;
use super::frame::{By, Frame};
use super::hash;
use super::stack::{Stack, read_word};
use memshim_abi::sites::FRAMES_MAX;

/// How many links there is room for: 640 KiB, of which only what was touched takes memory.
pub(super) const CAPACITY: usize = 1 << 14;
/// How many links are kept: the rest is for the new ones of a walk, if they are very deep inside.
pub(super) const LONGEST: usize = CAPACITY - FRAMES_MAX;

/// How a caller was found: with its frame pointer unchanged, by one of the following, or with the
/// frame pointer read that many bytes below the caller's stack pointer.
pub(super) mod step {
    /// The frame pointer is the callee's.
    pub(crate) const KEPT: u16 = 0;
    /// In another way than by two words of the stack, or there is none: to be asked again.
    pub(crate) const UNUSUAL: u16 = 1;
    /// There is none, by the rule alone.
    pub(crate) const BOTTOM: u16 = 2;
}

mod by {
    pub(crate) const RULE: u16 = 0;
    pub(crate) const FRAME_POINTER: u16 = 1;
    pub(crate) const SIGNAL: u16 = 2;
}

/// A frame of the chain; all zeros are one too.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Link {
    /// As in [`Frame`].
    pub(super) pc: u64,
    stack_pointer: u64,
    frame_pointer: u64,
    /// The running hash; of a stack that is too deep to be kept whole, the hash of what is kept,
    /// or 0 if nobody asked for it yet.
    pub(super) hash: u64,
    /// The site of the stack that begins here, or 0 if it is not known.
    pub(super) site: u32,
    /// One of [`step`], or a distance.
    step: u16,
    by: u16,
}

const _: () = assert!(size_of::<Link>() == 40);

impl Link {
    /// As in memory that nobody has touched.
    pub(super) const ZERO: Link = Link {
        pc: 0,
        stack_pointer: 0,
        frame_pointer: 0,
        hash: 0,
        site: 0,
        step: step::KEPT,
        by: by::RULE,
    };

    #[inline]
    fn new(frame: Frame, step: u16) -> Link {
        Link {
            pc: frame.pc,
            stack_pointer: frame.stack_pointer,
            frame_pointer: frame.frame_pointer,
            hash: 0,
            site: 0,
            step,
            by: match frame.by {
                By::Rule => by::RULE,
                By::FramePointer => by::FRAME_POINTER,
                By::Signal(_) => by::SIGNAL,
            },
        }
    }

    /// Whether this was the frame, found in the same way (by a signal: the same or another one).
    #[inline]
    fn is(&self, frame: Frame) -> bool {
        let by = match frame.by {
            By::Rule => by::RULE,
            By::FramePointer => by::FRAME_POINTER,
            By::Signal(_) => by::SIGNAL,
        };
        self.stack_pointer == frame.stack_pointer
            && self.pc == frame.pc
            && self.frame_pointer == frame.frame_pointer
            && self.by == by
    }
}

/// The remembered links, and room for those of the next walk. All zeros are an empty chain.
pub(super) struct Chain {
    len: usize,
    links: [Link; CAPACITY],
}

impl Chain {
    pub(super) const fn new() -> Chain {
        Chain {
            len: 0,
            links: [Link::ZERO; CAPACITY],
        }
    }

    /// How many links are remembered.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all but the outermost links.
    #[inline]
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The remembered links, outermost first.
    #[inline]
    pub(super) fn links(&self) -> &[Link] {
        self.links.get(..self.len).unwrap_or(&[])
    }

    /// The innermost link.
    #[inline]
    pub(super) fn leaf(&mut self) -> Option<&mut Link> {
        self.links.get_mut(self.len.checked_sub(1)?)
    }

    /// The new links that begin at an index, outermost first.
    pub(super) fn new_links(&self, first: usize) -> &[Link] {
        self.links.get(first..).unwrap_or(&[])
    }

    /// Of the first `left` links, how many are not inside a stack pointer.
    #[inline]
    pub(super) fn skip_below(&self, left: usize, stack_pointer: u64) -> usize {
        let mut links = self.links.get(..left).unwrap_or(&[]);
        while let [rest @ .., link] = links
            && link.stack_pointer < stack_pointer
        {
            links = rest;
        }
        links.len()
    }

    /// Whether the last of the first `left` links is this frame, and will go on like it. An
    /// interrupted frame may not: its registers lie where its callee says.
    #[inline]
    pub(super) fn is_met(&self, left: usize, frame: Frame) -> bool {
        !frame.is_interrupted() && left != 0 && self.is_at(left.wrapping_sub(1), frame)
    }

    /// Whether a link is this frame, called by the same one.
    #[inline]
    pub(super) fn is_at(&self, index: usize, frame: Frame) -> bool {
        self.links.get(index).is_some_and(|link| link.is(frame))
    }

    /// Whether the outermost frame has no caller whatever the stack holds.
    #[inline]
    pub(super) fn ends_by_rule(&self) -> bool {
        self.links
            .first()
            .is_some_and(|link| link.step == step::BOTTOM)
    }

    /// A link as a frame to step from.
    pub(super) fn frame(&self, index: usize) -> Option<Frame> {
        let link = self.links.get(index)?;
        let by = match link.by {
            by::RULE => By::Rule,
            by::FRAME_POINTER => By::FramePointer,
            _ => By::Signal(self.links.get(index + 1)?.stack_pointer),
        };
        Some(Frame {
            pc: link.pc,
            stack_pointer: link.stack_pointer,
            frame_pointer: link.frame_pointer,
            by,
        })
    }

    /// From a link whose frame is known to be the present one, outwards: the last link that is
    /// proved to be so too, by the words that it was found by.
    #[inline]
    pub(super) fn unchanged(&self, from: usize, stack: &Stack) -> usize {
        let Some([outer @ .., callee]) = self.links().get(..=from) else {
            return from;
        };
        let (mut outer, mut callee) = (outer, callee);
        let lowest = callee.stack_pointer.wrapping_sub(RED_ZONE);
        let end = outer.first().map_or(0, |link| link.stack_pointer);
        if !stack.holds_all(lowest, end) {
            return from;
        }
        while let [further @ .., caller] = outer {
            let at = caller.stack_pointer;
            // SAFETY: `push` has seen to it that each link's stack pointer is above those before,
            // and that no word of a step begins below its callee's red zone or ends above its
            // caller's stack pointer: all lie between `lowest` and `end`, which are readable.
            let mut is_same = unsafe { read_word(at.wrapping_sub(8)) } == caller.pc;
            match callee.step {
                step::KEPT => {}
                step::UNUSUAL | step::BOTTOM => break,
                slot => {
                    // SAFETY: as above.
                    let word = unsafe { read_word(at.wrapping_sub(u64::from(slot))) };
                    is_same &= word == caller.frame_pointer;
                }
            }
            if !is_same {
                break;
            }
            (outer, callee) = (further, caller);
        }
        outer.len()
    }

    /// Puts a new link at its place behind the remembered ones.
    #[inline]
    pub(super) fn put(&mut self, index: usize, frame: Frame, step: u16) {
        self.put_link(index, Link::new(frame, step));
    }

    #[inline]
    fn put_link(&mut self, index: usize, link: Link) {
        self.len = self.len.min(index);
        if let Some(place) = self.links.get_mut(index) {
            *place = link;
        }
    }

    /// Makes the remembered links from `start` to `last` new ones, in front of those that begin at
    /// `first`, and gives where they begin now. The caller of the outermost of them was found by
    /// another step.
    pub(super) fn renew(&mut self, start: usize, last: usize, first: usize, step: u16) -> usize {
        let mut to = first;
        for index in (start..=last).rev() {
            let Some(link) = self.links.get(index).copied() else {
                return to;
            };
            to = to.wrapping_sub(1);
            let step = if index == start { step } else { link.step };
            self.put_link(to, Link { step, ..link });
        }
        to
    }

    /// Remembers as many of the new links as there is room for, inside the first `base` ones.
    /// False if some were left out.
    pub(super) fn remember(&mut self, base: usize, first: usize) -> bool {
        self.truncate(base);
        for index in first..CAPACITY {
            let link = self.links.get(index).copied();
            if !link.is_some_and(|link| self.push(link)) {
                return false;
            }
        }
        true
    }

    /// Adds a link inside all others, if it fits to its caller.
    fn push(&mut self, mut link: Link) -> bool {
        let mut outer = hash::EMPTY;
        if let Some(caller) = self.leaf() {
            let Some(distance) = caller.stack_pointer.checked_sub(link.stack_pointer) else {
                return false;
            };
            if distance == 0 {
                return false;
            }
            if u64::from(link.step) > distance.saturating_add(RED_ZONE) {
                link.step = step::UNUSUAL;
            }
            outer = caller.hash;
        }
        let is_kept_whole = self.len < FRAMES_MAX;
        link.hash = if is_kept_whole {
            hash::enter(outer, link.pc)
        } else {
            0
        };
        link.site = 0;
        match self.links.get_mut(self.len) {
            Some(place) if self.len < LONGEST => *place = link,
            _ => return false,
        }
        self.len += 1;
        true
    }
}
