//! Whether chance explains a difference.
//!
//! Two single runs: a Horvitz-Thompson sum jumps by `w = y / p` for each block that is sampled, so
//! it behaves like `w` times a Poisson number, of which the mean is `V / w^2`. `w` is known from
//! the sums, `V / (Y - seen)`. The chance of a difference is that of a difference of two such
//! numbers (Skellam, J. R. Stat. Soc. 109, 1946), with the variance of both sides and of one more
//! such block on each, since what was not sampled has no variance to show; of an exact and a sampled side it is
//! that of one. This holds for few samples, where a normal distribution does not, and it knows
//! that large blocks are hardly ever missed.
//!
//! Several runs: Welch's t-test (Biometrika 34, 1947), where the variance of a side is that
//! between its runs, or that of sampling where it is larger.
//!
//! Many rows: Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995).

#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc;
use statrs::function::gamma::{gamma_lr, gamma_ur};

use crate::comparison::Quantity;
use crate::report::{Estimate, Unit};
use crate::statistics::interval::{Sums, difference};

/// How often chance may be taken for something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level(f64);

impl Level {
    /// Of a change that is named unasked: of a hundred comparisons in which nothing changed, one.
    pub const NAMED: Level = Level(0.01);

    /// Of a limit that is broken: what allows for growth besides may be stricter with the rest.
    pub const BROKEN: Level = Level(0.05);

    /// Whether something that chance alone does this often is taken for real.
    pub fn refutes(self, chance: f64) -> bool {
        chance <= self.0
    }
}

/// Below this a difference of sums of floating point numbers is none.
const ROUNDING: f64 = 1e-9;

/// All that is known about one figure of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence {
    /// The figure.
    pub quantity: Quantity,
    /// How many runs it is the mean of; 0 for a constant, which needs none.
    pub runs: u32,
    /// What one more sample would add; 0 where every block is recorded.
    pub unseen_weight: f64,
}

impl Evidence {
    /// A constant, such as a limit.
    pub fn certain(total: f64) -> Evidence {
        Evidence {
            quantity: Quantity::certain(total),
            ..Evidence::default()
        }
    }

    /// The same with a known amount on top.
    pub fn plus(&self, margin: f64) -> Evidence {
        let mut more = *self;
        more.quantity.total += margin;
        more.quantity.seen += margin;
        more
    }

    fn is_sampled(&self) -> bool {
        self.runs > 0 && self.unseen_weight > 0.0
    }

    /// How far one run is from the mean of all, as a variance.
    fn variance_of_a_run(&self) -> f64 {
        self.quantity
            .run_variance
            .max(self.quantity.sampling_variance)
    }
}

/// The chance of a difference such as this or larger if the truth behind `after` is not above
/// that behind `before`: small where it is.
///
/// Never NaN; 1 where there is no difference at all.
pub fn exceeds(before: &Evidence, after: &Evidence) -> f64 {
    let (low, high) = (before.quantity.total, after.quantity.total);
    if (high - low).abs() <= ROUNDING * high.abs().max(low.abs()) {
        return 1.0;
    }
    let chance = match before.runs.max(after.runs) {
        0 | 1 => exceeds_in_one_run(before, after),
        _ => exceeds_in_several_runs(before, after),
    };
    match chance.is_finite() {
        true => chance.clamp(0.0, 1.0),
        false => 1.0,
    }
}

/// The chance of a difference in either direction, such as this or larger, if nothing changed.
pub fn differs(before: &Evidence, after: &Evidence) -> f64 {
    let is_more = after.quantity.total > before.quantity.total;
    let chance = match is_more {
        true => exceeds(before, after),
        false => exceeds(after, before),
    };
    (2.0 * chance).min(1.0)
}

fn exceeds_in_one_run(before: &Evidence, after: &Evidence) -> f64 {
    let (b, a) = (&before.quantity, &after.quantity);
    if !before.is_sampled() && !after.is_sampled() {
        return if a.total > b.total { 0.0 } else { 1.0 };
    }
    let factor = jump_factor(&[before, after]);
    let (jump_b, jump_a) = (factor * before.unseen_weight, factor * after.unseen_weight);
    // What both have seen for certain cannot be what makes them differ.
    let shared = b.seen.min(a.seen);
    match (before.is_sampled(), after.is_sampled()) {
        (false, _) => poisson_reaches((a.total - shared) / jump_a, (b.total - shared) / jump_a),
        (true, false) => {
            poisson_stays_below((b.total - shared) / jump_b, (a.total - shared) / jump_b)
        }
        (true, true) => {
            let inferred = 1.0 - (b.seen + a.seen) / (b.total + a.total);
            let one_more = jump_b * jump_a * inferred.max(0.0);
            let variance = b.sampling_variance + a.sampling_variance + 2.0 * one_more;
            let spread = variance / (jump_b + jump_a);
            let chance = difference_reaches(a.total - b.total, (jump_a, jump_b), spread);
            chance.max(chance_to_miss(before, a.total - b.total))
        }
    }
}

/// The chance that a side sampled nothing of an amount that was there: `exp(-y / T)` in bytes.
///
/// A single large block is hardly ever missed, but that it can be shows in no variance of those
/// that were seen.
fn chance_to_miss(side: &Evidence, amount: f64) -> f64 {
    (-amount / side.unseen_weight).exp()
}

/// By how much a figure changes when a block is sampled or not, in units of what an unseen one
/// would add: `V / (Y - seen)` over both sides, with one such block more.
///
/// Of blocks of one size this is exactly `y / p`.
fn jump_factor(sides: &[&Evidence]) -> f64 {
    let (mut variance, mut inferred) = (1.0, 1.0);
    for side in sides.iter().filter(|side| side.is_sampled()) {
        let quantity = &side.quantity;
        variance += quantity.sampling_variance / side.unseen_weight.powi(2);
        inferred += (quantity.total - quantity.seen).max(0.0) / side.unseen_weight;
    }
    variance / inferred
}

/// `P(X >= count)` of a Poisson number with this mean; `count` need not be whole.
fn poisson_reaches(count: f64, mean: f64) -> f64 {
    match (count > 0.0, mean > 0.0) {
        (false, _) => 1.0,
        (true, false) => 0.0,
        (true, true) => gamma_lr(count, mean),
    }
}

/// `P(X <= count)` of the same.
fn poisson_stays_below(count: f64, mean: f64) -> f64 {
    match mean > 0.0 {
        true => gamma_ur(count.max(0.0) + 1.0, mean),
        false => 1.0,
    }
}

/// `P(j X - k Y >= difference)` of Poisson numbers with the means `spread / j` and `spread / k`.
fn difference_reaches(difference: f64, (j, k): (f64, f64), spread: f64) -> f64 {
    /// With more the sum is normal to all digits that matter.
    const MEAN_MAX: f64 = 50.0;
    let (mean_x, mean_y) = (spread / j, spread / k);
    if mean_x.min(mean_y) > MEAN_MAX {
        let error = (spread * (j + k)).sqrt();
        return 0.5 * erfc(difference / error / std::f64::consts::SQRT_2);
    }
    let last = (mean_y + 10.0 * mean_y.sqrt() + 20.0).min(1e4) as u32;
    let mut weight = (-mean_y).exp();
    let mut chance = 0.0;
    for y in 0..=last {
        chance += weight * poisson_reaches((difference + k * f64::from(y)) / j, mean_x);
        weight *= mean_y / f64::from(y + 1);
    }
    chance
}

fn exceeds_in_several_runs(before: &Evidence, after: &Evidence) -> f64 {
    let Some(spread) = Spread::of(before, after) else {
        return if after.quantity.total > before.quantity.total {
            0.0
        } else {
            1.0
        };
    };
    let difference = after.quantity.total - before.quantity.total;
    let student = StudentsT::new(0.0, 1.0, spread.degrees);
    student.map_or(1.0, |student| student.sf(difference / spread.error))
}

/// How far the difference of two means may be off.
struct Spread {
    error: f64,
    degrees: f64,
}

impl Spread {
    /// `None` where nothing ever varied.
    ///
    /// A side with a single run is taken to vary as the other one does.
    fn of(before: &Evidence, after: &Evidence) -> Option<Spread> {
        let borrowed = |side: &Evidence, other: &Evidence| match side.runs {
            0 => 0.0,
            1 => side.variance_of_a_run().max(other.variance_of_a_run()),
            runs => side.variance_of_a_run() / f64::from(runs),
        };
        let parts = [
            (borrowed(before, after), before.runs),
            (borrowed(after, before), after.runs),
        ];
        let variance: f64 = parts.iter().map(|(part, _)| part).sum();
        let most = before.runs.max(after.runs).saturating_sub(1).max(1);
        let share = |(part, runs): &(f64, u32)| match runs {
            0 => 0.0,
            1 => part.powi(2) / f64::from(most),
            runs => part.powi(2) / f64::from(runs - 1),
        };
        let degrees = variance.powi(2) / parts.iter().map(share).sum::<f64>();
        (variance > 0.0).then(|| Spread {
            error: variance.sqrt(),
            degrees,
        })
    }

    /// How many errors to each side hold 95 %.
    fn reach(&self) -> f64 {
        let student = StudentsT::new(0.0, 1.0, self.degrees);
        let quantile = student.map_or(f64::INFINITY, |student| student.inverse_cdf(0.975));
        quantile * self.error
    }
}

/// A figure with its 95 % interval.
pub fn estimate(evidence: &Evidence, unit: Unit) -> Estimate {
    let quantity = &evidence.quantity;
    if evidence.runs > 1 {
        return match Spread::of(evidence, &Evidence::default()) {
            None => Estimate::exact(quantity.total, unit),
            Some(spread) => around(quantity.total, spread.reach(), unit, quantity.total >= 0.0),
        };
    }
    sums(evidence).estimate(unit)
}

/// The change with its 95 % interval.
pub fn growth(before: &Evidence, after: &Evidence, unit: Unit) -> Estimate {
    let change = after.quantity.total - before.quantity.total;
    if before.runs.max(after.runs) > 1 {
        return match Spread::of(before, after) {
            None => Estimate::exact(change, unit),
            Some(spread) => around(change, spread.reach(), unit, false),
        };
    }
    difference(&sums(after), &sums(before), unit)
}

fn around(value: f64, reach: f64, unit: Unit, is_amount: bool) -> Estimate {
    let low = if is_amount {
        (value - reach).max(0.0)
    } else {
        value - reach
    };
    Estimate::sampled(value, low, value + reach, unit)
}

fn sums(evidence: &Evidence) -> Sums {
    Sums {
        total: evidence.quantity.total,
        variance: evidence.quantity.sampling_variance,
        seen: evidence.quantity.seen,
        unseen_weight: if evidence.is_sampled() {
            evidence.unseen_weight
        } else {
            0.0
        },
    }
}

/// Which of many hypotheses are refuted, such that of those at most the share `level` is refuted
/// by chance.
pub fn are_significant(chances: &[f64], level: Level) -> Vec<bool> {
    let mut sorted = chances.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let passing = sorted
        .iter()
        .zip(1..)
        .filter(|(chance, rank)| level.refutes(**chance * count / f64::from(*rank)));
    let threshold = passing.map(|(chance, _)| *chance).last();
    let is_below = |chance: &f64| threshold.is_some_and(|threshold| *chance <= threshold);
    chances.iter().map(is_below).collect()
}

#[cfg(test)]
mod tests;
