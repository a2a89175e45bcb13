//! Walks the stack again, where only its inner end has changed since the thread's last walk.
//!
//! ```text
//!  remembered   _start  main  parse  list  item  number
//!                 |      |      |     |
//!  read again     |<-----|<-----|<----|      about 0.5 ns a frame: are the words still the same?
//!                                     |
//!  this walk    _start  main  parse  list  name  copy     from the right: new frames, by rules
//! ```
//! A walk begins with the innermost frame and steps outwards, until it comes to a frame that has
//! the registers of a remembered one. From there on, everything is a pure function of these
//! registers and of the words that were read: if those are the same, so is the rest. Where one
//! differs, the walk steps on from there, and looks for the next frame that it remembers.
//!
//! Only a thread's native stack is remembered, whose memory is known to be readable. On others
//! (coroutines, signal stacks) every walk is a full one.

#![forbid(unsafe_code)]

mod loose;

use memshim_abi::sites::FRAMES_MAX;

use super::branch::Branches;
use super::chain::{CAPACITY, LONGEST, Link, Trunk, step};
use super::find::Object;
use super::frame::{By, Frame};
use super::stack::Stack;
use super::{End, Registers, StackRange, cache, hash};
use loose::kept;

/// What a thread remembers of its last walk. All zeros are a value: nothing is remembered.
///
/// It is large, and only the pages that deep stacks touch take memory: it belongs into zero pages,
/// and must not be moved. It may be handed on to another thread as it is, since nothing in it is
/// believed unseen.
#[repr(C)]
pub struct Memo {
    /// The rules that the trunk was made by.
    generation: u64,
    /// What the last walk was.
    last: Last,
    loose_len: usize,
    /// The branch that the last walk was or became, if `last` says so.
    place: usize,
    trunk: Trunk,
    loose: [u64; FRAMES_MAX],
    branches: Branches,
}

/// Where the frames of the last walk are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// In the trunk. It is also the value of zeros: there are none.
    Trunk = 0,
    /// In the trunk, and the innermost are a branch, too.
    Both = 1,
    /// In a branch, and from its joint outwards in the trunk.
    Branch = 2,
    /// Nowhere but in the buffer of loose frames.
    Loose = 3,
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    /// The number of the stack (see [`super::hash_of`]), never 0.
    pub hash: u64,
    /// Its site, if [`Memo::set_site`] told it in time; else 0.
    pub site: u32,
    /// How many frames there are to be had from [`Memo::frames`].
    #[cfg_attr(
        not(any(test, feature = "check-walks")),
        expect(dead_code, reason = "for tests")
    )]
    pub len: usize,
    /// How many frames were left out in the middle, for lack of room.
    pub elided: u64,
    /// Why the walk ended.
    pub end: End,
}

/// How far a walk has come.
struct Trail {
    /// How many of the remembered links are not inside the present frame.
    left: usize,
    /// Where the new links begin.
    first: usize,
    /// Whether it is a stack of the simple kind that is remembered.
    is_simple: bool,
}

/// Why stepping stopped at a frame.
enum Stop {
    /// It is remembered.
    Met,
    /// Its caller is not known at once.
    Unusual,
    /// There is no more room.
    Full,
}

/// Walks as [`super::walk`] does with room for [`FRAMES_MAX`] frames, with the help of the last such walk.
///
/// Walks are only as old as the rules: [`super::forget_rules`] makes the memo void.
#[inline]
pub fn walk_again(
    start: Registers,
    range: &mut StackRange,
    memo: &mut Memo,
    on_object: &mut dyn FnMut(&Object),
) -> Recognised {
    let found = match memo.recognise(&start, range) {
        Ok(found) => found,
        Err(proved) => memo.walk_anew(start, range, on_object, proved),
    };
    #[cfg(feature = "check-walks")]
    super::checked::compare(start, range, memo, &found);
    found
}

impl Memo {
    /// Nothing remembered.
    #[cfg(test)]
    pub const fn new() -> Memo {
        Memo {
            generation: 0,
            last: Last::Trunk,
            loose_len: 0,
            place: 0,
            trunk: Trunk::new(),
            loose: [0; FRAMES_MAX],
            branches: Branches::new(),
        }
    }

    /// Remembers the site of the stack that was just walked.
    #[inline]
    pub fn set_site(&mut self, site: u32) {
        if matches!(self.last, Last::Trunk | Last::Both)
            && let Some(leaf) = self.trunk.leaf()
        {
            leaf.site = site;
        }
        if matches!(self.last, Last::Branch | Last::Both)
            && let Some(leaf) = self.branches.leaf(self.place)
        {
            leaf.site = site;
        }
    }

    /// Writes the frames of the stack that was just walked, innermost first, and gives how many:
    /// as [`super::walk`] does, if there is room for [`FRAMES_MAX`].
    pub fn frames(&self, into: &mut [u64]) -> usize {
        let mut len = 0;
        let mut write = |pcs: &mut dyn Iterator<Item = u64>| {
            for (place, pc) in into.iter_mut().zip(pcs) {
                *place = pc;
                len += 1;
            }
        };
        let links = self.trunk.links();
        match self.last {
            Last::Loose => {
                let loose = self.loose.get(..self.loose_len).unwrap_or(&[]);
                write(&mut loose.iter().copied());
            }
            Last::Branch => {
                let (inner, joint) = self.branches.links(self.place);
                let outer = links.get(..=joint).unwrap_or(&[]);
                write(&mut outer.iter().chain(inner).rev().map(|link| link.pc));
            }
            Last::Trunk | Last::Both => {
                let (outer, inner) = kept(links);
                write(&mut outer.iter().chain(inner).rev().map(|link| link.pc));
            }
        }
        len
    }

    /// A walk that needs no step by a rule: it is the last one, or one of the branches. Otherwise,
    /// how far it is the last one from its innermost frame outwards.
    #[inline]
    fn recognise(
        &mut self,
        start: &Registers,
        range: &StackRange,
    ) -> Result<Recognised, Option<usize>> {
        let frame = Frame::new(start);
        let generation = cache::generation();
        let readable = range.readable();
        if let Some((place, joint)) = self.branches.find(frame, &self.trunk, generation, readable) {
            let is_whole = self.trunk.unchanged(joint, readable) == 0 && self.trunk.ends_by_rule();
            if is_whole && self.generation == generation {
                return self.recognise_branch(place).ok_or(None);
            }
            return Err(None);
        }
        if !self.trunk.is_leaf(frame) || self.generation != generation {
            return Err(None);
        }
        let met = self.trunk.len().wrapping_sub(1);
        let proved = self.trunk.unchanged(met, readable);
        if proved != 0 || !self.trunk.ends_by_rule() {
            return Err(Some(proved));
        }
        self.last = Last::Trunk;
        Ok(self.recognised(End::Complete))
    }

    /// The walk that a branch and the trunk outside it are.
    #[inline]
    fn recognise_branch(&mut self, place: usize) -> Option<Recognised> {
        (self.last, self.place) = (Last::Branch, place);
        let (inner, joint) = self.branches.links(place);
        let leaf = inner.last()?;
        Some(Recognised {
            hash: hash::finish(leaf.hash),
            site: leaf.site,
            len: joint + 1 + inner.len(),
            elided: 0,
            end: End::Complete,
        })
    }

    #[inline(never)]
    fn walk_anew(
        &mut self,
        start: Registers,
        range: &mut StackRange,
        on_object: &mut dyn FnMut(&Object),
        proved: Option<usize>,
    ) -> Recognised {
        let generation = cache::generation();
        if self.generation != generation {
            self.generation = generation;
            self.trunk.truncate(0);
        }
        let mut stack = Stack::enter(range, start);
        match self.follow(Frame::new(&start), &mut stack, on_object, proved) {
            Some((found, base)) => {
                if base != 0
                    && self.last == Last::Trunk
                    && let Some(place) = self.branches.add(
                        Frame::new(&start),
                        &self.trunk,
                        base.wrapping_sub(1),
                        generation,
                    )
                {
                    (self.last, self.place) = (Last::Both, place);
                }
                found
            }
            None => self.walk_in_full(start, range, on_object),
        }
    }

    /// Walks until the outermost frame, by what is remembered where that is possible; gives also
    /// how many links of the trunk were kept. Nothing, if the stack is too deep for that.
    #[inline]
    fn follow(
        &mut self,
        start: Frame,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
        mut proved: Option<usize>,
    ) -> Option<(Recognised, usize)> {
        let mut frame = start;
        let mut trail = Trail {
            left: self.trunk.len(),
            first: CAPACITY,
            is_simple: true,
        };
        loop {
            let stop = match proved {
                Some(_) => Stop::Met,
                None => trail.advance(&mut self.trunk, &mut frame, stack),
            };
            match stop {
                Stop::Met => {
                    let met = trail.left.wrapping_sub(1);
                    let proved = proved.take();
                    let (index, end) = prove(&self.trunk, met, proved, stack, on_object);
                    if let Some(end) = end {
                        return self.settle(met + 1, trail.first, end);
                    }
                    // A step that changes stacks can be made only once.
                    if stack.has_switched() {
                        return None;
                    }
                    let pointer = frame.frame_pointer;
                    (trail.first, frame) =
                        self.trunk.renew(met, index, pointer, trail.first, stack)?;
                    trail.left = index;
                }
                Stop::Unusual => {
                    if let Some(end) = self.step(&mut frame, &mut trail, stack, on_object) {
                        stack.remember();
                        if trail.is_simple && stack.is_native() {
                            return self.settle(0, trail.first, end);
                        }
                        return Some((self.set_loose(0, trail.first, 0, end), 0));
                    }
                }
                Stop::Full => {
                    let found = self.follow_deep(frame, trail, stack, on_object)?;
                    return Some((found, 0));
                }
            }
        }
    }

    /// Steps to the caller of a frame, in whatever way it takes, unless it has none.
    #[cold]
    fn step(
        &mut self,
        frame: &mut Frame,
        trail: &mut Trail,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Option<End> {
        let (caller, step) = step_from(*frame, stack, on_object);
        trail.first = trail.first.wrapping_sub(1);
        self.trunk.put(trail.first, *frame, step);
        let caller = match caller {
            Ok(caller) => caller,
            Err(end) => return Some(end),
        };
        if caller.stack_pointer <= frame.stack_pointer || stack.has_switched() {
            trail.is_simple = false;
            trail.left = 0;
        }
        *frame = caller;
        None
    }

    /// Keeps the walk that consists of the outermost `base` links and the new ones; gives also how
    /// many were kept.
    #[inline]
    fn settle(&mut self, base: usize, first: usize, end: End) -> Option<(Recognised, usize)> {
        if base + (CAPACITY - first) > LONGEST {
            let found = self.set_loose(base, first, 0, end);
            self.trunk.remember(base, first);
            return Some((found, 0));
        }
        self.last = Last::Trunk;
        let is_whole = self.trunk.remember(base, first);
        is_whole.then(|| (self.recognised(end), base))
    }

    /// The walk that the trunk is.
    #[inline]
    fn recognised(&mut self, end: End) -> Recognised {
        let total = self.trunk.len();
        let leaf = self.trunk.leaf().copied().unwrap_or(Link::ZERO);
        let mut hash = leaf.hash;
        if total > FRAMES_MAX && hash == 0 {
            hash = self.hash_of_ends();
        }
        let len = total.min(FRAMES_MAX);
        Recognised {
            hash: hash::finish(hash),
            site: leaf.site,
            len,
            elided: (total - len) as u64,
            end,
        }
    }

    /// Hashes the outermost and the innermost links, of a trunk that is too long to be kept whole.
    #[cold]
    fn hash_of_ends(&mut self) -> u64 {
        let (outer, inner) = kept(self.trunk.links());
        let outer = outer.last().map_or(hash::EMPTY, |link| link.hash);
        let hash = inner
            .iter()
            .fold(outer, |hash, link| hash::enter(hash, link.pc));
        if let Some(leaf) = self.trunk.leaf() {
            leaf.hash = hash;
        }
        hash
    }
}

impl Trail {
    /// Steps outwards from a frame, and puts each behind the remembered links, until it must stop.
    #[inline(always)]
    fn advance(&mut self, trunk: &mut Trunk, frame: &mut Frame, stack: &Stack) -> Stop {
        if self.first == self.left {
            return Stop::Full;
        }
        if frame.by != By::Rule {
            return Stop::Unusual;
        }
        // Variables of their own, whose addresses nobody takes, stay in registers.
        let mut known = Frame {
            by: By::Rule,
            ..*frame
        };
        let (mut left, mut first) = (self.left, self.first);
        let stop = loop {
            left = trunk.skip_below(left, known.stack_pointer);
            if trunk.is_met(left, known) {
                break Stop::Met;
            }
            if first == left {
                break Stop::Full;
            }
            let Some((caller, rule)) = known.step_at_once(stack) else {
                break Stop::Unusual;
            };
            first = first.wrapping_sub(1);
            trunk.put(first, known, step::of(rule));
            known = caller;
        };
        (self.left, self.first) = (left, first);
        *frame = known;
        stop
    }
}

/// From a link that was met, outwards: the last one that is proved to be what a walk would find
/// now; and how the walk ends, if that is the outermost. Some of it may be proved already.
#[inline(always)]
fn prove(
    trunk: &Trunk,
    met: usize,
    proved: Option<usize>,
    stack: &mut Stack,
    on_object: &mut dyn FnMut(&Object),
) -> (usize, Option<End>) {
    let index = proved.unwrap_or_else(|| trunk.unchanged(met, stack.readable()));
    if index == 0 && trunk.ends_by_rule() {
        return (index, Some(End::Complete));
    }
    if trunk.is_usual(index) {
        return (index, None);
    }
    prove_unusual(trunk, index, stack, on_object)
}

/// The same, where the caller of a link has to be found again.
#[cold]
#[inline(never)]
fn prove_unusual(
    trunk: &Trunk,
    met: usize,
    stack: &mut Stack,
    on_object: &mut dyn FnMut(&Object),
) -> (usize, Option<End>) {
    let mut index = met;
    while let Some(frame) = trunk.frame(index) {
        match step_from(frame, stack, on_object).0 {
            Err(end) if index == 0 => return (index, Some(end)),
            Ok(caller) if index != 0 && trunk.is_at(index - 1, caller) => index -= 1,
            _ => break,
        }
        if stack.has_switched() {
            break;
        }
        index = trunk.unchanged(index, stack.readable());
        if index == 0 && trunk.ends_by_rule() {
            return (index, Some(End::Complete));
        }
        if trunk.is_usual(index) {
            break;
        }
    }
    (index, None)
}

/// The caller of a frame, and how it was found.
#[inline(never)]
fn step_from(
    frame: Frame,
    stack: &mut Stack,
    on_object: &mut dyn FnMut(&Object),
) -> (Result<Frame, End>, u16) {
    if let Some((caller, rule)) = frame.step_at_once(stack) {
        return (Ok(caller), step::of(rule));
    }
    let caller = frame.caller(stack, on_object);
    let step = match caller {
        // By the rule that was learnt just now, or on the stack that was proved just now.
        Ok(_) => frame
            .step_at_once(stack)
            .map_or(step::UNUSUAL, |(_, rule)| step::of(rule)),
        Err(_) if frame.is_bottom() => step::BOTTOM,
        Err(_) => step::UNUSUAL,
    };
    (caller, step)
}
