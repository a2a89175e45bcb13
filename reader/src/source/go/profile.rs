//! What the runtime's records say of each call stack, scaled up from the sample.

#![forbid(unsafe_code)]

use std::collections::HashMap;

use crate::source::go::Symbolizer;
use crate::source::go::buckets::{Bucket, Counts};
use crate::source::{OBJECT_UNIT, SIZE_BUCKETS, Totals, size_bucket};

/// Where every goroutine begins, which Go's own tools leave out.
const OUTERMOST: &str = "runtime.goexit";

/// Packages whose functions stand between the program's code and the sample.
const RUNTIME: [&str; 2] = ["runtime.", "internal/runtime/"];

/// Everything that one call stack allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct StackTotals {
    /// Addresses of its calls, leaf first.
    pub stack: Vec<u64>,
    /// What was allocated.
    pub born: Totals,
    /// What a collection found dead.
    pub died: Totals,
    /// The same as of the collection that was published last.
    pub published_live_bytes: u64,
    /// Blocks allocated by size, in 1/1024.
    pub sizes: [u64; SIZE_BUCKETS],
}

/// What a sampled block of a size stands for at a rate, as Go's own scaling has it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    probability: f64,
}

impl Scale {
    fn of(size_bytes: u64, rate: u64) -> Scale {
        let is_exact = rate <= 1 || size_bytes == 0;
        let probability = -(-(size_bytes as f64) / rate as f64).exp_m1();
        Scale {
            probability: if is_exact { 1.0 } else { probability },
        }
    }

    fn add(self, totals: &mut Totals, count: u64, size_bytes: u64) {
        let (count, size, p) = (count as f64, size_bytes as f64, self.probability);
        let variance = count * (1.0 - p) / (p * p);
        let objects = (count * OBJECT_UNIT as f64 / p).round() as u64;
        totals.objects = totals.objects.saturating_add(objects);
        totals.bytes = totals
            .bytes
            .saturating_add((count * size / p).round() as u64);
        totals.raw_objects = totals.raw_objects.saturating_add(count as u64);
        totals.raw_bytes = totals.raw_bytes.saturating_add((count * size) as u64);
        totals.objects_variance += variance;
        totals.bytes_variance += size * size * variance;
    }
}

/// Makes stacks of records, and remembers what it learned of addresses on the way.
#[derive(Debug, Default)]
pub struct Profiler {
    /// Whether the call at an address is the runtime's.
    is_runtime: HashMap<u64, bool>,
    /// The calls at an address that ends a stack, inlined ones first.
    outermost: HashMap<u64, Vec<u64>>,
}

impl Profiler {
    /// Adds the records of each stack together; `bias` is where the executable was loaded.
    pub fn totals(
        &mut self,
        buckets: &[Bucket],
        rate: u64,
        bias: u64,
        symbolizer: &Symbolizer,
    ) -> Vec<StackTotals> {
        let mut places: HashMap<&[u64], usize> = HashMap::new();
        let mut all: Vec<StackTotals> = Vec::new();
        // The oldest first, so that what is added later comes behind what was there.
        for bucket in buckets.iter().rev() {
            let place = *places.entry(&bucket.stack).or_insert_with(|| {
                all.push(StackTotals {
                    stack: self.shown(&bucket.stack, bias, symbolizer),
                    born: Totals::default(),
                    died: Totals::default(),
                    published_live_bytes: 0,
                    sizes: [0; SIZE_BUCKETS],
                });
                all.len() - 1
            });
            all[place].add(bucket, rate);
        }
        merge(all)
    }

    /// A stack as people want it, and as Go's own profiles have it: without the runtime's calls at
    /// its leaf and without where goroutines begin, unless there is nothing else, and with all
    /// calls that were inlined into its last.
    fn shown(&mut self, stack: &[u64], bias: u64, symbolizer: &Symbolizer) -> Vec<u64> {
        let leading = stack
            .iter()
            .take_while(|address| self.is_runtime(**address, bias, symbolizer))
            .count();
        let kept = match stack.get(leading..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => stack,
        };
        let mut shown = kept.to_vec();
        if let Some(last) = shown.pop() {
            let calls = self.outermost.entry(last).or_insert_with(|| {
                let in_file = last.wrapping_sub(bias).wrapping_sub(1);
                let line = symbolizer.line(in_file);
                if line.is_some_and(|line| line.function == OUTERMOST) {
                    return Vec::new();
                }
                let calls = symbolizer.calls(in_file).into_iter();
                calls.map(|call| call.wrapping_add(bias + 1)).collect()
            });
            shown.extend_from_slice(calls);
            if shown.is_empty() {
                shown.push(last);
            }
        }
        shown
    }

    /// Asked of the address itself and not of the call before it, since Go does so here: where the
    /// runtime calls what it keeps for another package, that makes a difference.
    fn is_runtime(&mut self, address: u64, bias: u64, symbolizer: &Symbolizer) -> bool {
        *self.is_runtime.entry(address).or_insert_with(|| {
            let line = symbolizer.line(address.wrapping_sub(bias));
            let begins = |name: &str| RUNTIME.iter().any(|package| name.starts_with(package));
            line.is_some_and(|line| begins(&line.function))
        })
    }
}

impl StackTotals {
    fn add(&mut self, bucket: &Bucket, rate: u64) {
        let size_bytes = bucket.size_bytes;
        let scale = Scale::of(size_bytes, rate);
        let before = self.born.objects;
        scale.add(&mut self.born, bucket.newest.allocated, size_bytes);
        scale.add(&mut self.died, bucket.newest.freed, size_bytes);
        self.sizes[size_bucket(size_bytes)] += self.born.objects - before;
        let Counts { allocated, freed } = bucket.published;
        let mut published = Totals::default();
        scale.add(&mut published, allocated.saturating_sub(freed), size_bytes);
        self.published_live_bytes = self.published_live_bytes.saturating_add(published.bytes);
    }

    fn absorb(&mut self, other: &StackTotals) {
        for (sum, part) in [(&mut self.born, &other.born), (&mut self.died, &other.died)] {
            sum.objects = sum.objects.saturating_add(part.objects);
            sum.bytes = sum.bytes.saturating_add(part.bytes);
            sum.raw_objects = sum.raw_objects.saturating_add(part.raw_objects);
            sum.raw_bytes = sum.raw_bytes.saturating_add(part.raw_bytes);
            sum.objects_variance += part.objects_variance;
            sum.bytes_variance += part.bytes_variance;
        }
        let published = other.published_live_bytes;
        self.published_live_bytes = self.published_live_bytes.saturating_add(published);
        for (sum, part) in self.sizes.iter_mut().zip(other.sizes) {
            *sum = sum.saturating_add(part);
        }
    }
}

/// Adds stacks together that differed only in what is not shown.
fn merge(all: Vec<StackTotals>) -> Vec<StackTotals> {
    let mut places: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut merged: Vec<StackTotals> = Vec::new();
    for totals in all {
        match places.get(&totals.stack) {
            Some(place) => merged[*place].absorb(&totals),
            None => {
                places.insert(totals.stack.clone(), merged.len());
                merged.push(totals);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_scaled_as_go_does() {
        // runtime/pprof scales 3 blocks of 128 bytes at 64 KiB by 1 / (1 - exp(-128 / 65536)).
        let mut totals = Totals::default();
        Scale::of(128, 64 << 10).add(&mut totals, 3, 128);
        assert_eq!(totals.bytes, 196_800);
        assert_eq!(totals.objects / OBJECT_UNIT, 1537);
        assert_eq!((totals.raw_objects, totals.raw_bytes), (3, 384));
    }

    #[test]
    fn at_a_rate_of_one_every_block_stands_for_itself() {
        let mut totals = Totals::default();
        Scale::of(128, 1).add(&mut totals, 3, 128);
        assert_eq!((totals.objects, totals.bytes), (3 * OBJECT_UNIT, 384));
        assert_eq!(totals.bytes_variance, 0.0);
    }
}
