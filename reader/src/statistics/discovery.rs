//! How many findings among many tests may be false: the procedure of Benjamini and Hochberg
//! (Journal of the Royal Statistical Society B 57, 1995).
//!
//! Where a thousand sites are tested, fifty look guilty at 5 % by luck alone. Adjusted, 5 % is the
//! share of false ones among those that are called guilty.

#![forbid(unsafe_code)]

/// The adjusted value of each p-value, in their order: the smallest share of false findings at
/// which it still counts as one.
pub fn adjusted(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_unstable_by(|a, b| p_values[*b].total_cmp(&p_values[*a]));
    let all = p_values.len() as f64;
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest = 1.0f64;
    for (above, index) in order.into_iter().enumerate() {
        let rank = all - above as f64;
        smallest = smallest.min(p_values[index] * all / rank);
        adjusted[index] = smallest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p_values: &[f64], expected: &[f64]) {
        let got = adjusted(p_values);
        let is_near = |(got, expected): (&f64, &f64)| (got - expected).abs() < 1e-12;
        assert!(got.iter().zip(expected).all(is_near), "{got:?}");
    }

    #[test]
    fn one_test_stays_as_it_is() {
        check(&[0.03], &[0.03]);
        check(&[], &[]);
    }

    #[test]
    fn each_value_is_weighed_by_its_rank_and_never_above_the_next() {
        check(&[0.01, 0.04, 0.03, 0.005], &[0.02, 0.04, 0.04, 0.02]);
    }

    #[test]
    fn one_small_value_among_many_large_ones_pays_for_all() {
        check(&[1.0, 0.001, 1.0, 1.0], &[1.0, 0.004, 1.0, 1.0]);
    }
}
