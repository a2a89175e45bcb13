//! Where the runtime has the byte that switches its heap profile off, and the rate: told by the
//! code that heeds it.
//!
//! These are the instructions of every Go from 1.19 to 1.27 (x86-64):
//!
//! ```text
//! since 1.21, runtime.schedinit      up to 1.20, runtime.init
//!   cmpb $0, disabled(%rip)            movzbl disabled(%rip), %eax
//!   je   1f                            test   %rax, %rax
//!   movq $0, rate(%rip)                mov    $0x80000, %eax
//! 1:                                   mov    $0, %ecx
//!                                      cmovne %rcx, %rax
//!                                      mov    %rax, rate(%rip)
//! ```

#![forbid(unsafe_code)]

use super::USUAL_RATE;
use super::image::{Image, Stretch};
use super::table::{Function, Table};

/// The longest function that is looked through.
const CODE_MAX: u64 = 64 << 10;

/// Bytes before and after the usual rate within which the rest of its statement is.
const NEARBY: u64 = 48;

/// Where the variables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variables {
    /// The byte that is not 0 where the program has no use for its profile.
    pub(super) disabled: u64,
    /// The mean bytes between samples.
    pub(super) rate: u64,
    /// Whether the runtime sets the rate at its start, to what stands in its code.
    pub(super) is_rate_fixed: bool,
}

/// Finds them.
pub(super) fn variables(image: &Image<'_>, table: &Table) -> Option<Variables> {
    let mut functions = table.named([b"runtime.schedinit", b"runtime.init"]);
    functions.find_map(|(which, function)| {
        let code = Code::of(image, function)?;
        match which {
            0 => code.places().find_map(|at| code.test_then_clear(at)),
            _ => code.places().find_map(|at| code.test_then_usual_rate(at)),
        }
    })
}

/// The bytes of a function.
#[derive(Clone, Copy)]
struct Code {
    stretch: Stretch,
    function: Function,
}

impl Code {
    fn of(image: &Image<'_>, function: Function) -> Option<Code> {
        let stretch = image.around(function.start)?;
        stretch.is_code.then_some(Code { stretch, function })
    }

    fn places(self) -> impl Iterator<Item = u64> {
        let Function { start, end } = self.function;
        start
            ..end
                .min(start.saturating_add(CODE_MAX))
                .min(self.stretch.end())
    }

    /// The variable whose distance stands at `at`, in an instruction that ends at `end`.
    fn variable(self, at: u64, end: u64) -> Option<u64> {
        let distance = self.stretch.read::<u32>(at)?.cast_signed();
        Some(end.wrapping_add_signed(distance.into()))
    }

    fn byte(self, at: u64) -> Option<u8> {
        self.stretch.read(at)
    }

    fn test_then_clear(self, at: u64) -> Option<Variables> {
        if !self.stretch.has(at, &[0x80, 0x3d]) || self.byte(at + 6)? != 0 {
            return None;
        }
        let jump = at + 7;
        let clear = match (self.byte(jump)?, self.byte(jump + 1)?) {
            (0x70..=0x7f, _) => jump + 2,
            (0x0f, 0x80..=0x8f) => jump + 6,
            _ => return None,
        };
        let is_clear = self.stretch.has(clear, &[0x48, 0xc7, 0x05]);
        if !is_clear || self.stretch.read::<u32>(clear + 7)? != 0 {
            return None;
        }
        Some(Variables {
            disabled: self.variable(at + 2, jump)?,
            rate: self.variable(clear + 3, clear + 11)?,
            is_rate_fixed: false,
        })
    }

    fn test_then_usual_rate(self, at: u64) -> Option<Variables> {
        // A move of four bytes into one of the first eight registers.
        if !matches!(self.byte(at)?, 0xb8..=0xbf)
            || u64::from(self.stretch.read::<u32>(at + 1)?) != USUAL_RATE
        {
            return None;
        }
        let before = at.saturating_sub(NEARBY).max(self.function.start)..at;
        let mut after = at + 5..at + NEARBY;
        let is_beside = |operands: u8| operands & 0xc7 == 0x05;
        let disabled = before.rev().find_map(|at| {
            let is_load = self.stretch.has(at, &[0x0f, 0xb6]) && is_beside(self.byte(at + 2)?);
            is_load.then(|| self.variable(at + 3, at + 7)).flatten()
        })?;
        let rate = after.find_map(|at| {
            let is_store = matches!(self.byte(at)?, 0x48 | 0x4c)
                && self.byte(at + 1)? == 0x89
                && is_beside(self.byte(at + 2)?);
            is_store.then(|| self.variable(at + 3, at + 7)).flatten()
        })?;
        Some(Variables {
            disabled,
            rate,
            is_rate_fixed: true,
        })
    }
}
