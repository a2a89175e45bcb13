//! One container that grows: a vector, table or buffer that is replaced by a larger one.

#![forbid(unsafe_code)]

/// Fewer generations than these rise by luck too often.
const GENERATIONS_MIN: usize = 5;

/// Sizes of one container double; fewer doublings than these may be anything.
const DOUBLINGS_MIN: usize = 4;

/// Blocks alive at once, on average, in what is still one container: the old and the new one
/// while it is copied, and a second container for good measure.
const POPULATION_MAX: f64 = 2.5;

/// The share of the site's life after which a container that was not replaced has stopped to
/// grow. One that doubles and grows steadily is as old as the time it took to get there.
const AGE_MAX: f64 = 0.6;

/// The blocks of a site as generations of one container; times in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generations {
    /// Sizes of the blocks that are known one by one, by birth, the live ones among them.
    pub sizes: Vec<u64>,
    /// Blocks that were sampled, and size ranges, each twice the one before, that they fill.
    pub born: u64,
    /// See `born`.
    pub size_ranges: usize,
    /// Whether what is alive is as large as anything that ever was.
    pub is_largest: bool,
    /// Blocks that are alive.
    pub alive: usize,
    /// How long ago the youngest of them was born.
    pub youngest_age: f64,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// It was replaced by a larger one until lately.
    Going,
    /// It grew, but not for a long time now.
    Stopped,
}

impl Generations {
    /// Whether this is a container, and what it does; `population` is the mean number of blocks
    /// alive over the site's life of `site_age`.
    pub fn growth(&self, population: f64, site_age: f64) -> Option<Growth> {
        let is_one = (1..=2).contains(&self.alive) && population <= POPULATION_MAX;
        if !(is_one && self.is_largest && self.never_falls() && (self.rises() || self.doubles())) {
            return None;
        }
        Some(match self.youngest_age <= site_age * AGE_MAX {
            true => Growth::Going,
            false => Growth::Stopped,
        })
    }

    /// Whether each generation is at least as large as the one before it.
    fn never_falls(&self) -> bool {
        self.sizes.windows(2).all(|pair| pair[0] <= pair[1])
    }

    /// Whether there were many generations, each larger than the one before it.
    fn rises(&self) -> bool {
        let rising = self.sizes.windows(2).filter(|pair| pair[0] < pair[1]);
        rising.count() + 1 >= GENERATIONS_MIN && self.size_ranges > 1
    }

    /// Whether there was about one block of each size that doubling makes.
    fn doubles(&self) -> bool {
        self.size_ranges > DOUBLINGS_MIN && self.born <= 2 * self.size_ranges as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[u64], youngest_age: f64, expected: Option<Growth>) {
        let ranges: std::collections::BTreeSet<u32> =
            sizes.iter().map(|size| size.ilog2()).collect();
        let generations = Generations {
            sizes: sizes.to_vec(),
            born: sizes.len() as u64,
            size_ranges: ranges.len(),
            is_largest: sizes.last() == sizes.iter().max(),
            alive: 1,
            youngest_age,
        };
        assert_eq!(generations.growth(1.0, 100.0), expected);
    }

    #[test]
    fn a_vector_that_doubles_is_a_container() {
        check(&[16, 32, 64, 128, 256], 40.0, Some(Growth::Going));
        check(&[16, 32, 64, 128, 256], 90.0, Some(Growth::Stopped));
    }

    #[test]
    fn a_buffer_that_grows_a_little_each_time_is_a_container() {
        let sizes: Vec<u64> = (1..100).map(|size| size * 4096).collect();
        check(&sizes, 1.0, Some(Growth::Going));
    }

    #[test]
    fn a_buffer_of_any_size_is_none() {
        check(&[16, 900, 64, 3000, 20, 5000], 1.0, None);
        check(&[64; 20], 1.0, None);
        check(&[5000, 16, 32, 64, 128, 256], 1.0, None);
    }
}
