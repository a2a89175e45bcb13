//! Walks that the trunk does not hold: of stacks that are too deep, or of another kind.
//!
//! Their frames lie in a buffer, loose, for [`Memo::frames`] alone. A stack that is too deep for
//! the trunk has its outer part there nevertheless, so that only the rest is stepped through.

#![forbid(unsafe_code)]

use memshim_abi::sites::FRAMES_MAX;

use super::super::chain::{CAPACITY, LONGEST, Link};
use super::super::find::Object;
use super::super::frame::Frame;
use super::super::stack::Stack;
use super::super::{End, FRAME_LIMIT, Registers, StackRange, Walk, hash, walk};
use super::{Last, Memo, Recognised, Trail, prove, step_from};

impl Memo {
    /// Walks on without keeping links, for lack of room, to a frame that is remembered. Nothing, if
    /// that alone does not lead to the end.
    #[cold]
    pub(super) fn follow_deep(
        &mut self,
        mut frame: Frame,
        trail: Trail,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Option<Recognised> {
        let mut left = trail.left;
        for skipped in 0..FRAME_LIMIT as usize {
            left = self.trunk.skip_below(left, frame.stack_pointer);
            if self.trunk.is_met(left, frame) {
                let (_, end) = prove(&self.trunk, left - 1, None, stack, on_object);
                let end = end?;
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
    pub(super) fn set_loose(
        &mut self,
        base: usize,
        first: usize,
        skipped: usize,
        end: End,
    ) -> Recognised {
        let outer = self.trunk.links().get(..base).unwrap_or(&[]);
        let links = || outer.iter().chain(self.trunk.new_links(first));
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

    pub(super) fn loose_walk(&mut self, walk: Walk) -> Recognised {
        let Walk { len, elided, end } = walk;
        self.last = Last::Loose;
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
    pub(super) fn walk_in_full(
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
            self.last = Last::Trunk;
            if let Some(frame) = frame
                && !stack.has_switched()
            {
                self.follow(frame, &mut stack, on_object, None);
            }
            if self.last == Last::Loose {
                // That walk was no simple one, and has used the same buffer.
                super::super::walk(start, range, on_object, &mut self.loose);
            }
        }
        self.loose_walk(walk)
    }
}

/// Of remembered links, the outer and the inner ones that are kept; all are outer ones if there is
/// room.
pub(super) fn kept(links: &[Link]) -> (&[Link], &[Link]) {
    if links.len() <= FRAMES_MAX {
        return (links, &[]);
    }
    let (outer, _) = links
        .split_at_checked(FRAMES_MAX - FRAMES_MAX / 2)
        .unwrap_or((links, &[]));
    let inner = links.len() - FRAMES_MAX / 2;
    (outer, links.get(inner..).unwrap_or(&[]))
}
