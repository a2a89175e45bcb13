//! Steps through Go's code, which has frame pointers instead of unwind data.
//!
//! ```text
//!  stack of the goroutine                    stack of the thread
//!                                            malloc, and C's own frames
//!  runtime.cgocall  <-- its instructions --- runtime.asmcgocall           Go called C
//!  main.callback
//!  runtime.cgocallbackg -- frame pointer --> runtime.cgocallback          C called Go
//!                                            crosscall2                   by its instructions
//!                                            C's own frames, by unwind data again
//!  runtime.cgocall  <-- its instructions --- runtime.asmcgocall           Go called C
//!  main.main, runtime.goexit
//! ```
//! The frame pointer of Go's code always is one, and leads from Go's stack to the thread's where C
//! called Go. The other way it does not: a goroutine's stack can be moved while C waits for Go, and
//! C keeps an old frame pointer; and where C called Go the frame pointer is C's, which may be any
//! number. But the functions between the two languages end right after their calls: what their last
//! instructions do to the registers is done to find their callers. Nothing is read that was not
//! proved readable, and where a frame pointer leads out of Go's code the walk ends.

#![forbid(unsafe_code)]

use super::End;
use super::bytes::{Bytes, Region};
use super::epilogue::{self, Instruction, Register};
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

/// How far above a stack pointer the next link of a chain of frame pointers is looked for, in words.
const LINK_WORDS: u64 = 64;
/// A frame pointer that leads nowhere.
const NOWHERE: u64 = 1;

/// What the last instructions of a function have done so far.
struct Undone {
    stack_pointer: u64,
    frame_pointer: u64,
    /// The frame pointer was taken from the stack.
    is_restored: bool,
    /// The stack pointer came out of a register.
    is_elsewhere: bool,
    rsi: Option<u64>,
    rdi: Option<u64>,
}

impl Undone {
    fn value(&self, register: Register) -> Option<u64> {
        match register {
            Register::RSP => Some(self.stack_pointer),
            Register::RBP => Some(self.frame_pointer),
            Register::RSI => self.rsi,
            Register::RDI => self.rdi,
            _ => None,
        }
    }

    fn set(&mut self, register: Register, value: u64) {
        match register {
            Register::RBP => {
                self.frame_pointer = value;
                self.is_restored = true;
            }
            Register::RSI => self.rsi = Some(value),
            Register::RDI => self.rdi = Some(value),
            _ => {}
        }
    }
}

impl Frame {
    /// The caller of Go's code.
    pub(super) fn caller_of_go(self, stack: &mut Stack) -> Result<Frame, End> {
        let object = find_object(self.pc).ok_or(End::NoUnwindData)?;
        let region = Region::around(self.pc, &object).ok_or(End::NoUnwindData)?;
        match region.at(self.pc) {
            Some(code) if epilogue::leads_to_return(code) => {
                self.caller_by_last_instructions(code, region, stack)
            }
            _ => self.caller_by_frame_pointer_of_go(stack),
        }
    }

    fn caller_by_last_instructions(
        self,
        mut code: Bytes,
        region: Region,
        stack: &mut Stack,
    ) -> Result<Frame, End> {
        let mut undone = Undone {
            stack_pointer: self.stack_pointer,
            frame_pointer: self.frame_pointer,
            is_restored: false,
            is_elsewhere: false,
            rsi: None,
            rdi: None,
        };
        while let Some(instruction) = epilogue::next(&mut code) {
            if instruction != Instruction::Return {
                self.undo(instruction, &mut undone, stack)?;
                continue;
            }
            let at = undone.stack_pointer;
            let pc = stack.read(at).ok_or(End::UnreadableStack)?;
            let stack_pointer = at.wrapping_add(8);
            let is_old = undone.is_elsewhere && !undone.is_restored;
            let frame_pointer = match is_old {
                true => link_above(stack_pointer, undone.frame_pointer, region, stack),
                false => undone.frame_pointer,
            };
            return Ok(Frame {
                pc,
                stack_pointer,
                frame_pointer,
                by: By::Rule,
            });
        }
        Err(End::NoUnwindData)
    }

    fn undo(
        self,
        instruction: Instruction,
        undone: &mut Undone,
        stack: &mut Stack,
    ) -> Result<(), End> {
        match instruction {
            Instruction::Release(size) => {
                undone.stack_pointer = undone.stack_pointer.wrapping_add(size);
            }
            Instruction::Pop(register) => {
                let value = stack.read(undone.stack_pointer);
                undone.set(register, value.ok_or(End::UnreadableStack)?);
                undone.stack_pointer = undone.stack_pointer.wrapping_add(8);
            }
            Instruction::Load {
                register,
                base,
                offset,
            } => {
                let base = undone.value(base).ok_or(End::NoUnwindData)?;
                let value = stack.read_anywhere(base.wrapping_add(offset));
                undone.set(register, value.ok_or(End::UnreadableStack)?);
            }
            Instruction::Subtract(register, offset) => {
                let value = undone.value(register).ok_or(End::NoUnwindData)?;
                let at = undone.stack_pointer.wrapping_add(offset);
                let less = stack.read(at).ok_or(End::UnreadableStack)?;
                undone.set(register, value.wrapping_sub(less));
            }
            Instruction::SetStackPointer(register) => {
                let to = undone.value(register).ok_or(End::NoUnwindData)?;
                if !(to > self.stack_pointer && stack.reaches(to)) {
                    self.leave_stack_for(to, stack)?;
                }
                undone.stack_pointer = to;
                undone.is_elsewhere = true;
            }
            Instruction::Other | Instruction::Return => {}
        }
        Ok(())
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

/// The frame pointer of the code that runs above a stack pointer, as far as can be told.
///
/// Up to Go 1.20 C's copy of it is all that there is, and old if the stack of the goroutine was
/// moved since, because what C called needed more of it. The chain of frame pointers that Go moved
/// with the stack is right: its next link is a word that points to another such word, both beside
/// addresses of code.
fn link_above(stack_pointer: u64, frame_pointer: u64, region: Region, stack: &mut Stack) -> u64 {
    let mut is_link = |at: u64| {
        let next = stack.read(at).filter(|next| *next > at)?;
        let mut is_beside_code = |at: u64| {
            let pc = stack.read(at.wrapping_add(8));
            pc.is_some_and(|pc| region.at(pc).is_some())
        };
        let is_aligned = at.is_multiple_of(8) && next.is_multiple_of(8);
        Some(is_aligned && is_beside_code(at) && is_beside_code(next))
    };
    let nearby = frame_pointer.wrapping_sub(stack_pointer) / 8 < LINK_WORDS;
    if nearby && is_link(frame_pointer) == Some(true) {
        return frame_pointer;
    }
    let mut places = (0..LINK_WORDS).map(|word| stack_pointer.wrapping_add(word * 8));
    places
        .find(|at| is_link(*at) == Some(true))
        .unwrap_or(NOWHERE)
}
