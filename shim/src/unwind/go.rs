//! Steps through Go's code, which has frame pointers instead of unwind data.
//!
//! ```text
//!  stack of the goroutine                    stack of the thread
//!                                            malloc, and C's own frames
//!  runtime.cgocall  <-- frame pointer ------ runtime.asmcgocall           Go called C
//!  main.callback
//!  runtime.cgocallbackg -- frame pointer --> runtime.cgocallback          C called Go
//!                                            crosscall2                   by its last instructions
//!                                            C's own frames, by unwind data again
//!  runtime.cgocall  <-- frame pointer ------ runtime.asmcgocall           Go called C
//!  main.main, runtime.goexit
//! ```
//! The frame pointer of Go's code always is one, and leads from one stack to the other. That of C
//! may be any number; where C called Go, the function between them has no frame pointer of its own,
//! but ends right after the call: what its last instructions do to the stack is done to find its
//! caller. Nothing is read that was not proved readable, and where a frame pointer leads out of
//! Go's code the walk ends.

#![forbid(unsafe_code)]

use super::End;
use super::bytes::{Bytes, Region};
use super::epilogue;
use super::find::{Object, find_object};
use super::frame::{By, Frame};
use super::segments::{notes_at, notes_of_fixed_program};
use super::stack::Stack;

/// Notes of an object that are looked at; few have more than three.
const NOTES: u32 = 16;

/// Whether Go linked an object: it puts a note of its own into each (cmd/link, `ELF_NOTE_GO_NAME`).
pub(super) fn is_go(object: &Object) -> bool {
    let mut segments = match object.bias {
        0 => notes_of_fixed_program(),
        bias => notes_at(object.start, object.end, bias),
    };
    segments.any(|segment| {
        let size = segment.end.wrapping_sub(segment.start);
        let region = Region::around(segment.start, object);
        let notes = region.and_then(|region| region.at(segment.start)?.take(size));
        notes.is_some_and(has_build_id)
    })
}

fn has_build_id(mut notes: Bytes) -> bool {
    /// "Go", with its zeros.
    const GO: u32 = u32::from_le_bytes(*b"Go\0\0");
    const BUILD_ID: u32 = 4;
    for _ in 0..NOTES {
        let Some((name_size, size, kind)) = header_of_note(&mut notes) else {
            return false;
        };
        let Some(mut name) = notes.take(u64::from(name_size).next_multiple_of(4)) else {
            return false;
        };
        if kind == BUILD_ID && name_size == 4 && name.u32() == Some(GO) {
            return true;
        }
        if notes.skip(u64::from(size).next_multiple_of(4)).is_none() {
            return false;
        }
    }
    false
}

fn header_of_note(notes: &mut Bytes) -> Option<(u32, u32, u32)> {
    Some((notes.u32()?, notes.u32()?, notes.u32()?))
}

impl Frame {
    /// The caller of Go's code.
    pub(super) fn caller_of_go(self, stack: &mut Stack) -> Result<Frame, End> {
        match self.last_instructions() {
            Some(last) => self.caller_by_last_instructions(last, stack),
            None => self.caller_by_frame_pointer_of_go(stack),
        }
    }

    fn last_instructions(self) -> Option<epilogue::Epilogue> {
        let object = find_object(self.pc)?;
        let code = Region::around(self.pc, &object)?.at(self.pc)?;
        epilogue::decode(code)
    }

    fn caller_by_last_instructions(
        self,
        last: epilogue::Epilogue,
        stack: &mut Stack,
    ) -> Result<Frame, End> {
        let mut word = |offset: u64| {
            let address = self.stack_pointer.wrapping_add(offset);
            stack.read(address).ok_or(End::UnreadableStack)
        };
        let frame_pointer = match last.frame_pointer {
            Some(offset) => word(offset)?,
            None => self.frame_pointer,
        };
        Ok(Frame {
            pc: word(last.return_address)?,
            stack_pointer: self.stack_pointer.wrapping_add(last.return_address + 8),
            frame_pointer,
            by: By::Rule,
        })
    }

    fn caller_by_frame_pointer_of_go(self, stack: &mut Stack) -> Result<Frame, End> {
        let at = self.frame_pointer;
        // A goroutine begins with none.
        if at == 0 {
            return Err(End::Complete);
        }
        let slot = at.wrapping_add(8);
        if !at.is_multiple_of(8) || slot < at {
            return Err(End::NoUnwindData);
        }
        if !(at >= self.stack_pointer && stack.reaches(slot)) {
            self.leave_stack_for(at, stack)?;
        }
        let frame_pointer = stack.read(at).ok_or(End::UnreadableStack)?;
        let pc = stack.read(slot).ok_or(End::UnreadableStack)?;
        Ok(Frame {
            pc,
            stack_pointer: at.wrapping_add(16),
            frame_pointer,
            by: By::FramePointer,
        })
    }
}
