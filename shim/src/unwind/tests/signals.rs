//! Stacks in signal handlers: through the kernel's frame to the code that was interrupted.

use core::arch::global_asm;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::{End, check_against_libgcc, frames_from, registers_here};

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

static LENGTH: AtomicU64 = AtomicU64::new(0);

extern "C" fn check(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    LENGTH.store(check_against_libgcc().len() as u64, SeqCst);
}

fn handle(signal: c_int, handler: Handler, flags: c_int) {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | flags;
    // SAFETY: the handler has the type that SA_SIGINFO asks for.
    let result = unsafe { libc::sigaction(signal, &action, core::ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn raise(signal: c_int) {
    // SAFETY: the signal has a handler.
    let result = unsafe { libc::raise(signal) };
    assert_eq!(result, 0);
}

#[test]
fn a_handler_is_called_by_the_code_that_raised_the_signal() {
    handle(libc::SIGUSR1, check, 0);
    let here = check_against_libgcc().len() as u64;
    raise(libc::SIGUSR1);
    assert!(LENGTH.load(SeqCst) > here + 2);
}

/// Gives the thread a signal stack of 64 KiB; every test runs in a thread of its own.
fn use_signal_stack() {
    let memory = Box::leak(vec![0_u64; 8192].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: size_of_val(memory),
    };
    // SAFETY: the memory is never freed.
    let result = unsafe { libc::sigaltstack(&stack, core::ptr::null_mut()) };
    assert_eq!(result, 0);
}

#[test]
fn a_handler_on_a_signal_stack_leads_back_to_the_native_one() {
    use_signal_stack();
    handle(libc::SIGUSR2, check, libc::SA_ONSTACK);
    raise(libc::SIGUSR2);
}

// Trap in the first instruction of a function, where pc - 1 is another function; and where the CFA
// is in a register that only the kernel knows (gcc's prologue of a function that aligns its stack).
global_asm!(
    ".globl memshim_test_trap_first",
    "nop",
    "memshim_test_trap_first: .cfi_startproc",
    "ud2",
    "ret",
    ".cfi_endproc",
    ".globl memshim_test_trap_aligning",
    "memshim_test_trap_aligning: .cfi_startproc",
    "lea r10, [rsp + 8]",
    ".cfi_def_cfa r10, 0",
    "and rsp, -64",
    "ud2",
    "lea rsp, [r10 - 8]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
);

unsafe extern "C" {
    fn memshim_test_trap_first();
    fn memshim_test_trap_aligning();
}

static TRAPPED_AT: AtomicU64 = AtomicU64::new(0);

extern "C" fn check_and_skip(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let frames = check_against_libgcc();
    // SAFETY: the kernel passes a context, which nothing else uses meanwhile.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    let pc = &mut context.uc_mcontext.gregs[libc::REG_RIP as usize];
    if frames.contains(&pc.cast_unsigned()) {
        TRAPPED_AT.store(pc.cast_unsigned(), SeqCst);
    }
    const TRAP_SIZE: i64 = 2;
    *pc += TRAP_SIZE;
}

#[test]
fn an_interrupted_frame_is_looked_up_at_its_own_address() {
    handle(libc::SIGILL, check_and_skip, 0);
    // SAFETY: the handler goes on after the trap.
    unsafe { memshim_test_trap_first() };
    assert_eq!(
        TRAPPED_AT.load(SeqCst),
        memshim_test_trap_first as *const () as u64
    );
    // SAFETY: as above.
    unsafe { memshim_test_trap_aligning() };
    assert!(TRAPPED_AT.load(SeqCst) > memshim_test_trap_aligning as *const () as u64);
}

// A signal return as musl has it: without unwind data.
global_asm!(
    ".globl memshim_test_signal_return",
    // Or the address before it would belong to the function above.
    "nop",
    "memshim_test_signal_return:",
    "mov rax, 15",
    "syscall",
);

unsafe extern "C" {
    fn memshim_test_signal_return();
}

/// The kernel's own structure, whose restorer glibc does not let anybody choose.
#[repr(C)]
struct KernelAction {
    handler: Handler,
    flags: u64,
    restorer: unsafe extern "C" fn(),
    mask: u64,
}

static BARE_WALK: AtomicU64 = AtomicU64::new(0);

extern "C" fn walk_only(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    let (frames, walk) = frames_from(registers_here!(), 256);
    if walk.end == End::Complete {
        BARE_WALK.store(frames.len() as u64, SeqCst);
    }
}

#[test]
fn a_signal_return_without_unwind_data_is_known_by_its_code() {
    const SA_RESTORER: u64 = 0x0400_0000;
    let action = KernelAction {
        handler: walk_only,
        flags: SA_RESTORER | libc::SA_SIGINFO as u64,
        restorer: memshim_test_signal_return,
        mask: 0,
    };
    let none = core::ptr::null_mut::<c_void>();
    // SAFETY: the structure is the kernel's, and the restorer returns from the signal.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            libc::SIGURG,
            &raw const action,
            none,
            8_usize,
        )
    };
    assert_eq!(result, 0);
    let (here, _) = frames_from(registers_here!(), 256);
    raise(libc::SIGURG);
    assert!(BARE_WALK.load(SeqCst) > here.len() as u64);
}

extern "C" fn walk_and_leave(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    let (_, walk) = frames_from(registers_here!(), 256);
    let ok = walk.end == End::Complete && walk.elided > 1000;
    // SAFETY: ends the child process.
    unsafe { libc::_exit(if ok { 0 } else { 1 }) };
}

#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 100]);
    if room[3] == u64::MAX {
        0
    } else {
        overflow(depth + 1) + room[7]
    }
}

#[test]
fn a_stack_overflow_has_a_stack() {
    use_signal_stack();
    // SAFETY: the child runs only what follows, and ends in the handler.
    let child = unsafe { libc::fork() };
    if child == 0 {
        handle(libc::SIGSEGV, walk_and_leave, libc::SA_ONSTACK);
        std::hint::black_box(overflow(0));
    }
    let mut status = -1;
    // SAFETY: waits for our own child.
    let result = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(result, child);
    assert_eq!(status, 0);
}
