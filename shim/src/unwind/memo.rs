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

use memshim_abi::sites::FRAMES_MAX;

use super::chain::{CAPACITY, Chain, LONGEST, Link, step};
use super::find::Object;
use super::frame::Frame;
use super::stack::Stack;
use super::{End, FRAME_LIMIT, Registers, StackRange, Walk, cache, hash, walk};

/// What a thread remembers of its last walk. All zeros are a value: nothing is remembered.
///
/// It is large, and only the pages that deep stacks touch take memory: it belongs into zero pages,
/// and must not be moved. It may be handed on to another thread as it is, since nothing in it is
/// believed unseen.
pub struct Memo {
    /// The rules that the chain was made by.
    generation: u64,
    /// Whether the last walk is the loose frames, and not the chain.
    is_loose: bool,
    loose_len: usize,
    loose: [u64; FRAMES_MAX],
    chain: Chain,
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    /// The number of the stack (see [`super::hash_of`]), never 0.
    pub hash: u64,
    /// Its site, if [`Memo::set_site`] told it in time; else 0.
    pub site: u32,
    /// How many frames there are to be had from [`Memo::frames`].
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

/// What became of the links outside a frame that is remembered.
enum Proof {
    /// They are all the same.
    Whole(End),
    /// The caller of this one is another.
    Changed {
        index: usize,
        caller: Result<Frame, End>,
        step: u16,
    },
}

/// Walks as [`walk`] does with room for [`FRAMES_MAX`] frames, with the help of the last such walk.
///
/// Walks are only as old as the rules: [`super::forget_rules`] makes the memo void.
pub fn walk_again(
    start: Registers,
    range: &mut StackRange,
    memo: &mut Memo,
    on_object: &mut dyn FnMut(&Object),
) -> Recognised {
    let generation = cache::generation();
    if memo.generation != generation {
        memo.generation = generation;
        memo.chain.truncate(0);
    }
    let mut stack = Stack::enter(range, start);
    match memo.follow(Frame::new(&start), &mut stack, on_object) {
        Some(found) => found,
        None => memo.walk_in_full(start, range, on_object),
    }
}

impl Memo {
    /// Nothing remembered.
    pub const fn new() -> Memo {
        Memo {
            generation: 0,
            is_loose: false,
            loose_len: 0,
            loose: [0; FRAMES_MAX],
            chain: Chain::new(),
        }
    }

    /// Remembers the site of the stack that was just walked.
    #[inline]
    pub fn set_site(&mut self, site: u32) {
        if !self.is_loose
            && let Some(leaf) = self.chain.leaf()
        {
            leaf.site = site;
        }
    }

    /// Writes the frames of the stack that was just walked, innermost first, and gives how many:
    /// as [`walk`] does, if there is room for [`FRAMES_MAX`].
    pub fn frames(&self, into: &mut [u64]) -> usize {
        let mut len = 0;
        let mut write = |pcs: &mut dyn Iterator<Item = u64>| {
            for (place, pc) in into.iter_mut().zip(pcs) {
                *place = pc;
                len += 1;
            }
        };
        if self.is_loose {
            let loose = self.loose.get(..self.loose_len).unwrap_or(&[]);
            write(&mut loose.iter().copied());
        } else {
            let links = self.chain.links();
            let (outer, inner) = kept(links);
            write(&mut outer.iter().chain(inner).rev().map(|link| link.pc));
        }
        len
    }

    /// Walks until the outermost frame, by what is remembered where that is possible. Nothing, if
    /// the stack is too deep for that.
    fn follow(
        &mut self,
        start: Frame,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Option<Recognised> {
        let mut frame = start;
        let mut trail = Trail {
            left: self.chain.len(),
            first: CAPACITY,
            is_simple: true,
        };
        loop {
            let (at, stop) = trail.advance(&mut self.chain, frame, stack);
            let (caller, last) = match stop {
                Stop::Full => return self.follow_deep(at, trail, stack, on_object),
                Stop::Met => {
                    let met = trail.left.wrapping_sub(1);
                    match prove(&self.chain, met, stack, on_object) {
                        Proof::Whole(end) => return self.settle(met + 1, trail.first, end),
                        Proof::Changed {
                            index,
                            caller,
                            step,
                        } => {
                            let last = self.chain.frame(index)?;
                            trail.first = self.chain.renew(index, met, trail.first, step);
                            trail.left = index;
                            (caller, last)
                        }
                    }
                }
                Stop::Unusual => {
                    let (caller, step) = step_from(at, stack, on_object);
                    trail.first = trail.first.wrapping_sub(1);
                    self.chain.put(trail.first, at, step);
                    (caller, at)
                }
            };
            match caller {
                Ok(caller) => {
                    let is_outwards = last.stack_pointer < caller.stack_pointer;
                    if !is_outwards || stack.has_switched() {
                        trail.is_simple = false;
                        trail.left = 0;
                    }
                    frame = caller;
                }
                Err(end) => {
                    stack.remember();
                    if trail.is_simple && stack.is_native() {
                        return self.settle(0, trail.first, end);
                    }
                    return Some(self.set_loose(0, trail.first, 0, end));
                }
            }
        }
    }

    /// Keeps the walk that consists of the outermost `base` links and the new ones.
    #[inline]
    fn settle(&mut self, base: usize, first: usize, end: End) -> Option<Recognised> {
        if base + (CAPACITY - first) > LONGEST {
            let found = self.set_loose(base, first, 0, end);
            self.chain.remember(base, first);
            return Some(found);
        }
        self.is_loose = false;
        let is_whole = self.chain.remember(base, first);
        is_whole.then(|| self.recognised(end))
    }

    /// The walk that the chain is.
    #[inline]
    fn recognised(&mut self, end: End) -> Recognised {
        let total = self.chain.len();
        let leaf = self.chain.leaf().copied().unwrap_or(Link::ZERO);
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

    /// Hashes the outermost and the innermost links, of a chain that is too long to be kept whole.
    #[cold]
    fn hash_of_ends(&mut self) -> u64 {
        let (outer, inner) = kept(self.chain.links());
        let outer = outer.last().map_or(hash::EMPTY, |link| link.hash);
        let hash = inner
            .iter()
            .fold(outer, |hash, link| hash::enter(hash, link.pc));
        if let Some(leaf) = self.chain.leaf() {
            leaf.hash = hash;
        }
        hash
    }

    /// Walks on without keeping links, for lack of room, to a frame that is remembered. Nothing, if
    /// that alone does not lead to the end.
    #[cold]
    fn follow_deep(
        &mut self,
        mut frame: Frame,
        trail: Trail,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Option<Recognised> {
        let mut left = trail.left;
        for skipped in 0..FRAME_LIMIT as usize {
            left = self.chain.skip_below(left, frame.stack_pointer);
            if self.chain.is_met(left, frame) {
                let Proof::Whole(end) = prove(&self.chain, left - 1, stack, on_object) else {
                    return None;
                };
                let total = left + skipped + (CAPACITY - trail.first);
                let is_kept = left >= FRAMES_MAX / 2 && total < FRAME_LIMIT as usize;
                return is_kept.then(|| self.set_loose(left, trail.first, skipped, end));
            }
            let caller = step_from(frame, stack, on_object).0.ok()?;
            if left == 0 || caller.stack_pointer <= frame.stack_pointer || stack.has_switched() {
                return None;
            }
            frame = caller;
        }
        None
    }

    /// Keeps the frames of a walk that cannot be remembered: those of the outermost `base` links,
    /// as many as were skipped, and those of the new links.
    #[cold]
    fn set_loose(&mut self, base: usize, first: usize, skipped: usize, end: End) -> Recognised {
        let outer = self.chain.links().get(..base).unwrap_or(&[]);
        let links = || outer.iter().chain(self.chain.new_links(first));
        for (place, link) in self.loose.iter_mut().zip(links().rev()) {
            *place = link.pc;
        }
        let total = base + skipped + (CAPACITY - first);
        if total > FRAMES_MAX {
            let places = self
                .loose
                .iter_mut()
                .rev()
                .take(FRAMES_MAX - FRAMES_MAX / 2);
            for (place, link) in places.zip(links()) {
                *place = link.pc;
            }
        }
        let len = total.min(FRAMES_MAX);
        self.loose_walk(Walk {
            len,
            elided: (total - len) as u64,
            end,
        })
    }

    fn loose_walk(&mut self, walk: Walk) -> Recognised {
        let Walk { len, elided, end } = walk;
        self.is_loose = true;
        self.loose_len = len;
        Recognised {
            hash: hash::hash_of(self.loose.get(..len).unwrap_or(&[])),
            site: 0,
            len,
            elided,
            end,
        }
    }

    /// The walk without any help; its outer frames help the next one.
    #[cold]
    fn walk_in_full(
        &mut self,
        start: Registers,
        range: &mut StackRange,
        on_object: &mut dyn FnMut(&Object),
    ) -> Recognised {
        let walk = walk(start, range, on_object, &mut self.loose);
        let total = walk.len + walk.elided as usize;
        if total > LONGEST && walk.end != End::TooDeep {
            let mut stack = Stack::enter(range, start);
            let mut frame = Some(Frame::new(&start));
            for _ in LONGEST..total {
                frame = frame.and_then(|frame| step_from(frame, &mut stack, on_object).0.ok());
            }
            self.is_loose = false;
            if let Some(frame) = frame
                && !stack.has_switched()
            {
                self.follow(frame, &mut stack, on_object);
            }
            if self.is_loose {
                // That walk was no simple one, and has used the same buffer.
                super::walk(start, range, on_object, &mut self.loose);
            }
        }
        self.loose_walk(walk)
    }
}

impl Trail {
    /// Steps outwards from a frame, and puts each behind the remembered links, until it must stop.
    #[inline]
    fn advance(&mut self, chain: &mut Chain, frame: Frame, stack: &Stack) -> (Frame, Stop) {
        // Variables of their own, whose addresses nobody takes, stay in registers.
        let (mut known, mut left, mut first) = (frame, self.left, self.first);
        let stop = loop {
            left = chain.skip_below(left, known.stack_pointer);
            if chain.is_met(left, known) {
                break Stop::Met;
            }
            if first == left {
                break Stop::Full;
            }
            let Some((caller, slot)) = known.step_at_once(stack) else {
                break Stop::Unusual;
            };
            first = first.wrapping_sub(1);
            chain.put(first, known, slot as u16);
            known = caller;
        };
        (self.left, self.first) = (left, first);
        (known, stop)
    }
}

/// Proves that the links outside the one that was met are what a walk would find, as far as it is
/// so.
#[inline]
fn prove(
    chain: &Chain,
    met: usize,
    stack: &mut Stack,
    on_object: &mut dyn FnMut(&Object),
) -> Proof {
    let mut index = met;
    loop {
        index = chain.unchanged(index, stack);
        if index == 0 && chain.ends_by_rule() {
            return Proof::Whole(End::Complete);
        }
        let (caller, step) = match chain.frame(index) {
            Some(frame) => step_from(frame, stack, on_object),
            None => (Err(End::NoProgress), step::UNUSUAL),
        };
        match caller {
            Err(end) if index == 0 => return Proof::Whole(end),
            Ok(caller) if index != 0 && chain.is_at(index - 1, caller) => index -= 1,
            _ => {
                return Proof::Changed {
                    index,
                    caller,
                    step,
                };
            }
        }
    }
}

/// The caller of a frame, and how it was found.
#[inline(never)]
fn step_from(
    frame: Frame,
    stack: &mut Stack,
    on_object: &mut dyn FnMut(&Object),
) -> (Result<Frame, End>, u16) {
    if let Some((caller, slot)) = frame.step_at_once(stack) {
        return (Ok(caller), slot as u16);
    }
    let caller = frame.caller(stack, on_object);
    let step = match caller {
        // By the rule that was learnt just now, or on the stack that was proved just now.
        Ok(_) => frame
            .step_at_once(stack)
            .map_or(step::UNUSUAL, |(_, slot)| slot as u16),
        Err(_) if frame.is_bottom() => step::BOTTOM,
        Err(_) => step::UNUSUAL,
    };
    (caller, step)
}

/// Of remembered links, the outer and the inner ones that are kept; all are outer ones if there is
/// room.
fn kept(links: &[Link]) -> (&[Link], &[Link]) {
    if links.len() <= FRAMES_MAX {
        return (links, &[]);
    }
    let (outer, _) = links
        .split_at_checked(FRAMES_MAX - FRAMES_MAX / 2)
        .unwrap_or((links, &[]));
    let inner = links.len() - FRAMES_MAX / 2;
    (outer, links.get(inner..).unwrap_or(&[]))
}
