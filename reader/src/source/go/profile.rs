//! What the runtime's records say of each call stack, scaled up from the sample.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::source::go::Symbolizer;
use crate::source::go::buckets::{Counts, News, Record};
use crate::source::{OBJECT_UNIT, SIZE_BUCKETS, Totals, size_bucket};

/// Where every goroutine begins, which Go's own tools leave out.
const OUTERMOST: &str = "runtime.goexit";

/// Packages whose functions stand between the program's code and the sample.
const RUNTIME: [&str; 2] = ["runtime.", "internal/runtime/"];

/// Everything that one call stack allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct StackTotals {
    /// Addresses of its calls, leaf first.
    pub stack: Arc<[u64]>,
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

/// Makes stacks of records, and remembers what it learned on the way.
#[derive(Debug, Default)]
pub struct Profiler {
    /// Whether the call at an address is the runtime's.
    is_runtime: HashMap<u64, bool, RandomState>,
    /// The calls at an address that ends a stack, inlined ones first.
    outermost: HashMap<u64, Vec<u64>, RandomState>,
    /// The stacks, oldest first, and where each of them is.
    stacks: Vec<StackTotals>,
    places: HashMap<Arc<[u64]>, usize, RandomState>,
    /// The records of each stack, and the stack of each record.
    records: Vec<Vec<usize>>,
    stack_of: Vec<usize>,
    /// The stacks that changed since they were asked for, each once.
    changed: Vec<usize>,
    is_changed: Vec<bool>,
    /// The rate that the totals are scaled by.
    rate: u64,
}

impl Profiler {
    /// The stacks, oldest first; none ever goes or changes its place.
    pub fn stacks(&self) -> &[StackTotals] {
        &self.stacks
    }

    /// Places of the stacks that changed since the last call, new ones among them.
    pub fn take_changed(&mut self) -> Vec<usize> {
        self.is_changed.fill(false);
        std::mem::take(&mut self.changed)
    }

    /// Takes over what is new of `records`; `bias` is where the executable was loaded.
    pub fn update(
        &mut self,
        records: &[Record],
        news: &News,
        rate: u64,
        bias: u64,
        symbolizer: &Symbolizer,
    ) {
        let mut shown = Vec::new();
        // A table that grows by and by looks at every stack in it again each time.
        self.places.reserve(news.stacks().len());
        self.stacks.reserve(news.stacks().len());
        for stack in news.stacks() {
            self.show(stack, bias, symbolizer, &mut shown);
            let place = self.place_of(&shown);
            self.records[place].push(self.stack_of.len());
            self.stack_of.push(place);
            self.note_change(place);
        }
        for record in &news.changed {
            self.note_change(self.stack_of[*record]);
        }
        if rate != self.rate {
            self.rate = rate;
            (0..self.stacks.len()).for_each(|place| self.note_change(place));
        }
        for place in &self.changed {
            let records = self.records[*place].iter().map(|record| &records[*record]);
            self.stacks[*place].sum(records, rate);
        }
    }

    fn note_change(&mut self, place: usize) {
        if !std::mem::replace(&mut self.is_changed[place], true) {
            self.changed.push(place);
        }
    }

    /// The place of a stack, a new one if it is not known.
    fn place_of(&mut self, stack: &[u64]) -> usize {
        if let Some(place) = self.places.get(stack) {
            return *place;
        }
        let (place, stack) = (self.stacks.len(), Arc::<[u64]>::from(stack));
        self.places.insert(Arc::clone(&stack), place);
        self.stacks.push(StackTotals::of(stack));
        self.records.push(Vec::new());
        self.is_changed.push(false);
        place
    }

    /// A stack as people want it, and as Go's own profiles have it: without the runtime's calls at
    /// its leaf and without where goroutines begin, unless there is nothing else, and with all
    /// calls that were inlined into its last.
    fn show(&mut self, stack: &[u64], bias: u64, symbolizer: &Symbolizer, shown: &mut Vec<u64>) {
        let leading = stack
            .iter()
            .take_while(|address| self.is_runtime(**address, bias, symbolizer))
            .count();
        let kept = match stack.get(leading..) {
            Some(rest) if !rest.is_empty() => rest,
            _ => stack,
        };
        shown.clear();
        let Some((last, inner)) = kept.split_last() else {
            return;
        };
        shown.extend_from_slice(inner);
        let calls = self.outermost.entry(*last).or_insert_with(|| {
            let in_file = last.wrapping_sub(bias).wrapping_sub(1);
            let line = symbolizer.line(in_file);
            if line.is_some_and(|line| line.function == OUTERMOST) {
                return Vec::new();
            }
            let calls = symbolizer.calls(in_file).into_iter();
            calls
                .map(|call| call.wrapping_add(bias).wrapping_add(1))
                .collect()
        });
        shown.extend_from_slice(calls);
        if shown.is_empty() {
            shown.push(*last);
        }
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
    /// A stack that has allocated nothing.
    pub fn of(stack: Arc<[u64]>) -> StackTotals {
        StackTotals {
            stack,
            born: Totals::default(),
            died: Totals::default(),
            published_live_bytes: 0,
            sizes: [0; SIZE_BUCKETS],
        }
    }

    /// Adds its records together.
    fn sum<'a>(&mut self, records: impl Iterator<Item = &'a Record>, rate: u64) {
        *self = StackTotals::of(Arc::clone(&self.stack));
        for record in records {
            let size_bytes = record.size_bytes;
            let scale = Scale::of(size_bytes, rate);
            let before = self.born.objects;
            scale.add(&mut self.born, record.newest.allocated, size_bytes);
            scale.add(&mut self.died, record.newest.freed, size_bytes);
            self.sizes[size_bucket(size_bytes)] += self.born.objects - before;
            let Counts { allocated, freed } = record.published;
            let mut published = Totals::default();
            scale.add(&mut published, allocated.saturating_sub(freed), size_bytes);
            self.published_live_bytes = self.published_live_bytes.saturating_add(published.bytes);
        }
    }
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
