//! Asks the C library what the kernel told the process at its start.

use super::arch::weak_function;

type FindAuxiliary = unsafe extern "C" fn(libc::c_ulong) -> libc::c_ulong;

/// One value of the auxiliary vector (getauxval(3)); 0 if nobody knows.
///
/// Only for entries that are always there: errno is set for one that is missing.
pub(super) fn auxiliary(kind: libc::c_ulong) -> u64 {
    match address_of_auxiliary() as usize {
        0 => 0,
        address => {
            // SAFETY: the symbol of this name is a function of this type in glibc and musl.
            let find = unsafe { core::mem::transmute::<usize, FindAuxiliary>(address) };
            // SAFETY: it only looks through a list that was made at start-up.
            unsafe { find(kind) }
        }
    }
}

/// Where the function is that answers: an address in the C library, or 0.
pub(super) fn address_of_auxiliary() -> u64 {
    weak_function!("getauxval") as u64
}
