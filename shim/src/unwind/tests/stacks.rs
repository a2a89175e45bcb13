//! Whole stacks of ordinary code, on this thread and on others.

use std::ffi::{c_int, c_void};
use std::hint::black_box;

use super::{End, Object, check_against_libgcc, frames_from, ignore, registers_here};
use crate::unwind::find::find_by_walking;
use crate::unwind::{StackRange, find_object, forget_rules, walk};

#[test]
fn a_plain_call_has_the_stack_that_libgcc_sees() {
    check_against_libgcc();
}

#[inline(never)]
fn recurse(depth: u32, then: &dyn Fn()) {
    let room = [depth; 5];
    if depth == 0 {
        then();
    } else {
        recurse(depth - 1, then);
    }
    black_box(room);
}

#[test]
fn recursion_through_closures_is_followed() {
    recurse(30, &|| recurse(7, &|| drop(check_against_libgcc())));
}

trait Visit {
    fn visit(&self, depth: u32);
}

struct Boxed<T>(T);

impl<T: Fn()> Visit for Boxed<T> {
    #[inline(never)]
    fn visit(&self, depth: u32) {
        let frame = vec![depth; 3];
        if depth == 0 {
            (self.0)()
        } else {
            self.visit(depth - 1)
        }
        black_box(frame);
    }
}

#[test]
fn generic_code_and_trait_objects_are_followed() {
    let visitor: Box<dyn Visit> = Box::new(Boxed(|| drop(check_against_libgcc())));
    visitor.visit(12);
    let mut numbers = [3, 1, 2];
    numbers.sort_by(|left, right| {
        check_against_libgcc();
        left.cmp(right)
    });
}

extern "C" fn compare(left: *const c_void, right: *const c_void) -> c_int {
    check_against_libgcc();
    // SAFETY: qsort passes pointers to elements of the array below.
    let left = unsafe { *left.cast::<c_int>() };
    // SAFETY: as above.
    let right = unsafe { *right.cast::<c_int>() };
    left - right
}

#[test]
fn callbacks_through_the_c_library_are_followed() {
    let mut numbers: [c_int; 5] = [5, 3, 4, 1, 2];
    // SAFETY: the array has five elements of four bytes.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 5, 4, Some(compare)) };
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
}

#[test]
fn a_thread_ends_at_its_start() {
    let bottom = |frames: Vec<u64>| frames.last().copied();
    let here = bottom(check_against_libgcc());
    let there = std::thread::spawn(move || bottom(check_against_libgcc())).join();
    assert_eq!(there.ok(), Some(here));
}

#[test]
fn every_object_of_a_stack_is_shown_before_its_rule_is_known() {
    forget_rules();
    let mut seen = Vec::new();
    let mut frames = [0; 256];
    let start = registers_here!();
    let mut range = StackRange::new();
    let walk = walk(
        start,
        &mut range,
        &mut |object| seen.push(object.start),
        &mut frames,
    );
    for frame in &frames[..walk.len] {
        let object = find_object(*frame).map(|object| object.start);
        // Tests run side by side, so that another may have learnt the rule just now.
        assert!(object.is_some());
    }
    assert!(!seen.is_empty());
}

#[test]
fn a_second_walk_asks_the_kernel_nothing_new() {
    let mut range = StackRange::new();
    let mut frames = [0; 256];
    let first = walk(registers_here!(), &mut range, &mut ignore, &mut frames);
    assert_eq!(first.end, End::Complete);
    let known = (range.lo, range.hi);
    assert!(known.0 < known.1, "the native stack was not recognised");
    recurse(100, &|| {
        let mut deeper = StackRange {
            lo: range.lo,
            hi: range.hi,
        };
        let mut frames = [0; 256];
        let walk = walk(registers_here!(), &mut deeper, &mut ignore, &mut frames);
        assert_eq!(walk.end, End::Complete);
        assert_eq!(deeper.hi, known.1);
    });
}

#[test]
fn code_of_the_kernel_is_found_too() {
    // SAFETY: looks through the auxiliary vector.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let object = find_object(vdso + 0x900);
    assert_eq!(object.map(|object| object.start), Some(vdso));
    assert!(find_object(vdso + 0x900).is_some_and(|object| object.eh_frame_hdr != 0));
}

#[test]
fn objects_are_the_same_by_either_way_of_finding_them() {
    let here = registers_here!().pc;
    let (libc, stack) = (libc::qsort as *const () as u64, &raw const here as u64);
    // SAFETY: looks through the auxiliary vector.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } + 0x900;
    for pc in [here, libc, vdso, stack, 0, u64::MAX] {
        let key = |object: Object| (object.bias, object.eh_frame_hdr, object.name);
        assert_eq!(
            find_object(pc).map(key),
            find_by_walking(pc).map(key),
            "{pc:#x}"
        );
    }
}

#[test]
fn a_buffer_that_is_too_small_keeps_both_ends() {
    recurse(50, &|| {
        let start = registers_here!();
        let (all, _) = frames_from(start, 1000);
        for room in [0, 1, 2, 3, 7, 8, all.len() - 1, all.len(), all.len() + 1] {
            let (kept, walk) = frames_from(start, room);
            let inner = if all.len() <= room {
                all.len()
            } else {
                room / 2
            };
            let outer = room.min(all.len()) - inner;
            assert_eq!(kept[..inner], all[..inner], "room {room}");
            assert_eq!(kept[inner..], all[all.len() - outer..], "room {room}");
            assert_eq!(walk.elided, (all.len() - kept.len()) as u64);
        }
    });
}
