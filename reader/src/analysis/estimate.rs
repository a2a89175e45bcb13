//! From sums over samples to figures that say how sure they are.

#![forbid(unsafe_code)]

use crate::history::{History, Intervals, Site, Sum};
use crate::report::{Column, Unit, Value};
use crate::source::{Interval, OBJECT_UNIT, Weight};
use crate::statistics::interval::Sums;

/// How finely a process was sampled, and so how much one more sample could have told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    coarsest: Interval,
}

impl Sampling {
    pub(crate) fn of(history: &History) -> Sampling {
        Sampling::from(&history.intervals)
    }

    pub(crate) fn from(intervals: &Intervals) -> Sampling {
        Sampling {
            coarsest: intervals.coarsest(),
        }
    }

    /// The bytes of `sum`.
    pub(crate) fn bytes(&self, sum: &Sum) -> Value {
        self.sums_of_bytes(sum).estimate(Unit::Bytes).into()
    }

    /// The blocks of `sum`, none of which is smaller than `smallest_bytes`.
    pub(crate) fn objects(&self, sum: &Sum, smallest_bytes: Option<u64>) -> Value {
        let sums = self.sums_of_objects(sum, smallest_bytes);
        sums.estimate(Unit::Count).into()
    }

    /// The bytes of `sum`, before they are an estimate.
    pub(crate) fn sums_of_bytes(&self, sum: &Sum) -> Sums {
        Sums {
            total: sum.bytes as f64,
            variance: sum.bytes_variance,
            seen: sum.raw_bytes as f64,
            unseen_weight: self.coarsest.bytes().unwrap_or(0) as f64,
        }
    }

    /// The blocks of `sum`, before they are an estimate; see [`Sampling::objects`].
    pub(crate) fn sums_of_objects(&self, sum: &Sum, smallest_bytes: Option<u64>) -> Sums {
        Sums {
            total: sum.objects(),
            variance: sum.objects_variance,
            seen: sum.raw_objects as f64,
            unseen_weight: self.unseen_objects(sum, smallest_bytes.unwrap_or(1)),
        }
    }

    /// The blocks of `sum`, of whose sizes nothing but the mean is known.
    pub(crate) fn objects_of_usual_size(&self, sum: &Sum) -> Value {
        let interval_bytes = self.coarsest.bytes().unwrap_or(0) as f64;
        let usual_bytes = sum.bytes as f64 / sum.objects().max(1.0);
        let sums = Sums {
            total: sum.objects(),
            variance: sum.objects_variance,
            seen: sum.raw_objects as f64,
            unseen_weight: (interval_bytes / usual_bytes.max(1.0)).min(interval_bytes),
        };
        sums.estimate(Unit::Count).into()
    }

    /// How many blocks one more sample could have stood for, in a sum of which none is smaller
    /// than `smallest_bytes`.
    ///
    /// Where the interval changed, the smallest block was seen at the finest one, and its weight
    /// at the coarsest says nothing. Samples are drawn by the byte, so one more stands for T bytes
    /// of blocks of the usual mean size; four times that leaves room for a mixture.
    fn unseen_objects(&self, sum: &Sum, smallest_bytes: u64) -> f64 {
        const ENOUGH_SAMPLES: u128 = 16;
        const MIXTURE: f64 = 4.0;
        let largest = self.weight_of(smallest_bytes);
        if sum.raw_objects < ENOUGH_SAMPLES || sum.bytes == 0 {
            return largest;
        }
        let interval_bytes = self.coarsest.bytes().unwrap_or(0) as f64;
        largest.min(MIXTURE * interval_bytes * sum.objects() / sum.bytes as f64)
    }

    /// How many blocks one sample of this size stands for; 0 when all are recorded.
    pub(crate) fn weight_of(&self, size_bytes: u64) -> f64 {
        if self.coarsest == Interval::EXACT {
            return 0.0;
        }
        Weight::of(size_bytes.max(1), self.coarsest).objects as f64 / OBJECT_UNIT as f64
    }
}

/// The columns of a table of figures of sites: the figures of [`figures`], then the stack.
pub(crate) fn columns() -> Vec<Column> {
    let figure = |key, title, unit| Column::new(key, title, unit);
    vec![
        figure("live_bytes", "live", Unit::Bytes),
        figure("live_objects", "live objects", Unit::Count),
        figure("allocated_bytes", "allocated", Unit::Bytes),
        figure("allocated_objects", "objects", Unit::Count),
        Column::derived("freed_bytes", "freed", Unit::Bytes),
        Column::derived("freed_objects", "freed objects", Unit::Count),
        figure("peak_live_bytes", "at peak", Unit::Bytes),
        figure("stack", "stack", Unit::Stack),
    ]
}

/// Bytes that were live at the peak; unknown of a part of the blocks.
pub(crate) fn at_peak(history: &History, sum: &Sum) -> Value {
    match history.part {
        None => Sampling::of(history).bytes(sum),
        Some(_) => Value::Unknown,
    }
}

/// What one site has done, in the order of [`columns`].
pub(crate) fn figures(history: &History, site: &Site) -> Vec<Value> {
    let sampling = Sampling::of(history);
    let smallest = site.smallest_bytes();
    let (born, died, live) = (site.born(), site.died(), site.live());
    vec![
        sampling.bytes(&live),
        sampling.objects(&live, smallest),
        sampling.bytes(&born),
        sampling.objects(&born, smallest),
        sampling.bytes(&died),
        sampling.objects(&died, smallest),
        at_peak(history, &site.at_peak()),
    ]
}
