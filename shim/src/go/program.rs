//! The program itself among what the loader has loaded.

use core::ffi::{c_int, c_void};

use libc::{Elf64_Phdr, dl_phdr_info};

use super::image::Image;
use crate::sys;

/// Calls `each` with the program.
pub(super) fn visit<F: FnMut(&Image<'_>)>(mut each: F) {
    // SAFETY: `visit_first` wants a function of this type, which outlives the call.
    if !unsafe { sys::for_each_object(visit_first::<F>, (&raw mut each).cast()) } {
        let _ = visit_by_kernel(&mut each);
    }
}

/// The loader begins with the program (dl_iterate_phdr(3)); more is not wanted.
unsafe extern "C" fn visit_first<F: FnMut(&Image<'_>)>(
    info: *mut dl_phdr_info,
    _size: usize,
    each: *mut c_void,
) -> c_int {
    const STOP: c_int = 1;
    // SAFETY: the loader passes on the pointer that `visit` gave it, to its own variable.
    let each = unsafe { each.cast::<F>().as_mut() };
    // SAFETY: the loader passes a structure that is valid during this call.
    let info = unsafe { info.as_ref() };
    let (Some(each), Some(info)) = (each, info) else {
        return STOP;
    };
    if !info.dlpi_phdr.is_null() {
        let count = usize::from(info.dlpi_phnum);
        // SAFETY: so many headers are there, says the loader, as long as the object.
        let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, count) };
        // SAFETY: it has mapped the program so, which is never unmapped.
        let image = unsafe { Image::new(headers, info.dlpi_addr) };
        each(&image);
    }
    STOP
}

/// The same by what the kernel told at its start: Go's own linker makes programs that the loader
/// moves but that have no C library, and so nobody to ask.
fn visit_by_kernel(each: &mut impl FnMut(&Image<'_>)) -> Option<()> {
    /// More entries than any kernel gives (getauxval(3)).
    const ENTRIES_MAX: usize = 64;
    let mut bytes = [0; 16 * ENTRIES_MAX];
    let filled = sys::read_file(c"/proc/self/auxv", &mut bytes);
    let (mut place, mut count) = (0, 0);
    for entry in bytes.get(..filled)?.as_chunks::<16>().0 {
        let [kind, value] = [entry.first_chunk::<8>()?, entry.last_chunk::<8>()?];
        match u64::from_ne_bytes(*kind) {
            libc::AT_PHDR => place = u64::from_ne_bytes(*value),
            libc::AT_PHNUM => count = usize::from_ne_bytes(*value),
            _ => {}
        }
    }
    if place == 0 {
        return None;
    }
    let first = core::ptr::with_exposed_provenance::<Elf64_Phdr>(place as usize);
    // SAFETY: the kernel mapped the program's headers and said where; they are never unmapped.
    let headers = unsafe { core::slice::from_raw_parts(first, count) };
    let own = headers.iter().find(|it| it.p_type == libc::PT_PHDR)?;
    // SAFETY: the headers are those of the program, and its own tells how far it was moved.
    let image = unsafe { Image::new(headers, place.wrapping_sub(own.p_vaddr)) };
    each(&image);
    Some(())
}
