//! The rules: each looks at the conduct of one call stack and may have advice.
//!
//! A rule says nothing where the lower end of the gain is nothing, or where fewer than
//! [`SAMPLES_MIN`] samples show the pattern.

#![forbid(unsafe_code)]

use crate::analysis::estimate::Sampling;
use crate::analysis::patterns::advice::{Advice, Cost, PAIR_NS, cpu_percent, rate, size};
use crate::analysis::patterns::conduct::{Conduct, PAGE_BYTES};
use crate::history::Sum;
use crate::report::{Estimate, Unit, Value};

/// Samples that must show a pattern before anything is said about it.
pub(super) const SAMPLES_MIN: usize = 16;

/// The share of a call stack's blocks that must show a pattern.
const MOST: f64 = 0.5;

/// Blocks up to this are small: what the allocator adds to them is a large part.
const SMALL_BYTES: u64 = 512;

/// A rule.
pub(super) type Rule = fn(&Conduct<'_>, &Sampling) -> Option<Advice>;

/// All of them.
pub(super) const RULES: &[Rule] = &[reuse, reserve, keep_mapping, free_at_home, pool, fit];

/// Temporary blocks in a loop.
fn reuse(conduct: &Conduct<'_>, sampling: &Sampling) -> Option<Advice> {
    let share = conduct.temporary_share();
    let is_shown = conduct.temporary.raw_objects >= SAMPLES_MIN as u128;
    // The other patterns have better advice.
    let others = [
        conduct.grown_share,
        conduct.mapped_share,
        conduct.foreign_share,
    ];
    if !is_shown || share < MOST || others.iter().any(|share| *share >= MOST) {
        return None;
    }
    let calls = objects(sampling, &conduct.temporary, conduct)?;
    let mean = conduct.temporary.bytes as f64 / conduct.temporary.objects().max(1.0);
    Some(Advice {
        rule: "temporary",
        remedy: "reuse one block, or keep it on the stack",
        finding: format!(
            "{}, {:.0} % of its blocks, live only briefly; {} each on average",
            rate(conduct, conduct.temporary.objects()),
            share * 100.0,
            size(mean),
        ),
        why: "each costs a malloc and a free, 20 to 100 ns together, for memory that could be \
              kept between uses",
        cpu_percent: Some(cpu_percent(conduct, &calls, PAIR_NS)),
        bytes: None,
    })
}

/// A block that grows by small steps.
fn reserve(conduct: &Conduct<'_>, sampling: &Sampling) -> Option<Advice> {
    let born = conduct.site.born();
    let died = conduct.site.died();
    let is_shown = conduct.site.reallocs >= SAMPLES_MIN as u64;
    if !is_shown || conduct.grown_share < MOST {
        return None;
    }
    let grown_on = conduct.site.reallocs as f64 / died.raw_objects.max(1) as f64 * died.objects();
    let chains = (born.objects() - grown_on).max(1.0);
    let steps = born.objects() / chains;
    let needed = conduct.doublings();
    if steps <= 2.0 * needed {
        return None;
    }
    let spared = 1.0 - needed / steps;
    let calls = scaled(objects(sampling, &born, conduct)?, spared);
    // Blocks may grow where they are, so at best nothing is copied; a copy runs at 10 GB/s.
    let copied = died.bytes as f64 / died.objects().max(1.0);
    let copy = Cost {
        low: 0.0,
        high: copied / 10.0,
    };
    Some(Advice {
        rule: "growth_by_steps",
        remedy: "reserve the final size, or grow by a factor",
        finding: format!(
            "a block is reallocated {steps:.0} times on average, up to {}, where doubling would \
             need {needed:.0}; up to {} copied each time",
            size(conduct.largest_bytes() as f64),
            size(copied),
        ),
        why: "each step is a realloc and may copy the whole block, so the cost grows with the \
              square of the size",
        cpu_percent: Some(cpu_percent(conduct, &calls, PAIR_NS.plus(copy))),
        bytes: None,
    })
}

/// Large blocks that are mapped and unmapped each time.
fn keep_mapping(conduct: &Conduct<'_>, sampling: &Sampling) -> Option<Advice> {
    let died = conduct.site.died();
    let is_shown = conduct.mapped_samples >= SAMPLES_MIN && conduct.mapped_share >= MOST;
    if !is_shown || died.raw_objects < SAMPLES_MIN as u128 {
        return None;
    }
    let calls = scaled(objects(sampling, &died, conduct)?, conduct.mapped_share);
    // Two system calls, and at worst a fault for every page.
    let pages = conduct.mapped_mean_bytes / PAGE_BYTES as f64;
    let each = Cost {
        low: 1_000.0,
        high: 5_000.0 + pages * 500.0,
    };
    Some(Advice {
        rule: "mapped_each_time",
        remedy: "keep the block between uses, or raise M_MMAP_THRESHOLD and M_TRIM_THRESHOLD \
                 (mallopt(3))",
        finding: format!(
            "{}, each of {} on average, are mapped from the kernel and given back",
            rate(conduct, calls.value),
            size(conduct.mapped_mean_bytes),
        ),
        why: "a mapping costs two system calls, 1 to 5 us, and up to half a microsecond for each \
              page that is touched again",
        cpu_percent: Some(cpu_percent(conduct, &calls, each)),
        bytes: None,
    })
}

/// Blocks that are freed on another thread.
fn free_at_home(conduct: &Conduct<'_>, sampling: &Sampling) -> Option<Advice> {
    let is_shown = conduct.foreign_samples >= SAMPLES_MIN && conduct.foreign_share >= MOST;
    let died = conduct.site.died();
    if !is_shown {
        return None;
    }
    let calls = scaled(objects(sampling, &died, conduct)?, conduct.foreign_share);
    Some(Advice {
        rule: "freed_on_another_thread",
        remedy: "give blocks back to the thread that allocates, or hand them over in batches",
        finding: format!(
            "{}, {:.0} % of those that died, were freed by another thread",
            rate(conduct, calls.value),
            conduct.foreign_share * 100.0,
        ),
        why: "such a block fills the wrong thread's cache: its arena is locked, its lines move \
              between cores, 10 to 100 ns",
        cpu_percent: Some(cpu_percent(
            conduct,
            &calls,
            Cost {
                low: 10.0,
                high: 100.0,
            },
        )),
        bytes: None,
    })
}

/// Many small blocks of one size that stay.
fn pool(conduct: &Conduct<'_>, sampling: &Sampling) -> Option<Advice> {
    let size_bytes = conduct
        .only_size_bytes
        .filter(|size| (1..=SMALL_BYTES).contains(size))?;
    let live = conduct.site.live();
    if live.raw_objects < SAMPLES_MIN as u128 {
        return None;
    }
    let count = objects(sampling, &live, conduct)?;
    let overhead = conduct.overhead.estimate(Unit::Bytes);
    let share = overhead.value / (overhead.value + live.bytes as f64);
    if share < 0.1 || count.low < 1_000.0 {
        return None;
    }
    let fate = match live.objects() >= 0.9 * conduct.site.born().objects() {
        true => "hardly any was freed yet",
        false => "others come and go",
    };
    Some(Advice {
        rule: "many_equal_blocks",
        remedy: "allocate many at once: a pool, an arena or an array",
        finding: format!(
            "{:.0} live blocks of {size_bytes} bytes ({fate}); headers and rounding are {:.0} % of \
             their memory",
            count.value,
            share * 100.0,
        ),
        why: "the allocator keeps 8 bytes for each block and rounds to 16; a pool keeps none, and \
              frees all at once",
        cpu_percent: None,
        bytes: Some(overhead),
    })
}

/// Blocks a little larger than a size that the allocator has.
fn fit(conduct: &Conduct<'_>, _: &Sampling) -> Option<Advice> {
    let live = conduct.site.live();
    let slack = conduct.slack.estimate(Unit::Bytes);
    let share = slack.value / (slack.value + live.bytes as f64);
    let mean = live.bytes as f64 / live.objects().max(1.0);
    if live.raw_objects < SAMPLES_MIN as u128 || share < 0.1 || mean <= SMALL_BYTES as f64 {
        return None;
    }
    Some(Advice {
        rule: "rounded_up",
        remedy: "ask for a size that the allocator has, less its header",
        finding: format!(
            "live blocks of {} on average were given {:.0} % more than they asked for",
            size(mean),
            slack.value / (live.bytes as f64).max(1.0) * 100.0,
        ),
        why: "the allocator rounds sizes up; what lies between is paid for and not used",
        cpu_percent: None,
        bytes: Some(slack),
    })
}

fn objects(sampling: &Sampling, sum: &Sum, conduct: &Conduct<'_>) -> Option<Estimate> {
    match sampling.objects(sum, conduct.site.smallest_bytes()) {
        Value::Estimate(estimate) => Some(estimate),
        _ => None,
    }
}

/// A part of a quantity.
fn scaled(estimate: Estimate, share: f64) -> Estimate {
    Estimate {
        value: estimate.value * share,
        low: estimate.low * share,
        high: estimate.high * share,
        ..estimate
    }
}
