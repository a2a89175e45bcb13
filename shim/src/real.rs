//! The next allocator's functions: what every call goes on to.
//!
//! Each entry point keeps its own name, so an allocator that checks pairs sees what the program
//! did.
//! Before they are known, each points to a function that finds them first.

use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use memshim_abi::event::Kind;

use crate::{bootstrap, lifecycle, sys, unwind};

/// One function pointer for each interposed name; the order is used by the entry points.
#[repr(C)]
#[allow(missing_docs)]
pub struct Real {
    pub malloc: AtomicPtr<c_void>,
    pub free: AtomicPtr<c_void>,
    pub calloc: AtomicPtr<c_void>,
    pub realloc: AtomicPtr<c_void>,
    pub posix_memalign: AtomicPtr<c_void>,
    pub aligned_alloc: AtomicPtr<c_void>,
    pub memalign: AtomicPtr<c_void>,
    pub valloc: AtomicPtr<c_void>,
    pub pvalloc: AtomicPtr<c_void>,
    pub free_sized: AtomicPtr<c_void>,
    pub free_aligned_sized: AtomicPtr<c_void>,
    pub dlclose: AtomicPtr<c_void>,
    pub usable_size: AtomicPtr<c_void>,
    /// Bit n: the function for kind n and `usable_size` are of one object.
    pub sized_kinds: AtomicU64,
}

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Calloc = unsafe extern "C" fn(usize, usize) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void;
type PosixMemalign = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;
type Aligned = unsafe extern "C" fn(usize, usize) -> *mut c_void;
type FreeSized = unsafe extern "C" fn(*mut c_void, usize);
type FreeAlignedSized = unsafe extern "C" fn(*mut c_void, usize, usize);
type Dlclose = unsafe extern "C" fn(*mut c_void) -> c_int;
type UsableSize = unsafe extern "C" fn(*mut c_void) -> usize;

/// The functions in use.
pub static REAL: Real = Real {
    malloc: AtomicPtr::new(boot_malloc as *mut c_void),
    free: AtomicPtr::new(boot_free as *mut c_void),
    calloc: AtomicPtr::new(boot_calloc as *mut c_void),
    realloc: AtomicPtr::new(boot_realloc as *mut c_void),
    posix_memalign: AtomicPtr::new(boot_posix_memalign as *mut c_void),
    aligned_alloc: AtomicPtr::new(boot_aligned as *mut c_void),
    memalign: AtomicPtr::new(boot_aligned as *mut c_void),
    valloc: AtomicPtr::new(boot_malloc as *mut c_void),
    pvalloc: AtomicPtr::new(boot_malloc as *mut c_void),
    free_sized: AtomicPtr::new(boot_free as *mut c_void),
    free_aligned_sized: AtomicPtr::new(boot_free as *mut c_void),
    dlclose: AtomicPtr::new(core::ptr::null_mut()),
    usable_size: AtomicPtr::new(core::ptr::null_mut()),
    sized_kinds: AtomicU64::new(0),
};

/// Calls one of the functions.
macro_rules! call {
    ($field:ident as $type:ty, $($argument:expr),*) => {{
        // Relaxed: the pointers are set before there is a second thread, and any value ever
        // stored is a function of this type.
        let function = REAL.$field.load(Ordering::Relaxed);
        // SAFETY: the field always holds a function of this type.
        let function = unsafe { core::mem::transmute::<*mut c_void, $type>(function) };
        // SAFETY: the arguments are what the program passed to the function of this name.
        unsafe { function($($argument),*) }
    }};
}

#[allow(missing_docs)]
impl Real {
    pub fn malloc(size: usize) -> *mut c_void {
        call!(malloc as Malloc, size)
    }
    pub fn free(ptr: *mut c_void) {
        call!(free as Free, ptr)
    }
    pub fn calloc(count: usize, size: usize) -> *mut c_void {
        call!(calloc as Calloc, count, size)
    }
    pub fn realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
        call!(realloc as Realloc, ptr, size)
    }
    pub fn posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        call!(posix_memalign as PosixMemalign, place, alignment, size)
    }
    pub fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        call!(aligned_alloc as Aligned, alignment, size)
    }
    pub fn memalign(alignment: usize, size: usize) -> *mut c_void {
        call!(memalign as Aligned, alignment, size)
    }
    pub fn valloc(size: usize) -> *mut c_void {
        call!(valloc as Malloc, size)
    }
    pub fn pvalloc(size: usize) -> *mut c_void {
        call!(pvalloc as Malloc, size)
    }
    pub fn free_sized(ptr: *mut c_void, size: usize) {
        call!(free_sized as FreeSized, ptr, size)
    }
    pub fn free_aligned_sized(ptr: *mut c_void, alignment: usize, size: usize) {
        call!(free_aligned_sized as FreeAlignedSized, ptr, alignment, size)
    }
    pub fn dlclose(handle: *mut c_void) -> c_int {
        // Relaxed: see `call!`.
        if REAL.dlclose.load(Ordering::Relaxed).is_null() {
            return 0;
        }
        call!(dlclose as Dlclose, handle)
    }
    /// Bytes usable at a block that the function for `kind` gave; `None` where nobody can tell.
    ///
    /// An allocator that lacks pvalloc leaves it to the C library, whose blocks its own
    /// malloc_usable_size does not know.
    pub fn usable_size(kind: Kind, ptr: *mut c_void) -> Option<usize> {
        // Relaxed: see `call!`.
        if REAL.sized_kinds.load(Ordering::Relaxed) >> kind as u32 & 1 == 0 {
            return None;
        }
        Some(call!(usable_size as UsableSize, ptr))
    }
}

/// Finds all functions; called once, before the program has a second thread.
///
/// The C library's own names stay in use where the next object has none, so free_sized ends in
/// free.
pub fn find() {
    let next = |name: &CStr| {
        // SAFETY: `name` is a C string; RTLD_NEXT searches the objects after this one.
        unsafe { sys::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
    };
    let or = |found: *mut c_void, other: *mut c_void| if found.is_null() { other } else { found };
    // These may be missing. A search that fails leaves a message for dlerror, which the next
    // search that succeeds takes away. Calling dlerror here would translate the message, and with
    // that lock the locale: a library's constructor may be setting it up at this very moment.
    let free_sized = next(c"free_sized");
    let free_aligned_sized = next(c"free_aligned_sized");
    let valloc = next(c"valloc");
    let pvalloc = next(c"pvalloc");
    let dlclose = next(c"dlclose");
    let usable_size = next(c"malloc_usable_size");
    let memalign = next(c"memalign");
    let aligned_alloc = next(c"aligned_alloc");
    // These are in every C library.
    let posix_memalign = next(c"posix_memalign");
    let free = next(c"free");
    let calloc = next(c"calloc");
    let realloc = next(c"realloc");
    let malloc = next(c"malloc");
    let (free_sized, free_aligned_sized) = (or(free_sized, free), or(free_aligned_sized, free));
    let valloc = or(valloc, malloc);
    let pvalloc = or(pvalloc, valloc);
    // Relaxed throughout: see `call!`.
    let set = |field: &AtomicPtr<c_void>, found| field.store(found, Ordering::Relaxed);
    set(&REAL.posix_memalign, posix_memalign);
    set(&REAL.aligned_alloc, or(aligned_alloc, memalign));
    set(&REAL.memalign, or(memalign, aligned_alloc));
    set(&REAL.valloc, valloc);
    set(&REAL.pvalloc, pvalloc);
    set(&REAL.free_sized, free_sized);
    set(&REAL.free_aligned_sized, free_aligned_sized);
    set(&REAL.dlclose, dlclose);
    set(&REAL.usable_size, usable_size);
    set(&REAL.calloc, calloc);
    set(&REAL.realloc, realloc);
    set(&REAL.malloc, malloc);
    set(&REAL.free, free);
    REAL.sized_kinds.store(sized_kinds(), Ordering::Relaxed);
}

/// The kinds whose function is of the same object as malloc_usable_size.
fn sized_kinds() -> u64 {
    let object = |field: &AtomicPtr<c_void>| {
        // Relaxed: set just before.
        let address = field.load(Ordering::Relaxed) as u64;
        unwind::find_object(address).map(|object| object.start)
    };
    let Some(home) = object(&REAL.usable_size) else {
        return 0;
    };
    let functions = [
        (Kind::Malloc, &REAL.malloc),
        (Kind::Calloc, &REAL.calloc),
        (Kind::Realloc, &REAL.realloc),
        (Kind::PosixMemalign, &REAL.posix_memalign),
        (Kind::AlignedAlloc, &REAL.aligned_alloc),
        (Kind::Memalign, &REAL.memalign),
        (Kind::Valloc, &REAL.valloc),
        (Kind::Pvalloc, &REAL.pvalloc),
    ];
    let is_home = |field: &AtomicPtr<c_void>| object(field) == Some(home);
    functions
        .iter()
        .filter(|(_, field)| is_home(field))
        .fold(0, |kinds, (kind, _)| kinds | 1 << *kind as u32)
}

// While `find` is at work the C library may allocate for itself; the arena serves that.

extern "C" fn boot_malloc(size: usize) -> *mut c_void {
    if lifecycle::boot() {
        Real::malloc(size)
    } else {
        bootstrap::allocate(size, 16)
    }
}

extern "C" fn boot_calloc(count: usize, size: usize) -> *mut c_void {
    if lifecycle::boot() {
        return Real::calloc(count, size);
    }
    match count.checked_mul(size) {
        // The arena is handed out once only, so its memory is still 0.
        Some(bytes) => bootstrap::allocate(bytes, 16),
        None => core::ptr::null_mut(),
    }
}

extern "C" fn boot_realloc(ptr: *mut c_void, size: usize) -> *mut c_void {
    if bootstrap::owns(ptr) {
        return bootstrap::move_out(ptr, size);
    }
    if lifecycle::boot() {
        Real::realloc(ptr, size)
    } else {
        bootstrap::allocate(size, 16)
    }
}

extern "C" fn boot_aligned(alignment: usize, size: usize) -> *mut c_void {
    if lifecycle::boot() {
        Real::memalign(alignment, size)
    } else {
        bootstrap::allocate(size, alignment)
    }
}

extern "C" fn boot_posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    if lifecycle::boot() {
        return Real::posix_memalign(place, alignment, size);
    }
    let ptr = bootstrap::allocate(size, alignment);
    if ptr.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the program passed a place for the result (posix_memalign(3)).
    unsafe { place.write(ptr) };
    0
}

extern "C" fn boot_free(ptr: *mut c_void) {
    if !ptr.is_null() && !bootstrap::owns(ptr) && lifecycle::boot() {
        Real::free(ptr);
    }
}
