//! Whole numbers for a format that has no fractions, without changing what they add up to.

#![forbid(unsafe_code)]

/// Each value rounded down or up, such that the sum of all is the rounded sum of the values.
///
/// Rounding each by itself would drift: ten thousand stacks with 1.5 objects each are 15,000
/// objects, not 20,000. So all are rounded down, and those that lost most get one back, as seats
/// are shared out by the largest remainder. What is not finite counts as nothing.
pub(crate) fn whole(values: &[f64]) -> Vec<i64> {
    let finite = |value: &f64| if value.is_finite() { *value } else { 0.0 };
    let values: Vec<f64> = values.iter().map(finite).collect();
    let mut rounded: Vec<i64> = values.iter().map(|value| value.floor() as i64).collect();
    let remainder = |index: &usize| values[*index] - values[*index].floor();
    let mut places: Vec<usize> = (0..values.len())
        .filter(|index| remainder(index) > 0.0)
        .collect();
    let lost: f64 = places.iter().map(remainder).sum();
    places.sort_by(|left, right| remainder(right).total_cmp(&remainder(left)));
    for index in places.into_iter().take(lost.round() as usize) {
        rounded[index] = rounded[index].saturating_add(1);
    }
    rounded
}

#[cfg(test)]
mod tests {
    use super::whole;

    fn check(values: &[f64], expected: &[i64]) {
        assert_eq!(whole(values), expected);
    }

    #[test]
    fn whole_numbers_stay_as_they_are() {
        check(&[0.0, 3.0, -2.0, 1e15], &[0, 3, -2, 1_000_000_000_000_000]);
    }

    #[test]
    fn the_sum_is_kept_and_the_largest_remainders_are_rounded_up() {
        check(&[1.5, 1.5, 1.5, 1.5], &[2, 2, 1, 1]);
        check(&[0.2, 0.9, 0.9], &[0, 1, 1]);
        check(&[-0.5, -0.5], &[0, -1]);
    }

    #[test]
    fn what_is_no_number_counts_as_nothing() {
        check(&[f64::NAN, f64::INFINITY, 1.0], &[0, 0, 1]);
    }
}
