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
use super::stack::{Readable, Stack, read_word};
use memshim_abi::sites::FRAMES_MAX;

/// How many links there is room for: 640 KiB, of which only what was touched takes memory.
pub(super) const CAPACITY: usize = 1 << 14;
/// How many links are kept: the rest is for the new ones of a walk, if they are very deep inside.
pub(super) const LONGEST: usize = CAPACITY - FRAMES_MAX;

/// How the caller of a frame was found, and how the frame itself.
///
/// ```text
///  15 14   13 ............... 3   2 ... 0
///  by       CFA - slot of bp       one of the following, or none
/// ```
pub(super) mod step {
    use super::super::rule::{Rule, kind};

    /// By the frame pointer.
    pub(crate) const BY_FRAME_POINTER: u16 = 1;
    /// In another way than by a packed rule, or there is none: to be asked again.
    pub(crate) const UNUSUAL: u16 = 2;
    /// There is none, by the rule alone.
    pub(crate) const BOTTOM: u16 = 4;
    /// How far below its stack pointer the caller's frame pointer was read; 0 if it was not.
    pub(crate) const SLOT: u16 = 0x3ff8;

    /// A step by a packed rule.
    #[inline(always)]
    pub(crate) fn of(rule: Rule) -> u16 {
        let is_by_frame_pointer = rule.kind() == kind::FROM_FRAME_POINTER;
        rule.slot() as u16 & SLOT | u16::from(is_by_frame_pointer)
    }
}

/// What there is to be compared, beside the return address, to know that the caller is the same:
/// the frame pointer that far below the caller's stack pointer (0: nothing), or one of these.
mod check {
    /// Everything: the step has to be made again.
    pub(crate) const STEP: u16 = 1;
    /// This link's own frame pointer counts: its caller, or one further out, is found by it.
    pub(crate) const OWN: u16 = 2;
}

/// How a frame was found, as in [`By`].
mod by {
    pub(crate) const BITS: u16 = 0xc000;
    pub(crate) const RULE: u16 = 0;
    pub(crate) const FRAME_POINTER: u16 = 0x4000;
    pub(crate) const SIGNAL: u16 = 0x8000;
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
    /// See [`step`].
    step: u16,
    /// See [`check`].
    check: u16,
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
        step: 0,
        check: 0,
    };

    #[inline]
    fn new(frame: Frame, step: u16) -> Link {
        Link {
            pc: frame.pc,
            stack_pointer: frame.stack_pointer,
            frame_pointer: frame.frame_pointer,
            hash: 0,
            site: 0,
            step: step | by_of(frame),
            check: 0,
        }
    }

    /// The same, without hash and site, read in the pieces that it was written in: to read two of
    /// them at once, as the compiler would, has to wait until both have left the store buffer.
    #[inline(always)]
    fn reread(&self) -> Link {
        let word = |field: &u64| {
            // SAFETY: a reference can be read.
            unsafe { core::ptr::from_ref(field).read_volatile() }
        };
        Link {
            pc: word(&self.pc),
            stack_pointer: word(&self.stack_pointer),
            frame_pointer: word(&self.frame_pointer),
            hash: 0,
            site: 0,
            step: self.step,
            check: 0,
        }
    }

    /// Whether this is the same frame, of the same stack as far as the numbers of stacks tell.
    #[inline(always)]
    pub(super) fn is_same(&self, other: &Link) -> bool {
        self.hash == other.hash
            && self.stack_pointer == other.stack_pointer
            && self.pc == other.pc
            && (self.step ^ other.step) & by::BITS == 0
            && (self.check ^ other.check) & check::OWN == 0
            && (self.frame_pointer == other.frame_pointer || self.check & check::OWN == 0)
    }

    /// Whether this was the frame, as far as it counts, found in the same way (by a signal: the
    /// same or another one).
    #[inline(always)]
    fn is(&self, frame: Frame) -> bool {
        self.stack_pointer == frame.stack_pointer
            && self.pc == frame.pc
            && self.step & by::BITS == by_of(frame)
            && (self.frame_pointer == frame.frame_pointer || self.check & check::OWN == 0)
    }

    /// Decides what has to be compared when this was called by a certain other link.
    #[inline(always)]
    fn set_check(&mut self, caller: Option<&Link>) {
        let mut is_callers_own = false;
        if let Some(caller) = caller {
            is_callers_own = caller.check & check::OWN != 0;
            let distance = caller.stack_pointer.wrapping_sub(self.stack_pointer);
            if u64::from(self.step & step::SLOT) > distance.saturating_add(RED_ZONE) {
                self.step |= step::UNUSUAL;
            }
        }
        // The frame pointer that the caller has is read again, if anything is found by it.
        let slot = (self.step & step::SLOT) * u16::from(is_callers_own);
        let is_kept = self.step & step::SLOT == 0;
        self.check = match self.step & !(step::SLOT | by::BITS) {
            0 if is_kept && is_callers_own => check::OWN,
            0 => slot,
            step::BY_FRAME_POINTER => check::OWN | slot,
            step::BOTTOM => check::STEP,
            _ => check::STEP | check::OWN,
        };
    }
}

fn by_of(frame: Frame) -> u16 {
    match frame.by {
        By::Rule => by::RULE,
        By::FramePointer => by::FRAME_POINTER,
        By::Signal(_) => by::SIGNAL,
    }
}

/// Remembered links. All zeros are an empty chain.
#[repr(C)]
pub(super) struct Chain<const ROOM: usize> {
    len: usize,
    links: [Link; ROOM],
}

/// The remembered links of a whole stack, and room for those of the next walk.
pub(super) type Trunk = Chain<CAPACITY>;

impl<const ROOM: usize> Chain<ROOM> {
    #[cfg(test)]
    pub(super) const fn new() -> Chain<ROOM> {
        Chain {
            len: 0,
            links: [Link::ZERO; ROOM],
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

    /// Whether a link is this frame, called by the same one.
    #[inline]
    pub(super) fn is_at(&self, index: usize, frame: Frame) -> bool {
        self.links.get(index).is_some_and(|link| link.is(frame))
    }

    /// Whether the innermost link is this frame.
    #[inline(always)]
    pub(super) fn is_leaf(&self, frame: Frame) -> bool {
        self.links().last().is_some_and(|link| link.is(frame))
    }

    /// Whether the caller of a link was found by a rule and by words of the stack.
    #[inline(always)]
    pub(super) fn is_usual(&self, index: usize) -> bool {
        let unusual = step::UNUSUAL | step::BOTTOM;
        self.links
            .get(index)
            .is_some_and(|link| link.step & unusual == 0)
    }

    /// Whether the outermost frame has no caller whatever the stack holds.
    #[inline]
    pub(super) fn ends_by_rule(&self) -> bool {
        let flags = step::UNUSUAL | step::BOTTOM;
        self.links
            .first()
            .is_some_and(|link| link.step & flags == step::BOTTOM)
    }

    /// A link as a frame to step from.
    pub(super) fn frame(&self, index: usize) -> Option<Frame> {
        let link = self.links.get(index)?;
        let by = match link.step & by::BITS {
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
    pub(super) fn unchanged(&self, from: usize, stack: Readable) -> usize {
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
            if unsafe { read_word(at.wrapping_sub(8)) } != caller.pc {
                break;
            }
            if callee.check != 0 {
                let slot = callee.check & step::SLOT;
                if callee.check & check::STEP != 0 {
                    break;
                }
                // SAFETY: as above.
                let word = || unsafe { read_word(at.wrapping_sub(u64::from(slot))) };
                if slot != 0 && word() != caller.frame_pointer {
                    break;
                }
            }
            (outer, callee) = (further, caller);
        }
        outer.len()
    }

    /// Adds a link inside all others, if it fits to its caller and there is room.
    #[inline(always)]
    pub(super) fn push(&mut self, link: Link) -> bool {
        if let Some(caller) = self.links().last() {
            let distance = caller.stack_pointer.wrapping_sub(link.stack_pointer);
            let is_outwards = link.stack_pointer < caller.stack_pointer;
            let slot = u64::from(link.check & step::SLOT);
            if !is_outwards || slot > distance.saturating_add(RED_ZONE) {
                return false;
            }
        }
        let Some(place) = self.links.get_mut(self.len) else {
            return false;
        };
        *place = link;
        self.len += 1;
        true
    }
}

impl Trunk {
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

    /// Whether the last of the first `left` links is this frame, which was found by a rule.
    #[inline(always)]
    pub(super) fn is_met(&self, left: usize, frame: Frame) -> bool {
        self.links
            .get(left.wrapping_sub(1))
            .is_some_and(|link| link.is(frame))
    }

    /// Puts a new link at its place behind the remembered ones.
    #[inline(always)]
    pub(super) fn put(&mut self, index: usize, frame: Frame, step: u16) {
        if index < self.len {
            self.len = index;
        }
        if let Some(place) = self.links.get_mut(index) {
            *place = Link::new(frame, step);
        }
    }

    /// Makes the remembered links from `met` outwards new ones, in front of those that begin at
    /// `first`: up to the last link that did not change, which is not among them. Gives where they
    /// begin now, and that link as a frame to step from.
    ///
    /// The frame pointers of links by which nothing was found may be old ones, and have to be read:
    /// something may be found by them now.
    #[inline]
    pub(super) fn renew(
        &mut self,
        met: usize,
        unchanged: usize,
        mut frame_pointer: u64,
        first: usize,
        stack: &Stack,
    ) -> Option<(usize, Frame)> {
        let (mut index, mut to) = (met, first);
        while index > unchanged && self.is_usual(index) {
            let mut link = self.links.get(index).copied()?;
            link.frame_pointer = frame_pointer;
            to = to.checked_sub(1)?;
            *self.links.get_mut(to)? = link;
            index -= 1;
            let slot = u64::from(link.step & step::SLOT);
            if slot != 0 {
                let at = self.links.get(index)?.stack_pointer;
                frame_pointer = stack.read_known(at.wrapping_sub(slot))?;
            }
        }
        self.truncate(to);
        let frame = self.frame(index)?;
        Some((
            to,
            Frame {
                frame_pointer,
                ..frame
            },
        ))
    }

    /// Remembers as many of the new links as there is room for, inside the first `base` ones.
    /// False if some were left out.
    #[inline]
    pub(super) fn remember(&mut self, base: usize, first: usize) -> bool {
        self.truncate(base);
        let mut hash = self.links().last().map_or(hash::EMPTY, |link| link.hash);
        (first..CAPACITY).all(|index| {
            let Some(new) = self.links.get(index) else {
                return false;
            };
            let mut link = new.reread();
            link.set_check(self.links().last());
            if self.len < FRAMES_MAX {
                hash = hash::enter(hash, link.pc);
                link.hash = hash;
            }
            self.len < LONGEST && self.push(link)
        })
    }
}
