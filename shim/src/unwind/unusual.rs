//! The steps that packed rules do not describe: expressions, signals, and frame pointers.

#![forbid(unsafe_code)]

use super::End;
use super::arch::{self, FRAME_POINTER, RETURN_ADDRESS, STACK_POINTER};
use super::auxiliary::{address_of_auxiliary, auxiliary};
use super::bytes::Region;
use super::eh_frame::{Description, describe};
use super::expression::evaluate;
use super::find::find_object;
use super::frame::{By, Frame, LOWEST_CODE};
use super::program::{Cfa, Saved};
use super::rule::{Rule, kind};
use super::stack::Stack;

impl Frame {
    /// The caller by a rule that is more than two offsets.
    pub(super) fn caller_by_other_rule(self, rule: Rule, stack: &mut Stack) -> Result<Frame, End> {
        match rule.kind() {
            kind::BOTTOM => Err(End::Complete),
            kind::GENERIC => self.caller_by_description(stack),
            kind::SIGNAL_RETURN => self.interrupted_by_signal(stack),
            kind::GO => self.caller_of_go(stack),
            _ => self.caller_by_frame_pointer(stack),
        }
    }

    /// Evaluates the unwind data of this frame.
    fn caller_by_description(self, stack: &mut Stack) -> Result<Frame, End> {
        let pc = self.instruction();
        let found = find_object(pc).and_then(|object| describe(&object, pc));
        let description = found.ok_or(End::NoUnwindData)?;
        let Description {
            row,
            is_signal_frame,
            region,
        } = description;
        let cfa = match row.cfa {
            Cfa::Register { number, offset } => self
                .register(u64::from(number), stack)
                .map(|value| value.wrapping_add_signed(i64::from(offset))),
            Cfa::Expression(offset) => evaluate(region, offset, None, &self, stack),
        };
        let cfa = cfa.ok_or(End::NoUnwindData)?;
        let frame_pointer = self.restore(row.frame_pointer, FRAME_POINTER, cfa, region, stack)?;
        let pc = match row.return_address {
            Saved::Unchanged | Saved::Undefined => return Err(End::NoUnwindData),
            saved => self.restore(saved, RETURN_ADDRESS, cfa, region, stack)?,
        };
        let by = if is_signal_frame {
            By::Signal(self.stack_pointer)
        } else {
            By::Rule
        };
        self.go_to(
            Frame {
                pc,
                stack_pointer: cfa,
                frame_pointer,
                by,
            },
            stack,
        )
    }

    /// The value that a register has in the caller.
    fn restore(
        &self,
        saved: Saved,
        register: u64,
        cfa: u64,
        region: Region,
        stack: &mut Stack,
    ) -> Result<u64, End> {
        let address = match saved {
            Saved::Unchanged | Saved::Undefined => return self.value(register, stack),
            Saved::In(register) => return self.value(u64::from(register), stack),
            Saved::Is(offset) => return Ok(cfa.wrapping_add_signed(i64::from(offset))),
            Saved::IsExpression(offset) => {
                let value = evaluate(region, offset, Some(cfa), self, stack);
                return value.ok_or(End::NoUnwindData);
            }
            Saved::At(offset) => Some(cfa.wrapping_add_signed(i64::from(offset))),
            Saved::AtExpression(offset) => evaluate(region, offset, Some(cfa), self, stack),
        };
        let address = address.ok_or(End::NoUnwindData)?;
        stack.read_anywhere(address).ok_or(End::UnreadableStack)
    }

    fn value(&self, register: u64, stack: &mut Stack) -> Result<u64, End> {
        self.register(register, stack).ok_or(End::NoUnwindData)
    }

    /// The value of a register in this frame. Beside those that a walk follows, they are known
    /// where a signal interrupted the frame, and else have to be looked for.
    pub(super) fn register(&self, register: u64, stack: &mut Stack) -> Option<u64> {
        match register {
            STACK_POINTER => Some(self.stack_pointer),
            FRAME_POINTER => Some(self.frame_pointer),
            RETURN_ADDRESS => Some(self.pc),
            _ => match self.by {
                By::Signal(saved_at) => read_saved(saved_at, register, stack),
                By::Rule | By::FramePointer => self.retrace(register, stack),
            },
        }
    }

    /// Takes the registers that the kernel saved for the frame it interrupted.
    fn interrupted_by_signal(self, stack: &mut Stack) -> Result<Frame, End> {
        let saved_at = self.stack_pointer;
        let mut register = |number| read_saved(saved_at, number, stack).ok_or(End::UnreadableStack);
        let pc = register(RETURN_ADDRESS)?;
        let stack_pointer = register(STACK_POINTER)?;
        let frame_pointer = register(FRAME_POINTER)?;
        self.go_to(
            Frame {
                pc,
                stack_pointer,
                frame_pointer,
                by: By::Signal(saved_at),
            },
            stack,
        )
    }

    /// Makes a frame the current one, wherever its stack pointer leads. Only a signal's frame may
    /// lead to a lower part of its own stack: a signal stack can be an array of a function.
    fn go_to(self, caller: Frame, stack: &mut Stack) -> Result<Frame, End> {
        let is_above = caller.stack_pointer > self.stack_pointer;
        let is_interrupted = caller.is_interrupted();
        // The word below is the lowest that belongs to a call; of an interrupted frame, none does.
        let lowest = caller
            .stack_pointer
            .wrapping_sub(if is_interrupted { 0 } else { 8 });
        if is_interrupted && !(is_above && stack.reaches(lowest)) {
            if !stack.switch_to(lowest) {
                return Err(End::NoProgress);
            }
        } else if !(is_above && stack.reaches(lowest)) {
            self.leave_stack_for(lowest, stack)?;
        }
        Ok(caller)
    }

    /// Follows the frame pointer of code without unwind data, if it is one: above the stack
    /// pointer, aligned, and beside an address that can be code.
    fn caller_by_frame_pointer(self, stack: &mut Stack) -> Result<Frame, End> {
        let at = self.frame_pointer;
        // So a chain of frame pointers ends (psABI, 3.4.1). A zero that no frame pointer led to may
        // be anything, in code that uses the register for numbers.
        let is_chain = self.by == By::FramePointer;
        if at == 0 && (is_chain || self.is_start_of_loader()) {
            return Err(End::Complete);
        }
        if at < self.stack_pointer || !at.is_multiple_of(8) {
            return Err(End::NoUnwindData);
        }
        let frame_pointer = stack.read(at).ok_or(End::NoUnwindData)?;
        let slot = at.wrapping_add(8);
        let pc = stack.read(slot).ok_or(End::NoUnwindData)?;
        // A word of code before the address: generated code is in no object, but can be read.
        let is_code = pc == 0 && frame_pointer == 0 && is_chain
            || find_object(pc).is_some()
            || pc >= LOWEST_CODE && !stack.reaches(pc) && arch::is_readable(pc.wrapping_sub(8));
        if !is_code {
            return Err(End::NoUnwindData);
        }
        Ok(Frame {
            pc,
            stack_pointer: at.wrapping_add(16),
            frame_pointer,
            by: By::FramePointer,
        })
    }

    /// Whether this is where the loader was started: glibc's has no unwind data for that one place,
    /// from which it calls the constructors of libraries. musl's is its C library at the same time,
    /// and has unwind data for nothing.
    fn is_start_of_loader(self) -> bool {
        let loader = auxiliary(libc::AT_BASE);
        let is_loader = |pc| find_object(pc).is_some_and(|object| object.start == loader);
        loader != 0 && is_loader(self.pc) && !is_loader(address_of_auxiliary())
    }
}

fn read_saved(saved_at: u64, register: u64, stack: &mut Stack) -> Option<u64> {
    let offset = arch::saved_by_signal(register)?;
    stack.read_anywhere(saved_at.checked_add(offset)?)
}
