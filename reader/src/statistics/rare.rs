//! Tests on counts of rare events: how surprising is it that so few happened?
//!
//! Counts may be fractions: a weighted count is scaled to the number of samples that it is worth.

#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, Gamma};
use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::checked_gamma_ur;

/// The chance of at most `count` events where `mean` are expected (Poisson).
pub fn at_most(count: f64, mean: f64) -> f64 {
    if mean <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(count.max(0.0) + 1.0, mean).map_or(1.0, |chance| chance.clamp(0.0, 1.0))
}

/// The chance that at most `count` of `all` events fall where each does with the chance `share`
/// (binomial).
///
/// Two Poisson rates are compared so: given how many events both had, those of the one are a
/// binomial share of them (Przyborowski and Wilenski, Biometrika 31, 1940).
pub fn share_at_most(count: f64, all: f64, share: f64) -> f64 {
    let (count, share) = (count.max(0.0), share.clamp(0.0, 1.0));
    if count >= all || share == 0.0 {
        return 1.0;
    }
    checked_beta_reg(all - count, count + 1.0, 1.0 - share)
        .map_or(1.0, |chance| chance.clamp(0.0, 1.0))
}

/// The largest rate, 95 % sure, that lets only `count` events happen in `exposure`; infinite
/// without any exposure.
pub fn rate_at_most(count: f64, exposure: f64) -> f64 {
    const SURE: f64 = 0.95;
    if exposure <= 0.0 {
        return f64::INFINITY;
    }
    let gamma = Gamma::new(count.max(0.0) + 1.0, 1.0);
    gamma.map_or(f64::INFINITY, |gamma| gamma.inverse_cdf(SURE) / exposure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-6 * expected, "{got} {expected}");
    }

    #[test]
    fn nothing_where_three_were_expected_is_a_chance_of_five_percent() {
        check(at_most(0.0, 3.0), (-3.0f64).exp());
        check(at_most(1.0, 3.0), 4.0 * (-3.0f64).exp());
        check(at_most(5.0, 0.0), 1.0);
    }

    #[test]
    fn no_heads_in_ten_tosses_is_a_chance_of_one_in_a_thousand() {
        check(share_at_most(0.0, 10.0, 0.5), 1.0 / 1024.0);
        check(share_at_most(1.0, 10.0, 0.5), 11.0 / 1024.0);
        check(share_at_most(10.0, 10.0, 0.5), 1.0);
        check(share_at_most(0.0, 0.0, 0.5), 1.0);
    }

    #[test]
    fn what_never_happened_in_ten_hours_happens_less_than_once_in_three() {
        check(rate_at_most(0.0, 10.0), 20.0f64.ln() / 10.0);
        assert_eq!(rate_at_most(0.0, 0.0), f64::INFINITY);
    }
}
