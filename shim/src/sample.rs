//! When the next sample is due: gaps without memory, so that every byte is equally likely.

#![forbid(unsafe_code)]

/// A thread's random numbers (splitmix64, Steele, Lea and Flood 2014).
#[derive(Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// A stream of its own for each seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Bytes until the next sample at a mean interval: the whole part of an exponential variate.
    ///
    /// A block of s bytes is then sampled with probability 1 - exp(-s/T) exactly.
    pub fn gap(&mut self, mean_bytes: u64) -> i64 {
        // 53 bits, in (0, 1]: fewer would cut the tail of the distribution.
        let uniform = ((self.next() >> 11) + 1) as f64 * (1.0 / (1u64 << 53) as f64);
        let gap = minus_ln(uniform) * mean_bytes as f64;
        if gap < i64::MAX as f64 {
            gap as i64
        } else {
            i64::MAX
        }
    }
}

/// -ln(x) for 0 < x <= 1, to about 1e-12, without a mathematics library.
fn minus_ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    // The fraction in [1, 2); ln((1+s)/(1-s)) = 2 (s + s^3/3 + s^5/5 + ...), |s| <= 1/3.
    let fraction = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    let s = (fraction - 1.0) / (fraction + 1.0);
    let square = s * s;
    let mut power = s;
    let mut sum = 0.0;
    let mut n = 1.0;
    while n < 26.0 {
        sum += power / n;
        power *= square;
        n += 2.0;
    }
    -(exponent as f64 * core::f64::consts::LN_2 + 2.0 * sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memshim_abi::weight::{Interval, OBJECT_UNIT, Weight};

    #[test]
    fn the_logarithm_agrees_with_the_mathematics_library() {
        let mut random = Random::new(1);
        for _ in 0..100_000 {
            let x = ((random.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
            assert!((minus_ln(x) + x.ln()).abs() < 1e-11 * (1.0 - x.ln()), "{x}");
        }
        assert_eq!(minus_ln(1.0), 0.0);
    }

    /// Draws blocks of one size as the fast path does; gives the mean of blocks and of bytes that
    /// the samples stand for, per block allocated.
    fn estimate(size: u64, interval: Interval, blocks: u64) -> (f64, f64) {
        let mean_bytes = interval.bytes().expect("sampled");
        let mut random = Random::new(size ^ mean_bytes);
        let mut countdown = random.gap(mean_bytes);
        let weight = Weight::of(size, interval);
        let (mut objects, mut bytes) = (0, 0);
        for _ in 0..blocks {
            countdown -= size as i64;
            if countdown < 0 {
                objects += weight.objects;
                bytes += weight.bytes;
                countdown = random.gap(mean_bytes);
            }
        }
        let per_block = |sum: u64| sum as f64 / blocks as f64;
        (
            per_block(objects) / OBJECT_UNIT as f64,
            per_block(bytes) / size as f64,
        )
    }

    #[test]
    fn weights_are_unbiased_at_every_size_also_where_the_size_is_the_interval() {
        for (size, blocks) in [
            (16, 4_000_000),
            (1000, 1_000_000),
            (4096, 400_000),
            (20_000, 200_000),
        ] {
            let (objects, bytes) = estimate(size, Interval::at_most(4096), blocks);
            // The standard error is at most sqrt(T/(size blocks)), 0.8 % here; allow five.
            assert!((objects - 1.0).abs() < 0.04, "{size}: {objects}");
            assert!((bytes - 1.0).abs() < 0.04, "{size}: {bytes}");
        }
    }
}
