//! A metric with all its samples, before it is text.

#![forbid(unsafe_code)]

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rises and falls.
    Gauge,
    /// Only rises.
    Counter,
    /// Counts by classes that only rise.
    Histogram,
}

/// One metric: every sample of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name without the suffixes that depend on the form, such as `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The unit that its name ends in; none for plain counts.
    pub unit: Option<&'static str>,
    /// What it says, in one line.
    pub help: &'static str,
    /// Its samples, those of one histogram behind each other.
    pub samples: Vec<Sample>,
}

/// One number with its labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What stands behind the family's name: `_bucket`, `_sum` and `_count` of a histogram.
    pub suffix: &'static str,
    /// Names and values; the values may hold anything.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

impl Family {
    /// A metric without samples.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Family {
        let units = ["bytes", "seconds"];
        let ends_in = |unit: &&str| {
            let rest = name.strip_suffix(*unit);
            rest.is_some_and(|rest| rest.ends_with('_'))
        };
        Family {
            name,
            kind,
            unit: units.into_iter().find(ends_in),
            help,
            samples: Vec::new(),
        }
    }

    /// Adds a sample.
    pub fn add(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.push("", labels, value);
    }

    /// Adds a histogram: counts by class, of which the last has no limit, and their sum.
    pub fn add_histogram(
        &mut self,
        labels: &[(&'static str, &str)],
        limits: impl IntoIterator<Item = f64>,
        counts: &[f64],
        sum: f64,
    ) {
        let mut counted = 0.0;
        let limits = limits.into_iter().chain([f64::INFINITY]);
        for (limit, count) in limits.zip(counts) {
            // Weights make fractions of blocks; summed before they are rounded, they never fall.
            counted += count;
            let limit = number(limit);
            let labels: Vec<_> = labels.iter().copied().chain([("le", &*limit)]).collect();
            self.push("_bucket", &labels, counted.round());
        }
        self.push("_sum", labels, sum);
        self.push("_count", labels, counted.round());
    }

    fn push(&mut self, suffix: &'static str, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter();
        self.samples.push(Sample {
            suffix,
            labels: labels
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            value,
        });
    }
}

/// A number as both text forms take it; OpenMetrics wants limits of classes as floating point.
pub(super) fn number(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        // The sum of nothing is minus zero, which would only puzzle people.
        number => format!("{:?}", number + 0.0),
    }
}
