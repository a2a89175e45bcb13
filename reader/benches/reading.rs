//! How fast a segment becomes a history, part by part: `cargo bench -p memshim-reader`.
//!
//! The segment lies in memory, so that what is measured is the reader and not the kernel.

mod segment;

use divan::Bencher;
use divan::counter::ItemsCount;
use memshim_reader::analysis;
use memshim_reader::event::Ring;
use memshim_reader::history::History;
use memshim_reader::report::Unit;
use memshim_reader::session::{Request, Session};
use memshim_reader::source::Issues;
use memshim_reader::statistics::interval::Sums;
use segment::{Amounts, segment};

fn main() {
    divan::main();
}

const FEW: Amounts = Amounts {
    sites: 1,
    blocks: 0,
    events: 0,
};

#[divan::bench(sample_count = 20)]
fn slots(bencher: Bencher<'_, '_>) {
    let amounts = Amounts {
        blocks: 200_000,
        ..FEW
    };
    let segment = segment(amounts);
    let read = || {
        let mut bytes = 0;
        segment.slots(&mut Issues::default(), |slot| bytes += slot.size_bytes);
        bytes
    };
    bencher
        .counter(ItemsCount::new(amounts.blocks))
        .bench_local(read);
}

#[divan::bench(sample_count = 20)]
fn ring(bencher: Bencher<'_, '_>) {
    let amounts = Amounts {
        events: 400_000,
        ..FEW
    };
    let segment = segment(amounts);
    bencher
        .counter(ItemsCount::new(amounts.events))
        .bench_local(|| Ring::of(&segment, &mut Issues::default()).kept);
}

#[divan::bench(sample_count = 20)]
fn sites(bencher: Bencher<'_, '_>) {
    let amounts = Amounts {
        sites: 10_000,
        ..FEW
    };
    let segment = segment(amounts);
    bencher
        .counter(ItemsCount::new(amounts.sites))
        .bench_local(|| History::of(&segment).sites.all.len());
}

#[divan::bench(args = ["report", "sites", "leaks", "sizes"], sample_count = 20)]
fn answer(bencher: Bencher<'_, '_>, name: &str) {
    let amounts = Amounts {
        sites: 5_000,
        blocks: 100_000,
        events: 0,
    };
    let request = Request {
        without_symbols: true,
        ..Request::default()
    };
    let mut session = Session::of(&segment(amounts), &request);
    let entry = analysis::find(name).expect("a known analysis");
    let question = entry.default_question().expect("default flags");
    bencher.bench_local(|| session.ask(&request, &*question).sections.len());
}

/// The interval of Fay and Feuer, from few samples, whose gamma is computed, to many, which are
/// nearly normal.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn interval(samples: u32) -> f64 {
    let mut sums = Sums::new(524_288.0);
    for _ in 0..divan::black_box(samples) {
        sums.add(4096.0, 0.0078);
    }
    sums.estimate(Unit::Bytes).high
}
