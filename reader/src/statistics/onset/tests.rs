//! Curves whose truth is known: how often each is taken for growth, and since when.

use super::*;

/// Points of each curve, as a timeline has.
const POINTS: usize = 700;

/// Curves of each kind.
const CURVES: u64 = 200;

/// Independent numbers from 0 to 1, the same in every run (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }

    /// Roughly normal, with mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// The share of curves of one kind, each with its own chance, that are taken for growth.
///
/// `kind` draws the parameters of a curve and gives its value by time from 0 to 1; all have noise
/// of a hundredth added, which persists for some steps as that of a heap does.
fn share(kind: impl Fn(&mut Random) -> Box<dyn Fn(f64) -> f64>) -> f64 {
    let found =
        (0..CURVES).filter(|seed| matches!(trend(&draw(*seed, &kind), 0.0), Trend::Grows(_)));
    found.count() as f64 / CURVES as f64
}

fn draw(seed: u64, kind: &impl Fn(&mut Random) -> Box<dyn Fn(f64) -> f64>) -> Vec<(f64, f64)> {
    let mut random = Random(seed);
    let curve = kind(&mut random);
    let mut noise = 0.0;
    let point = |index: usize| {
        let time = index as f64 / (POINTS - 1) as f64;
        noise = 0.9 * noise + 0.004 * random.normal();
        (time, (curve(time) * (1.0 + noise)).max(0.0))
    };
    (0..POINTS).map(point).collect()
}

fn check_false_alarms(
    name: &str,
    most: f64,
    kind: impl Fn(&mut Random) -> Box<dyn Fn(f64) -> f64>,
) {
    let share = share(kind);
    println!("false alarms, {name}: {:.1} %", share * 100.0);
    assert!(share <= most, "{name}: {share}");
}

fn check_found(name: &str, least: f64, kind: impl Fn(&mut Random) -> Box<dyn Fn(f64) -> f64>) {
    let share = share(kind);
    println!("found, {name}: {:.1} %", share * 100.0);
    assert!(share >= least, "{name}: {share}");
}

#[test]
fn a_steady_heap_is_not_growth() {
    check_false_alarms("steady", 0.0, |_| Box::new(|_| 100.0));
    check_false_alarms("start-up, then steady", 0.0, |random| {
        let ready = random.between(0.01, 0.5);
        Box::new(move |time| 100.0 * (time / ready).min(1.0))
    });
}

#[test]
fn a_heap_that_wanders_about_its_mean_is_not_growth() {
    // What forgets in six tenths of the time is a walk without aim to whom sees so little of it.
    for (steps, most) in [(5.0, 0.02), (20.0, 0.03), (60.0, 0.05)] {
        let name = format!("wandering, forgets in {steps} hundredths of the time");
        check_false_alarms(&name, most, move |random| {
            // Values at a hundred moments, each a part of the one before.
            let kept = (-1.0f64 / steps).exp();
            let mut values = vec![100.0 + 10.0 * random.normal()];
            for _ in 0..100 {
                let last = values[values.len() - 1] - 100.0;
                let step = 10.0 * (1.0 - kept * kept).sqrt() * random.normal();
                values.push(100.0 + kept * last + step);
            }
            Box::new(move |time| values[(time * 100.0) as usize])
        });
    }
}

#[test]
fn a_cache_that_fills_is_not_growth() {
    check_false_alarms(
        "cache, seen for 3 to 20 of its time constants",
        0.01,
        |random| {
            let constants = random.between(3.0, 20.0);
            Box::new(move |time| 20.0 + 80.0 * (1.0 - (-constants * time).exp()))
        },
    );
}

#[test]
fn a_saw_tooth_is_not_growth() {
    check_false_alarms("saw-tooth of 2 to 40 teeth", 0.0, |random| {
        let teeth = random.between(2.0, 40.0);
        Box::new(move |time| 50.0 + 100.0 * (time * teeth).fract())
    });
    check_false_alarms("saw-tooth of unequal teeth", 0.02, |random| {
        let teeth = random.between(4.0, 40.0);
        let heights: Vec<f64> = (0..41).map(|_| random.between(50.0, 150.0)).collect();
        Box::new(move |time| {
            let place = time * teeth;
            50.0 + heights[place as usize] * place.fract()
        })
    });
}

#[test]
fn a_step_is_not_growth_whether_it_stays_or_returns() {
    check_false_alarms("a step that stays", 0.0, |random| {
        let (at, height) = (random.between(0.05, 0.95), random.between(10.0, 300.0));
        Box::new(move |time| if time < at { 100.0 } else { 100.0 + height })
    });
    check_false_alarms("a step that returns", 0.0, |random| {
        let (at, until) = (random.between(0.05, 0.5), random.between(0.55, 0.95));
        let is_up = move |time| at < time && time < until;
        Box::new(move |time| if is_up(time) { 300.0 } else { 100.0 })
    });
    check_false_alarms("two steps that stay", 0.02, |random| {
        let (first, second) = (random.between(0.05, 0.5), random.between(0.5, 0.95));
        let step = |is_past: bool| if is_past { 50.0 } else { 0.0 };
        Box::new(move |time| 100.0 + step(time > first) + step(time > second))
    });
}

#[test]
fn the_load_of_days_is_not_growth() {
    check_false_alarms("2 to 10 days", 0.01, |random| {
        let (days, phase) = (random.between(2.0, 10.0), random.next());
        let angle = move |time| std::f64::consts::TAU * (time * days + phase);
        Box::new(move |time| 100.0 + 60.0 * f64::sin(angle(time)))
    });
}

#[test]
fn even_growth_is_found() {
    check_found("from the start", 1.0, |random| {
        let rise = random.between(10.0, 1_000.0);
        Box::new(move |time| 50.0 + rise * time)
    });
    check_found("after a level, by 20 to 200 %", 0.99, |random| {
        let (onset, rise) = (random.between(0.1, 0.8), random.between(20.0, 200.0));
        Box::new(move |time| 100.0 + rise * ((time - onset) / (1.0 - onset)).max(0.0))
    });
    check_found("after a start-up and a level", 0.99, |random| {
        let (onset, rise) = (random.between(0.3, 0.8), random.between(20.0, 200.0));
        let start = |time: f64| 100.0 * (time / 0.03).min(1.0);
        Box::new(move |time| start(time) + rise * ((time - onset) / (1.0 - onset)).max(0.0))
    });
}

#[test]
fn growth_under_a_saw_tooth_is_found() {
    check_found("twice the teeth, from the start", 0.9, |random| {
        let teeth = random.between(12.0, 40.0);
        Box::new(move |time| 100.0 + 100.0 * time + 50.0 * (time * teeth).fract())
    });
    check_found("three times the teeth, after a level", 0.9, |random| {
        let (teeth, onset) = (random.between(20.0, 60.0), random.between(0.1, 0.6));
        let rise = move |time: f64| ((time - onset) / (1.0 - onset)).max(0.0);
        Box::new(move |time| 100.0 + 150.0 * rise(time) + 50.0 * (time * teeth).fract())
    });
}

#[test]
fn growth_by_steps_and_growth_that_speeds_up_are_found() {
    check_found("10 to 40 steps", 0.97, |random| {
        let steps = random.between(10.0, 40.0);
        Box::new(move |time| 100.0 + 10.0 * (time * steps).floor())
    });
    check_found("1 to 4 doublings", 0.97, |random| {
        let doublings = random.between(1.0, 4.0);
        Box::new(move |time| 100.0 * 2f64.powf(doublings * time))
    });
}

#[test]
fn the_onset_is_where_the_growth_begins() {
    let mut errors: Vec<f64> = (0..CURVES)
        .map(|seed| {
            let onset = 0.1 + 0.7 * seed as f64 / CURVES as f64;
            let kind = |random: &mut Random| -> Box<dyn Fn(f64) -> f64> {
                let rise = random.between(50.0, 200.0);
                Box::new(move |time| 100.0 + rise * ((time - onset) / (1.0 - onset)).max(0.0))
            };
            match trend(&draw(seed, &kind), 0.0) {
                Trend::Grows(growth) => (growth.onset - onset).abs(),
                other => panic!("{onset}: {other:?}"),
            }
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors[(share * (errors.len() - 1) as f64) as usize];
    println!(
        "onset: off by {:.3} in the median, {:.3} in 95 %",
        at(0.5),
        at(0.95)
    );
    assert!(at(0.5) < 0.04 && at(0.95) < 0.08);
}

#[test]
fn a_few_points_say_nothing() {
    assert_eq!(trend(&[], 0.0), Trend::TooShort);
    assert_eq!(trend(&[(0.0, 0.0), (1.0, 100.0)], 0.0), Trend::TooShort);
    let flat: Vec<(f64, f64)> = (0..50).map(|time| (f64::from(time), 0.0)).collect();
    assert_eq!(trend(&flat, 0.0), Trend::Steady);
}

#[test]
fn a_rise_within_chance_is_not_growth() {
    let rise: Vec<(f64, f64)> = (0..100)
        .map(|time| (f64::from(time), 100.0 + f64::from(time)))
        .collect();
    assert!(matches!(trend(&rise, 20.0), Trend::Grows(_)));
    assert_eq!(trend(&rise, 30.0), Trend::Steady);
}
