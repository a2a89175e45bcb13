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

/// Where the last instructions of a function find what belongs to its caller: bytes above the
/// stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Epilogue {
    /// The return address.
    pub(super) return_address: u64,
    /// The frame pointer; nothing where they leave it as it is.
    pub(super) frame_pointer: Option<u64>,
}

/// What the code does up to its return, if it does nothing but restore registers.
pub(super) fn decode(mut code: Bytes) -> Option<Epilogue> {
    /// The number of the frame pointer's register in instructions.
    const RBP: u8 = 5;
    let mut size = 0;
    let mut frame_pointer = None;
    for _ in 0..INSTRUCTIONS {
        match code.u8()? {
            // ret
            0xc3 => {
                return Some(Epilogue {
                    return_address: size,
                    frame_pointer,
                });
            }
            // pop of a register of the first eight, but not of the stack pointer
            pop @ (0x58..=0x5b | 0x5d..=0x5f) => {
                if pop == 0x58 + RBP {
                    frame_pointer = Some(size);
                }
                size += 8;
            }
            // pop of another
            0x41 => {
                (0x58..=0x5f).contains(&code.u8()?).then_some(())?;
                size += 8;
            }
            prefix @ (0x48 | 0x4c) => match (prefix, code.u8()?) {
                // add to the stack pointer
                (0x48, 0x83) => {
                    (code.u8()? == 0xc4).then_some(())?;
                    size += u64::from(code.u8().filter(|size| *size < 0x80)?);
                }
                (0x48, 0x81) => {
                    (code.u8()? == 0xc4).then_some(())?;
                    size += u64::from(code.u32()?);
                }
                // load of a register from the stack
                (_, 0x8b) => {
                    let (register, offset) = load_from_stack(&mut code)?;
                    match (prefix, register) {
                        (0x48, RBP) => frame_pointer = Some(size + offset),
                        (0x48, 4) => return None,
                        _ => {}
                    }
                }
                _ => return None,
            },
            _ => return None,
        }
        if size > FRAME_BYTES {
            return None;
        }
    }
    None
}

/// The register, and how far above the stack pointer it is read.
fn load_from_stack(code: &mut Bytes) -> Option<(u8, u64)> {
    let operands = code.u8()?;
    let is_at_stack_pointer = operands & 7 == 4 && code.u8()? == 0x24;
    let offset = match operands >> 6 {
        0 => 0,
        1 => u64::from(code.u8()?),
        2 => u64::from(code.u32()?),
        _ => return None,
    };
    (is_at_stack_pointer && offset < FRAME_BYTES).then_some((operands >> 3 & 7, offset))
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Region;
    use super::*;

    fn check(code: &[u8], expected: Option<(u64, Option<u64>)>) {
        let start = code.as_ptr().expose_provenance() as u64;
        let expected = expected.map(|(return_address, frame_pointer)| Epilogue {
            return_address,
            frame_pointer,
        });
        assert_eq!(
            decode(Region::of(code).at(start).expect("it is there")),
            expected
        );
    }

    #[test]
    fn a_function_that_restores_what_it_pushed_is_undone() {
        // pop rbx; pop rbp; pop r12; ret
        check(&[0x5b, 0x5d, 0x41, 0x5c, 0xc3], Some((24, Some(8))));
        check(&[0xc3], Some((0, None)));
    }

    #[test]
    fn what_go_puts_between_c_and_go_is_undone() {
        let crosscall2 = [
            0x48, 0x83, 0xc4, 0x18, // add rsp, 0x18
            0x48, 0x8b, 0x1c, 0x24, // mov rbx, [rsp]
            0x4c, 0x8b, 0x64, 0x24, 0x08, // mov r12, [rsp+8]
            0x4c, 0x8b, 0x6c, 0x24, 0x10, // mov r13, [rsp+0x10]
            0x4c, 0x8b, 0x74, 0x24, 0x18, // mov r14, [rsp+0x18]
            0x4c, 0x8b, 0x7c, 0x24, 0x20, // mov r15, [rsp+0x20]
            0x48, 0x8b, 0x6c, 0x24, 0x28, // mov rbp, [rsp+0x28]
            0x48, 0x83, 0xc4, 0x30, // add rsp, 0x30
        ];
        check(
            &[&crosscall2[..], &[0xc3]].concat(),
            Some((0x48, Some(0x40))),
        );
        // Since Go 1.22 it has a frame pointer of its own beside: pop rbp; ret
        check(
            &[&crosscall2[..], &[0x5d, 0xc3]].concat(),
            Some((0x50, Some(0x48))),
        );
    }

    #[test]
    fn code_that_does_anything_else_is_no_end() {
        // call, a jump, a load that is none from the stack, another stack pointer, a cut end
        check(&[0xe8, 0, 0, 0, 0, 0xc3], None);
        check(&[0xeb, 0x00, 0xc3], None);
        check(&[0x48, 0x8b, 0x45, 0x10, 0xc3], None);
        check(&[0x48, 0x8b, 0x64, 0x24, 0x08, 0xc3], None);
        check(&[0x5c, 0xc3], None);
        check(&[0x48, 0x83, 0xc4], None);
        check(&[0x58; 64], None);
    }
}
