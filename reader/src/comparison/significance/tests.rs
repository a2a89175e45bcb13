//! How often chance is taken for a change, and how often a change is found.
//!
//! Rows are drawn as the shim draws blocks: each with the chance `1 - exp(-s/T)`.

use super::*;

/// The interval of the drawn samples, bytes.
const INTERVAL_BYTES: f64 = 524_288.0;

/// A generator that gives the same numbers in every run (Steele, Lea, Flood: SplitMix).
struct Numbers(u64);

impl Numbers {
    /// The next, between 0 and 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// What a sample of `total` bytes in blocks of `size` bytes shows.
    fn sample(&mut self, total: f64, size: f64) -> Evidence {
        let chance = 1.0 - (-size / INTERVAL_BYTES).exp();
        let mut sums = Sums::new(INTERVAL_BYTES);
        let blocks = (total / size).round() as u64;
        if chance > 0.02 {
            (0..blocks).for_each(|_| {
                if self.next() < chance {
                    sums.add(size, chance);
                }
            });
        } else {
            // Gaps between samples of small blocks, so that few numbers stand for many blocks.
            let mut block = -self.next().ln() / chance;
            while block < blocks as f64 {
                sums.add(size, chance);
                block += -self.next().ln() / chance;
            }
        }
        Evidence {
            quantity: Quantity {
                total: sums.total,
                sampling_variance: sums.variance,
                seen: sums.seen,
                run_variance: 0.0,
            },
            runs: 1,
            unseen_weight: INTERVAL_BYTES,
        }
    }
}

/// The part of many pairs of samples that differ.
fn share_that_differs(before: f64, after: f64, size: f64, level: Level) -> f64 {
    const PAIRS: u32 = 2_000;
    let mut numbers = Numbers(before.to_bits() ^ size.to_bits());
    let differing = (0..PAIRS).filter(|_| {
        let before = numbers.sample(before * INTERVAL_BYTES, size);
        let after = numbers.sample(after * INTERVAL_BYTES, size);
        level.refutes(differs(&before, &after))
    });
    differing.count() as f64 / f64::from(PAIRS)
}

#[test]
fn two_samples_of_one_truth_rarely_differ() {
    for total in [0.5, 2.0, 5.0, 20.0, 80.0] {
        for size in [64.0, 65_536.0, INTERVAL_BYTES / 2.0, INTERVAL_BYTES * 2.0] {
            // The level, and what 2,000 pairs may add by chance.
            for (level, most) in [(Level::BROKEN, 0.055), (Level::NAMED, 0.0125)] {
                let share = share_that_differs(total, total, size, level);
                println!("same {total:>5} T in blocks of {size:>9}: {share:.4} differ");
                assert!(share <= most, "{share} of {total} T in blocks of {size}");
            }
        }
    }
}

#[test]
fn changes_are_found_as_often_as_samples_allow() {
    // (before, after, size of a block in T, least part found)
    for (before, after, size, least) in [
        (50.0, 65.0, 4.0, 0.95),
        (50.0, 65.0, 1.0, 0.25),
        (50.0, 65.0, 0.001, 0.20),
        (50.0, 100.0, 0.001, 0.95),
        (500.0, 650.0, 0.001, 0.95),
        (0.0, 10.0, 0.001, 0.80),
    ] {
        let found = share_that_differs(before, after, size * INTERVAL_BYTES, Level::BROKEN);
        println!("{before:>5} T to {after:>5} T in blocks of {size:>5} T: {found:.4} found");
        assert!(
            found >= least,
            "{found} of {before} T to {after} T, {size} T a block"
        );
    }
}

/// 200 programs of 40 rows of all sizes; how many rows are named in all, and how often the row
/// that was planted, if one was.
fn named_rows(planted: Option<(f64, f64)>) -> (usize, usize) {
    let mut numbers = Numbers(7);
    let (mut named, mut found) = (0, 0);
    for _ in 0..200 {
        let mut chances: Vec<f64> = (0..40)
            .map(|row| {
                let total = 0.5 * 1.2f64.powi(row) * INTERVAL_BYTES;
                let size = [64.0, 4096.0, 1e5, 2e6][row as usize % 4];
                let pair = (numbers.sample(total, size), numbers.sample(total, size));
                differs(&pair.0, &pair.1)
            })
            .collect();
        if let Some((total, size)) = planted {
            let total = total * INTERVAL_BYTES;
            let before = numbers.sample(total, size);
            chances.push(differs(&before, &numbers.sample(1.3 * total, size)));
        }
        let significant = are_significant(&chances, Level::NAMED);
        found += usize::from(planted.is_some() && significant[40]);
        named += significant[..40].iter().filter(|row| **row).count();
    }
    (named, found)
}

#[test]
fn of_many_rows_without_change_nearly_none_is_named() {
    let (named, _) = named_rows(None);
    println!("{named} of 8000 rows named");
    assert!(named <= 16, "{named} of 8000 rows");
}

#[test]
fn a_planted_change_is_named_among_many_rows() {
    let share = |blocks_of: f64| {
        let (named, found) = named_rows(Some((50.0, blocks_of * INTERVAL_BYTES)));
        println!("30 % of 50 T in blocks of {blocks_of} T: {found} of 200, {named} others named");
        assert!(named <= 25, "{named} others");
        found
    };
    // Two samples cannot tell 30 % of 50 T in small blocks, whose error is 15 %, from chance.
    share(0.001);
    share(4.0);
    assert!(share(8.0) >= 195);
    let (_, found) = named_rows(Some((800.0, 64.0)));
    println!("30 % of 800 T in blocks of 64 bytes: {found} of 200");
    assert!(found >= 195, "{found} of 200 programs");
}

fn of_runs(runs: &[f64]) -> Evidence {
    let count = runs.len() as f64;
    let total = runs.iter().sum::<f64>() / count;
    let squares: f64 = runs.iter().map(|run| (run - total).powi(2)).sum();
    Evidence {
        quantity: Quantity {
            total,
            run_variance: squares / (count - 1.0),
            ..Quantity::certain(total)
        },
        runs: runs.len() as u32,
        unseen_weight: 0.0,
    }
}

#[test]
fn runs_tell_noise_from_change() {
    let before = of_runs(&[1000.0, 1020.0, 990.0]);
    assert!(differs(&before, &of_runs(&[1010.0, 985.0, 1015.0])) > 0.5);
    assert!(differs(&before, &of_runs(&[1200.0, 1230.0, 1190.0])) < 0.001);
    // scipy.stats.ttest_ind(..., equal_var=False) of these gives 0.1021.
    let chance = differs(&of_runs(&[1.0, 2.0, 3.0]), &of_runs(&[3.0, 4.0, 6.0]));
    assert!((chance - 0.1021).abs() < 0.0005, "{chance}");
}

#[test]
fn exact_figures_differ_when_they_differ() {
    let exact = |total| Evidence {
        runs: 1,
        ..Evidence::certain(total)
    };
    assert_eq!(differs(&exact(5.0), &exact(6.0)), 0.0);
    assert_eq!(differs(&exact(5.0), &exact(5.0)), 1.0);
    assert_eq!(exceeds(&exact(6.0), &exact(5.0)), 1.0);
}

#[test]
fn one_sample_is_proof_against_nothing_but_not_against_little() {
    let mut numbers = Numbers(1);
    let mut seen = numbers.sample(0.0, 64.0);
    seen.quantity.total = INTERVAL_BYTES;
    seen.quantity.sampling_variance = INTERVAL_BYTES.powi(2);
    seen.quantity.seen = 64.0;
    assert_eq!(exceeds(&Evidence::certain(0.0), &seen), 0.0);
    assert!(exceeds(&Evidence::certain(INTERVAL_BYTES), &seen) > 0.5);
    let unseen = numbers.sample(0.0, 64.0);
    assert!(differs(&unseen, &seen) > 0.5);
}

#[test]
fn a_large_block_that_one_side_alone_has_seen_may_have_been_missed_by_the_other() {
    // 4.4 intervals: missed once in eighty times.
    let size = 4.4 * INTERVAL_BYTES;
    let mut numbers = Numbers(1);
    let (missed, mut seen) = (numbers.sample(0.0, size), numbers.sample(0.0, size));
    let chance = 1.0 - (-size / INTERVAL_BYTES).exp();
    let mut sums = Sums::new(INTERVAL_BYTES);
    sums.add(size, chance);
    seen.quantity.total = sums.total;
    seen.quantity.sampling_variance = sums.variance;
    seen.quantity.seen = sums.seen;
    assert!(differs(&missed, &seen) > 0.02);
    assert!(differs(&seen, &missed) > 0.02);
}
