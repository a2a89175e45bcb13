//! Whether a curve grows, and since when: growth that is not given back and does not level off.
//!
//! Steady noise, a saw-tooth, a cache that fills, a step and the load of a day all rise for a while,
//! and tests for a trend take each of them for growth.
//! What they have in common is told by the envelope, the least that the curve will ever be again:
//!
//! ```text
//!           curve            envelope e(t) = min over u >= t of curve(u)
//!   saw     /|/|/|/|/        ________/     flat, then all at the end
//!   step    __|‾‾‾‾‾‾        __|‾‾‾‾‾‾     all at once
//!   cache   /‾‾‾‾‾‾‾‾        /‾‾‾‾‾‾‾‾     all at the beginning
//!   growth  /\/\/\/\/        ..-''..-''    evenly
//! ```
//!
//! A window that reaches to the end shows growth when its share of the envelope's rise keeps close
//! to its share of the time (the distance of Kolmogorov and Smirnov from an even rise), when it
//! ends above all that was there before by half of the earlier spread, when it rises by more than
//! that spread, and by more than chance explains.
//! The onset is that of the longest window that is nearly as even as the evenest.

#![forbid(unsafe_code)]

/// Equal steps of time that the curve is divided into.
const STEPS: usize = 128;

/// A window needs so many: in less, anything looks even.
const STEPS_LEAST: usize = STEPS / 8;

/// Steps before a window that make a level to compare it with.
const STEPS_BEFORE_LEAST: usize = STEPS / 16;

/// How far the rise may be ahead of an even one, and behind: a curve that levels off is ahead.
const AHEAD_MOST: f64 = 0.2;
const BEHIND_MOST: f64 = 0.25;

/// How much less even than the evenest a longer window may be.
const SLACK: f64 = 0.02;

/// A rise that is less of the final level is not worth a word.
const SHARE_LEAST: f64 = 0.05;

/// How many standard deviations chance may take the curve up.
const DEVIATIONS: f64 = 4.0;

/// Growth that goes on at the end of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// When it began, in the unit of the times; the start of the curve where it grew from the start.
    pub onset: f64,
    /// Whether there was a level before it.
    pub has_level_before: bool,
    /// The level that it began at, and the one that is never left again at the end.
    pub from: f64,
    /// See [`Growth::from`].
    pub to: f64,
}

/// What a curve does at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trend {
    /// There are too few points to say.
    TooShort,
    /// It does not grow.
    Steady,
    /// It grows.
    Grows(Growth),
}

/// What the curve through these points does, which holds each value until the next point.
///
/// Times rise. `deviation` is the standard deviation that the last value has by chance.
pub fn trend(points: &[(f64, f64)], deviation: f64) -> Trend {
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
        return Trend::TooShort;
    };
    if points.len() < STEPS_LEAST || last <= first {
        return Trend::TooShort;
    }
    let curve = Steps::of(points);
    let windows: Vec<(usize, f64)> = (0..=STEPS - STEPS_LEAST)
        .filter_map(|start| Some((start, curve.unevenness(start, deviation)?)))
        .collect();
    let evenest = windows.iter().map(|(_, uneven)| *uneven).reduce(f64::min);
    let limit = evenest.unwrap_or(0.0) + SLACK;
    let longest = windows.iter().find(|(_, uneven)| *uneven <= limit);
    let Some((start, _)) = longest else {
        return Trend::Steady;
    };
    Trend::Grows(Growth {
        onset: first + (last - first) * *start as f64 / STEPS as f64,
        has_level_before: *start >= STEPS_BEFORE_LEAST,
        from: curve.envelope[*start],
        to: curve.envelope[STEPS - 1],
    })
}

/// A curve in equal steps of time.
struct Steps {
    /// The largest value in each step.
    highest: Vec<f64>,
    /// The least that the curve is from each step on.
    envelope: Vec<f64>,
}

impl Steps {
    fn of(points: &[(f64, f64)]) -> Steps {
        let (first, last) = (points[0].0, points[points.len() - 1].0);
        let width = (last - first) / STEPS as f64;
        let mut rest = points.iter().peekable();
        let mut value = points[0].1;
        let (mut lowest, mut highest) = (Vec::new(), Vec::new());
        for step in 1..=STEPS {
            // What was there before counts, as long as nothing else is known of the step.
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            let end = if step == STEPS {
                f64::INFINITY
            } else {
                first + width * step as f64
            };
            while let Some((_, next)) = rest.next_if(|(time, _)| *time < end) {
                value = *next;
                (low, high) = (low.min(value), high.max(value));
            }
            lowest.push(low.min(value));
            highest.push(high.max(value));
        }
        let mut envelope = lowest;
        for step in (1..STEPS).rev() {
            envelope[step - 1] = envelope[step - 1].min(envelope[step]);
        }
        Steps { highest, envelope }
    }

    /// How far the window from `start` to the end is from an even rise; `None` where it does not
    /// show growth.
    fn unevenness(&self, start: usize, deviation: f64) -> Option<f64> {
        let window = self.envelope.get(start..)?;
        let (from, to) = (*window.first()?, *window.last()?);
        let rise = to - from;
        if rise <= SHARE_LEAST * to || rise <= DEVIATIONS * deviation {
            return None;
        }
        if start >= STEPS_BEFORE_LEAST {
            let (highest, spread) = self.before(start);
            let secure = window[window.len() - 1 - window.len() / 8];
            if rise < spread || secure < highest + spread / 2.0 {
                return None;
            }
        }
        let steps = (window.len() - 1) as f64;
        let (mut ahead, mut behind) = (0.0f64, 0.0f64);
        for (step, value) in window.iter().enumerate() {
            let excess = (value - from) / rise - step as f64 / steps;
            (ahead, behind) = (ahead.max(excess), behind.max(-excess));
        }
        let is_even = ahead <= AHEAD_MOST && behind <= BEHIND_MOST;
        is_even.then_some(ahead.max(behind))
    }

    /// The largest value before a step, and the spread of the middle four fifths of them.
    fn before(&self, start: usize) -> (f64, f64) {
        let mut earlier = self.highest[..start].to_vec();
        earlier.sort_by(f64::total_cmp);
        let at = |share: f64| earlier[((start - 1) as f64 * share).round() as usize];
        (earlier[start - 1], at(0.9) - at(0.1))
    }
}

#[cfg(test)]
mod tests;
