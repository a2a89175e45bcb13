//! Finds the runtime's variables by decoding the few of its functions that use them.
//!
//! Stripping takes the names of variables, but not those of functions. These patterns held for the
//! code of every Go from 1.19 to 1.27; what they find must lie in writable data, and whoever uses
//! it checks that what is there makes sense.

#![forbid(unsafe_code)]

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind};

use crate::source::go::locate::Variables;
use crate::source::go::pclntab::Function;
use crate::source::go::{Refusal, Symbolizer};

/// The longest function that is decoded; those looked at have a few hundred bytes.
const CODE_MAX: u64 = 64 << 10;

/// Instructions after a test, its jump among them, within which a word is cleared.
const CLEAR_NEARBY: usize = 2;

/// Instructions within which a value is stored after the test that decides about it.
const NEARBY: usize = 12;

/// The rate at which Go samples when nobody says otherwise.
const USUAL_RATE: u64 = 512 << 10;

/// Decodes what is needed for every variable.
///
/// # Errors
///
/// [`Refusal::NotFound`] with the first that is missing.
pub fn variables(symbolizer: &Symbolizer) -> Result<Variables, Refusal> {
    let names = [
        "runtime.mProf_FlushLocked",
        "runtime.mProf_Free",
        "runtime.mProf_NextCycle",
        "runtime.schedinit",
        "runtime.init",
    ];
    let functions = symbolizer.table().named(names);
    let code = functions.map(|function| Code::of(symbolizer, function?));
    let [flush, free, next_cycle, start, initialiser] = &code;
    let list = flush.as_ref().and_then(|code| code.first_load(8));
    let cycle = [free, next_cycle].into_iter().flatten();
    let cycle = cycle.into_iter().find_map(|code| code.first_load(4));
    let started = start.as_ref().and_then(Code::test_then_clear);
    let initialised = initialiser.as_ref().and_then(Code::test_then_usual_rate);
    let initialised = initialised.map(|it| (it.disabled, it.rate));
    let (disabled, rate) = started
        .or(initialised)
        .ok_or(Refusal::NotFound("the rate of its heap profile"))?;
    Ok(Variables {
        list: list.ok_or(Refusal::NotFound("the list of its heap profile"))?,
        cycle: cycle.ok_or(Refusal::NotFound("the cycle of its heap profile"))?,
        rate,
        disabled: Some(disabled),
    })
}

/// A decoded function.
struct Code<'a> {
    instructions: Vec<Instruction>,
    symbolizer: &'a Symbolizer,
}

impl<'a> Code<'a> {
    fn of(symbolizer: &'a Symbolizer, function: Function) -> Option<Code<'a>> {
        let start = symbolizer.text_start().checked_add(function.start)?;
        let len = (function.end.checked_sub(function.start)?).min(CODE_MAX);
        let bytes = symbolizer.executable().read(start, len)?;
        let decoder = Decoder::with_ip(64, &bytes, start, DecoderOptions::NONE);
        let instructions = decoder.into_iter().collect();
        Some(Code {
            instructions,
            symbolizer,
        })
    }

    /// The variable of so many bytes that an operand of an instruction is.
    fn variable(&self, instruction: &Instruction, operand: u32, bytes: usize) -> Option<u64> {
        let is_memory = instruction.op_count() > operand
            && instruction.op_kind(operand) == OpKind::Memory
            && instruction.is_ip_rel_memory_operand()
            && instruction.memory_size().size() == bytes;
        let address = instruction.ip_rel_memory_address();
        let is_variable = is_memory && self.symbolizer.executable().is_writable(address);
        is_variable.then_some(address)
    }

    /// The variable of so many bytes that is read first into a register.
    fn first_load(&self, bytes: usize) -> Option<u64> {
        let mut loads = self
            .instructions
            .iter()
            .filter(|it| it.mnemonic() == Mnemonic::Mov);
        loads.find_map(|load| self.variable(load, 1, bytes))
    }

    /// `if disableMemoryProfiling { MemProfileRate = 0 }`, as the scheduler's start has it.
    fn test_then_clear(&self) -> Option<(u64, u64)> {
        for (index, test) in self.instructions.iter().enumerate() {
            let is_zero = |it: &Instruction| {
                it.op_count() == 2 && it.op1_kind() == OpKind::Immediate8 && it.immediate8() == 0
            };
            if test.mnemonic() != Mnemonic::Cmp || !is_zero(test) {
                continue;
            }
            let Some(flag) = self.variable(test, 0, 1) else {
                continue;
            };
            let next = self.instructions.iter().skip(index + 1).take(CLEAR_NEARBY);
            let mut clears = next.filter(|it| {
                let is_immediate = it.op_count() == 2 && it.op1_kind() == OpKind::Immediate32to64;
                it.mnemonic() == Mnemonic::Mov && is_immediate && it.immediate32to64() == 0
            });
            if let Some(rate) = clears.find_map(|it| self.variable(it, 0, 8)) {
                return Some((flag, rate));
            }
        }
        None
    }

    /// `MemProfileRate = disabled ? 0 : 512 KiB`, as the package's initialiser has it up to 1.20.
    fn test_then_usual_rate(&self) -> Option<Initialised> {
        let is_usual_rate = |it: &Instruction| {
            let is_immediate = it.op_count() == 2
                && matches!(it.op1_kind(), OpKind::Immediate32 | OpKind::Immediate32to64);
            is_immediate && it.immediate(1) == USUAL_RATE
        };
        let usual = self.instructions.iter().position(is_usual_rate)?;
        let (before, after) = self.instructions.split_at(usual);
        let is_test = |it: &&Instruction| {
            matches!(
                it.mnemonic(),
                Mnemonic::Movzx | Mnemonic::Cmp | Mnemonic::Test
            )
        };
        let mut tests = before.iter().rev().take(NEARBY).filter(is_test);
        let disabled = tests.find_map(|it| {
            let operands = [1, 0].into_iter();
            operands
                .filter_map(|operand| self.variable(it, operand, 1))
                .next()
        })?;
        let mut stores = after.iter().take(NEARBY);
        let rate = stores.find_map(|it| {
            let is_store = it.mnemonic() == Mnemonic::Mov;
            self.variable(it, 0, 8).filter(|_| is_store)
        })?;
        // The constant is the last part of its instruction.
        let constant = after.first()?.next_ip().checked_sub(4)?;
        Some(Initialised {
            disabled,
            rate,
            constant,
        })
    }
}

/// What the package's initialiser of an old Go does with the rate.
struct Initialised {
    disabled: u64,
    rate: u64,
    /// Where the usual rate stands in its code, 4 bytes.
    constant: u64,
}

/// Where the code has the rate that an old runtime gives itself at its start.
pub fn usual_rate(symbolizer: &Symbolizer) -> Option<u64> {
    let [initialiser] = symbolizer.table().named(["runtime.init"]);
    let code = Code::of(symbolizer, initialiser?)?;
    Some(code.test_then_usual_rate()?.constant)
}
