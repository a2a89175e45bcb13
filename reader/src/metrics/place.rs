//! How a call stack is named in a label: the function that one can change, and a short id.

#![forbid(unsafe_code)]

use crate::analysis::frame_to_change;
use crate::report::{Frame, Stack};

/// Characters of a function's name that are kept; templates have thousands.
const NAME_MAX: usize = 120;

/// A call stack in two labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The innermost function outside of allocators and of the C and C++ libraries.
    pub function: String,
    /// The same for the same functions in each run: addresses are no part of it.
    pub stack: String,
}

impl Place {
    /// The labels of a stack whose frames have names.
    pub fn of(stack: &Stack) -> Place {
        let label = frame_to_change(stack).map_or_else(|| "unknown".to_owned(), steady_label);
        let function = match label.char_indices().nth(NAME_MAX) {
            Some((end, _)) => format!("{}...", &label[..end]),
            None => label,
        };
        let labels = stack.0.iter().map(|frame| steady_label(frame));
        let hash = labels.fold(FNV_START, |hash, label| {
            let bytes = label.bytes().chain([b'\n']);
            bytes.fold(hash, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
            })
        });
        Place {
            function,
            stack: format!("{hash:016x}"),
        }
    }

    /// As names and values.
    pub fn labels(&self) -> [(&'static str, &str); 2] {
        [("function", &self.function), ("stack", &self.stack)]
    }

    /// Where everything beyond the largest is counted.
    pub fn other() -> Place {
        Place {
            function: "other".to_owned(),
            stack: "other".to_owned(),
        }
    }
}

/// FNV-1a in 64 bits: short, and the same in every version of this program.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A name that does not depend on where the kernel put the program.
fn steady_label(frame: &Frame) -> String {
    match (&frame.function, &frame.module) {
        (None, None) => "unknown".to_owned(),
        _ => frame.label(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(functions: &[&str], address: u64) -> Stack {
        let frame = |name: &&str| Frame {
            address,
            function: Some((*name).into()),
            module: Some("/bin/program".into()),
            ..Frame::default()
        };
        functions.iter().map(frame).collect()
    }

    #[test]
    fn the_function_is_the_one_that_called_the_allocator() {
        let place = Place::of(&stack(&["operator new(unsigned long)", "load", "main"], 1));
        assert_eq!(place.function, "load");
    }

    #[test]
    fn the_id_depends_on_functions_and_not_on_addresses() {
        let id = |functions: &[&str], address| Place::of(&stack(functions, address)).stack;
        assert_eq!(id(&["load", "main"], 1), id(&["load", "main"], 2));
        assert_ne!(id(&["load", "main"], 1), id(&["loa", "dmain"], 1));
    }

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        let name = "ü".repeat(500);
        let place = Place::of(&stack(&[&name], 1));
        assert_eq!(place.function, format!("{}...", "ü".repeat(NAME_MAX)));
    }
}
