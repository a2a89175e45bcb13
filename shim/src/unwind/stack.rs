//! Reads stack memory that was proved readable, so that no wrong register can crash the host.
//!
//! ```text
//!             sp                                            anchor
//!              v                                              v
//!   ...|guard|.|######|######|######|######|      |      |TLS #####|
//!              ^start          end^   grows a page a probe -->
//! ```
//! A walk reads only between the page of its stack pointer (or of its red zone) and the end of the
//! pages that it has asked the kernel about, one after the other, without a gap. To ask about each
//! page in each walk would be dear, so what was proved is kept where that is sound:
//!
//! * The memory above the stack pointer of a thread's *native* stack is in use until the thread
//!   ends; nobody can unmap it. A stack is native if readable pages lead without a gap from the
//!   stack pointer to the thread's *anchor*: for a thread made by a C library its thread pointer,
//!   which lies above its stack in one mapping; for the main thread the random bytes that the
//!   kernel put above its first frame (`AT_RANDOM`).
//! * Any other stack (a coroutine's, a signal's) is proved again in each walk, since its owner may
//!   unmap it in between. It is not taken for a native one: between it and the anchor lies at least
//!   the guard page of the native stack, or the gap that the kernel keeps below the main stack. A
//!   thread without a guard page whose coroutine stack directly below it is later unmapped would be
//!   the exception; even then only a walk that starts in that coroutine reads there.
//!
//! Memory that another thread unmaps while a walk reads it cannot be helped; it is no live stack of
//! this thread, so only a wrong unwind rule leads there.

use super::Registers;
use super::arch::{PAGE, RED_ZONE, is_main_thread, is_readable, thread_pointer};
use super::auxiliary::auxiliary;

/// The stack memory of one thread that is known to stay readable as long as the thread lives.
///
/// It belongs into the thread's state, and must be new for every thread.
#[derive(Default)]
pub struct StackRange {
    /// The lowest address of it.
    pub lo: u64,
    /// The end of it.
    pub hi: u64,
}

impl StackRange {
    /// Nothing known yet.
    pub const fn new() -> StackRange {
        StackRange { lo: 0, hi: 0 }
    }

    /// The same as memory that may be read.
    #[inline]
    pub(super) fn readable(&self) -> Readable {
        Readable {
            start: self.lo,
            end: self.hi,
        }
    }
}

/// Memory of a stack that was proved readable.
#[derive(Clone, Copy)]
pub(super) struct Readable {
    start: u64,
    end: u64,
}

impl Readable {
    /// Whether everything between two addresses belongs to it.
    #[inline]
    pub(super) fn holds_all(self, lowest: u64, end: u64) -> bool {
        self.start <= lowest && lowest <= end && end <= self.end
    }
}

/// How many pages to ask about in one walk on a stack that will not be remembered: 256 KiB.
const PAGES_PER_WALK: u64 = 64;
/// The same for a stack that lies where the native one should: 128 MiB, once in a thread's life.
const PAGES_OF_NATIVE: u64 = 32 << 10;
/// How far the anchor may be above the outermost frame: arguments or thread-local storage.
const PAGES_BELOW_ANCHOR: u64 = 64;
/// How often a walk may change to another stack: signal stacks, and functions that switch stacks
/// and say so (Rust's `stacker` does so at every megabyte of recursion).
const SWITCHES: u32 = 64;
/// How often a walk may be made again up to some frame, to look for a register.
const RETRACES: u32 = 4;

/// The stack that a walk reads.
pub(super) struct Stack<'a> {
    /// Where the walk began.
    origin: Registers,
    start: u64,
    end: u64,
    /// How many addresses from `start` on are those of a whole word.
    words: u64,
    native: &'a mut StackRange,
    pages_left: u64,
    switches_left: u32,
    retraces_left: u32,
}

impl<'a> Stack<'a> {
    /// Begins a walk at the registers of its first frame.
    pub(super) fn enter(native: &'a mut StackRange, origin: Registers) -> Stack<'a> {
        let mut stack = Stack {
            origin,
            start: 0,
            end: 0,
            words: 0,
            native,
            pages_left: 0,
            switches_left: SWITCHES,
            retraces_left: RETRACES,
        };
        stack.begin_at(origin.sp);
        stack
    }

    /// Begins the same walk once more, as if nothing of it were known. Nothing, if that was done too
    /// often: walks that are made again inside others must not multiply.
    pub(super) fn begin_again(&mut self) -> Option<(Registers, Stack<'_>)> {
        self.retraces_left = self.retraces_left.checked_sub(1)?;
        let mut again = Stack::enter(self.native, self.origin);
        again.retraces_left = self.retraces_left;
        Some((self.origin, again))
    }

    #[inline]
    fn begin_at(&mut self, stack_pointer: u64) {
        self.begin_at_page(page_of(stack_pointer.saturating_sub(RED_ZONE)));
    }

    #[inline]
    fn begin_at_page(&mut self, start: u64) {
        if self.native.lo <= start && start < self.native.hi {
            self.set(start, self.native.hi);
            self.pages_left = 0;
        } else {
            self.set(start, start);
            self.pages_left = pages_to_ask(start);
        }
    }

    #[inline]
    fn set(&mut self, start: u64, end: u64) {
        self.start = start;
        self.end = end;
        self.words = end.saturating_sub(start).saturating_sub(7);
    }

    /// The word at an address that was proved to be on this stack.
    #[inline]
    pub(super) fn read_known(&self, address: u64) -> Option<u64> {
        // SAFETY: [start, end) was proved readable, in this walk or as native stack, and holds the
        // eight bytes.
        self.holds(address).then(|| unsafe { read_word(address) })
    }

    /// The word at an address of this stack, in the caller's part of it.
    pub(super) fn read(&mut self, address: u64) -> Option<u64> {
        self.reaches(address);
        self.read_known(address)
    }

    #[inline]
    fn holds(&self, address: u64) -> bool {
        address.wrapping_sub(self.start) < self.words
    }

    /// Proves more pages, up to the one that holds the end of the word at `address`.
    fn extend_to(&mut self, address: u64) -> bool {
        let Some(last) = address.checked_add(7) else {
            return false;
        };
        // From the native stack on, nothing is left to ask.
        let goal = if self.end <= self.native.lo {
            last.min(self.native.lo)
        } else {
            last
        };
        if address < self.start || goal.saturating_sub(self.end) / PAGE > self.pages_left {
            return false;
        }
        if self.start == self.end && !is_readable(self.start) {
            // The stack pointer is just above the guard page, or in it after an overflow.
            self.begin_at_page(page_of(address));
        }
        while self.end <= last {
            if self.end == self.native.lo && self.native.lo < self.native.hi {
                // Without a gap from here to the native stack: this is its lower part.
                self.native.lo = self.start;
                self.set(self.start, self.native.hi);
            } else if self.pages_left != 0 && is_readable(self.end) {
                self.pages_left -= 1;
                self.set(self.start, self.end.saturating_add(PAGE));
            } else {
                return false;
            }
        }
        true
    }

    /// The word at any address, asked about unless it is on this stack.
    pub(super) fn read_anywhere(&mut self, address: u64) -> Option<u64> {
        if self.holds(address) || is_readable(address) {
            // SAFETY: it is on the stack (see `read`), or the kernel read it just now.
            return Some(unsafe { read_word(address) });
        }
        None
    }

    /// Whether the word at an address is on this stack, or can be proved to be.
    pub(super) fn reaches(&mut self, address: u64) -> bool {
        self.holds(address) || self.extend_to(address)
    }

    /// Changes to the stack that begins at an address. False if the walk has changed too often.
    pub(super) fn switch_to(&mut self, address: u64) -> bool {
        let Some(left) = self.switches_left.checked_sub(1) else {
            return false;
        };
        self.switches_left = left;
        self.remember();
        self.begin_at(address);
        true
    }

    /// Whether the walk has left the stack that it began on.
    pub(super) fn has_switched(&self) -> bool {
        self.switches_left != SWITCHES
    }

    /// Whether this is the thread's native stack, up to its end: no page of it has to be asked for.
    pub(super) fn is_native(&self) -> bool {
        self.native.lo <= self.start && self.start < self.end && self.end == self.native.hi
    }

    /// What the walk may read of the stack that it is on, so far.
    pub(super) fn readable(&self) -> Readable {
        Readable {
            start: self.start,
            end: self.end,
        }
    }

    /// At the end of a walk: keeps what was proved, if it belongs to the native stack.
    #[inline]
    pub(super) fn remember(&mut self) {
        if self.end != self.native.hi {
            self.remember_if_native();
        }
    }

    fn remember_if_native(&mut self) {
        let reach = self.end.saturating_add(PAGES_BELOW_ANCHOR * PAGE);
        let is_near = |anchor: u64| self.start < anchor && anchor < reach;
        let top = main_anchor();
        let anchor = if is_near(top) {
            top
        } else {
            let pointer = thread_pointer();
            // The main thread's own lies among mappings that have nothing to do with its stack.
            if !is_near(pointer) || is_main_thread() {
                return;
            }
            pointer
        };
        self.pages_left = PAGES_BELOW_ANCHOR + 1;
        if self.start != self.end && self.extend_to(anchor) {
            self.native.lo = self.start;
            self.native.hi = self.end;
        }
    }
}

fn page_of(address: u64) -> u64 {
    address & !(PAGE - 1)
}

/// More for what may be a native stack: its deep recursion is paid for only once.
#[cold]
fn pages_to_ask(stack_pointer: u64) -> u64 {
    let may_lead_to = |anchor: u64| {
        anchor
            .checked_sub(stack_pointer)
            .is_some_and(|distance| distance / PAGE < PAGES_OF_NATIVE)
    };
    if may_lead_to(main_anchor()) || may_lead_to(thread_pointer()) {
        PAGES_OF_NATIVE
    } else {
        PAGES_PER_WALK
    }
}

/// The address of the random bytes that the kernel puts above the main stack's first frame, or 0.
fn main_anchor() -> u64 {
    auxiliary(libc::AT_RANDOM)
}

/// Reads a word, aligned or not.
///
/// # Safety
///
/// The eight bytes are readable.
#[inline(always)]
pub(super) unsafe fn read_word(address: u64) -> u64 {
    let pointer = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: the caller proved the bytes readable; any bytes make a number. Volatile, since what
    // is read belongs to frames that the compiler knows nothing of.
    unsafe { pointer.read_unaligned() }
}
