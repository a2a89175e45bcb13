//! What the unwinder must know about x86-64: register numbers, two instructions and one signal frame.
//!
//! A port to another processor writes this file and `epilogue.rs` again; nothing else in `unwind/`
//! names a register or an instruction (the packed rule also assumes that a call leaves its return address on the
//! stack, just below the canonical frame address).

use core::arch::asm;

/// DWARF's number of the frame pointer (System V psABI, figure 3.36).
pub(super) const FRAME_POINTER: u64 = 6;
/// DWARF's number of the stack pointer.
pub(super) const STACK_POINTER: u64 = 7;
/// DWARF's number of the column that stands for the return address.
pub(super) const RETURN_ADDRESS: u64 = 16;
/// Addresses of user space lie below this bit, except where a program asks for 5-level paging.
pub(super) const ADDRESS_BITS: u32 = 47;
/// How many bytes below the stack pointer belong to the function too (psABI, 3.2.2).
pub(super) const RED_ZONE: u64 = 128;
/// The page size of the processor: memory becomes readable and unreadable in these steps.
pub(super) const PAGE: u64 = 4096;

/// Whether code that begins with these two words returns from a signal handler: that is how it is
/// known where a C library has no unwind data (musl; gdb does the same).
pub(super) fn is_signal_return(first: u64, second: u64) -> bool {
    /// `mov $15, %rax; syscall`, but for its last byte.
    const LONG: u64 = u64::from_le_bytes([0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f]);
    /// `mov $15, %eax; syscall`.
    const SHORT: u64 = u64::from_le_bytes([0xb8, 15, 0, 0, 0, 0x0f, 0x05, 0]);
    const SEVEN_BYTES: u64 = u64::MAX >> 8;
    first == LONG && second & 0xff == 0x05 || first & SEVEN_BYTES == SHORT
}

/// Where the kernel saved a register when it delivered a signal: bytes above the stack pointer
/// that the handler returns to (`struct ucontext`, arch/x86/include/uapi/asm/sigcontext.h).
pub(super) fn saved_by_signal(register: u64) -> Option<u64> {
    /// `uc_mcontext` follows `uc_flags`, `uc_link` and `uc_stack`.
    const CONTEXT: u64 = 40;
    /// The place in `struct sigcontext` of each register, by DWARF's numbers.
    const PLACES: [u8; 17] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
    let place = PLACES.get(usize::try_from(register).ok()?)?;
    Some(CONTEXT + 8 * u64::from(*place))
}

/// The thread pointer: the C libraries put it just above a thread's stack, in the same mapping.
pub(super) fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: on x86-64 Linux fs:0 holds the thread pointer itself (psABI, 3.4.6), for every
    // thread that a C library started.
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) pointer,
            options(nostack, preserves_flags, readonly));
    }
    pointer
}

/// Makes a system call that writes no memory, and returns what the kernel did: errno is not
/// touched.
fn system_call(number: i64, how: i64, address: u64, size: u64) -> i64 {
    let result: i64;
    // SAFETY: callers pass only the calls below, which change nothing in the process; the kernel
    // clobbers rcx and r11, as declared.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") how, in("rsi") address,
            in("rdx") 0, in("r10") size, lateout("rcx") _, lateout("r11") _,
            options(nostack, readonly));
    }
    result
}

/// Whether eight bytes at an address can be read, asked of the kernel, in about 100 ns.
///
/// The kernel copies the set (EFAULT where it cannot) before it looks at `how`, which is none of
/// its three values (EINVAL): whatever the answer, nothing has changed. A sandbox that refuses the
/// call makes all memory unreadable, and stacks short.
pub(super) fn is_readable(address: u64) -> bool {
    const INVALID_HOW: i64 = -1;
    let result = system_call(libc::SYS_rt_sigprocmask, INVALID_HOW, address, 8);
    result == -i64::from(libc::EINVAL)
}

/// Whether this is the thread that began with the process.
pub(super) fn is_main_thread() -> bool {
    system_call(libc::SYS_getpid, 0, 0, 0) == system_call(libc::SYS_gettid, 0, 0, 0)
}

/// The address of a function that the C library may lack: 0 then.
///
/// The directive stands in the same piece of assembly as the use: a reference that the compiler
/// moves to another object file would otherwise be a strong one there, and the shim would not load.
macro_rules! weak_function {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: reads one entry of our own global offset table, relocated before we run.
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $symbol),
                concat!("mov {}, qword ptr [rip + ", $symbol, "@GOTPCREL]"),
                out(reg) address, options(nostack, preserves_flags, pure, readonly),
            );
        }
        address
    }};
}
pub(super) use weak_function;
