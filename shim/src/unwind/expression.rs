//! Evaluates the expressions that some rows use (DWARF 5, 2.5), on a small stack of numbers.
//!
//! Compilers write them for functions that align their stack, linkers for the procedure linkage
//! table, and C libraries for the frame that the kernel makes for a signal handler.

#![forbid(unsafe_code)]

use super::bytes::{Bytes, Region};
use super::frame::Frame;
use super::stack::Stack;

/// How many numbers an expression may have on its stack; those in use have at most four.
const DEPTH: usize = 12;
/// How many operations to run before giving up: expressions can branch backwards.
const STEP_LIMIT: u32 = 256;

struct Values {
    items: [u64; DEPTH],
    len: usize,
}

impl Values {
    fn push(&mut self, value: u64) -> Option<()> {
        *self.items.get_mut(self.len)? = value;
        self.len += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<u64> {
        self.len = self.len.checked_sub(1)?;
        self.items.get(self.len).copied()
    }

    /// The number that many below the top one.
    fn below_top(&self, depth: usize) -> Option<u64> {
        let index = self.len.checked_sub(depth)?.checked_sub(1)?;
        self.items.get(index).copied()
    }
}

struct Machine<'m, 's> {
    values: Values,
    code: Bytes,
    whole: Bytes,
    frame: &'m Frame,
    stack: &'m mut Stack<'s>,
}

/// The value of the expression at an offset of the region. `initial` begins on its stack: the
/// canonical frame address, for the expressions of registers.
pub(super) fn evaluate(
    region: Region,
    offset: u32,
    initial: Option<u64>,
    frame: &Frame,
    stack: &mut Stack,
) -> Option<u64> {
    let mut block = region.at_offset(offset)?;
    let size = block.unsigned()?;
    let code = block.take(size)?;
    let values = Values {
        items: [0; DEPTH],
        len: 0,
    };
    let mut machine = Machine {
        values,
        code,
        whole: code,
        frame,
        stack,
    };
    if let Some(value) = initial {
        machine.values.push(value)?;
    }
    for _ in 0..STEP_LIMIT {
        if machine.code.is_empty() {
            return machine.values.pop();
        }
        machine.step()?;
    }
    None
}

impl Machine<'_, '_> {
    /// Runs one operation.
    fn step(&mut self) -> Option<()> {
        let operation = self.code.u8()?;
        match operation {
            // lit0 to lit31
            0x30..=0x4f => self.values.push(u64::from(operation - 0x30)),
            // breg0 to breg31, bregx
            0x70..=0x8f => self.push_register(u64::from(operation - 0x70)),
            0x92 => {
                let register = self.code.unsigned()?;
                self.push_register(register)
            }
            0x03 | 0x08..=0x11 => self.push_constant(operation),
            0x12..=0x17 => self.shuffle(operation),
            0x06 | 0x19 | 0x1f | 0x20 | 0x23 | 0x94 => self.change_top(operation),
            0x1a..=0x1e | 0x21 | 0x22 | 0x24..=0x27 | 0x29..=0x2e => {
                let right = self.values.pop()?;
                let left = self.values.pop()?;
                self.values.push(combine(operation, left, right)?)
            }
            0x28 | 0x2f => self.branch(operation),
            // nop
            0x96 => Some(()),
            _ => None,
        }
    }

    fn push_register(&mut self, register: u64) -> Option<()> {
        let offset = self.code.signed()?;
        let value = self.frame.register(register, self.stack)?;
        self.values.push(value.wrapping_add_signed(offset))
    }

    fn push_constant(&mut self, operation: u8) -> Option<()> {
        let code = &mut self.code;
        let value = match operation {
            // addr, const8u, const8s
            0x03 | 0x0e | 0x0f => code.u64()?,
            // const1u, const1s
            0x08 => u64::from(code.u8()?),
            0x09 => i64::from(code.u8()?.cast_signed()).cast_unsigned(),
            // const2u, const2s
            0x0a => u64::from(code.u16()?),
            0x0b => i64::from(code.u16()?.cast_signed()).cast_unsigned(),
            // const4u, const4s
            0x0c => u64::from(code.u32()?),
            0x0d => i64::from(code.i32()?).cast_unsigned(),
            // constu, consts
            0x10 => code.unsigned()?,
            _ => code.signed()?.cast_unsigned(),
        };
        self.values.push(value)
    }

    fn shuffle(&mut self, operation: u8) -> Option<()> {
        let values = &mut self.values;
        match operation {
            // dup, drop, over, pick
            0x12 => values.push(values.below_top(0)?),
            0x13 => values.pop().map(drop),
            0x14 => values.push(values.below_top(1)?),
            0x15 => {
                let depth = usize::from(self.code.u8()?);
                values.push(values.below_top(depth)?)
            }
            // swap
            0x16 => {
                let (first, second) = (values.pop()?, values.pop()?);
                values.push(first)?;
                values.push(second)
            }
            // rot: the top one becomes the third
            _ => {
                let (first, second, third) = (values.pop()?, values.pop()?, values.pop()?);
                values.push(first)?;
                values.push(third)?;
                values.push(second)
            }
        }
    }

    fn change_top(&mut self, operation: u8) -> Option<()> {
        let value = self.values.pop()?;
        let changed = match operation {
            // deref, abs, neg, not, plus_uconst, deref_size
            0x06 => self.stack.read_anywhere(value)?,
            0x19 => value.cast_signed().wrapping_abs().cast_unsigned(),
            0x1f => value.wrapping_neg(),
            0x20 => !value,
            0x23 => value.wrapping_add(self.code.unsigned()?),
            _ => {
                let bits = match self.code.u8()? {
                    size @ 1..=8 => u32::from(size) * 8,
                    _ => return None,
                };
                self.stack.read_anywhere(value)? & (u64::MAX >> (64 - bits))
            }
        };
        self.values.push(changed)
    }

    /// bra, which pops its condition, and skip.
    fn branch(&mut self, operation: u8) -> Option<()> {
        let distance = self.code.u16()?.cast_signed();
        if operation == 0x28 && self.values.pop()? == 0 {
            return Some(());
        }
        let done = self.whole.left() - self.code.left();
        let target = done.checked_add_signed(i64::from(distance))?;
        self.code = self.whole;
        self.code.skip(target)
    }
}

/// The operations that make one number of two. Comparisons and division are signed.
fn combine(operation: u8, left: u64, right: u64) -> Option<u64> {
    let (signed_left, signed_right) = (left.cast_signed(), right.cast_signed());
    let shift = u32::try_from(right).unwrap_or(u32::MAX);
    Some(match operation {
        // and, div, minus, mod, mul
        0x1a => left & right,
        0x1b => signed_left.checked_div(signed_right)?.cast_unsigned(),
        0x1c => left.wrapping_sub(right),
        0x1d => left.checked_rem(right)?,
        0x1e => left.wrapping_mul(right),
        // or, plus
        0x21 => left | right,
        0x22 => left.wrapping_add(right),
        // shl, shr, shra, xor
        0x24 => left.checked_shl(shift).unwrap_or(0),
        0x25 => left.checked_shr(shift).unwrap_or(0),
        0x26 => signed_left.wrapping_shr(shift.min(63)).cast_unsigned(),
        0x27 => left ^ right,
        // eq, ge, gt, le, lt, ne
        0x29 => u64::from(left == right),
        0x2a => u64::from(signed_left >= signed_right),
        0x2b => u64::from(signed_left > signed_right),
        0x2c => u64::from(signed_left <= signed_right),
        0x2d => u64::from(signed_left < signed_right),
        _ => u64::from(left != right),
    })
}
