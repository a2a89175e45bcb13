//! The free filter: one byte for each page of addresses, how many sampled blocks begin there.
//!
//! free tests one byte and goes on to the real allocator when it is 0.
//! A byte covers 4 KiB, so a cache line of the filter covers 256 KiB of heap, and few pages are
//! marked: live samples are one in T bytes.
//! Addresses 4 GiB apart share a byte, which costs a look-up in the exact index, nothing more.
//! A byte that reached 255 stays there.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::sys;

/// log2 of the bytes of address space that one filter byte stands for.
pub const PAGE_SHIFT: u32 = 12;

const ENTRIES: usize = 1 << (32 - PAGE_SHIFT);
const STUCK: u8 = u8::MAX;

/// The counts, read by the entry points in assembly.
#[repr(C, align(4096))]
pub struct Filter([AtomicU8; ENTRIES]);

/// The filter of this process; lies in .bss, so untouched parts need no memory.
pub static FILTER: Filter = Filter([const { AtomicU8::new(0) }; ENTRIES]);

#[inline(always)]
fn entry(address: u64) -> Option<&'static AtomicU8> {
    FILTER.0.get((address as u32 >> PAGE_SHIFT) as usize)
}

/// A sampled block begins at this address.
///
/// Done before the program gets the pointer, so whoever frees it later sees the mark.
pub fn add(address: u64) {
    change(address, 1);
}

/// A sampled block no longer begins at this address.
pub fn remove(address: u64) {
    change(address, u8::MAX);
}

fn change(address: u64, by: u8) {
    let Some(count) = entry(address) else { return };
    // Relaxed: the count is a hint; the program's own hand-over of the pointer orders it.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        (count != STUCK).then(|| count.wrapping_add(by))
    });
}

/// Sends every free in the page of this address to the slow path from now on.
#[inline(always)]
pub fn mark_for_good(address: u64) {
    // Relaxed: see `change`.
    if let Some(count) = entry(address)
        && count.load(Ordering::Relaxed) != STUCK
    {
        count.store(STUCK, Ordering::Relaxed);
    }
}

/// Forgets all marks, for a forked child that has no sampled blocks yet.
pub fn clear() {
    let start = FILTER.0.as_ptr() as *mut u8;
    // SAFETY: the filter is whole pages of private anonymous memory (.bss, page-aligned), for
    // which MADV_DONTNEED means zeros; bytes may be lost only as hints.
    let _ = unsafe { sys::advise(start, ENTRIES, libc::MADV_DONTNEED) };
}
