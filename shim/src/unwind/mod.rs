//! Finds out who called: walks the stack of the calling thread, without locks, memory or libraries.
//!
//! ```text
//!  walk -> frame -> cache                      a pc seen before: about 4 ns
//!               \-> find -> table -> eh_frame -> program -> rule -> cache
//!                                              a new pc: about 0.3 us
//!               \-> expression, retrace        the few rows that cannot be packed
//!               \-> go, epilogue               Go's code has none, but frame pointers
//!               \-> stack                      reads only what was proved readable
//!
//!  walk_again -> memo -> chain, branch         a stack seen before: about 0.5 ns a frame
//!                   \-> frame                  the frames that changed since
//! ```
//! Three registers are followed: pc, stack pointer and frame pointer. The unwind data (`.eh_frame`,
//! which x86-64 code has with few exceptions, optimised or not) says for each pc how to find them in
//! the caller. Where an object has none, frame pointers are followed as far as they look like ones.
//! Nothing here allocates, locks, makes a system call that changes anything, or trusts an address
//! that it did not check; damaged data, wrong registers and endless chains end the walk.
//! Everything that knows the processor is in `x86_64.rs` and `epilogue.rs`.

#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod arch;
mod auxiliary;
mod branch;
mod bytes;
mod cache;
mod chain;
#[cfg(feature = "check-walks")]
mod checked;
mod eh_frame;
mod epilogue;
mod expression;
mod find;
mod frame;
mod go;
mod hash;
mod memo;
mod program;
mod retrace;
mod rule;
mod segments;
mod stack;
mod table;
#[cfg(test)]
mod tests;
mod unusual;

pub use cache::{forget_rules, generation as rules_generation};
pub use find::{Object, find_object};
use frame::Frame;
pub use hash::hash_of;
pub use memo::{Memo, walk_again};
use stack::Stack;
pub use stack::StackRange;

/// The registers of the frame that called the interposed function.
#[derive(Clone, Copy)]
pub struct Registers {
    /// The address that the call returns to.
    pub pc: u64,
    /// The stack pointer after the return.
    pub sp: u64,
    /// The frame pointer's register, whatever it is used for.
    pub bp: u64,
}

/// Why a walk ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// At the bottom of the stack: nothing is missing.
    Complete,
    /// At code of which nobody says how to find its caller.
    NoUnwindData,
    /// At a frame that leads out of the stack.
    UnreadableStack,
    /// At a frame that leads back to frames already seen.
    NoProgress,
    /// After as many frames as a walk may have.
    TooDeep,
}

/// What a walk found.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// How many frames were written.
    pub len: usize,
    /// How many frames were left out in the middle, for lack of room.
    pub elided: u64,
    /// Why it ended.
    pub end: End,
}

/// How many frames to visit before giving up.
const FRAME_LIMIT: u64 = 65_536;

/// Writes the return addresses of the calling thread's frames, innermost first, beginning with
/// `start.pc`.
///
/// Of a stack that has more frames than room, the innermost half of the room and the outermost rest
/// are kept. `on_object` sees the object of every pc that was not in the cache of rules.
pub fn walk(
    start: Registers,
    stack: &mut StackRange,
    on_object: &mut dyn FnMut(&Object),
    frames: &mut [u64],
) -> Walk {
    let mut stack = Stack::enter(stack, start);
    let mut frame = Frame::new(&start);
    let mut written = Written::new(frames);
    let end = loop {
        // A variable of its own, whose address nobody takes, stays in registers.
        let mut known = frame;
        while written.push(known.pc)
            && let Some(caller) = known.caller_at_once(&stack)
        {
            known = caller;
        }
        if written.is_full() {
            break End::TooDeep;
        }
        match known.caller(&mut stack, on_object) {
            Ok(caller) => frame = caller,
            Err(end) => break end,
        }
    };
    stack.remember();
    let total = written.total;
    let len = written.finish();
    Walk {
        len,
        elided: total - len as u64,
        end,
    }
}

/// The caller's buffer: its first half is filled once, the rest again and again.
struct Written<'a> {
    frames: &'a mut [u64],
    next: usize,
    total: u64,
}

impl<'a> Written<'a> {
    fn new(frames: &'a mut [u64]) -> Written<'a> {
        Written {
            frames,
            next: 0,
            total: 0,
        }
    }

    /// Writes a frame; false if it is the last that a walk may have.
    #[inline]
    fn push(&mut self, pc: u64) -> bool {
        if self.next == self.frames.len() {
            self.next /= 2;
        }
        if let Some(frame) = self.frames.get_mut(self.next) {
            *frame = pc;
        }
        self.next += 1;
        self.total += 1;
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.total == FRAME_LIMIT
    }

    /// Puts the second half in order, and returns how many frames there are.
    fn finish(self) -> usize {
        let len = self.frames.len();
        if self.total <= len as u64 {
            return self.next;
        }
        // Rotates by three reversals, in place: the oldest of the ring comes first.
        let half = len / 2;
        if let Some((newer, older)) = self
            .frames
            .get_mut(half..)
            .and_then(|ring| ring.split_at_mut_checked(self.next - half))
        {
            newer.reverse();
            older.reverse();
        }
        if let Some(ring) = self.frames.get_mut(half..) {
            ring.reverse();
        }
        len
    }
}
