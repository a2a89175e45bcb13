//! Finds what a register held in a frame, beyond the three that every walk follows.
//!
//! Some frames are found by another register: glibc's resolver of lazily bound functions keeps its
//! caller's stack pointer in rbx. Such a register is one that functions must keep, so its value lies
//! where the last function inside the frame saved it. Nobody looked for it on the way out, as
//! nearly no walk ever needs it: the walk is made again up to the frame, with an eye on that
//! register.

#![forbid(unsafe_code)]

use super::End;
use super::eh_frame::{Description, describe_with};
use super::expression::evaluate;
use super::find::find_object;
use super::frame::Frame;
use super::program::Saved;
use super::stack::Stack;

/// How many frames may be between the beginning of the walk and the frame. It bounds the time of
/// walks over damaged stacks; real ones are at their first frames when this happens.
const FRAMES_MAX: usize = 1024;

impl Frame {
    /// The value of a register in this frame; nothing if no frame inside it saved the register.
    #[cold]
    pub(super) fn retrace(&self, register: u64, stack: &mut Stack) -> Option<u64> {
        let (start, mut stack) = stack.begin_again()?;
        let mut frame = Frame::new(&start);
        let mut value = None;
        for _ in 0..FRAMES_MAX {
            if (frame.pc, frame.stack_pointer) == (self.pc, self.stack_pointer) {
                return value;
            }
            let caller = frame.caller(&mut stack, &mut |_| {}).ok()?;
            value = match caller.is_interrupted() {
                true => caller.register(register, &mut stack),
                false => frame.kept_for(&caller, register, value, &mut stack).ok()?,
            };
            frame = caller;
        }
        None
    }

    /// The value that a register had when the caller made its call, if it had `value` inside.
    fn kept_for(
        &self,
        caller: &Frame,
        register: u64,
        value: Option<u64>,
        stack: &mut Stack,
    ) -> Result<Option<u64>, End> {
        let pc = self.instruction();
        let found = find_object(pc).and_then(|object| describe_with(&object, pc, register));
        let Description { row, region, .. } = found.ok_or(End::NoUnwindData)?;
        let cfa = caller.stack_pointer;
        Ok(match row.frame_pointer {
            Saved::Unchanged => value,
            Saved::At(offset) => stack.read_anywhere(cfa.wrapping_add_signed(i64::from(offset))),
            Saved::Is(offset) => Some(cfa.wrapping_add_signed(i64::from(offset))),
            Saved::AtExpression(offset) => evaluate(region, offset, Some(cfa), self, stack)
                .and_then(|address| stack.read_anywhere(address)),
            Saved::IsExpression(offset) => evaluate(region, offset, Some(cfa), self, stack),
            Saved::Undefined | Saved::In(_) => None,
        })
    }
}
