//! How one alert stands for one program: quiet, holding, told of, or over.
//!
//! ```text
//!          holds              held for `for`            clear for `clear_for`
//!  quiet ────────► holding ──────────────────► firing ───────────────────────► quiet
//!          ▲          │ no longer holds
//!          └──────────┘
//! ```

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::alert::measure::Measured;
use crate::alert::rules::Rule;

/// Who was not looked at for so long begins to hold anew.
const GAP_NS: u64 = 900_000_000_000;

/// One rule and one program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The rule's name.
    pub alert: String,
    /// The program.
    pub program: String,
    /// Since when the condition holds, ns since the Unix epoch.
    pub since_unix_ns: Option<u64>,
    /// Since when it is firing.
    pub fired_unix_ns: Option<u64>,
    /// Since when a firing one is clear.
    pub clear_unix_ns: Option<u64>,
    /// When it was over last.
    pub resolved_unix_ns: Option<u64>,
    /// When its firing was told last.
    pub told_unix_ns: Option<u64>,
    /// Whether the present firing was told, so that its end is told too.
    pub is_told: bool,
    /// When it was looked at last.
    pub looked_unix_ns: u64,
    /// What was said when it fired last.
    pub summary: String,
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has begun to fire; it is told unless the same was told shortly before.
    Fired {
        /// Whether to tell.
        is_told: bool,
    },
    /// It is over; it is told where its beginning was.
    Resolved {
        /// Whether to tell.
        is_told: bool,
    },
}

impl Standing {
    /// Of nothing that was seen yet.
    pub fn new(rule: &Rule, program: &str) -> Standing {
        Standing {
            alert: rule.name.clone(),
            program: program.to_owned(),
            ..Standing::default()
        }
    }

    /// Whether there is nothing worth keeping about it.
    pub fn is_quiet(&self) -> bool {
        self.since_unix_ns.is_none() && self.fired_unix_ns.is_none() && self.told_unix_ns.is_none()
    }

    /// Takes a look into account; a program that is gone, or of which nothing can be said, counts
    /// as clear.
    pub fn step(&mut self, rule: &Rule, measured: Option<&Measured>, now: u64) -> Option<Change> {
        let is_gap = now.saturating_sub(self.looked_unix_ns) > GAP_NS;
        self.looked_unix_ns = now;
        let holds = measured.is_some_and(|it| it.holds);
        let is_clear = measured.is_none_or(|it| it.is_clear);
        if self.fired_unix_ns.is_some() {
            return self.step_firing(rule, is_clear, now);
        }
        if !holds {
            self.since_unix_ns = None;
            return None;
        }
        if is_gap {
            self.since_unix_ns = None;
        }
        let since = *self.since_unix_ns.get_or_insert(now);
        if now.saturating_sub(since) < rule.for_ns {
            return None;
        }
        self.fired_unix_ns = Some(now);
        self.clear_unix_ns = None;
        Some(Change::Fired {
            is_told: self.tell(rule, now),
        })
    }

    fn step_firing(&mut self, rule: &Rule, is_clear: bool, now: u64) -> Option<Change> {
        if !is_clear {
            self.clear_unix_ns = None;
            // What fired again too early to be told is told of when it goes on for so long.
            let is_news = !self.is_told && self.tell(rule, now);
            return is_news.then_some(Change::Fired { is_told: true });
        }
        let clear = *self.clear_unix_ns.get_or_insert(now);
        if now.saturating_sub(clear) < rule.clear_for_ns {
            return None;
        }
        self.fired_unix_ns = None;
        self.since_unix_ns = None;
        self.clear_unix_ns = None;
        self.resolved_unix_ns = Some(now);
        Some(Change::Resolved {
            is_told: std::mem::take(&mut self.is_told),
        })
    }

    /// Whether something of this alert may be told now, which is then noted as told.
    pub fn tell(&mut self, rule: &Rule, now: u64) -> bool {
        let is_old = |told: u64| now.saturating_sub(told) >= rule.again_ns;
        self.is_told = self.told_unix_ns.is_none_or(is_old);
        if self.is_told {
            self.told_unix_ns = Some(now);
        }
        self.is_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::kind::Level;
    use crate::alert::rules::Rules;

    const SECOND_NS: u64 = 1_000_000_000;

    fn rule() -> Rule {
        let text = "[[alert]]\nkind = \"live-above\"\nabove = 100\nclear = 50\nfor = \"10s\"\n\
                    clear_for = \"20s\"\nagain = \"100s\"\n";
        let rules = Rules::parse(text).expect("a good rule");
        rules.alerts.into_iter().next().expect("one")
    }

    /// Values by the second at which they are found, and what changes then.
    fn check(looks: &[(u64, Option<f64>, Option<Change>)]) {
        let rule = rule();
        let mut standing = Standing::new(&rule, "api");
        for (second, value, expected) in looks {
            let measured = value.map(|value| Measured {
                value: Level::Number(value),
                holds: value > 100.0,
                is_clear: value < 50.0,
                detail: String::new(),
            });
            let now = (1_000 + second) * SECOND_NS;
            let change = standing.step(&rule, measured.as_ref(), now);
            assert_eq!(change, *expected, "after {second} s: {standing:?}");
        }
    }

    const FIRED: Option<Change> = Some(Change::Fired { is_told: true });
    const OVER: Option<Change> = Some(Change::Resolved { is_told: true });

    #[test]
    fn it_fires_when_it_has_held_for_long_enough_and_ends_when_it_was_clear_for_long_enough() {
        check(&[
            (0, Some(200.0), None),
            (9, Some(200.0), None),
            (10, Some(200.0), FIRED),
            (11, Some(200.0), None),
            (12, Some(10.0), None),
            (31, Some(10.0), None),
            (32, Some(10.0), OVER),
            (33, Some(10.0), None),
        ]);
    }

    #[test]
    fn one_look_below_begins_anew() {
        check(&[
            (0, Some(200.0), None),
            (9, Some(99.0), None),
            (10, Some(200.0), None),
            (19, Some(200.0), None),
            (20, Some(200.0), FIRED),
        ]);
    }

    #[test]
    fn between_the_two_levels_nothing_changes() {
        check(&[
            (0, Some(200.0), None),
            (10, Some(200.0), FIRED),
            (11, Some(10.0), None),
            (30, Some(70.0), None),
            (32, Some(10.0), None),
            (51, Some(10.0), None),
            (52, Some(10.0), OVER),
        ]);
    }

    #[test]
    fn the_same_is_told_again_only_after_a_while_and_its_end_only_if_its_beginning_was() {
        let quiet = |change: fn(bool) -> Change| Some(change(false));
        check(&[
            (0, Some(200.0), None),
            (10, Some(200.0), FIRED),
            (11, Some(10.0), None),
            (31, Some(10.0), OVER),
            (40, Some(200.0), None),
            (50, Some(200.0), quiet(|is_told| Change::Fired { is_told })),
            (51, Some(10.0), None),
            (
                71,
                Some(10.0),
                quiet(|is_told| Change::Resolved { is_told }),
            ),
            (100, Some(200.0), None),
            (110, Some(200.0), FIRED),
        ]);
    }

    #[test]
    fn what_fired_again_too_early_is_told_when_it_lasts() {
        let quiet = Some(Change::Fired { is_told: false });
        check(&[
            (0, Some(200.0), None),
            (10, Some(200.0), FIRED),
            (11, Some(10.0), None),
            (31, Some(10.0), OVER),
            (40, Some(200.0), None),
            (50, Some(200.0), quiet),
            (109, Some(200.0), None),
            (110, Some(200.0), FIRED),
            (111, Some(10.0), None),
            (131, Some(10.0), OVER),
        ]);
    }

    #[test]
    fn a_program_that_is_gone_is_clear() {
        check(&[
            (0, Some(200.0), None),
            (10, Some(200.0), FIRED),
            (11, None, None),
            (31, None, OVER),
        ]);
    }

    #[test]
    fn what_was_not_looked_at_for_long_does_not_count_as_held() {
        check(&[
            (0, Some(200.0), None),
            (2_000, Some(200.0), None),
            (2_010, Some(200.0), FIRED),
        ]);
    }
}
