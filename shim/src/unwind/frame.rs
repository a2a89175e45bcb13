//! One step of a walk: from a frame to its caller.

use super::arch::{self, FRAME_POINTER, RETURN_ADDRESS, STACK_POINTER};
use super::bytes::Region;
use super::eh_frame::{Description, describe};
use super::expression::evaluate;
use super::find::{Object, find_object};
use super::program::{Cfa, Saved};
use super::rule::{Rule, kind};
use super::stack::Stack;
use super::{End, Registers, cache};

/// No code lies below; such return addresses are numbers.
const LOWEST_CODE: u64 = 4096;

/// A frame of the walk.
pub(super) struct Frame {
    /// Where it goes on: a return address, unless a signal interrupted it.
    pub(super) pc: u64,
    stack_pointer: u64,
    frame_pointer: u64,
    /// The stack pointer in the signal handler's return code, below which the kernel saved this
    /// frame's registers; 0 if it called its callee.
    saved_at: u64,
}

impl Frame {
    /// The frame that called the interposed function.
    pub(super) fn new(start: &Registers) -> Frame {
        let Registers { pc, sp, bp } = *start;
        Frame {
            pc,
            stack_pointer: sp,
            frame_pointer: bp,
            saved_at: 0,
        }
    }

    /// An address inside the instruction that the frame is in. A call may be the last one of its
    /// function, so that the address it returns to belongs to the next.
    #[inline]
    fn instruction(&self) -> u64 {
        self.pc.wrapping_sub(u64::from(self.saved_at == 0))
    }

    /// Goes to the caller, or says why it cannot.
    #[inline]
    pub(super) fn step(
        &mut self,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Result<(), End> {
        let rule = match cache::get(self.instruction()) {
            Some(rule) => rule,
            None => self.learn(stack, on_object),
        };
        let cfa = match rule.kind() {
            kind::FROM_STACK_POINTER => self.stack_pointer.wrapping_add(rule.distance()),
            kind::FROM_FRAME_POINTER => {
                let cfa = self.frame_pointer.wrapping_add(rule.distance());
                self.check_frame_pointer(cfa, rule, stack)?;
                cfa
            }
            _ => return self.step_slowly(rule, stack),
        };
        // The lower word first: it decides where a stack that is not yet known begins.
        let mut frame_pointer = self.frame_pointer;
        if rule.slot() != 0 {
            let slot = cfa.wrapping_sub(rule.slot());
            frame_pointer = stack.read(slot).ok_or(End::UnreadableStack)?;
        }
        let pc = stack
            .read(cfa.wrapping_sub(8))
            .ok_or(End::UnreadableStack)?;
        *self = Frame {
            pc,
            stack_pointer: cfa,
            frame_pointer,
            saved_at: 0,
        };
        self.check_pc()
    }

    /// A frame pointer may lead to another stack: functions that run something on a new one keep
    /// their own in it. It may not lead back to frames already seen.
    #[inline]
    fn check_frame_pointer(&self, cfa: u64, rule: Rule, stack: &mut Stack) -> Result<(), End> {
        let lowest = cfa.wrapping_sub(rule.slot().max(8));
        if cfa > self.stack_pointer && stack.reaches(lowest) {
            return Ok(());
        }
        self.leave_stack_for(lowest, stack)
    }

    #[cold]
    fn leave_stack_for(&self, address: u64, stack: &mut Stack) -> Result<(), End> {
        if address < self.stack_pointer && stack.reaches(address) {
            return Err(End::NoProgress);
        }
        if stack.switch_to(address) && stack.reaches(address) {
            return Ok(());
        }
        Err(End::UnreadableStack)
    }

    /// Ends the walk where the return address cannot be one.
    #[inline]
    fn check_pc(&self) -> Result<(), End> {
        if LOWEST_CODE <= self.pc && self.pc >> arch::ADDRESS_BITS == 0 {
            return Ok(());
        }
        // The bottom of a stack is often marked by a zero.
        Err(if self.pc == 0 {
            End::Complete
        } else {
            End::NoUnwindData
        })
    }

    /// Asks the unwind data for the rule, and remembers it.
    #[cold]
    #[inline(never)]
    fn learn(&self, stack: &mut Stack, on_object: &mut dyn FnMut(&Object)) -> Rule {
        let pc = self.instruction();
        let Some(object) = find_object(pc) else {
            // Not remembered: generated code may give way to an object at the same address.
            return Rule::NO_DATA;
        };
        on_object(&object);
        let rule = match describe(&object, pc) {
            Some(description) => Rule::of(&description.row, description.is_signal_frame),
            None if self.is_signal_return(stack) => Rule::SIGNAL_RETURN,
            None => Rule::NO_DATA,
        };
        cache::insert(pc, rule);
        rule
    }

    fn is_signal_return(&self, stack: &mut Stack) -> bool {
        let mut word = |address| stack.read_anywhere(address);
        let words = word(self.pc).zip(word(self.pc.wrapping_add(8)));
        words.is_some_and(|(first, second)| arch::is_signal_return(first, second))
    }

    #[cold]
    #[inline(never)]
    fn step_slowly(&mut self, rule: Rule, stack: &mut Stack) -> Result<(), End> {
        match rule.kind() {
            kind::BOTTOM => return Err(End::Complete),
            kind::GENERIC => self.step_by_description(stack)?,
            kind::SIGNAL_RETURN => self.step_over_signal(stack)?,
            _ => self.step_by_frame_pointer(stack)?,
        }
        self.check_pc()
    }

    /// Evaluates the unwind data of this frame.
    fn step_by_description(&mut self, stack: &mut Stack) -> Result<(), End> {
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
            Cfa::Expression(offset) => evaluate(region, offset, None, self, stack),
        };
        let cfa = cfa.ok_or(End::NoUnwindData)?;
        let frame_pointer = self.restore(row.frame_pointer, FRAME_POINTER, cfa, region, stack)?;
        let pc = match row.return_address {
            Saved::Unchanged | Saved::Undefined => return Err(End::NoUnwindData),
            saved => self.restore(saved, RETURN_ADDRESS, cfa, region, stack)?,
        };
        let saved_at = if is_signal_frame {
            self.stack_pointer
        } else {
            0
        };
        self.go_to(
            Frame {
                pc,
                stack_pointer: cfa,
                frame_pointer,
                saved_at,
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
    /// where a signal interrupted the frame.
    pub(super) fn register(&self, register: u64, stack: &mut Stack) -> Option<u64> {
        match register {
            STACK_POINTER => Some(self.stack_pointer),
            FRAME_POINTER => Some(self.frame_pointer),
            RETURN_ADDRESS => Some(self.pc),
            _ if self.saved_at == 0 => None,
            _ => read_saved(self.saved_at, register, stack),
        }
    }

    /// Takes the registers that the kernel saved for the frame it interrupted.
    fn step_over_signal(&mut self, stack: &mut Stack) -> Result<(), End> {
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
                saved_at,
            },
            stack,
        )
    }

    /// Makes a frame the current one, wherever its stack pointer leads. Only a signal's frame may
    /// lead to a lower part of its own stack: a signal stack can be an array of a function.
    fn go_to(&mut self, caller: Frame, stack: &mut Stack) -> Result<(), End> {
        let is_above = caller.stack_pointer > self.stack_pointer;
        let is_interrupted = caller.saved_at != 0;
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
        *self = caller;
        Ok(())
    }

    /// Follows the frame pointer of code without unwind data, if it is one: above the stack
    /// pointer, aligned, and beside an address that can be code.
    fn step_by_frame_pointer(&mut self, stack: &mut Stack) -> Result<(), End> {
        let at = self.frame_pointer;
        if at == 0 {
            // So the psABI marks the bottom of the stack (3.4.1).
            return Err(End::Complete);
        }
        if at < self.stack_pointer || at % 8 != 0 {
            return Err(End::NoUnwindData);
        }
        let frame_pointer = stack.read(at).ok_or(End::NoUnwindData)?;
        let slot = at.wrapping_add(8);
        let pc = stack.read(slot).ok_or(End::NoUnwindData)?;
        // A word of code before the address: generated code is in no object, but can be read.
        let is_code = pc == 0
            || find_object(pc).is_some()
            || pc >= LOWEST_CODE && !stack.reaches(pc) && arch::is_readable(pc.wrapping_sub(8));
        if !is_code {
            return Err(End::NoUnwindData);
        }
        *self = Frame {
            pc,
            stack_pointer: at.wrapping_add(16),
            frame_pointer,
            saved_at: 0,
        };
        Ok(())
    }
}

fn read_saved(saved_at: u64, register: u64, stack: &mut Stack) -> Option<u64> {
    let offset = arch::saved_by_signal(register)?;
    stack.read_anywhere(saved_at.checked_add(offset)?)
}
