//! Programs with a known truth: what people have in production, healthy and not.

use memshim_reader::analysis::leaks::class::Class;
use memshim_reader::source::Interval;

use crate::simulation::{Block, HOUR, INTERVAL, Random, Stream};

/// A kind of program.
pub struct Case {
    /// What it does.
    pub name: &'static str,
    /// Whether it leaks, or grows without end.
    pub leaks: bool,
    /// The share of runs, in percent, that must be called so: at least this where it leaks, at
    /// most this where it does not.
    pub bound: f64,
    /// Its sampled blocks in one run.
    pub run: fn(&mut Random) -> Vec<Block>,
}

/// What a busy site allocates: some 700 samples in the hour.
const BUSY: f64 = 100_000.0;

/// Nothing dies.
const NEVER: f64 = f64::INFINITY;

const fn healthy(name: &'static str, bound: f64, run: fn(&mut Random) -> Vec<Block>) -> Case {
    Case {
        name,
        leaks: false,
        bound,
        run,
    }
}

const fn leaking(name: &'static str, bound: f64, run: fn(&mut Random) -> Vec<Block>) -> Case {
    Case {
        name,
        leaks: true,
        bound,
        run,
    }
}

/// All of them.
pub const CASES: &[Case] = &[
    healthy("steady, mean life 20 s", 1.0, |random| steady(random, 20.0)),
    healthy("steady, mean life 300 s", 1.0, |random| {
        steady(random, 300.0)
    }),
    healthy("steady, mean life 900 s", 1.0, |random| {
        steady(random, 900.0)
    }),
    healthy("steady, mean life 1 h", 2.0, |random| steady(random, HOUR)),
    healthy(
        "mean life 20 s, asleep since half of the run",
        1.0,
        |random| asleep(random, HOUR * 0.5, |random| random.exponential(20.0)),
    ),
    healthy(
        "mean life 300 s, asleep in the last quarter",
        2.0,
        |random| asleep(random, HOUR * 0.75, |random| random.exponential(300.0)),
    ),
    healthy(
        "all kept for 2 min, asleep in the last third",
        1.0,
        |random| asleep(random, HOUR * 0.66, |_| 120.0),
    ),
    healthy("log-normal, sigma 2, median 20 s", 2.0, |random| {
        log_normal(random, 20.0, 2.0)
    }),
    healthy("log-normal, sigma 2, median 3 min", 2.0, |random| {
        log_normal(random, 180.0, 2.0)
    }),
    healthy("log-normal, sigma 2, few samples", 2.0, |random| {
        Stream::of(BUSY / 10.0).blocks(random, |random, birth| {
            birth + 20.0 * (2.0 * random.normal()).exp()
        })
    }),
    healthy("log-normal, sigma 1, median 3 min", 6.0, |random| {
        log_normal(random, 180.0, 1.0)
    }),
    healthy("log-normal, sigma 1, median 10 min", 2.0, |random| {
        log_normal(random, 600.0, 1.0)
    }),
    healthy("log-normal, sigma 1.5, median 60 s", 2.0, |random| {
        log_normal(random, 60.0, 1.5)
    }),
    healthy("log-normal, sigma 3, median 1 s", 2.0, |random| {
        log_normal(random, 1.0, 3.0)
    }),
    healthy("Pareto, index 1.5, from 1 s", 2.0, |random| {
        pareto(random, 1.5)
    }),
    healthy("Weibull, shape 0.5, mean 300 s", 2.0, |random| {
        Stream::of(BUSY).blocks(random, |random, birth| {
            birth + 150.0 * random.exponential(1.0).powi(2)
        })
    }),
    healthy("99 % live 1 ms, 1 % mean 900 s", 5.0, |random| {
        mixture(random, 900.0)
    }),
    healthy("99 % live 1 ms, 1 % mean 3 h", 5.0, |random| {
        mixture(random, 3.0 * HOUR)
    }),
    healthy("cache, 10 min time to live", 1.0, |random| {
        Stream::of(BUSY).blocks(random, |_, birth| birth + 600.0)
    }),
    healthy("cache, first in first out, 40 min", 1.0, |random| {
        Stream::of(BUSY / 4.0).blocks(random, |random, birth| {
            birth + 2400.0 + 60.0 * random.normal()
        })
    }),
    healthy("cache, least recently used", 1.0, |random| {
        // Each hit gives an entry another five minutes; every other time there is one.
        Stream::of(BUSY / 4.0).blocks(random, |random, birth| {
            let mut death = birth + 300.0;
            while random.uniform() < 0.5 {
                death += 300.0 * random.uniform();
            }
            death
        })
    }),
    healthy("cache filled at start", 1.0, |random| {
        let mut blocks = Stream::of(BUSY)
            .during(0.0, 180.0)
            .blocks(random, |_, _| NEVER);
        blocks.extend(steady(random, 20.0));
        blocks
    }),
    healthy("cache filled through half of the run", 2.0, |random| {
        Stream::of(BUSY / 4.0)
            .during(0.0, HOUR / 2.0)
            .blocks(random, |_, _| NEVER)
    }),
    healthy("the same, with 20 s churn beside", 2.0, |random| {
        let mut blocks = Stream::of(BUSY / 10.0)
            .during(0.0, HOUR / 2.0)
            .blocks(random, |_, _| NEVER);
        blocks.extend(steady(random, 20.0));
        blocks
    }),
    healthy("cache that saturates, constant 8 min", 20.0, |random| {
        let blocks = Stream::of(BUSY / 2.0).blocks(random, |_, _| NEVER);
        thinned(blocks, random, |time| (-time / 480.0).exp())
    }),
    healthy("plugin loaded at half, fills in 5 min", 2.0, |random| {
        Stream::of(BUSY)
            .during(1800.0, 2100.0)
            .blocks(random, |_, _| NEVER)
    }),
    healthy("jobs of 12 min, all freed at the end", 1.0, |random| {
        Stream::of(BUSY).blocks(random, |_, birth| (birth / 720.0).floor() * 720.0 + 719.0)
    }),
    healthy("jobs of 25 min, the third one running", 1.0, |random| {
        Stream::of(BUSY / 4.0).blocks(random, |_, birth| {
            (birth / 1500.0).floor() * 1500.0 + 1499.0
        })
    }),
    healthy("load doubles at half, mean life 300 s", 1.0, |random| {
        let blocks = steady(random, 300.0);
        thinned(blocks, random, |time| if time < 1800.0 { 0.5 } else { 1.0 })
    }),
    healthy("load rises all along, mean life 300 s", 1.0, |random| {
        let blocks = steady(random, 300.0);
        thinned(blocks, random, |time| time / HOUR)
    }),
    healthy("pool of 1 MiB chunks, load wanders", 10.0, pool),
    healthy(
        "interval from 4 to 512 KiB, mean life 20 s",
        1.0,
        |random| {
            finer_at_first(random, BUSY, |random, birth| {
                birth + random.exponential(20.0)
            })
        },
    ),
    healthy("interval from 4 to 512 KiB, log-normal", 2.0, |random| {
        finer_at_first(random, BUSY, |random, birth| {
            birth + 20.0 * (2.0 * random.normal()).exp()
        })
    }),
    healthy("one buffer of any size, replaced", 2.0, |random| {
        let mut time = 0.0;
        replaced(random, |random, _| {
            time += random.exponential(100.0);
            (time, 64 << (random.uniform() * 14.0) as u64)
        })
    }),
    leaking("leak of 5 % of objects", 99.0, |random| {
        leak(random, 0.05, 20.0)
    }),
    leaking("leak of 1 % of objects", 75.0, |random| {
        leak(random, 0.01, 20.0)
    }),
    leaking("leak of 5 %, mean life 300 s", 93.0, |random| {
        leak(random, 0.05, 300.0)
    }),
    leaking("leak of 5 % of log-normal lives", 85.0, |random| {
        Stream::of(BUSY).blocks(random, |random, birth| match random.uniform() < 0.05 {
            true => NEVER,
            false => birth + (2.0 * random.normal()).exp(),
        })
    }),
    leaking("slow pure leak, 5 KB/s", 98.0, |random| {
        Stream::of(5_000.0).blocks(random, |_, _| NEVER)
    }),
    leaking("slow pure leak, 2 KB/s", 90.0, |random| {
        Stream::of(2_000.0).blocks(random, |_, _| NEVER)
    }),
    leaking("slow pure leak, 1 KB/s", 60.0, |random| {
        Stream::of(1_000.0).blocks(random, |_, _| NEVER)
    }),
    leaking("pure leak since half of the run", 95.0, |random| {
        Stream::of(BUSY / 10.0)
            .during(1800.0, HOUR)
            .blocks(random, |_, _| NEVER)
    }),
    leaking("leak in bursts, a job every 10 min", 90.0, |random| {
        let blocks = leak(random, 0.1, 20.0);
        thinned(blocks, random, |time| {
            if time % 600.0 < 120.0 { 1.0 } else { 0.05 }
        })
    }),
    leaking("leak by day and night of 20 min", 90.0, |random| {
        let blocks = leak(random, 0.1, 20.0);
        thinned(blocks, random, |time| {
            0.5 + 0.5 * (std::f64::consts::TAU * time / 1200.0).sin()
        })
    }),
    leaking("cache filled at start, and a leak", 90.0, |random| {
        let mut blocks = Stream::of(BUSY)
            .during(0.0, 180.0)
            .blocks(random, |_, _| NEVER);
        blocks.extend(leak(random, 0.02, 20.0));
        blocks
    }),
    leaking("interval from 4 to 512 KiB, leak of 2 %", 90.0, |random| {
        finer_at_first(random, BUSY, |random, birth| {
            match random.uniform() < 0.02 {
                true => NEVER,
                false => birth + random.exponential(20.0),
            }
        })
    }),
    leaking("vector that doubles", 90.0, |random| {
        let jitter = 1.0 + random.uniform();
        replaced(random, |_, number| {
            (jitter * f64::from(1 << number), 4096 << number)
        })
    }),
    leaking("buffer that grows by realloc", 95.0, |random| {
        let mut time = 0.0;
        replaced(random, |random, number| {
            time += random.exponential(20.0);
            (time, 65536 * u64::from(number))
        })
    }),
];

/// Whether a verdict says that memory grows without end.
pub fn is_alarm(class: Class) -> bool {
    matches!(class, Class::Leak | Class::GrowingContainer)
}

fn steady(random: &mut Random, mean: f64) -> Vec<Block> {
    Stream::of(BUSY).blocks(random, |random, birth| birth + random.exponential(mean))
}

/// Nothing is born or dies at the site after a moment, as in a server without clients.
fn asleep(random: &mut Random, since: f64, life: fn(&mut Random) -> f64) -> Vec<Block> {
    Stream::of(BUSY)
        .during(0.0, since)
        .blocks(random, |random, birth| match birth + life(random) {
            death if death < since => death,
            _ => NEVER,
        })
}

fn log_normal(random: &mut Random, median: f64, sigma: f64) -> Vec<Block> {
    Stream::of(BUSY).blocks(random, |random, birth| {
        birth + median * (sigma * random.normal()).exp()
    })
}

fn pareto(random: &mut Random, index: f64) -> Vec<Block> {
    Stream::of(BUSY).blocks(random, |random, birth| {
        birth + (1.0 - random.uniform()).powf(-1.0 / index)
    })
}

/// Many short lives and a few long ones, as one helper that everybody calls has them.
fn mixture(random: &mut Random, long: f64) -> Vec<Block> {
    Stream::of(10.0 * BUSY).blocks(random, |random, birth| match random.uniform() < 0.01 {
        true => birth + random.exponential(long),
        false => birth + random.exponential(0.001),
    })
}

fn leak(random: &mut Random, share: f64, mean: f64) -> Vec<Block> {
    Stream::of(BUSY).blocks(random, |random, birth| match random.uniform() < share {
        true => NEVER,
        false => birth + random.exponential(mean),
    })
}

/// Those of the blocks that are born with a chance which depends on the time.
fn thinned(mut blocks: Vec<Block>, random: &mut Random, chance: impl Fn(f64) -> f64) -> Vec<Block> {
    blocks.retain(|block| random.uniform() < chance(block.birth));
    blocks
}

/// The controller's beginning: a fine interval for the first minute, the usual one after it.
fn finer_at_first(
    random: &mut Random,
    bytes_per_second: f64,
    mut death: impl FnMut(&mut Random, f64) -> f64,
) -> Vec<Block> {
    let early = Stream::of(bytes_per_second)
        .during(0.0, 60.0)
        .sampled_at(4096);
    let mut blocks = early.blocks(random, &mut death);
    let late = Stream::of(bytes_per_second).during(60.0, HOUR);
    blocks.extend(late.blocks(random, &mut death));
    blocks
}

/// A pool that takes another chunk whenever the load is higher than ever; the load wanders about
/// a mean.
fn pool(random: &mut Random) -> Vec<Block> {
    let (mut load, mut chunks, mut blocks) = (0.0, -4.0, Vec::new());
    for second in 0..3600 {
        load += 0.1 * random.normal() - load / 200.0;
        while load * 4.0 > chunks {
            chunks += 1.0;
            blocks.push(Block {
                birth: f64::from(second) + random.uniform(),
                death: NEVER,
                size_bytes: 1 << 20,
                interval: Interval::at_most(INTERVAL),
            });
        }
    }
    blocks.retain(|_| random.uniform() < 0.865);
    blocks
}

/// One block that is replaced by the next; `next` gives the birth and size of each by its number.
fn replaced(
    random: &mut Random,
    mut next: impl FnMut(&mut Random, u32) -> (f64, u64),
) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for number in 1.. {
        let (birth, size_bytes) = next(random, number);
        if let Some(last) = blocks.last_mut() {
            last.death = birth;
        }
        if birth >= HOUR {
            break;
        }
        blocks.push(Block {
            birth,
            death: NEVER,
            size_bytes,
            interval: Interval::at_most(4096),
        });
    }
    blocks.retain(|block| random.uniform() < -(-(block.size_bytes as f64) / 4096.0).exp_m1());
    blocks
}
