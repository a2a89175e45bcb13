//! A rule says how to find the caller of a frame: packed, it is half a word.
//!
//! ```text
//!  31   30 ............. 20   19 ................ 3   2 .... 0
//!  zero  CFA - slot of bp      CFA - register          kind
//!        in words; 0 = kept    in words
//! ```
//! The canonical frame address (CFA) is the stack pointer's value in the caller, and the return
//! address lies in the word below it. What does not fit the picture (0.17 % of the rows of some 150
//! libraries) is [`Rule::GENERIC`]: evaluated again from the unwind data at every visit.

#![forbid(unsafe_code)]

use super::arch::{FRAME_POINTER, RED_ZONE, STACK_POINTER};
use super::program::{Cfa, Row, Saved};

/// How to find the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rule(u32);

/// The kinds of rules; 0 is none of them, so that an empty cache entry is no rule.
pub(super) mod kind {
    /// CFA = stack pointer + n.
    pub(crate) const FROM_STACK_POINTER: u32 = 1;
    /// CFA = frame pointer + n.
    pub(crate) const FROM_FRAME_POINTER: u32 = 2;
    /// The frame has no caller.
    pub(crate) const BOTTOM: u32 = 3;
    /// The object has no unwind data for this code.
    pub(crate) const NO_DATA: u32 = 4;
    /// Anything else.
    pub(crate) const GENERIC: u32 = 5;
    /// The code that a signal handler returns to, where the object has no unwind data for it.
    pub(crate) const SIGNAL_RETURN: u32 = 6;
    /// Go's code, which has no unwind data.
    pub(crate) const GO: u32 = 7;
}

const WORD: u64 = 8;
const CFA_SHIFT: u32 = 3;
const CFA_BITS: u32 = 17;
const SLOT_SHIFT: u32 = CFA_SHIFT + CFA_BITS;
const SLOT_BITS: u32 = 11;

impl Rule {
    /// The frame has no caller.
    pub(super) const BOTTOM: Rule = Rule(kind::BOTTOM);
    /// Follow the frame pointer, if it leads anywhere.
    pub(super) const NO_DATA: Rule = Rule(kind::NO_DATA);
    /// Ask the unwind data at every visit.
    pub(super) const GENERIC: Rule = Rule(kind::GENERIC);
    /// Take the registers that the kernel saved.
    pub(super) const SIGNAL_RETURN: Rule = Rule(kind::SIGNAL_RETURN);
    /// Follow the frame pointer wherever it leads.
    pub(super) const GO: Rule = Rule(kind::GO);

    /// Packs a row of the unwind table.
    pub(super) fn of(row: &Row, is_signal_frame: bool) -> Rule {
        if matches!(row.return_address, Saved::Undefined) {
            return Rule::BOTTOM;
        }
        if is_signal_frame {
            return Rule::GENERIC;
        }
        Rule::pack(row).unwrap_or(Rule::GENERIC)
    }

    fn pack(row: &Row) -> Option<Rule> {
        if row.return_address != Saved::At(-(WORD as i32)) {
            return None;
        }
        let Cfa::Register { number, offset } = row.cfa else {
            return None;
        };
        let kind = match u64::from(number) {
            STACK_POINTER => kind::FROM_STACK_POINTER,
            FRAME_POINTER => kind::FROM_FRAME_POINTER,
            _ => return None,
        };
        let distance = words(offset, CFA_BITS)?;
        let slot = match row.frame_pointer {
            Saved::Unchanged | Saved::Undefined => 0,
            Saved::At(offset) => words(offset.checked_neg()?, SLOT_BITS)?,
            _ => return None,
        };
        // The walk reads only live memory, which ends with the red zone.
        let lowest = distance + (RED_ZONE / WORD) as u32;
        if kind == kind::FROM_STACK_POINTER && slot > lowest {
            return None;
        }
        Some(Rule(kind | distance << CFA_SHIFT | slot << SLOT_SHIFT))
    }

    /// The rule in a cache entry.
    pub(super) fn from_bits(bits: u32) -> Rule {
        Rule(bits)
    }

    /// What a cache entry keeps.
    pub(super) fn bits(self) -> u32 {
        self.0
    }

    /// One of [`kind`].
    pub(super) fn kind(self) -> u32 {
        self.0 & ((1 << CFA_SHIFT) - 1)
    }

    /// How far the CFA is above the register, in bytes.
    pub(super) fn distance(self) -> u64 {
        u64::from(self.0 >> CFA_SHIFT & ((1 << CFA_BITS) - 1)) * WORD
    }

    /// How far below the CFA the caller's frame pointer is kept, in bytes; 0 if it was not changed.
    pub(super) fn slot(self) -> u64 {
        u64::from(self.0 >> SLOT_SHIFT) * WORD
    }
}

/// A positive multiple of a word that fits into some bits, in words.
fn words(bytes: i32, bits: u32) -> Option<u32> {
    let bytes = u32::try_from(bytes).ok()?;
    let words = bytes / WORD as u32;
    (bytes % WORD as u32 == 0 && words != 0 && words < 1 << bits).then_some(words)
}
