//! Runs the call frame programs of unwind data, as far as the three values a walk needs.
//!
//! A program (DWARF 5, 6.4.2) is a list of changes to the row of a table, each row valid from one
//! address to the next. Only the canonical frame address, the return address and one more register,
//! usually the frame pointer, are followed; changes to others are read and dropped.

#![forbid(unsafe_code)]

use super::bytes::{Bytes, Region};
use super::eh_frame::Entry;

/// How to compute the canonical frame address: the caller's stack pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cfa {
    /// A register plus an offset.
    Register { number: u16, offset: i32 },
    /// The expression at this offset of the region.
    Expression(u32),
}

/// Where the caller's value of a register is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Saved {
    /// Still in the register.
    Unchanged,
    /// Nowhere. For the return address: there is no caller.
    Undefined,
    /// In memory, at CFA + offset.
    At(i32),
    /// It is CFA + offset.
    Is(i32),
    /// In memory, at the address that an expression computes.
    AtExpression(u32),
    /// What an expression computes.
    IsExpression(u32),
    /// In another register.
    In(u16),
}

/// One row of the table, for the registers that are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// The caller's stack pointer.
    pub(super) cfa: Cfa,
    /// The caller's frame pointer, or what register was followed in its place.
    pub(super) frame_pointer: Saved,
    /// The address that the frame returns to.
    pub(super) return_address: Saved,
}

impl Row {
    /// The place of a register in the row, if it is one of those followed.
    fn column(&mut self, register: u64, followed: u64, return_column: u64) -> Option<&mut Saved> {
        if register == followed {
            Some(&mut self.frame_pointer)
        } else if register == return_column {
            Some(&mut self.return_address)
        } else {
            None
        }
    }
}

/// How deep rows can be remembered. Compilers nest them once; 6 suffices for every program of some
/// 150 libraries.
const REMEMBERED: usize = 6;
/// How many instructions to run before giving up on a damaged program.
const STEP_LIMIT: u32 = 1 << 20;

struct Machine<'a> {
    entry: &'a Entry,
    region: Region,
    /// The register that stands in the place of the frame pointer.
    followed: u64,
    location: u64,
    target: u64,
    row: Row,
    initial: Row,
    remembered: [Row; REMEMBERED],
    depth: usize,
}

/// What to do after an instruction.
#[derive(PartialEq, Eq)]
enum Next {
    Continue,
    /// The row in force is the one of the target.
    Stop,
}

const EMPTY: Row = Row {
    cfa: Cfa::Register {
        number: 0,
        offset: 0,
    },
    frame_pointer: Saved::Unchanged,
    return_address: Saved::Unchanged,
};

/// The row that is valid at `pc`, with `followed` in the place of the frame pointer; nothing if the
/// program is damaged or uses what is unknown here.
pub(super) fn row_at(entry: &Entry, region: Region, pc: u64, followed: u64) -> Option<Row> {
    let mut machine = Machine {
        entry,
        region,
        followed,
        location: entry.start,
        target: pc,
        row: EMPTY,
        initial: EMPTY,
        remembered: [EMPTY; REMEMBERED],
        depth: 0,
    };
    machine.run(entry.shared.program)?;
    machine.initial = machine.row;
    machine.run(entry.program)?;
    Some(machine.row)
}

impl Machine<'_> {
    fn run(&mut self, mut program: Bytes) -> Option<()> {
        for _ in 0..STEP_LIMIT {
            if program.is_empty() || self.step(&mut program)? == Next::Stop {
                return Some(());
            }
        }
        None
    }

    /// Runs one instruction. The commonest three have their operand in the first byte.
    fn step(&mut self, program: &mut Bytes) -> Option<Next> {
        let first = program.u8()?;
        let operand = u64::from(first & 0x3f);
        match first >> 6 {
            1 => return Some(self.advance(operand)),
            2 => {
                let offset = self.factored(program.unsigned()?.cast_signed())?;
                self.set(operand, Saved::At(offset));
            }
            3 => self.restore(operand),
            _ => return self.step_extended(first, program),
        }
        Some(Next::Continue)
    }

    fn step_extended(&mut self, code: u8, program: &mut Bytes) -> Option<Next> {
        match code {
            // nop
            0x00 => {}
            // set_loc, advance_loc1, advance_loc2, advance_loc4
            0x01 => {
                let location = program.pointer(self.entry.shared.encoding, self.entry.data)?;
                return Some(self.move_to(location));
            }
            0x02 => return Some(self.advance(u64::from(program.u8()?))),
            0x03 => return Some(self.advance(u64::from(program.u16()?))),
            0x04 => return Some(self.advance(u64::from(program.u32()?))),
            // remember_state, restore_state
            0x0a => {
                *self.remembered.get_mut(self.depth)? = self.row;
                self.depth += 1;
            }
            0x0b => {
                self.depth = self.depth.checked_sub(1)?;
                self.row = *self.remembered.get(self.depth)?;
            }
            // GNU_args_size: only for landing pads
            0x2e => {
                program.unsigned()?;
            }
            0x0c..=0x0f | 0x12 | 0x13 => self.define_cfa(code, program)?,
            _ => self.define_register(code, program)?,
        }
        Some(Next::Continue)
    }

    fn define_cfa(&mut self, code: u8, program: &mut Bytes) -> Option<()> {
        self.row.cfa = match code {
            // def_cfa, def_cfa_sf
            0x0c | 0x12 => {
                let number = u16::try_from(program.unsigned()?).ok()?;
                let offset = self.cfa_offset(code, program)?;
                Cfa::Register { number, offset }
            }
            // def_cfa_register
            0x0d => {
                let Cfa::Register { offset, .. } = self.row.cfa else {
                    return None;
                };
                Cfa::Register {
                    number: u16::try_from(program.unsigned()?).ok()?,
                    offset,
                }
            }
            // def_cfa_offset, def_cfa_offset_sf
            0x0e | 0x13 => {
                let Cfa::Register { number, .. } = self.row.cfa else {
                    return None;
                };
                Cfa::Register {
                    number,
                    offset: self.cfa_offset(code, program)?,
                }
            }
            // def_cfa_expression
            _ => Cfa::Expression(self.expression(program)?),
        };
        Some(())
    }

    /// The forms with `_sf` are signed and factored; the older ones are neither.
    fn cfa_offset(&self, code: u8, program: &mut Bytes) -> Option<i32> {
        if code >= 0x12 {
            self.factored(program.signed()?)
        } else {
            i32::try_from(program.unsigned()?).ok()
        }
    }

    fn define_register(&mut self, code: u8, program: &mut Bytes) -> Option<()> {
        let register = program.unsigned()?;
        let saved = match code {
            // offset_extended, val_offset
            0x05 => Saved::At(self.factored(program.unsigned()?.cast_signed())?),
            0x14 => Saved::Is(self.factored(program.unsigned()?.cast_signed())?),
            // restore_extended
            0x06 => {
                self.restore(register);
                return Some(());
            }
            // undefined, same_value
            0x07 => Saved::Undefined,
            0x08 => Saved::Unchanged,
            // register
            0x09 => Saved::In(u16::try_from(program.unsigned()?).ok()?),
            // expression, val_expression
            0x10 => Saved::AtExpression(self.expression(program)?),
            0x16 => Saved::IsExpression(self.expression(program)?),
            // offset_extended_sf, val_offset_sf
            0x11 => Saved::At(self.factored(program.signed()?)?),
            0x15 => Saved::Is(self.factored(program.signed()?)?),
            // GNU_negative_offset_extended
            0x2f => Saved::At(self.factored(program.unsigned()?.cast_signed().checked_neg()?)?),
            _ => return None,
        };
        self.set(register, saved);
        Some(())
    }

    fn advance(&mut self, delta: u64) -> Next {
        let distance = delta.wrapping_mul(self.entry.shared.code_factor);
        self.move_to(self.location.wrapping_add(distance))
    }

    fn move_to(&mut self, location: u64) -> Next {
        if location > self.target {
            return Next::Stop;
        }
        self.location = location;
        Next::Continue
    }

    fn set(&mut self, register: u64, saved: Saved) {
        let return_column = self.entry.shared.return_column;
        if let Some(column) = self.row.column(register, self.followed, return_column) {
            *column = saved;
        }
    }

    fn restore(&mut self, register: u64) {
        let mut initial = self.initial;
        let return_column = self.entry.shared.return_column;
        if let Some(saved) = initial.column(register, self.followed, return_column) {
            self.set(register, *saved);
        }
    }

    fn factored(&self, offset: i64) -> Option<i32> {
        i32::try_from(offset.checked_mul(self.entry.shared.data_factor)?).ok()
    }

    /// Passes over an expression, and returns where it is.
    fn expression(&self, program: &mut Bytes) -> Option<u32> {
        let offset = self.region.offset_of(*program)?;
        let size = program.unsigned()?;
        program.skip(size)?;
        Some(offset)
    }
}
