//! Random trees of calls, with a checked walk at every turn.

use core::arch::global_asm;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::hint::black_box;

use super::memo::Checked;
use super::{new_memory, registers_here};

// A function that makes room for as many bytes as it is told before it calls another; and a pair
// like setjmp and longjmp.
global_asm!(
    "memshim_test_with_room: .cfi_startproc",
    "push rbp",
    ".cfi_def_cfa rsp, 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "sub rsp, rsi",
    "call rdi",
    "leave",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    "memshim_test_catch: .cfi_startproc",
    "push rbp",
    ".cfi_def_cfa rsp, 16",
    ".cfi_offset rbp, -16",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    ".cfi_def_cfa rsp, 56",
    "sub rsp, 8",
    ".cfi_def_cfa rsp, 64",
    "mov [rsi], rsp",
    "call rdi",
    "memshim_test_caught:",
    "add rsp, 8",
    ".cfi_def_cfa rsp, 56",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    "memshim_test_throw: .cfi_startproc",
    "mov rsp, rdi",
    "jmp memshim_test_caught",
    ".cfi_endproc",
);

type Then = extern "C" fn();

unsafe extern "C" {
    fn memshim_test_with_room(then: Then, bytes: u64);
    fn memshim_test_aligned(then: Then);
    fn memshim_test_catch(then: Then, place: &mut u64);
    fn memshim_test_throw(place: u64) -> !;
}

/// A tree under way: what to call next, and how much more.
struct Tree {
    random: Cell<u64>,
    checks_left: Cell<u64>,
    depth: Cell<u32>,
    deepest: u32,
    catchers: RefCell<Vec<u64>>,
    is_in_fiber: Cell<bool>,
    checked: RefCell<Checked>,
}

thread_local! {
    static TREE: Cell<*const Tree> = const { Cell::new(core::ptr::null()) };
}

fn tree() -> &'static Tree {
    // SAFETY: `grow` lets it live as long as anybody asks.
    unsafe { &*TREE.get() }
}

impl Tree {
    fn below(&self, limit: u64) -> u64 {
        let mut number = self.random.get();
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        self.random.set(number);
        (number >> 11) % limit
    }

    fn check(&self, start: super::Registers) {
        self.checked.borrow_mut().check(start);
        self.checks_left
            .set(self.checks_left.get().saturating_sub(1));
    }

    fn is_over(&self) -> bool {
        self.checks_left.get() == 0
    }
}

/// Functions whose frames have one size, so that what they call has one stack pointer.
macro_rules! twins {
    ($($name:ident $number:literal,)*) => {
        $(#[inline(never)]
        extern "C" fn $name() {
            let number = black_box([$number; 4]);
            if number[1] % 2 == 0 { node() } else { node_of_many_checks() }
            black_box(number);
        })*
        const TWINS: &[Then] = &[$($name,)*];
    };
}

twins! { twin_0 0, twin_1 1, twin_2 2, twin_3 3, twin_4 4, twin_5 5, }

extern "C" fn node_of_many_checks() {
    for _ in 0..tree().below(4) {
        tree().check(registers_here!());
    }
    node();
    tree().check(registers_here!());
}

/// Calls others in some ways, and checks before, between and after.
#[inline(never)]
extern "C" fn node() {
    let tree = tree();
    tree.check(registers_here!());
    if tree.depth.get() >= tree.deepest {
        tree.check(registers_here!());
        return;
    }
    tree.depth.set(tree.depth.get() + 1);
    for _ in 0..tree.below(4) {
        if tree.is_over() {
            break;
        }
        call_in_some_way();
        if tree.below(2) == 0 {
            tree.check(registers_here!());
        }
    }
    tree.depth.set(tree.depth.get() - 1);
}

#[inline(never)]
fn call_in_some_way() {
    let tree = tree();
    match tree.below(40) {
        0..8 => node(),
        8..20 => TWINS[tree.below(TWINS.len() as u64) as usize](),
        20..24 => in_a_wide_frame(),
        // SAFETY: makes room for a multiple of 16 bytes, and calls the function.
        24..28 => unsafe { memshim_test_with_room(node, 16 * tree.below(100)) },
        // SAFETY: calls the function.
        28..30 => unsafe { memshim_test_aligned(node) },
        30..33 => by_qsort(),
        33 => catch(),
        34 => throw(),
        35 => raise(libc::SIGUSR1),
        36 => raise(libc::SIGUSR2),
        37 => in_a_fiber(),
        38 => recurse(tree.below(60) as u32),
        _ => tree.check(registers_here!()),
    }
}

#[inline(never)]
fn in_a_wide_frame() {
    let room = black_box([1_u64; 300]);
    node();
    black_box(room);
}

#[inline(never)]
fn recurse(depth: u32) {
    if depth == 0 {
        node()
    } else {
        recurse(depth - 1)
    }
    black_box(depth);
}

extern "C" fn compare(left: *const c_void, right: *const c_void) -> c_int {
    if tree().below(3) == 0 {
        node();
    }
    tree().check(registers_here!());
    (left as usize).cmp(&(right as usize)) as c_int
}

fn by_qsort() {
    let mut numbers = [3, 1, 2];
    // SAFETY: the array has three elements of four bytes.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 3, 4, Some(compare)) };
}

fn catch() {
    let tree = tree();
    let depth = tree.depth.get();
    let mut place = 0;
    tree.catchers.borrow_mut().push(&raw const place as u64);
    // SAFETY: calls the function; frames that a throw leaves out own nothing.
    unsafe { memshim_test_catch(node, &mut place) };
    tree.catchers.borrow_mut().pop();
    tree.depth.set(depth);
}

/// Leaves all frames up to one that catches, if it is on this stack.
fn throw() {
    let tree = tree();
    if tree.is_in_fiber.get() {
        return;
    }
    let catcher = tree.catchers.borrow().last().copied();
    if let Some(place) = catcher {
        // SAFETY: the variable of `catch`, which has not returned.
        let stack_pointer = unsafe { *(place as *const u64) };
        // SAFETY: as above; no frame in between owns anything.
        unsafe { memshim_test_throw(stack_pointer) };
    }
}

extern "C" fn on_signal(_: c_int) {
    node();
}

fn raise(signal: c_int) {
    let tree = tree();
    // A throw out of a handler would leave the signal blocked, and the signal stack in use.
    let is_in_fiber = tree.is_in_fiber.replace(true);
    // SAFETY: the signal has a handler.
    unsafe { libc::raise(signal) };
    tree.is_in_fiber.set(is_in_fiber);
}

const FIBER_SIZE: usize = 256 << 10;

fn in_a_fiber() {
    let tree = tree();
    if tree.is_in_fiber.replace(true) {
        return;
    }
    // A fiber is no deeper than the rest of the tree.
    let stack = new_memory(FIBER_SIZE);
    // SAFETY: contexts are plain numbers, and filled before they are used.
    let mut contexts: Box<[libc::ucontext_t; 2]> = Box::new(unsafe { core::mem::zeroed() });
    let [main, own] = &mut *contexts;
    // SAFETY: fills a context that nobody uses.
    assert_eq!(unsafe { libc::getcontext(own) }, 0);
    own.uc_stack.ss_sp = stack;
    own.uc_stack.ss_size = FIBER_SIZE;
    own.uc_link = main;
    // SAFETY: the stack is large enough and lives until the fiber has returned.
    unsafe { libc::makecontext(own, node, 0) };
    // SAFETY: returns here when `node` does.
    assert_eq!(unsafe { libc::swapcontext(main, own) }, 0);
    // SAFETY: the fiber has returned.
    unsafe { libc::munmap(stack, FIBER_SIZE) };
    tree.is_in_fiber.set(false);
}

fn handle(signal: c_int, flags: c_int) {
    // SAFETY: an all-zero sigaction is valid.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_signal as *const () as usize;
    // A handler may raise its own signal again.
    action.sa_flags = flags | libc::SA_NODEFER;
    // SAFETY: the handler has the type of one without SA_SIGINFO.
    let result = unsafe { libc::sigaction(signal, &action, core::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// Gives the thread a signal stack.
fn use_signal_stack() {
    let memory = new_memory(SIGNAL_STACK);
    let stack = libc::stack_t {
        ss_sp: memory,
        ss_flags: 0,
        ss_size: SIGNAL_STACK,
    };
    // SAFETY: the memory stays for good.
    let result = unsafe { libc::sigaltstack(&stack, core::ptr::null_mut()) };
    assert_eq!(result, 0);
}

const SIGNAL_STACK: usize = 1 << 20;

/// Grows trees until there were so many checks.
fn grow(checked: Checked, seed: u64, checks: u64, deepest: u32) -> Checked {
    handle(libc::SIGUSR1, 0);
    handle(libc::SIGUSR2, libc::SA_ONSTACK);
    use_signal_stack();
    let tree = Tree {
        random: Cell::new(seed),
        checks_left: Cell::new(checks),
        depth: Cell::new(0),
        deepest,
        catchers: RefCell::new(Vec::new()),
        is_in_fiber: Cell::new(false),
        checked: RefCell::new(checked),
    };
    TREE.set(&tree);
    while !tree.is_over() {
        node();
    }
    TREE.set(core::ptr::null());
    tree.checked.into_inner()
}

fn check_trees(threads: u64, checks: u64) {
    let threads: Vec<_> = (0..threads)
        .map(|number| {
            std::thread::spawn(move || {
                let mut checked = Checked::new();
                for round in 0..4 {
                    // A new thread at the same place, with the memo of one that has ended.
                    let thread = std::thread::Builder::new().stack_size(8 << 20);
                    let seed = 0x9e37_79b9_7f4a_7c15 ^ (number * 4 + round + 1) << 20;
                    let deepest = [4, 12, 40, 9][round as usize];
                    checked.hand_on();
                    let grown = thread.spawn(move || grow(checked, seed, checks / 4, deepest));
                    checked = grown.expect("a thread").join().expect("a tree");
                }
                (checked.walks, checked.recognised)
            })
        })
        .collect();
    for thread in threads {
        let (walks, recognised) = thread.join().expect("a thread");
        println!("{walks} walks, {recognised} sites recognised");
        assert!(walks >= checks && recognised > walks / 100);
    }
}

#[test]
fn walks_in_random_trees_are_full_walks() {
    // Code that is not optimized takes ten times as long.
    check_trees(
        2,
        if cfg!(debug_assertions) {
            50_000
        } else {
            500_000
        },
    );
}

#[test]
#[ignore = "takes minutes"]
fn walks_in_many_random_trees_are_full_walks() {
    check_trees(4, 10_000_000);
}
