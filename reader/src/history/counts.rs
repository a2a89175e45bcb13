//! Histograms of sites, most of which have one or two filled buckets of many.

#![forbid(unsafe_code)]

/// The filled buckets of a histogram with at most 64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// One bit a bucket, set where it is filled.
    filled: u64,
    /// The counts of the filled buckets, in their order.
    counts: Box<[u64]>,
}

impl Counts {
    /// What is not zero in `buckets`; buckets from the 64th on are left out.
    pub fn of(buckets: &[u64]) -> Counts {
        let filled = || (0u32..64).zip(buckets).filter(|(_, count)| **count > 0);
        Counts {
            filled: filled().fold(0, |bits, (bucket, _)| bits | 1 << bucket),
            counts: filled().map(|(_, count)| *count).collect(),
        }
    }

    /// The filled buckets with their counts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u64)> {
        let mut rest = self.filled;
        self.counts.iter().map(move |count| {
            let bucket = rest.trailing_zeros() as usize;
            // Takes the lowest bit away.
            rest &= rest.wrapping_sub(1);
            (bucket, *count)
        })
    }

    /// The first filled bucket.
    pub fn first(&self) -> Option<usize> {
        (self.filled != 0).then(|| self.filled.trailing_zeros() as usize)
    }

    /// Both together.
    pub fn plus(&self, other: &Counts) -> Counts {
        let mut sums = [0u64; 64];
        for (bucket, count) in self.iter().chain(other.iter()) {
            sums[bucket] = sums[bucket].saturating_add(count);
        }
        Counts::of(&sums)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets() -> impl Strategy<Value = Vec<u64>> {
        let count = prop_oneof![3 => Just(0), 1 => 1u64..9, 1 => Just(u64::MAX)];
        prop::collection::vec(count, 64)
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(buckets in buckets()) {
            let mut got = vec![0; 64];
            let counts = Counts::of(&buckets);
            for (bucket, count) in counts.iter() {
                got[bucket] = count;
            }
            prop_assert_eq!(counts.first(), buckets.iter().position(|count| *count > 0));
            prop_assert_eq!(got, buckets);
        }

        #[test]
        fn sums_are_those_of_the_buckets(left in buckets(), right in buckets()) {
            let pairs = left.iter().zip(&right);
            let sums: Vec<u64> = pairs.map(|(left, right)| left.saturating_add(*right)).collect();
            prop_assert_eq!(Counts::of(&left).plus(&Counts::of(&right)), Counts::of(&sums));
        }
    }
}
