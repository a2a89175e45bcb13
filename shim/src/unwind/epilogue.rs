//! Decodes the end of a function: what its last instructions do to the stack (x86-64).
//!
//! From a return address on they are run through without a jump, so what they do is what will be
//! done: no unwind data can be more right.

#![forbid(unsafe_code)]

use super::bytes::Bytes;

/// More instructions than any function needs to restore registers.
const INSTRUCTIONS: u32 = 24;
/// A larger frame belongs to no function of this kind.
const FRAME_BYTES: u64 = 4096;

/// A register, by its number in instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Register(u8);

impl Register {
    /// The stack pointer.
    pub(super) const RSP: Register = Register(4);
    /// The frame pointer.
    pub(super) const RBP: Register = Register(5);
    /// Beside them, registers whose values are followed.
    pub(super) const RSI: Register = Register(6);
    /// As above.
    pub(super) const RDI: Register = Register(7);
}

/// What a function's end consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Instruction {
    /// Adds to the stack pointer.
    Release(u64),
    /// Takes a register from the stack.
    Pop(Register),
    /// Loads a register from so many bytes above where another one points.
    Load {
        /// What is loaded.
        register: Register,
        /// What points there.
        base: Register,
        /// How far above.
        offset: u64,
    },
    /// Subtracts from a register what lies so many bytes above the stack pointer.
    Subtract(Register, u64),
    /// Sets the stack pointer to what a register holds.
    SetStackPointer(Register),
    /// Does nothing that matters here.
    Other,
    /// Returns.
    Return,
}

/// Whether code does nothing but such instructions until it returns.
pub(super) fn leads_to_return(mut code: Bytes) -> bool {
    for _ in 0..INSTRUCTIONS {
        match next(&mut code) {
            Some(Instruction::Return) => return true,
            Some(_) => {}
            None => return false,
        }
    }
    false
}

/// The next instruction, if it is one of those.
pub(super) fn next(code: &mut Bytes) -> Option<Instruction> {
    match code.u8()? {
        0xc3 => Some(Instruction::Return),
        pop @ 0x58..=0x5f if pop != 0x5c => Some(Instruction::Pop(Register(pop - 0x58))),
        0x41 => {
            let pop = code.u8().filter(|pop| (0x58..=0x5f).contains(pop))?;
            Some(Instruction::Pop(Register(pop - 0x50)))
        }
        // A result of 32 bits is stored on the stack.
        0x89 => {
            let memory = memory(code, 0)?;
            (memory.base == Register::RSP).then_some(Instruction::Other)
        }
        // The thread's own pointer to what it runs is stored.
        0x64 => {
            (code.u8()? == 0x48 && code.u8()? == 0x89).then_some(())?;
            match code.u8()? {
                0x3c => code.skip(5)?,
                0x39 => {}
                _ => return None,
            }
            Some(Instruction::Other)
        }
        0x48 => of_64_bits(code, 0),
        0x4c => of_64_bits(code, 8),
        _ => None,
    }
}

/// An instruction with operands of 64 bits, of which the register is of the second eight if `high`
/// is 8.
fn of_64_bits(code: &mut Bytes, high: u8) -> Option<Instruction> {
    match (code.u8()?, high) {
        (0x83, 0) => {
            (code.u8()? == 0xc4).then_some(())?;
            let size = code.u8().filter(|size| *size < 0x80)?;
            Some(Instruction::Release(size.into()))
        }
        (0x81, 0) => {
            (code.u8()? == 0xc4).then_some(())?;
            let size = u64::from(code.u32()?);
            (size < FRAME_BYTES).then_some(Instruction::Release(size))
        }
        (0x89, 0) => {
            const FROM_RSI: u8 = 0xf4;
            (code.u8()? == FROM_RSI).then_some(Instruction::SetStackPointer(Register::RSI))
        }
        (0x8b, _) => {
            let Memory {
                register,
                base,
                offset,
            } = memory(code, high)?;
            (register != Register::RSP).then_some(Instruction::Load {
                register,
                base,
                offset,
            })
        }
        (0x2b, 0) => {
            let memory = memory(code, 0)?;
            (memory.base == Register::RSP)
                .then_some(Instruction::Subtract(memory.register, memory.offset))
        }
        // A constant for rcx.
        (0xc7, 0) => {
            (code.u8()? == 0xc1).then_some(())?;
            code.skip(4)?;
            Some(Instruction::Other)
        }
        _ => None,
    }
}

/// The two operands of an instruction, of which one is in memory.
struct Memory {
    register: Register,
    base: Register,
    offset: u64,
}

fn memory(code: &mut Bytes, high: u8) -> Option<Memory> {
    let operands = code.u8()?;
    let base = match operands & 7 {
        4 => (code.u8()? == 0x24).then_some(Register::RSP)?,
        7 => Register::RDI,
        _ => return None,
    };
    let offset = match operands >> 6 {
        0 => 0,
        1 => u64::from(code.u8().filter(|offset| *offset < 0x80)?),
        2 => u64::from(code.u32()?),
        _ => return None,
    };
    (offset < FRAME_BYTES).then_some(Memory {
        register: Register(operands >> 3 & 7 | high),
        base,
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Region;
    use super::*;

    /// The instructions of code up to its return; nothing if there is another one before.
    fn check(code: &[u8], expected: Option<&[Instruction]>) {
        let start = code.as_ptr().expose_provenance() as u64;
        let mut bytes = Region::of(code).at(start).expect("it is there");
        assert_eq!(leads_to_return(bytes), expected.is_some(), "{code:x?}");
        for instruction in expected.unwrap_or(&[]) {
            assert_eq!(next(&mut bytes), Some(*instruction), "{code:x?}");
        }
    }

    fn load(register: u8, base: Register, offset: u64) -> Instruction {
        Instruction::Load {
            register: Register(register),
            base,
            offset,
        }
    }

    #[test]
    fn a_function_that_restores_what_it_pushed_is_understood() {
        use Instruction::{Pop, Release, Return};
        let pops = [Pop(Register(3)), Pop(Register::RBP), Pop(Register(12))];
        let [first, second, third] = pops;
        // pop rbx; pop rbp; pop r12; ret
        check(
            &[0x5b, 0x5d, 0x41, 0x5c, 0xc3],
            Some(&[first, second, third, Return]),
        );
        // add rsp, 0x148; ret
        check(
            &[0x48, 0x81, 0xc4, 0x48, 0x01, 0, 0, 0xc3],
            Some(&[Release(0x148), Return]),
        );
    }

    #[test]
    fn what_go_has_between_c_and_itself_is_understood() {
        use Instruction::{Pop, Release, Return};
        // add rsp, 0x18; mov rbx, [rsp]; mov r12, [rsp+8]; mov rbp, [rsp+0x28]; add rsp, 0x30;
        // pop rbp; ret
        let crosscall2 = [
            0x48, 0x83, 0xc4, 0x18, 0x48, 0x8b, 0x1c, 0x24, 0x4c, 0x8b, 0x64, 0x24, 0x08, 0x48,
            0x8b, 0x6c, 0x24, 0x28, 0x48, 0x83, 0xc4, 0x30, 0x5d, 0xc3,
        ];
        let expected = [
            Release(0x18),
            load(3, Register::RSP, 0),
            load(12, Register::RSP, 8),
            load(5, Register::RSP, 0x28),
            Release(0x30),
            Pop(Register::RBP),
            Return,
        ];
        check(&crosscall2, Some(&expected));
    }

    #[test]
    fn the_way_back_to_the_stack_of_a_goroutine_is_understood() {
        use Instruction::{Other, Pop, Return, SetStackPointer, Subtract};
        let begin = [
            0x48, 0x8b, 0x7c, 0x24, 0x08, // mov rdi, [rsp+8]
            0x48, 0x8b, 0x77, 0x08, // mov rsi, [rdi+8]
            0x48, 0x2b, 0x34, 0x24, // sub rsi, [rsp]
        ];
        let end = [
            0x48, 0x89, 0xf4, // mov rsp, rsi
            0x89, 0x44, 0x24, 0x20, // mov [rsp+0x20], eax
            0x5d, 0xc3, // pop rbp; ret
        ];
        // mov fs:-8, rdi; and in a program that can be moved: mov fs:[rcx], rdi
        let fixed = [0x64, 0x48, 0x89, 0x3c, 0x25, 0xf8, 0xff, 0xff, 0xff];
        let moved = [0x64, 0x48, 0x89, 0x39];
        let expected = [
            load(7, Register::RSP, 8),
            load(6, Register::RDI, 8),
            Subtract(Register::RSI, 0),
            Other,
            SetStackPointer(Register::RSI),
            Other,
            Pop(Register::RBP),
            Return,
        ];
        check(&[&begin[..], &fixed, &end].concat(), Some(&expected));
        check(&[&begin[..], &moved, &end].concat(), Some(&expected));
    }

    #[test]
    fn code_that_does_anything_else_is_no_end() {
        // a call, a jump, a load from elsewhere, another stack pointer twice, a cut end
        check(&[0xe8, 0, 0, 0, 0, 0xc3], None);
        check(&[0xeb, 0x00, 0xc3], None);
        check(&[0x48, 0x8b, 0x45, 0x10, 0xc3], None);
        check(&[0x48, 0x8b, 0x64, 0x24, 0x08, 0xc3], None);
        check(&[0x5c, 0xc3], None);
        check(&[0x48, 0x83, 0xc4], None);
        check(&[0x58; 64], None);
    }
}
