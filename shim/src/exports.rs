//! The functions the program calls instead of its allocator's: a few instructions each.
//!
//! A call that is not sampled subtracts the size from the thread's countdown, or tests one bit of
//! the free filter, and jumps to the real function: no frame, no call, all registers kept.
//! Otherwise it jumps to the slow path with the caller's return address, stack pointer and frame
//! pointer added to the arguments.

use core::arch::naked_asm;
use core::ffi::{c_int, c_void};
use core::mem::offset_of;

use crate::filter::{GRANULE_SHIFT, MARKS};
use crate::real::{REAL, Real};
use crate::{modules, slow};

/// Takes the bytes in a register off the thread's countdown; to label 2 if it has run out.
macro_rules! count_down {
    ($size:literal) => {
        concat!(
            "mov rax, qword ptr [rip + memshim_tls@GOTTPOFF]\n",
            concat!("sub qword ptr fs:[rax], ", $size, "\n"),
            "js 2f",
        )
    };
}

/// To label 2 if a sampled block may begin in the page that the pointer in rdi is in.
///
/// `bt` takes the memory operand for a string of bits, so the table needs no base register: one
/// instruction less than a byte for each page, and an eighth of the cache.
macro_rules! look_up {
    () => {
        "mov eax, edi
         shr eax, {shift}
         bt dword ptr [rip + {marks}], eax
         jc 2f"
    };
}

/// On to the real function.
macro_rules! go_on {
    () => {
        "jmp qword ptr [rip + {real} + {place}]"
    };
}

/// Defines an entry point: its fast part, then at label 2 the way to the slow path.
///
/// `$pc`, `$sp` and `$bp` are the registers in which the slow path expects the caller's.
macro_rules! entry {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;
     fast: [$($fast:expr),*]; slow: [$pc:literal, $sp:literal, $bp:literal]) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for the C function of this name.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name($($argument: $type),*) $(-> $result)? {
            naked_asm!(
                ".cfi_startproc",
                $($fast,)*
                "2:",
                concat!("mov ", $pc, ", qword ptr [rsp]"),
                concat!("lea ", $sp, ", [rsp + 8]"),
                concat!("mov ", $bp, ", rbp"),
                "jmp {slow}",
                ".cfi_endproc",
                "/* {real} {place} {marks} {shift} */",
                slow = sym slow::$name,
                real = sym REAL,
                place = const offset_of!(Real, $name),
                marks = sym MARKS,
                shift = const GRANULE_SHIFT,
            )
        }
    };
}

entry! {
    /// malloc(3)
    malloc(size: usize) -> *mut c_void;
    fast: [count_down!("rdi"), go_on!()];
    slow: ["rsi", "rdx", "rcx"]
}

entry! {
    /// calloc(3)
    calloc(count: usize, size: usize) -> *mut c_void;
    fast: [
        "mov rax, rdi",
        "mul rsi",
        "jo 2f",
        "mov rcx, qword ptr [rip + memshim_tls@GOTTPOFF]",
        "sub qword ptr fs:[rcx], rax",
        "js 2f",
        go_on!()
    ];
    slow: ["rdx", "rcx", "r8"]
}

entry! {
    /// realloc(3)
    realloc(ptr: *mut c_void, size: usize) -> *mut c_void;
    fast: [count_down!("rsi"), look_up!(), go_on!()];
    slow: ["rdx", "rcx", "r8"]
}

entry! {
    /// free(3)
    free(ptr: *mut c_void);
    fast: [look_up!(), go_on!()];
    slow: ["rsi", "rdx", "rcx"]
}

entry! {
    /// free_sized, C23
    free_sized(ptr: *mut c_void, size: usize);
    fast: [look_up!(), go_on!()];
    slow: ["rdx", "rcx", "r8"]
}

entry! {
    /// free_aligned_sized, C23
    free_aligned_sized(ptr: *mut c_void, alignment: usize, size: usize);
    fast: [look_up!(), go_on!()];
    slow: ["rcx", "r8", "r9"]
}

// The aligned family is rare: it always takes the slow path, which looks at the countdown first.

entry! {
    /// posix_memalign(3)
    posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int;
    fast: [];
    slow: ["rcx", "r8", "r9"]
}

entry! {
    /// aligned_alloc(3)
    aligned_alloc(alignment: usize, size: usize) -> *mut c_void;
    fast: [];
    slow: ["rdx", "rcx", "r8"]
}

entry! {
    /// memalign(3)
    memalign(alignment: usize, size: usize) -> *mut c_void;
    fast: [];
    slow: ["rdx", "rcx", "r8"]
}

entry! {
    /// valloc(3)
    valloc(size: usize) -> *mut c_void;
    fast: [];
    slow: ["rsi", "rdx", "rcx"]
}

entry! {
    /// pvalloc(3)
    pvalloc(size: usize) -> *mut c_void;
    fast: [];
    slow: ["rsi", "rdx", "rcx"]
}

/// dlclose(3): afterwards, what was known about the unloaded code is forgotten.
///
/// dlopen is left alone: it looks at its caller to choose the search path.
///
/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    let result = Real::dlclose(handle);
    modules::after_unload();
    result
}
