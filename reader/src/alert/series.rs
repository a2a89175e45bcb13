//! What was measured of one program over the last day: every look of the last hour, and of the
//! time before it means of five minutes.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

const SECOND_NS: u64 = 1_000_000_000;
const HOUR_NS: u64 = 3600 * SECOND_NS;

/// Looks that follow closer than this are one, so that an hour has 360 at most.
const SPACING_NS: u64 = 10 * SECOND_NS;

/// How long single looks are kept.
const RECENT_NS: u64 = HOUR_NS + 300 * SECOND_NS;

/// How long one mean of the time before is.
const STEP_NS: u64 = 300 * SECOND_NS;

/// The day that a program is measured against, and the hour that is not part of it.
const BASELINE_NS: u64 = 24 * HOUR_NS;
const OFFSET_NS: u64 = HOUR_NS;

/// Means that a baseline needs: an hour's.
const BASELINE_LEAST: usize = 12;

/// All processes of one program, at one look; the figures of a time are those since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sample {
    /// When, ns since the Unix epoch.
    pub unix_ns: u64,
    /// Bytes in live blocks.
    pub live_bytes: f64,
    /// Bytes in memory.
    pub resident_bytes: f64,
    /// The least memory that one of them may use yet.
    pub left_bytes: Option<f64>,
    /// What most of its memory limit one of them holds live, of 100.
    pub limit_percent: Option<f64>,
    /// How much the leaks and the growing containers among its call stacks grow, bytes a second.
    pub leak_rate: f64,
    /// The same of growing containers.
    pub container_rate: f64,
    /// The time that the following are of, ns.
    pub time_ns: u64,
    /// Bytes allocated in that time.
    pub allocated_bytes: f64,
    /// Losses in that time.
    pub losses: f64,
    /// Processor time that memshim took in that time.
    pub own_seconds: f64,
    /// Processor time of the program in that time.
    pub program_seconds: f64,
}

/// A mean of the time before the last hour.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Mean {
    /// Which step of five minutes since the Unix epoch.
    step: u64,
    count: f64,
    live_bytes: f64,
    allocated_bytes: f64,
    time_ns: f64,
}

/// The day of one program.
#[derive(Debug, Clone, Default)]
pub struct Series {
    recent: VecDeque<Sample>,
    means: VecDeque<Mean>,
}

impl Series {
    /// Adds a look, which is later than all before it.
    pub fn push(&mut self, sample: Sample) {
        if let [.., before, last] = self.recent.make_contiguous()
            && last.unix_ns.saturating_sub(before.unix_ns) < SPACING_NS
        {
            let joined = last.followed_by(&sample);
            *last = joined;
        } else {
            self.recent.push_back(sample);
        }
        let oldest_ns = sample.unix_ns.saturating_sub(RECENT_NS);
        while let Some(first) = self.recent.front().filter(|it| it.unix_ns < oldest_ns) {
            let first = *first;
            self.recent.pop_front();
            self.add_mean(&first);
        }
        let first_step = sample.unix_ns.saturating_sub(BASELINE_NS + OFFSET_NS) / STEP_NS;
        while self.means.front().is_some_and(|it| it.step < first_step) {
            self.means.pop_front();
        }
    }

    fn add_mean(&mut self, sample: &Sample) {
        let step = sample.unix_ns / STEP_NS;
        if self.means.back().is_none_or(|mean| mean.step != step) {
            self.means.push_back(Mean {
                step,
                ..Mean::default()
            });
        }
        let mean = self.means.back_mut().expect("one was just added");
        mean.count += 1.0;
        mean.live_bytes += sample.live_bytes;
        mean.allocated_bytes += sample.allocated_bytes;
        mean.time_ns += sample.time_ns as f64;
    }

    /// The last look.
    pub fn last(&self) -> Option<&Sample> {
        self.recent.back()
    }

    /// The looks of the last `time_ns`.
    fn within(&self, time_ns: u64) -> impl Iterator<Item = &Sample> {
        let last_ns = self.last().map_or(0, |last| last.unix_ns);
        let first_ns = last_ns.saturating_sub(time_ns);
        self.recent.iter().filter(move |it| it.unix_ns >= first_ns)
    }

    /// By how much a figure rises each second: the least-squares slope over the last `time_ns`, as
    /// Prometheus' `deriv` has it.
    pub fn slope(&self, time_ns: u64, figure: fn(&Sample) -> f64) -> Option<f64> {
        let first_ns = self.within(time_ns).next()?.unix_ns;
        let points = self
            .within(time_ns)
            .map(|it| ((it.unix_ns - first_ns) as f64 / 1e9, figure(it)));
        let points: Vec<(f64, f64)> = points.collect();
        let count = points.len() as f64;
        let (sum_x, sum_y) = points
            .iter()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (mut over, mut under) = (0.0, 0.0);
        for (x, y) in points {
            over += (x - mean_x) * (y - mean_y);
            under += (x - mean_x) * (x - mean_x);
        }
        (under > 0.0).then(|| over / under)
    }

    /// How much of a figure there was each second of the last `time_ns`.
    pub fn rate(&self, time_ns: u64, figure: fn(&Sample) -> f64) -> Option<f64> {
        let (mut sum, mut ns) = (0.0, 0u64);
        for sample in self.within(time_ns) {
            sum += figure(sample);
            ns += sample.time_ns;
        }
        (ns > 0).then(|| sum / (ns as f64 / 1e9))
    }

    /// What was live for all but so much of the day before the last hour; `None` before an hour of
    /// it is known.
    pub fn usual_live_bytes(&self, quantile: f64) -> Option<f64> {
        let mut live: Vec<f64> = self
            .baseline()
            .map(|mean| mean.live_bytes / mean.count)
            .collect();
        live.sort_by(f64::total_cmp);
        let place = quantile * (live.len().checked_sub(1)? as f64);
        let (below, above) = (live[place.floor() as usize], live[place.ceil() as usize]);
        (live.len() >= BASELINE_LEAST).then(|| below + (above - below) * place.fract())
    }

    /// What was allocated each second of the day before the last hour.
    pub fn usual_allocation_rate(&self) -> Option<f64> {
        let (mut bytes, mut ns) = (0.0, 0.0);
        for mean in self.baseline() {
            bytes += mean.allocated_bytes;
            ns += mean.time_ns;
        }
        let is_known = self.baseline().count() >= BASELINE_LEAST && ns > 0.0;
        is_known.then(|| bytes / (ns / 1e9))
    }

    fn baseline(&self) -> impl Iterator<Item = &Mean> {
        let last_ns = self.last().map_or(0, |last| last.unix_ns);
        let end = last_ns.saturating_sub(OFFSET_NS) / STEP_NS;
        self.means.iter().filter(move |mean| mean.step < end)
    }
}

impl Sample {
    /// Two looks as one: the state of the later, and what happened in both.
    fn followed_by(&self, later: &Sample) -> Sample {
        Sample {
            time_ns: self.time_ns + later.time_ns,
            allocated_bytes: self.allocated_bytes + later.allocated_bytes,
            losses: self.losses + later.losses,
            own_seconds: self.own_seconds + later.own_seconds,
            program_seconds: self.program_seconds + later.program_seconds,
            ..*later
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_NS: u64 = 60 * SECOND_NS;

    /// A look each minute, with what was live and allocated by the minute.
    fn series(minutes: u64, figures: impl Fn(u64) -> (f64, f64)) -> Series {
        let mut series = Series::default();
        for minute in 0..minutes {
            let (live_bytes, allocated_bytes) = figures(minute);
            series.push(Sample {
                unix_ns: 1_000_000 * MINUTE_NS + minute * MINUTE_NS,
                live_bytes,
                allocated_bytes,
                time_ns: MINUTE_NS,
                ..Sample::default()
            });
        }
        series
    }

    #[test]
    fn the_slope_of_a_line_is_its_rise_by_second() {
        let series = series(100, |minute| (minute as f64 * 600.0, 0.0));
        let slope = series.slope(30 * MINUTE_NS, |it| it.live_bytes);
        assert!((slope.expect("many looks") - 10.0).abs() < 1e-9);
        let alone = series.slope(0, |it| it.live_bytes);
        assert_eq!(alone, None);
    }

    #[test]
    fn rates_are_of_the_time_that_was_asked_for() {
        let series = series(100, |minute| (0.0, if minute < 95 { 60.0 } else { 600.0 }));
        let rate = series.rate(4 * MINUTE_NS, |it| it.allocated_bytes);
        assert_eq!(rate, Some(10.0));
    }

    #[test]
    fn what_is_usual_is_known_after_an_hour_before_the_last_one() {
        let young = series(110, |_| (1.0, 1.0));
        assert_eq!(young.usual_live_bytes(0.95), None);
        assert_eq!(young.usual_allocation_rate(), None);
        let old = series(24 * 60, |minute| {
            (if minute < 60 { 100.0 } else { 7.0 }, 60.0)
        });
        assert_eq!(old.usual_live_bytes(0.5), Some(7.0));
        assert_eq!(old.usual_allocation_rate(), Some(1.0));
    }

    #[test]
    fn looks_every_second_take_no_more_room_than_every_ten() {
        let mut series = Series::default();
        for second in 0..7_200 {
            series.push(Sample {
                unix_ns: second * SECOND_NS,
                allocated_bytes: 1.0,
                time_ns: SECOND_NS,
                ..Sample::default()
            });
        }
        assert!(series.recent.len() < 400, "{}", series.recent.len());
        assert_eq!(series.rate(HOUR_NS, |it| it.allocated_bytes), Some(1.0));
        assert_eq!(series.last().map(|it| it.unix_ns), Some(7_199 * SECOND_NS));
    }

    #[test]
    fn a_day_takes_little_room_and_older_days_none() {
        let series = series(3 * 24 * 60, |_| (1.0, 1.0));
        assert!(series.means.len() <= 25 * 12, "{}", series.means.len());
    }
}
