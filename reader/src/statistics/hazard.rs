//! How readily blocks die at which age, from lifetimes of the dead and ages of the living.
//!
//! The hazard is deaths over exposure: the time that blocks spent at those ages, dead and alive
//! alike. So blocks that are still alive count for what they are, unfinished lives.
//! Beside time itself, exposure is kept in e-folds of age, the scale on which lifetimes spread:
//! deaths for each e-fold are the *tail index*. Where it stays below one, lifetimes have no mean
//! and the population never stops growing; a leak is the case zero.

#![forbid(unsafe_code)]

/// Lives of one kind of block; times in seconds.
///
/// Each block that was sampled is one piece of evidence, whatever it stands for: weights would
/// make a few small blocks, of which each stands for thousands, drown all others. The dead are
/// known by weight only, so their weights are scaled to as many as were sampled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lives {
    /// The dead, by range of lifetimes, the shortest first, without overlap.
    pub ended: Vec<Ended>,
    /// The living.
    pub going_on: Vec<GoingOn>,
    /// Samples that were taken for one unit of weight of the dead; one where every block is.
    pub samples_per_object: f64,
}

/// Blocks that died at similar ages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// The shortest lifetime among them.
    pub from: f64,
    /// One that none of them reached.
    pub to: f64,
    /// How many they are.
    pub objects: f64,
}

/// A block that is alive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoingOn {
    /// Its age.
    pub age: f64,
    /// How many blocks it stands for.
    pub objects: f64,
}

/// What happened in a range of ages, in samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Risk {
    /// Those that died in it.
    pub deaths: f64,
    /// Seconds spent in it.
    pub seconds: f64,
    /// E-folds of age lived through in it.
    pub folds: f64,
}

impl Risk {
    /// Deaths a second; unknown without exposure.
    pub fn hazard(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.deaths / self.seconds)
    }

    fn add(&mut self, samples: f64, from: f64, to: f64) {
        if to > from {
            self.seconds += samples * (to - from);
            self.folds += samples * (to / from.max(SHORTEST)).ln().max(0.0);
        }
    }
}

/// Ages below a microsecond are all the same: no question is about them.
const SHORTEST: f64 = 1e-6;

impl Lives {
    /// What happened between two ages to the dead, and to those of the living that `counts`.
    ///
    /// A lifetime is known by its range only, and taken as the range's geometric mean; so both
    /// ages should be ends of ranges.
    pub fn between(&self, from: f64, to: f64, counts: impl Fn(&GoingOn) -> bool) -> Risk {
        let mut risk = Risk::default();
        for ended in &self.ended {
            let samples = self.samples(ended);
            let lifetime = (ended.from.max(SHORTEST) * ended.to).sqrt();
            risk.add(samples, from, lifetime.min(to));
            if (from..to).contains(&lifetime) {
                risk.deaths += samples;
            }
        }
        let old = |block: &&GoingOn| block.age > from && counts(block);
        for block in self.going_on.iter().filter(old) {
            risk.add(1.0, from, block.age.min(to));
        }
        risk
    }

    /// How many samples ended so; a range that has any weight has at least one.
    fn samples(&self, ended: &Ended) -> f64 {
        (ended.objects * self.samples_per_object).max(1.0)
    }

    /// The lifetime that this share of the dead did not reach; `None` where none died.
    pub fn lifetime_quantile(&self, share: f64) -> Option<f64> {
        let all: f64 = self.ended.iter().map(|ended| ended.objects).sum();
        let mut before = 0.0;
        for ended in &self.ended {
            let part = (all * share - before) / ended.objects;
            if part <= 1.0 {
                let from = ended.from.max(SHORTEST);
                return Some(from * (ended.to.max(from) / from).powf(part.max(0.0)));
            }
            before += ended.objects;
        }
        self.ended.last().map(|ended| ended.to)
    }

    /// All that was lived, over all deaths: the mean lifetime where lifetimes have no memory.
    pub fn mean_lifetime(&self) -> Option<f64> {
        let whole = self.between(0.0, f64::INFINITY, |_| true);
        (whole.deaths > 0.0).then(|| whole.seconds / whole.deaths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives() -> Lives {
        let ended = |from, to, objects| Ended { from, to, objects };
        let alive = |age, objects| GoingOn { age, objects };
        Lives {
            ended: vec![ended(1.0, 4.0, 10.0), ended(4.0, 16.0, 2.0)],
            going_on: vec![alive(8.0, 1.0), alive(32.0, 1.0)],
            samples_per_object: 1.0,
        }
    }

    fn check(risk: Risk, deaths: f64, seconds: f64, folds: f64) {
        let near = |got: f64, expected: f64| (got - expected).abs() < 1e-9;
        let is_right = near(risk.deaths, deaths)
            && near(risk.seconds, seconds)
            && near(risk.folds, folds * 2.0f64.ln());
        assert!(is_right, "{risk:?}");
    }

    #[test]
    fn the_living_count_for_the_time_they_have_lived() {
        // Two died at 8 after an age of 4; of the living one reached 8 and one 32.
        check(
            lives().between(4.0, f64::INFINITY, |_| true),
            2.0,
            8.0 + 4.0 + 28.0,
            2.0 + 1.0 + 3.0,
        );
    }

    #[test]
    fn only_what_happened_in_the_range_counts() {
        check(
            lives().between(4.0, 8.0, |_| true),
            0.0,
            8.0 + 4.0 + 4.0,
            2.0 + 1.0 + 1.0,
        );
        check(
            lives().between(1.0, 4.0, |_| true),
            10.0,
            10.0 + 6.0 + 6.0,
            10.0 + 4.0 + 4.0,
        );
    }

    #[test]
    fn a_sample_is_worth_the_same_whatever_it_stands_for() {
        let mut heavy = lives();
        heavy.samples_per_object = 0.01;
        heavy
            .ended
            .iter_mut()
            .for_each(|ended| ended.objects *= 100.0);
        heavy
            .going_on
            .iter_mut()
            .for_each(|block| block.objects *= 7.0);
        check(heavy.between(4.0, f64::INFINITY, |_| true), 2.0, 40.0, 6.0);
    }

    #[test]
    fn quantiles_lie_inside_the_ranges() {
        assert_eq!(lives().lifetime_quantile(5.0 / 12.0), Some(2.0));
        assert_eq!(lives().lifetime_quantile(1.0), Some(16.0));
        assert_eq!(Lives::default().lifetime_quantile(0.5), None);
    }
}
