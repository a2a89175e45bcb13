//! What framehop says about a stack of this process: it shares no code with libgcc or with ours.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};

use ::framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use ::framehop::{FrameAddress, Unwinder};

use super::loaded::{Sections, loaded_files, module};
use super::{Registers, check_against_libgcc};
use crate::unwind::arch::is_readable;
use crate::unwind::eh_frame::describe;
use crate::unwind::find_object;
use crate::unwind::rule::Rule;

/// framehop with the objects that were loaded when it was made.
struct Knowledge {
    loaded: BTreeMap<String, (u64, u64)>,
    unwinder: UnwinderX86_64<Sections>,
    cache: CacheX86_64,
}

thread_local! {
    static KNOWLEDGE: RefCell<Option<Knowledge>> = const { RefCell::new(None) };
}

/// Holds that the frames from `start` on are those of framehop, down to the root; or to the first
/// frame with an expression or of a signal, beyond which framehop knows no registers.
pub(super) fn check_against_framehop(start: Registers, ours: &[u64]) {
    let theirs = frames_by_framehop(start);
    let Some(last) = ours.iter().position(|pc| is_beyond_framehop(*pc)) else {
        match theirs {
            // It follows frame pointers upwards only, and where a borrowed stack lies is open.
            Err((frames, reason)) if reason.contains("moved backwards") => {
                assert!(ours.starts_with(&frames), "{frames:x?} {ours:x?}");
            }
            _ => assert_eq!(theirs.as_deref(), Ok(ours)),
        }
        return;
    };
    let theirs = theirs.unwrap_or_else(|(frames, _)| frames);
    assert_eq!(theirs.get(..=last), Some(&ours[..=last]));
}

fn is_beyond_framehop(pc: u64) -> bool {
    let description = find_object(pc - 1).and_then(|object| describe(&object, pc - 1));
    description.is_some_and(|description| {
        Rule::of(&description.row, description.is_signal_frame) == Rule::GENERIC
    })
}

/// The frames down to the root; or those up to where framehop missed something, and what.
fn frames_by_framehop(start: Registers) -> Result<Vec<u64>, (Vec<u64>, String)> {
    KNOWLEDGE.with_borrow_mut(|knowledge| {
        let loaded = loaded_files();
        if knowledge
            .as_ref()
            .is_none_or(|known| known.loaded != loaded)
        {
            *knowledge = Some(Knowledge::of(loaded));
        }
        let knowledge = knowledge.as_mut().expect("it was made just now");
        knowledge.frames(start)
    })
}

impl Knowledge {
    fn of(loaded: BTreeMap<String, (u64, u64)>) -> Knowledge {
        let mut unwinder = UnwinderX86_64::new();
        for (path, range) in &loaded {
            if let Some(module) = module(path, *range) {
                unwinder.add_module(module);
            }
        }
        Knowledge {
            loaded,
            unwinder,
            cache: CacheX86_64::new(),
        }
    }

    fn frames(&mut self, start: Registers) -> Result<Vec<u64>, (Vec<u64>, String)> {
        let Registers { pc, sp, bp } = start;
        let read = |address: u64| {
            let pointer = core::ptr::with_exposed_provenance::<u64>(address as usize);
            // SAFETY: the kernel read the word just now, in this very thread.
            is_readable(address).then(|| unsafe { pointer.read_unaligned() })
        };
        let mut read = |address| read(address).ok_or(());
        // It takes the first address for one that was interrupted; ours is one to return to.
        let registers = UnwindRegsX86_64::new(pc - 1, sp, bp);
        let unwinder = &self.unwinder;
        let mut found = unwinder.iter_frames(pc - 1, registers, &mut self.cache, &mut read);
        let mut frames = Vec::new();
        loop {
            match found.next() {
                Ok(Some(FrameAddress::InstructionPointer(_))) => frames.push(pc),
                Ok(Some(FrameAddress::ReturnAddress(address))) => frames.push(address.get()),
                Ok(None) => return Ok(frames),
                Err(error) => return Err((frames, error.to_string())),
            }
        }
    }
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Compares the stack, then goes deeper by a way that changes with the depth.
fn check_and_go_deeper(depth: u32) {
    check_against_libgcc();
    if depth == 0 {
        return;
    }
    match depth % 4 {
        0 => check_and_go_deeper(depth - 1),
        1 => [depth]
            .iter()
            .for_each(|depth| check_and_go_deeper(depth - 1)),
        2 => {
            let mut pair = [2, 1];
            pair.sort_by(|left, right| {
                check_and_go_deeper(depth - 1);
                left.cmp(right)
            });
        }
        _ => {
            DEPTH.set(depth);
            let mut pair: [c_int; 2] = [2, 1];
            // SAFETY: the array has two elements of four bytes, which the callback does not read.
            unsafe { libc::qsort(pair.as_mut_ptr().cast(), 2, 4, Some(go_deeper)) };
        }
    }
}

extern "C" fn go_deeper(_: *const c_void, _: *const c_void) -> c_int {
    check_and_go_deeper(DEPTH.get() - 1);
    1
}

#[test]
fn stacks_of_every_depth_through_mixed_code_are_those_of_both() {
    for depth in [40, 41, 42, 43] {
        check_and_go_deeper(depth);
    }
}
