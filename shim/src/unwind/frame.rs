//! One step of a walk: from a frame to its caller, by a packed rule.

#![forbid(unsafe_code)]

use super::arch;
use super::eh_frame::describe;
use super::find::{Object, find_object};
use super::go::is_go;
use super::rule::{Rule, kind};
use super::stack::Stack;
use super::{End, Registers, cache};

/// No code lies below; such return addresses are numbers.
pub(super) const LOWEST_CODE: u64 = 4096;

/// How a walk came to a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// It called its callee, says the unwind data; or the walk begins with it.
    Rule,
    /// It called its callee, say the frame pointers.
    FramePointer,
    /// A signal interrupted it. The kernel saved its registers above this address: the stack
    /// pointer in the code that the handler returns to.
    Signal(u64),
}

/// A frame of the walk. It is passed by value, so that a walk keeps it in registers.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    /// Where it goes on: a return address, unless a signal interrupted it.
    pub(super) pc: u64,
    /// The stack pointer after the call that it is in returns.
    pub(super) stack_pointer: u64,
    /// The frame pointer's register, whatever it is used for.
    pub(super) frame_pointer: u64,
    /// How the walk came to it.
    pub(super) by: By,
}

impl Frame {
    /// The frame that called the interposed function.
    pub(super) fn new(start: &Registers) -> Frame {
        let Registers { pc, sp, bp } = *start;
        Frame {
            pc,
            stack_pointer: sp,
            frame_pointer: bp,
            by: By::Rule,
        }
    }

    /// Whether its pc is no return address.
    #[inline]
    pub(super) fn is_interrupted(self) -> bool {
        matches!(self.by, By::Signal(_))
    }

    /// An address inside the instruction that the frame is in. A call may be the last one of its
    /// function, so that the address it returns to belongs to the next.
    #[inline]
    pub(super) fn instruction(self) -> u64 {
        self.pc.wrapping_sub(u64::from(!self.is_interrupted()))
    }

    /// The caller, where it takes a rule that is known and a stack that is known: nearly always.
    #[inline(always)]
    pub(super) fn caller_at_once(self, stack: &Stack) -> Option<Frame> {
        self.step_at_once(stack).map(|(caller, _)| caller)
    }

    /// The same, with the rule.
    #[inline(always)]
    pub(super) fn step_at_once(self, stack: &Stack) -> Option<(Frame, Rule)> {
        if self.is_interrupted() {
            return None;
        }
        let rule = cache::get(self.pc)?;
        let register = match rule.kind() {
            kind::FROM_STACK_POINTER => self.stack_pointer,
            kind::FROM_FRAME_POINTER => self.frame_pointer,
            _ => return None,
        };
        let cfa = register.wrapping_add(rule.distance());
        let pc = stack.read_known(cfa.wrapping_sub(8))?;
        let frame_pointer = match rule.slot() {
            0 => self.frame_pointer,
            slot => stack.read_known(cfa.wrapping_sub(slot))?,
        };
        let caller = Frame {
            pc,
            stack_pointer: cfa,
            frame_pointer,
            by: By::Rule,
        };
        (cfa > self.stack_pointer && caller.is_plausible()).then_some((caller, rule))
    }

    /// Whether the rule of its pc, and nothing that was read, says that it has no caller.
    pub(super) fn is_bottom(self) -> bool {
        !self.is_interrupted()
            && cache::get(self.pc).is_some_and(|rule| rule.kind() == kind::BOTTOM)
    }

    /// The caller, or why there is none, where anything had to be learnt or looks unusual.
    #[cold]
    #[inline(never)]
    pub(super) fn caller(
        self,
        stack: &mut Stack,
        on_object: &mut dyn FnMut(&Object),
    ) -> Result<Frame, End> {
        let rule = self.rule(stack, on_object);
        let cfa = match rule.kind() {
            kind::FROM_STACK_POINTER => self.stack_pointer.wrapping_add(rule.distance()),
            kind::FROM_FRAME_POINTER => {
                let cfa = self.frame_pointer.wrapping_add(rule.distance());
                self.check_frame_pointer(cfa, rule, stack)?;
                cfa
            }
            _ => {
                let caller = self.caller_by_other_rule(rule, stack)?.if_plausible()?;
                let is_from_go = rule == Rule::GO && caller.by == By::FramePointer;
                if is_from_go && caller.rule(stack, on_object) != Rule::GO {
                    return Err(End::NoUnwindData);
                }
                return Ok(caller);
            }
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
        Frame {
            pc,
            stack_pointer: cfa,
            frame_pointer,
            by: By::Rule,
        }
        .if_plausible()
    }

    /// A frame pointer may lead to another stack: functions that run something on a new one keep
    /// their own in it. It may not lead back to frames already seen.
    fn check_frame_pointer(self, cfa: u64, rule: Rule, stack: &mut Stack) -> Result<(), End> {
        let lowest = cfa.wrapping_sub(rule.slot().max(8));
        if cfa > self.stack_pointer && stack.reaches(lowest) {
            return Ok(());
        }
        self.leave_stack_for(lowest, stack)
    }

    pub(super) fn leave_stack_for(self, address: u64, stack: &mut Stack) -> Result<(), End> {
        if address < self.stack_pointer && stack.reaches(address) {
            return Err(End::NoProgress);
        }
        if stack.switch_to(address) && stack.reaches(address) {
            return Ok(());
        }
        Err(End::UnreadableStack)
    }

    /// Whether the return address can be one.
    fn is_plausible(self) -> bool {
        LOWEST_CODE <= self.pc && self.pc >> arch::ADDRESS_BITS == 0
    }

    /// Ends the walk where the return address cannot be one.
    fn if_plausible(self) -> Result<Frame, End> {
        match self.pc {
            // The bottom of a stack is often marked so.
            0 => Err(End::Complete),
            _ if self.is_plausible() => Ok(self),
            _ => Err(End::NoUnwindData),
        }
    }

    /// The rule of its pc. Rules are remembered for return addresses; an interrupted frame may be at
    /// the same one.
    fn rule(self, stack: &mut Stack, on_object: &mut dyn FnMut(&Object)) -> Rule {
        match cache::get(self.pc) {
            Some(rule) if !self.is_interrupted() => rule,
            _ => self.learn(stack, on_object),
        }
    }

    /// Asks the unwind data for the rule, and remembers it.
    fn learn(self, stack: &mut Stack, on_object: &mut dyn FnMut(&Object)) -> Rule {
        let pc = self.instruction();
        let Some(object) = find_object(pc) else {
            // Not remembered: generated code may give way to an object at the same address.
            return Rule::NO_DATA;
        };
        on_object(&object);
        let rule = match describe(&object, pc) {
            Some(description) => Rule::of(&description.row, description.is_signal_frame),
            // Code begins here, so no call can have left this address on the stack: it was put
            // there by hand, for a coroutine to return to (glibc's makecontext does so).
            None if describe(&object, self.pc).is_some() => Rule::BOTTOM,
            None if self.is_signal_return(stack) => Rule::SIGNAL_RETURN,
            None if is_go(&object) => Rule::GO,
            None => Rule::NO_DATA,
        };
        if !self.is_interrupted() {
            cache::insert(self.pc, rule);
        }
        rule
    }

    fn is_signal_return(self, stack: &mut Stack) -> bool {
        let mut word = |address| stack.read_anywhere(address);
        let words = word(self.pc).zip(word(self.pc.wrapping_add(8)));
        words.is_some_and(|(first, second)| arch::is_signal_return(first, second))
    }
}
