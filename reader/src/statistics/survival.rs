//! How long things last while some of them still do: Kaplan and Meier's estimator for weighted
//! samples.
//!
//! A block that is alive has lasted at least as long as it has been seen: it is *censored*. It
//! counts among those at risk up to its age and then leaves without having died. With `d` the
//! weight that dies at a time and `Y` the weight at risk just before it,
//!
//! ```text
//! S(t)      = product over deaths up to t of 1 - d/Y
//! var ln S  = sum over deaths up to t of  d/Y / (1 - d/Y) / M,   M = Y² / V
//! ```
//!
//! where V is the variance of Y, so that M is how many equal blocks would be worth as much (Xie and
//! Liu, Statistics in Medicine 24, 2005). While nothing was censored yet, V is what sampling alone
//! adds, and nothing in exact mode. From the first censored block on it is the sum of the squared
//! weights: how long the living will last is chance, however many of them were recorded.
//! The interval of S is the log-log one; at the ends, where that has no width, it is Clopper and
//! Pearson's. Those of quantiles are the times where it crosses them (Brookmeyer and Crowley 1982).

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::statistics::interval::{MISS, NORMAL_QUANTILE};

/// Leading bits of a time that are kept: one part in 4,096, so that a million ages need little
/// memory.
const TIME_BITS: u32 = 12;

/// A share of the weight at risk that is only rounding.
const ROUNDING: f64 = 1e-12;

/// What one or more blocks stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mass {
    /// How much, in what the curve is about: objects or bytes.
    pub weight: f64,
    /// The variance of that through sampling; zero for what was certain to be seen.
    pub variance: f64,
    /// The sum of the squared weights of the single blocks.
    pub squares: f64,
}

impl Mass {
    /// One block that stands for `weight` of them.
    pub fn of_one(weight: f64, variance: f64) -> Mass {
        Mass {
            weight,
            variance,
            squares: weight * weight,
        }
    }

    /// As many such blocks.
    pub fn times(self, count: f64) -> Mass {
        Mass {
            weight: self.weight * count,
            variance: self.variance * count,
            squares: self.squares * count,
        }
    }

    /// Both together.
    pub fn plus(self, other: Mass) -> Mass {
        Mass {
            weight: self.weight + other.weight,
            variance: self.variance + other.variance,
            squares: self.squares + other.squares,
        }
    }
}

/// Blocks with the times that they were watched for.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// Those that died at a time and those that were last seen alive then.
    at: BTreeMap<u64, (Mass, Mass)>,
}

impl Observations {
    /// Blocks that died at the age `time`.
    pub fn add_dead(&mut self, time: u64, mass: Mass) {
        let dead = &mut self.at.entry(shortened(time)).or_default().0;
        *dead = dead.plus(mass);
    }

    /// Blocks that are alive at the age `time`.
    pub fn add_living(&mut self, time: u64, mass: Mass) {
        let living = &mut self.at.entry(shortened(time)).or_default().1;
        *living = living.plus(mass);
    }

    /// Adds all of another, disjoint sample.
    pub fn add_all(&mut self, other: &Observations) {
        for (time, (dead, living)) in &other.at {
            let sums = self.at.entry(*time).or_default();
            *sums = (sums.0.plus(*dead), sums.1.plus(*living));
        }
    }

    /// Whether there is nothing to estimate from.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The estimate.
    pub fn curve(&self) -> Curve {
        let masses = || self.at.values();
        let all = masses().fold(Mass::default(), |sum, (dead, living)| {
            sum.plus(*dead).plus(*living)
        });
        let dead = masses().fold(Mass::default(), |sum, (dead, _)| sum.plus(*dead));
        let mut curve = Curve {
            steps: Vec::new(),
            dead,
            all,
            first_censored: None,
            longest: self.at.keys().next_back().copied().unwrap_or(0),
        };
        let mut at_risk = self.at_risk().into_iter();
        let (mut survival, mut log_variance) = (1.0, 0.0);
        for (time, (dead, living)) in &self.at {
            let risk = at_risk.next().unwrap_or_default();
            if dead.weight > 0.0 {
                let dying = (dead.weight / risk.weight).min(1.0);
                let lasting = if dying > 1.0 - ROUNDING {
                    0.0
                } else {
                    1.0 - dying
                };
                let spread = curve.spread(&risk) / (risk.weight * risk.weight);
                survival *= lasting;
                log_variance += dying / lasting.max(f64::MIN_POSITIVE) * spread;
                curve.steps.push(Step {
                    time: *time,
                    survival,
                    log_variance,
                });
            }
            if living.weight > 0.0 && curve.first_censored.is_none() {
                curve.first_censored = Some(*time);
            }
        }
        curve
    }

    /// What is at risk at each time, summed from the end so that small rests are not drowned.
    fn at_risk(&self) -> Vec<Mass> {
        let mut sum = Mass::default();
        let rising = self.at.values().rev().map(|(dead, living)| {
            sum = sum.plus(*dead).plus(*living);
            sum
        });
        let mut at_risk: Vec<Mass> = rising.collect();
        at_risk.reverse();
        at_risk
    }
}

/// The share of blocks that outlive each age.
#[derive(Debug, Clone)]
pub struct Curve {
    /// One step a time at which some died, in order.
    steps: Vec<Step>,
    dead: Mass,
    all: Mass,
    first_censored: Option<u64>,
    longest: u64,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    time: u64,
    /// The share that outlives this time.
    survival: f64,
    /// The variance of its logarithm.
    log_variance: f64,
}

/// A figure with its 95 % interval; not finite where the blocks were not watched long enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The best single figure.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Bounds {
    fn exact(value: f64) -> Bounds {
        Bounds {
            value,
            low: value,
            high: value,
        }
    }
}

impl Curve {
    /// What the curve was made of, the living included.
    pub fn all(&self) -> Mass {
        self.all
    }

    /// The longest time that any was watched for.
    pub fn longest(&self) -> u64 {
        self.longest
    }

    /// The age that the share `share` of all does not outlive.
    pub fn quantile(&self, share: f64) -> Bounds {
        let rest = 1.0 - share;
        // A share that is met exactly must not be missed by a rounding.
        let reaches = |survival: f64| survival <= rest + ROUNDING;
        let first = |place: Option<usize>| {
            place.map_or(f64::INFINITY, |place| self.steps[place].time as f64)
        };
        let value = first(self.steps.iter().position(|step| reaches(step.survival)));
        let starts_below = reaches(self.band_before().low);
        let places = || 0..self.steps.len();
        let low = match starts_below {
            true => 0.0,
            false => first(places().find(|place| reaches(self.band(*place).low))),
        };
        let high = first(places().find(|place| reaches(self.band(*place).high)));
        Bounds { value, low, high }
    }

    /// The share that outlives the age `time`.
    pub fn survival(&self, time: u64) -> Bounds {
        match self.step_at(time) {
            Some(place) => self.band(place),
            None => self.band_before(),
        }
    }

    /// The mean age at death, where none counts for more than `until`: all that can be known of a
    /// mean while some are alive.
    pub fn restricted_mean(&self, until: u64) -> Bounds {
        let steps = self.steps.iter().filter(|step| step.time < until);
        let mut corners: Vec<(f64, f64, f64)> = vec![(0.0, 1.0, 0.0)];
        corners.extend(steps.map(|step| (step.time as f64, step.survival, step.log_variance)));
        let (mut area, mut variance, mut end) = (0.0, 0.0, until as f64);
        for (index, (time, survival, log_variance)) in corners.iter().enumerate().rev() {
            area += survival * (end - time);
            end = *time;
            let before = index.checked_sub(1).map_or(0.0, |index| corners[index].2);
            let added = log_variance - before;
            // Where the curve ends at nothing, no area is left to vary.
            if added.is_finite() && *survival > 0.0 {
                variance += area * area * added;
            }
        }
        let half = NORMAL_QUANTILE * variance.sqrt();
        Bounds {
            value: area,
            low: (area - half).max(0.0),
            high: (area + half).min(until as f64),
        }
    }

    /// Adds what is not known of the curve's shape from `from` up to `to`, where it follows only
    /// `kept` single deaths although its ends are known from all.
    pub fn blur(&mut self, from: u64, to: u64, kept: f64) {
        let before = |time: u64| self.steps.partition_point(|step| step.time < time);
        let (start, end) = (before(shortened(from)), before(shortened(to)));
        let survival_before = |place: usize| {
            let step = place.checked_sub(1).map(|place| self.steps[place]);
            step.map_or(1.0, |step| step.survival)
        };
        let (above, below) = (survival_before(start), survival_before(end));
        let mass = above - below;
        if mass <= 0.0 {
            return;
        }
        for step in &mut self.steps[start..end] {
            let share = ((above - step.survival) / mass).clamp(0.0, 1.0);
            let variance = mass * mass * share * (1.0 - share) / kept.max(1.0);
            if step.survival > 0.0 {
                step.log_variance += variance / (step.survival * step.survival);
            }
        }
    }

    /// The variance of what is at risk: of the sampling, or of the lives themselves.
    fn spread(&self, risk: &Mass) -> f64 {
        match self.first_censored {
            None => risk.variance,
            Some(_) => risk.squares.max(risk.variance),
        }
    }

    fn step_at(&self, time: u64) -> Option<usize> {
        let after = self.steps.partition_point(|step| step.time <= time);
        after.checked_sub(1)
    }

    /// Before anything died.
    fn band_before(&self) -> Bounds {
        let size = match self.first_censored {
            Some(0) => effective_size(self.all.weight, self.all.squares),
            _ => effective_size(self.all.weight, self.all.variance),
        };
        Bounds {
            value: 1.0,
            low: at_least_one_of(size),
            high: 1.0,
        }
    }

    /// The log-log interval of the survival after a step.
    fn band(&self, place: usize) -> Bounds {
        let step = self.steps[place];
        if step.log_variance == 0.0 {
            return Bounds::exact(step.survival);
        }
        if step.survival <= 0.0 {
            let is_certain = self.first_censored.is_none() && self.dead.variance == 0.0;
            let spread = if is_certain {
                0.0
            } else {
                self.spread(&self.dead)
            };
            let none_left = 1.0 - at_least_one_of(effective_size(self.dead.weight, spread));
            let before = place
                .checked_sub(1)
                .map_or(1.0, |place| self.band(place).high);
            return Bounds {
                value: 0.0,
                low: 0.0,
                high: none_left.min(before),
            };
        }
        let log = step.survival.ln();
        if log == 0.0 {
            return self.band_before();
        }
        let reach = (NORMAL_QUANTILE * step.log_variance.sqrt() / -log).exp();
        Bounds {
            value: step.survival,
            low: step.survival.powf(reach),
            high: step.survival.powf(1.0 / reach),
        }
    }
}

/// How many equal blocks would tell as much.
fn effective_size(weight: f64, spread: f64) -> f64 {
    if spread > 0.0 {
        weight * weight / spread
    } else {
        f64::INFINITY
    }
}

/// The smallest share of survivors that leaves all of `size` blocks alive with 2.5 %.
fn at_least_one_of(size: f64) -> f64 {
    (MISS / 2.0).powf(1.0 / size.max(1.0))
}

/// A time with only its leading bits, rounded to the nearest.
fn shortened(time: u64) -> u64 {
    let surplus = (u64::BITS - time.leading_zeros()).saturating_sub(TIME_BITS);
    if surplus == 0 {
        return time;
    }
    let half = 1 << (surplus - 1);
    time.saturating_add(half) >> surplus << surplus
}

#[cfg(test)]
mod tests;
