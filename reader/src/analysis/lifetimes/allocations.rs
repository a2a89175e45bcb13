//! Lifetimes counted in allocations: a clock that no slow machine and no profiler disturbs.
//!
//! A block's age is the number of allocations of the whole process from its own, which counts, to
//! its death. One that is freed before anything else is allocated has the age 1.

#![forbid(unsafe_code)]

use crate::analysis::Subject;
use crate::history::{History, Life};
use crate::statistics::survival::{Mass, Observations};

/// The births of a process since some moment, by which ages are counted.
pub(crate) struct Allocations<'a> {
    since_ticks: u64,
    births: Vec<u64>,
    /// By death, the earliest first.
    lives: &'a [Life],
}

impl<'a> Allocations<'a> {
    /// The births since everything is known; `None` where only a sample, or a part, is.
    pub(crate) fn of(history: &'a History) -> Option<Allocations<'a>> {
        if !history.intervals.are_exact() || history.part.is_some() {
            return None;
        }
        let since_ticks = history.lives.complete_since_ticks.unwrap_or(0);
        let lives = history.lives.all.iter().filter_map(|life| life.birth_ticks);
        let blocks = history.blocks.iter().map(|block| block.birth_ticks);
        let births = lives.chain(blocks).filter(|birth| *birth >= since_ticks);
        let mut births: Vec<u64> = births.collect();
        births.sort_unstable();
        Some(Allocations {
            since_ticks,
            births,
            lives: &history.lives.all,
        })
    }

    /// How many births it has.
    pub(crate) fn len(&self) -> usize {
        self.births.len()
    }

    /// The age that a block born at `birth_ticks` had at `ticks`; `None` of blocks from before.
    pub(crate) fn age(&self, birth_ticks: u64, ticks: u64) -> Option<u64> {
        if birth_ticks < self.since_ticks {
            return None;
        }
        let before = self.births.partition_point(|birth| *birth < birth_ticks);
        let until = self.births.partition_point(|birth| *birth <= ticks);
        Some(until.saturating_sub(before) as u64)
    }

    /// The age of a life at its death.
    pub(crate) fn lifetime(&self, life: &Life) -> Option<u64> {
        let birth_ticks = life.birth_ticks.filter(|_| life.is_death_seen)?;
        self.age(birth_ticks, life.death_ticks)
    }

    /// How many calls that allocated or freed came after a life's birth, its own death included.
    pub(crate) fn calls(&self, life: &Life) -> Option<u64> {
        let allocations = self.lifetime(life)?;
        let birth_ticks = life.birth_ticks?;
        let deaths_until = |ticks: u64| {
            self.lives
                .partition_point(|other| other.death_ticks < ticks)
        };
        let before = deaths_until(birth_ticks.saturating_add(1));
        // A damaged segment may say that it died before it was born.
        let deaths = deaths_until(life.death_ticks).saturating_sub(before);
        Some(allocations + deaths as u64)
    }

    /// What was observed of the selected blocks that were born since.
    pub(crate) fn observations(&self, subject: &Subject<'_>) -> Observations {
        let one = Mass::of_one(1.0, 0.0);
        let mut observations = Observations::default();
        for life in &subject.history.lives.all {
            if let Some(age) = self
                .lifetime(life)
                .filter(|_| subject.is_selected(life.site()))
            {
                observations.add_dead(age, one);
            }
        }
        let now_ticks = subject.history.now_ticks();
        for block in &subject.history.blocks {
            let age = self.age(block.birth_ticks, now_ticks);
            if let Some(age) = age.filter(|_| subject.is_selected(block.site())) {
                observations.add_living(age, one);
            }
        }
        observations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(births: &[u64], life: (u64, u64), expected: Option<u64>) {
        let allocations = Allocations {
            since_ticks: 10,
            births: births.to_vec(),
            lives: &[],
        };
        assert_eq!(allocations.age(life.0, life.1), expected);
    }

    #[test]
    fn a_block_freed_before_anything_else_is_allocated_has_the_age_one() {
        check(&[10, 20, 30], (20, 25), Some(1));
    }

    #[test]
    fn every_allocation_until_its_death_makes_a_block_older() {
        check(&[10, 20, 30, 40], (10, 35), Some(3));
    }

    #[test]
    fn of_a_block_from_before_nothing_is_known() {
        check(&[10, 20], (9, 25), None);
    }
}
