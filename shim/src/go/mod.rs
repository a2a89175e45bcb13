//! Switches on the heap profile that Go's runtime keeps by itself, in the process that is starting.
//!
//! A Go program does not call malloc for its own heap, but its runtime can sample allocations, and a
//! reader finds those samples from outside (`source/go` of the reader). The linker switches that off
//! with a byte which the runtime heeds at its start, so it is cleared before: by whoever comes first
//! of the program's first allocation and the shim's constructor. Nothing of this runs later.
//!
//! ```text
//! program   the program among what is loaded
//!    └ mark    whether Go made it; for most it ends here, after some hundred instructions
//!         └ table   the runtime's table of its functions, in the object's memory
//!              └ code   the function that heeds the byte, and where it has byte and rate
//! image     its memory; every read is bounded by what is mapped of it
//! ```

mod code;
mod image;
mod mark;
mod program;
mod table;

use core::sync::atomic::{AtomicU64, Ordering};

use code::Variables;
use image::Image;

/// The rate that Go gives itself where nothing keeps it from it.
const USUAL_RATE: u64 = 512 << 10;

/// What stands in the header's word of the same name; forked children have their parent's.
static SET: AtomicU64 = AtomicU64::new(0);

/// Has the runtime of a program that Go made sample once every `rate` bytes.
///
/// A program that uses its own profile has it already, and keeps its rate. Go in a library of another
/// program is left alone, since no reader looks for its samples there.
pub fn switch_on(rate: u64) {
    program::visit(|image| {
        if mark::is_of_go(image)
            && let Some(set) = switch_on_in(image, rate)
        {
            // Relaxed: booting has one thread, and its segment is made by it or later.
            SET.store(set, Ordering::Relaxed);
        }
    });
}

/// Mean bytes between the samples of the Go runtime in this process, 0 where none was found.
pub fn rate_set() -> u64 {
    // Relaxed: written while booting.
    SET.load(Ordering::Relaxed)
}

fn switch_on_in(image: &Image<'_>, rate: u64) -> Option<u64> {
    set(image, &code::variables(image, &table::find(image)?)?, rate)
}

/// Writes byte and rate, unless something else than expected is there.
fn set(image: &Image<'_>, variables: &Variables, rate: u64) -> Option<u64> {
    let found = image.variable::<u64>(variables.rate)?;
    if !matches!(found, 0 | USUAL_RATE) {
        return None;
    }
    // Go up to 1.20 then gives itself the usual rate, whatever is there.
    let rate = if variables.is_rate_fixed {
        USUAL_RATE
    } else {
        rate
    };
    match image.variable::<u8>(variables.disabled)? {
        0 => Some(USUAL_RATE),
        1 => {
            image.set_byte(variables.disabled, 0)?;
            image.set_word(variables.rate, rate)?;
            Some(rate)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
