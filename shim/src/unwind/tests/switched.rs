//! Frames that compilers align, and functions that run on a borrowed stack.

use core::arch::global_asm;

use super::{check_against_libgcc, new_memory};

// gcc's code for a function that aligns its stack and calls alloca; and a function that calls
// another on a new stack, keeping the old one in rbp, as Rust's psm does.
global_asm!(
    ".globl memshim_test_aligned",
    "memshim_test_aligned: .cfi_startproc",
    "lea r10, [rsp + 8]",
    ".cfi_def_cfa r10, 0",
    "and rsp, -32",
    "push qword ptr [r10 - 8]",
    "push rbp",
    "mov rbp, rsp",
    ".cfi_escape 0x10, 6, 2, 0x76, 0",
    "push r10",
    ".cfi_escape 0x0f, 3, 0x76, 0x78, 6",
    "sub rsp, 40",
    "call rdi",
    "add rsp, 40",
    "pop r10",
    ".cfi_def_cfa r10, 0",
    "pop rbp",
    "lea rsp, [r10 - 8]",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    "memshim_test_on_stack: .cfi_startproc",
    "push rbp",
    ".cfi_def_cfa rsp, 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rsi",
    "call rdi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
);

// What glibc's resolver of lazily bound functions does: its frame is found by rbx, which it leaves to
// its callee to save.
global_asm!(
    "memshim_test_by_rbx: .cfi_startproc",
    "push rbx",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbx, -16",
    "mov rbx, rsp",
    ".cfi_def_cfa_register rbx",
    "and rsp, -64",
    "sub rsp, 64",
    "call memshim_test_saves_rbx",
    "mov rsp, rbx",
    ".cfi_def_cfa_register rsp",
    "pop rbx",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_endproc",
    "memshim_test_saves_rbx: .cfi_startproc",
    "push rbx",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbx, -16",
    "mov ebx, 77",
    "call rdi",
    "pop rbx",
    ".cfi_def_cfa_offset 8",
    "ret",
    ".cfi_endproc",
);

unsafe extern "C" {
    fn memshim_test_by_rbx(then: extern "C" fn());
    fn memshim_test_aligned(then: extern "C" fn());
    fn memshim_test_on_stack(then: extern "C" fn(), top: *mut u8);
}

extern "C" fn check() {
    check_against_libgcc();
}

extern "C" fn check_aligned_twice() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_aligned(check) };
}

#[test]
fn frames_that_gcc_aligns_are_followed() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_aligned(check_aligned_twice) };
}

#[test]
fn a_function_on_a_borrowed_stack_leads_back() {
    let size = 256 << 10;
    let stack = new_memory(size);
    // SAFETY: the stack is large enough for the check.
    unsafe { memshim_test_on_stack(check, stack.cast::<u8>().wrapping_add(size)) };
    // The other direction: the borrowed stack is above the thread's own.
    let mut array = vec![0_u128; size / 16];
    // SAFETY: as above.
    unsafe { memshim_test_on_stack(check, array.as_mut_ptr().cast::<u8>().wrapping_add(size)) };
}

#[test]
fn a_frame_found_by_a_register_that_its_callee_saved_is_followed() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_by_rbx(check) };
}

extern "C" fn check_by_rbx_in_a_borrowed_stack() {
    // SAFETY: it calls the function.
    unsafe { memshim_test_by_rbx(check) };
}

#[test]
fn registers_are_found_again_on_either_side_of_a_change_of_stacks() {
    let size = 256 << 10;
    let stack = new_memory(size);
    let run: extern "C" fn() = check_by_rbx_in_a_borrowed_stack;
    // SAFETY: the stack is large enough for the check.
    unsafe { memshim_test_on_stack(run, stack.cast::<u8>().wrapping_add(size)) };
}
