//! Remembers the rule of every return address seen so far, for the whole process, without a lock.
//!
//! ```text
//!  63 ....................................... 32   31 ............... 0
//!  tag: bits 46..19 and the low 4 of the address    rule (see rule.rs)
//! ```
//! The bucket's number is bits 18..4 of the address mixed with the 15 above, so bucket and tag
//! together are the whole address: a hit is never another address's rule. Neighbours in the code are
//! neighbours in the table, four buckets to a cache line. A bucket has two entries, the last one
//! learnt first. Each entry is one word and says everything about itself; threads that
//! write one at the same time lose a rule, which is learnt again, and nothing else. The table
//! begins as zero pages, so it costs only what is used.

#![forbid(unsafe_code)]

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::arch::ADDRESS_BITS;
use super::rule::Rule;

const BUCKET_BITS: u32 = 15;
/// Addresses that differ in these alone share a bucket.
const LOW_BITS: u32 = 4;
const BUCKETS: usize = 1 << BUCKET_BITS;

/// How often all rules were forgotten.
static GENERATION: AtomicU64 = AtomicU64::new(0);

type Bucket = [AtomicU64; 2];

static RULES: [Bucket; BUCKETS] =
    [const { [const { AtomicU64::new(0) }, const { AtomicU64::new(0) }] }; BUCKETS];

fn bucket(address: u64) -> Option<&'static Bucket> {
    let mixed = address >> LOW_BITS ^ address >> (LOW_BITS + BUCKET_BITS);
    RULES.get(mixed as usize & (BUCKETS - 1))
}

fn tag(address: u64) -> u64 {
    let low = address & ((1 << LOW_BITS) - 1);
    address >> (LOW_BITS + BUCKET_BITS) << LOW_BITS | low
}

/// An empty entry is tagged for the lowest 512 KiB of memory, which hold no code: its rule has no
/// kind, and is followed like one for code without unwind data.
fn rule_if_tagged(entry: u64, address: u64) -> Option<Rule> {
    (entry >> 32 == tag(address)).then(|| Rule::from_bits(entry as u32))
}

/// The rule of a return address, if it was learnt and not displaced.
#[inline]
pub(super) fn get(address: u64) -> Option<Rule> {
    let [first, second] = bucket(address)?;
    // Relaxed: an entry is complete in itself, and refers to nothing else in memory.
    rule_if_tagged(first.load(Relaxed), address)
        .or_else(|| rule_if_tagged(second.load(Relaxed), address))
}

/// Remembers the rule of a return address, in place of the older of its bucket's two.
pub(super) fn insert(address: u64, rule: Rule) {
    if address >> ADDRESS_BITS != 0 {
        return;
    }
    let Some([first, second]) = bucket(address) else {
        return;
    };
    let entry = tag(address) << 32 | u64::from(rule.bits());
    // Relaxed: as in `get`.
    second.store(first.load(Relaxed), Relaxed);
    first.store(entry, Relaxed);
}

/// A number that is another one after each [`forget_rules`]: what was learnt from rules before, and
/// kept elsewhere, is void then.
#[inline]
pub fn generation() -> u64 {
    // Acquire: pairs with the Release in `forget_rules`; who sees its number sees no older rule.
    GENERATION.load(Acquire)
}

/// Forgets all rules: to be called when an object was unloaded, since another may take its
/// addresses.
///
/// A thread that meets the new object before this is done can use an old rule: its stack is wrong
/// then, and ends early, but every address it leads to is checked before it is read.
pub fn forget_rules() {
    for entry in RULES.iter().flatten() {
        // Relaxed: as in `get`. Untouched pages are read and not written, so they stay shared zeros.
        if entry.load(Relaxed) != 0 {
            entry.store(0, Relaxed);
        }
    }
    // Release: pairs with the Acquire in `generation`.
    GENERATION.fetch_add(1, Release);
}
