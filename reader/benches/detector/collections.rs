//! How often the rule for Go programs is right, which knows only what collections left alive.
//!
//! Each program is an invented curve of what is live. It is sampled at 64 KiB, collected at a pace,
//! and looked at each second, with the moments thinned out as the segment does it; the verdict is
//! asked for after 10 s to 10 min.

use std::f64::consts::TAU;

use memshim_reader::analysis::leaks::class::Class;
use memshim_reader::analysis::leaks::collected::{Curve, judge};
use memshim_reader::analysis::leaks::detector::WARM_UP;

use crate::cases::is_alarm;
use crate::simulation::Random;

/// Runs of each program at each pace.
const RUNS: u64 = 200;

/// Seconds between two collections, at the mean.
const PACES: [f64; 3] = [0.1, 0.5, 3.0];

/// When the verdict is asked for, seconds after the first look.
const ASKED: [usize; 5] = [10, 20, 60, 120, 600];

/// As many as a segment keeps.
const MOMENTS_MAX: usize = 16;

const MIB: f64 = 1_048_576.0;

/// What a sampled block of 2 KiB stands for at 64 KiB, and with which chance one is sampled.
const WEIGHT: f64 = 66_565.0;
const CHANCE: f64 = 2_048.0 / WEIGHT;

/// What is live at a time, which only rises from call to call.
type Live = Box<dyn FnMut(&mut Random, f64) -> f64>;

struct Program {
    name: &'static str,
    leaks: bool,
    begin: fn(&mut Random) -> Live,
}

const fn healthy(name: &'static str, begin: fn(&mut Random) -> Live) -> Program {
    let leaks = false;
    Program { name, leaks, begin }
}

const fn leaking(name: &'static str, begin: fn(&mut Random) -> Live) -> Program {
    let leaks = true;
    Program { name, leaks, begin }
}

const PROGRAMS: &[Program] = &[
    leaking("leak, 0.5 to 2 MiB/s", |random| leak(random, 1.0)),
    leaking("leak, 50 to 200 KiB/s", |random| leak(random, 0.1)),
    leaking("leak, only while there is load", |_| bursts()),
    healthy("steady, 5 % up and down", |_| {
        Box::new(|random, _| 30.0 * MIB * (1.0 + 0.05 * random.normal()))
    }),
    healthy("wanders about a mean", |_| wandering()),
    healthy("load that swings, 5 to 60 s", |random| {
        let (period, phase) = (between(random, 5.0, 60.0), random.uniform());
        Box::new(move |_, time| MIB * (20.0 + 10.0 * (TAU * (time / period + phase)).sin()))
    }),
    healthy("cache filled and emptied, 5 to 60 s", |random| {
        let (period, phase) = (between(random, 5.0, 60.0), random.uniform());
        Box::new(move |_, time| 20.0 * MIB * (time / period + phase).fract())
    }),
    healthy("start-up of 1 to 5 s", |random| start_up(random, 1.0, 5.0)),
    healthy("start-up of 5 to 30 s", |random| {
        start_up(random, 5.0, 30.0)
    }),
    healthy("cache that fills, 1 to 10 s to 63 %", |random| {
        cache(random, 1.0, 10.0)
    }),
    healthy("cache that fills, 10 to 60 s to 63 %", |random| {
        cache(random, 10.0, 60.0)
    }),
    healthy("loads something once", |random| {
        let at = between(random, 0.0, 60.0);
        Box::new(move |_, time| MIB * if time > at { 20.0 } else { 5.0 })
    }),
];

/// Prints a row for each program.
pub fn print() {
    let asked = ASKED.map(|seconds| format!(" {seconds} s |"));
    println!("| Go program | leaks |{}", asked.concat());
    println!("| --- | --- |{}", " --- |".repeat(ASKED.len()));
    for program in PROGRAMS {
        let mut alarms = [0u32; ASKED.len()];
        for (pace, seed) in PACES
            .iter()
            .flat_map(|pace| (0..RUNS).map(move |it| (pace, it)))
        {
            let classes = classes(program, *pace, &mut Random(seed));
            for (alarms, class) in alarms.iter_mut().zip(classes) {
                *alarms += u32::from(is_alarm(class));
            }
        }
        let runs = (RUNS * PACES.len() as u64) as f64;
        let cells = alarms.map(|alarms| format!(" {:.1} % |", f64::from(alarms) * 100.0 / runs));
        let leaks = if program.leaks { "yes" } else { "no" };
        println!("| {} | {leaks} |{}", program.name, cells.concat());
    }
}

/// One moment: when, what the collection before the last left, and which collection that was.
type Moment = (f64, f64, usize);

/// What is said of one run each time that it is asked for.
fn classes(program: &Program, pace: f64, random: &mut Random) -> [Class; ASKED.len()] {
    let mut live = (program.begin)(random);
    let (mut moments, mut classes) = (Vec::<Moment>::new(), [Class::TooLittleData; ASKED.len()]);
    let (mut time, mut number, mut before, mut estimate, mut shown) = (0.0, 0, 0.0, 0.0, 0.0);
    for second in 1..=ASKED[ASKED.len() - 1] {
        while time < second as f64 {
            shown = estimate;
            let now = live(random, time);
            // The blocks that came or went were sampled each by itself.
            let blocks = (now - before) / WEIGHT;
            let chance = blocks.abs().sqrt() * random.normal();
            estimate = f64::max(0.0, estimate + (blocks + chance).round() * WEIGHT);
            before = now;
            number += 1;
            time += pace * between(random, 0.7, 1.3);
        }
        note(&mut moments, (second as f64, shown, number));
        if let Some(place) = ASKED.iter().position(|asked| *asked == second) {
            classes[place] = judge(&curve(&moments));
        }
    }
    classes
}

/// Keeps a moment if it is time for one; where there are too many, every second one goes.
fn note(moments: &mut Vec<Moment>, now: Moment) {
    if let [first, .., last] = moments[..] {
        let spacing = (last.0 - first.0) / (moments.len() - 1) as f64;
        if now.0 - last.0 < spacing * 7.0 / 8.0 {
            return;
        }
    }
    if moments.len() == MOMENTS_MAX {
        let mut place = 0;
        moments.retain(|_| {
            place += 1;
            place % 2 == 1
        });
    }
    moments.push(now);
}

fn curve(moments: &[Moment]) -> Curve {
    let end = moments.last().map_or(0.0, |last| last.0);
    let kept = moments.iter().filter(|moment| moment.0 > end * WARM_UP);
    let points: Vec<(f64, f64)> = kept.clone().map(|(time, live, _)| (*time, *live)).collect();
    let numbers: Vec<usize> = kept.map(|(_, _, number)| *number).collect();
    let live = points.last().map_or(0.0, |last| last.1);
    Curve {
        points,
        collections: numbers.windows(2).filter(|pair| pair[0] != pair[1]).count(),
        deviation: (live * WEIGHT * (1.0 - CHANCE)).sqrt(),
        live_share: 1.0,
        is_one: false,
    }
}

fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * random.uniform()
}

fn leak(random: &mut Random, mib_per_second: f64) -> Live {
    let rate = between(random, 0.5, 2.0) * mib_per_second * MIB;
    Box::new(move |_, time| rate * time)
}

/// 1 MiB/s in spells of 2 s at the mean, with pauses of 3 s.
fn bursts() -> Live {
    let (mut live, mut last, mut is_on, mut until) = (0.0, 0.0, false, 0.0);
    Box::new(move |random, time| {
        while until < time {
            live += if is_on { (until - last) * MIB } else { 0.0 };
            last = until;
            is_on = !is_on;
            until += random.exponential(if is_on { 2.0 } else { 3.0 });
        }
        live += if is_on { (time - last) * MIB } else { 0.0 };
        last = time;
        live
    })
}

fn wandering() -> Live {
    const MEAN: f64 = 30.0 * MIB;
    let (mut live, mut last) = (MEAN, 0.0);
    Box::new(move |random, time| {
        let passed: f64 = time - last;
        last = time;
        live += (MEAN - live) * (passed / 60.0).min(1.0);
        live += MEAN * 0.03 * passed.sqrt() * random.normal();
        live = f64::max(live, MEAN * 0.2);
        live
    })
}

fn start_up(random: &mut Random, low: f64, high: f64) -> Live {
    let takes = between(random, low, high);
    Box::new(move |_, time| 40.0 * MIB * (time / takes).min(1.0))
}

fn cache(random: &mut Random, low: f64, high: f64) -> Live {
    let takes = between(random, low, high);
    Box::new(move |_, time| 40.0 * MIB * -(-time / takes).exp_m1())
}
