//! The two log2 histograms of a site: sizes of blocks and lifetimes of blocks.
#![forbid(unsafe_code)]

/// Buckets of the size histogram.
pub const SIZE_BUCKETS: usize = 28;

/// Buckets of the lifetime histogram.
pub const LIFETIME_BUCKETS: usize = 40;

/// The bucket of a requested size: bucket 0 holds up to 16 bytes, bucket n up to 2^(n+4).
///
/// The last bucket holds everything larger.
#[inline(always)]
pub const fn size_bucket(size_bytes: u64) -> usize {
    if size_bytes <= 16 {
        return 0;
    }
    let bucket = (64 - (size_bytes - 1).leading_zeros()) as usize - 4;
    if bucket < SIZE_BUCKETS {
        bucket
    } else {
        SIZE_BUCKETS - 1
    }
}

/// The largest size in bytes that a bucket holds; `None` for the last, which has no limit.
pub const fn size_bucket_limit(bucket: usize) -> Option<u64> {
    if bucket + 1 < SIZE_BUCKETS {
        Some(1 << (bucket + 4))
    } else {
        None
    }
}

/// The bucket of a lifetime in clock ticks: bucket 0 is below 2^10 ticks, bucket n below 2^(n+10).
///
/// The last bucket holds everything longer.
#[inline(always)]
pub const fn lifetime_bucket(ticks: u64) -> usize {
    let bucket = (64 - ticks.leading_zeros() as usize).saturating_sub(10);
    if bucket < LIFETIME_BUCKETS {
        bucket
    } else {
        LIFETIME_BUCKETS - 1
    }
}

/// The first lifetime in ticks that a bucket no longer holds; `None` for the last.
pub const fn lifetime_bucket_limit(bucket: usize) -> Option<u64> {
    if bucket + 1 < LIFETIME_BUCKETS {
        Some(1 << (bucket + 10))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_lies_within_the_limit_of_its_bucket_and_above_the_one_before() {
        for size in [0, 1, 16, 17, 32, 33, 4096, 4097, 1 << 34, u64::MAX] {
            let bucket = size_bucket(size);
            assert!(
                size_bucket_limit(bucket).is_none_or(|limit| size <= limit),
                "{size}"
            );
            assert!(
                bucket == 0 || size_bucket_limit(bucket - 1).is_some_and(|limit| size > limit),
                "{size}"
            );
        }
    }

    #[test]
    fn every_lifetime_lies_below_the_limit_of_its_bucket_and_at_or_above_the_one_before() {
        for ticks in [0, 1, 1023, 1024, 2047, 2048, 1 << 40, u64::MAX] {
            let bucket = lifetime_bucket(ticks);
            assert!(
                lifetime_bucket_limit(bucket).is_none_or(|limit| ticks < limit),
                "{ticks}"
            );
            assert!(
                bucket == 0
                    || lifetime_bucket_limit(bucket - 1).is_some_and(|limit| ticks >= limit),
                "{ticks}"
            );
        }
    }
}
