//! Finds the loaded object that holds an address.
//!
//! glibc 2.35 and later answer without a lock in about 4 ns (`_dl_find_object`). Elsewhere the list
//! of objects is walked under the loader's lock (`dl_iterate_phdr`). A thread may hold that lock
//! when it allocates: glibc's is recursive, and no lock of ours is ever held around it.

use core::ffi::{c_char, c_int, c_void};

use super::arch::{is_readable, weak_function};
use super::segments::{segments_at, segments_of_fixed_program};

/// A loaded object: the program, a library, or the kernel's vDSO. Its segments are mapped, and
/// stay so as long as a thread runs code of it.
pub struct Object {
    /// The lowest address of its segments.
    pub start: u64,
    /// The end of its highest segment.
    pub end: u64,
    /// What was added to the addresses in its file.
    pub bias: u64,
    /// Its path as the loader knows it: "" for the program itself, or null.
    pub name: *const c_char,
    /// The address of its `.eh_frame_hdr`, or 0.
    pub eh_frame_hdr: u64,
}

/// What `_dl_find_object` fills in (glibc's `dlfcn.h`; the variant of x86-64 and aarch64).
#[repr(C)]
struct FoundObject {
    flags: u64,
    map_start: u64,
    map_end: u64,
    link_map: *const LinkMap,
    eh_frame_hdr: u64,
    reserved: [u64; 7],
}

/// The public beginning of the loader's record of an object (`link.h`).
#[repr(C)]
struct LinkMap {
    bias: u64,
    name: *const c_char,
}

type FindObject = unsafe extern "C" fn(*const c_void, *mut FoundObject) -> c_int;
type Visit = unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;
type IterateObjects = unsafe extern "C" fn(Visit, *mut c_void) -> c_int;

/// The object that holds `pc`, or nothing for generated code.
pub fn find_object(pc: u64) -> Option<Object> {
    match weak_function!("_dl_find_object") {
        0 => find_by_walking(pc),
        address => {
            // SAFETY: the symbol of this name is a function of this type in every glibc since 2.35.
            let find = unsafe { core::mem::transmute::<usize, FindObject>(address) };
            find_by_asking(find, pc)
        }
    }
}

fn find_by_asking(find: FindObject, pc: u64) -> Option<Object> {
    let mut found = FoundObject {
        flags: 0,
        map_start: 0,
        map_end: 0,
        link_map: core::ptr::null(),
        eh_frame_hdr: 0,
        reserved: [0; 7],
    };
    let address = core::ptr::without_provenance(pc as usize);
    // SAFETY: it only compares `address`, and fills the structure that we own.
    if unsafe { find(address, &raw mut found) } != 0 {
        return None;
    }
    // SAFETY: glibc keeps the link map of an object for as long as the object, which holds a pc of
    // this thread's stack and so cannot be unloaded now.
    let map = unsafe { found.link_map.as_ref() };
    let mut object = Object {
        start: found.map_start,
        end: found.map_end,
        bias: map.map_or(0, |map| map.bias),
        name: map.map_or(core::ptr::null(), |map| map.name),
        eh_frame_hdr: found.eh_frame_hdr,
    };
    let is_whole = object.start == object.bias
        && (object.eh_frame_hdr == 0 || (object.start..object.end).contains(&object.eh_frame_hdr));
    if !is_whole {
        widen(&mut object);
    }
    Some(object)
}

/// Of an object whose segments have holes between them, glibc tells only the segment of the pc
/// (node.js is one): finds the others.
#[cold]
fn widen(object: &mut Object) {
    let segments = match object.bias {
        0 => segments_of_fixed_program(),
        // The first segment of what can be moved is at address 0 of its file.
        bias if is_readable(bias) => segments_at(bias, u64::MAX, bias),
        _ => return,
    };
    let (mut start, mut end) = (u64::MAX, 0);
    for segment in segments {
        start = start.min(segment.start);
        end = end.max(segment.end);
    }
    if start <= object.start && object.end <= end {
        object.start = start;
        object.end = end;
    }
}

/// The question that [`visit`] answers, and its answer.
struct Search {
    pc: u64,
    found: Option<Object>,
}

/// The object that holds `pc`, by the list of all.
pub(super) fn find_by_walking(pc: u64) -> Option<Object> {
    let address = weak_function!("dl_iterate_phdr");
    if address == 0 {
        return None;
    }
    // SAFETY: the symbol of this name is a function of this type in every C library.
    let iterate = unsafe { core::mem::transmute::<usize, IterateObjects>(address) };
    let mut search = Search { pc, found: None };
    // SAFETY: `visit` is what the function wants, and `search` outlives the call.
    unsafe { iterate(visit, (&raw mut search).cast()) };
    search.found
}

/// Called by the loader for each object; a result other than 0 ends its walk.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    search: *mut c_void,
) -> c_int {
    // SAFETY: the loader passes on the pointer that `find_by_walking` gave it, to its own variable.
    let Some(search) = (unsafe { search.cast::<Search>().as_mut() }) else {
        return 1;
    };
    // SAFETY: the loader passes a structure that is valid during this call.
    let Some(info) = (unsafe { info.as_ref() }) else {
        return 1;
    };
    let mut object = Object {
        start: u64::MAX,
        end: 0,
        bias: info.dlpi_addr,
        name: info.dlpi_name,
        eh_frame_hdr: 0,
    };
    let mut is_inside = false;
    for index in 0..usize::from(info.dlpi_phnum) {
        // SAFETY: `dlpi_phnum` headers begin at `dlpi_phdr`, says the loader.
        let header = unsafe { info.dlpi_phdr.add(index) };
        // SAFETY: as above; the headers are mapped as long as the object.
        let Some(header) = (unsafe { header.as_ref() }) else {
            return 1;
        };
        let start = info.dlpi_addr.wrapping_add(header.p_vaddr);
        let end = start.wrapping_add(header.p_memsz);
        if header.p_type == libc::PT_LOAD {
            object.start = object.start.min(start);
            object.end = object.end.max(end);
            is_inside |= start <= search.pc && search.pc < end;
        } else if header.p_type == libc::PT_GNU_EH_FRAME {
            object.eh_frame_hdr = start;
        }
    }
    if is_inside {
        search.found = Some(object);
    }
    c_int::from(is_inside)
}
