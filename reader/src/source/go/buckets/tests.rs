//! Lists of records in a file that stands for memory: good ones, hostile ones, torn ones.

use std::io::Write;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;

/// Where the pointer to the newest record lies.
const LIST: u64 = 0;

/// Where records begin; the file stands for memory from address 0 on.
const FIRST: u64 = 0x1000;

fn memory(bytes: &[u8]) -> Memory {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes)
        .expect("a temporary file can be written");
    Memory::of(file)
}

fn layout(minor: u32) -> Layout {
    Layout::of(Some((minor, 0)), "go1.x").expect("a known version")
}

/// Memory with records of these sizes, depths and counts one behind the other, the last one the
/// newest.
fn records(layout: Layout, buckets: &[(u64, usize, u64, u64)]) -> Vec<u8> {
    let mut bytes = vec![0; FIRST as usize];
    let mut before = 0_u64;
    for (size, depth, allocated, freed) in buckets {
        let address = bytes.len() as u64;
        let header = [0, before, KIND_MEMORY, 7, *size, *depth as u64];
        let mut words = header.to_vec();
        words.extend((0..*depth as u64).map(|frame| 0x40_0000 + frame));
        let mut counts = vec![0; layout.record_bytes() / 8];
        // Part of it is published, the rest will be by the next collection.
        counts[0] = allocated - 1;
        counts[1] = *freed;
        counts[layout.cycle_words] = 1;
        if layout.cycle_words == 4 {
            (counts[2], counts[3]) = ((allocated - 1) * size, freed * size);
            counts[6] = *size;
        }
        words.extend(counts);
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        before = address;
    }
    bytes[..8].copy_from_slice(&before.to_le_bytes());
    // Pieces are read whole where they can be.
    bytes.resize(bytes.len().next_multiple_of(1 << 16), 0);
    bytes
}

/// Reads all that there is for the first time.
fn read(memory: &mut Memory, layout: Layout) -> Result<Records, Refusal> {
    let mut records = Records::default();
    records.read(memory, LIST, layout).map(|()| records)
}

/// The records: size, depth, allocated, freed.
fn found(records: &Records) -> Vec<(u64, usize, u64, u64)> {
    let found = records.all().iter().map(|record| {
        let Counts { allocated, freed } = record.newest;
        (record.size_bytes, record.depth, allocated, freed)
    });
    found.collect()
}

#[test]
fn records_of_every_layout_are_read() {
    for minor in [19, 26, 27] {
        let layout = layout(minor);
        let written = [(128, 5, 10, 4), (4096, 32, 3, 0), (16, 1, 1, 0)];
        let bytes = records(layout, &written);
        let mut records = read(&mut memory(&bytes), layout).expect("good records");
        assert_eq!(found(&records), written);
        assert_eq!(records.all()[0].published.allocated, 9);
        let news = records.take_news();
        let depths: Vec<usize> = news.stacks().map(<[u64]>::len).collect();
        assert_eq!(depths, [5, 32, 1]);
        assert_eq!(news.stacks().nth(1).map(|stack| stack[31]), Some(0x40_001f));
    }
}

/// Memory whose content can be replaced, as a program goes on.
struct Changing {
    file: std::fs::File,
    memory: Memory,
}

impl Changing {
    fn new(bytes: &[u8]) -> Changing {
        let file = tempfile::tempfile().expect("a temporary file");
        let memory = Memory::of(file.try_clone().expect("a descriptor"));
        let changing = Changing { file, memory };
        changing.becomes(bytes);
        changing
    }

    fn becomes(&self, bytes: &[u8]) {
        let written = self.file.write_all_at(bytes, 0);
        written.expect("a temporary file can be written");
    }
}

#[test]
fn a_later_reading_finds_what_is_new_and_what_changed() {
    for minor in [19, 27] {
        let layout = layout(minor);
        let mut program = Changing::new(&records(layout, &[(128, 5, 10, 4), (64, 3, 2, 0)]));
        let mut known = read(&mut program.memory, layout).expect("good records");
        assert_eq!(known.take_news().stacks().len(), 2);
        let again = known.read(&mut program.memory, LIST, layout);
        again.expect("the same records");
        let news = known.take_news();
        assert_eq!((news.stacks().len(), news.changed.as_slice()), (0, &[][..]));
        let now = [(128, 5, 10, 4), (64, 3, 7, 2), (32, 9, 1, 0), (16, 1, 1, 0)];
        program.becomes(&records(layout, &now));
        let later = known.read(&mut program.memory, LIST, layout);
        later.expect("records were added");
        assert_eq!(found(&known), now);
        let news = known.take_news();
        let depths: Vec<usize> = news.stacks().map(<[u64]>::len).collect();
        assert_eq!((depths, news.changed.as_slice()), (vec![9, 1], &[1][..]));
    }
}

#[test]
fn a_later_reading_takes_no_more_of_the_program_than_the_counts_need() {
    let layout = layout(27);
    let many: Vec<_> = (1..4_000).map(|size| (size, 20, 1, 0)).collect();
    let mut program = Changing::new(&records(layout, &many));
    let mut known = read(&mut program.memory, layout).expect("good records");
    let before = program.memory.read_bytes;
    known
        .read(&mut program.memory, LIST, layout)
        .expect("the same records");
    let all = many.len() * layout.bucket_bytes(20);
    let read = program.memory.read_bytes - before;
    assert!(read <= all as u64 + 64, "{read} bytes of {all}");
}

fn check_refused_later(later: &[u8], layout: Layout, expected: &str) {
    let mut program = Changing::new(&records(layout, &[(128, 5, 10, 4), (64, 3, 2, 0)]));
    let mut known = read(&mut program.memory, layout).expect("good records");
    program.becomes(later);
    match known.read(&mut program.memory, LIST, layout) {
        Err(Refusal::Inconsistent(text)) => assert!(text.contains(expected), "{text}"),
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn records_that_become_others_or_vanish_are_refused() {
    let layout = layout(21);
    let others = records(layout, &[(128, 5, 10, 4), (65, 3, 2, 0)]);
    check_refused_later(&others, layout, "another");
    let mut fewer = records(layout, &[(128, 5, 10, 4), (64, 3, 2, 0)]);
    fewer[..8].copy_from_slice(&FIRST.to_le_bytes());
    check_refused_later(&fewer, layout, "gone");
}

#[test]
fn a_longer_circle_among_new_records_is_noticed() {
    let mut circle = Circle::default();
    let addresses = (1..=3).chain((10..1_000).cycle());
    let steps = addresses
        .take(10_000)
        .position(|it| circle.closes_at(it * 8));
    assert!(steps.is_some_and(|steps| steps < 4_000), "{steps:?}");
    let mut straight = Circle::default();
    assert!(!(1..10_000).any(|it| straight.closes_at(it * 8)));
}

fn check_refused(bytes: &[u8], layout: Layout, expected: &str) {
    match read(&mut memory(bytes), layout) {
        Err(Refusal::Inconsistent(text)) => assert!(text.contains(expected), "{text}"),
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn a_list_in_a_circle_is_refused() {
    let layout = layout(21);
    let mut bytes = records(layout, &[(128, 5, 10, 4), (64, 5, 10, 4)]);
    let head = u64::from_le_bytes(*bytes.first_chunk().expect("a head"));
    let next = FIRST as usize + at::NEXT;
    bytes[next..next + 8].copy_from_slice(&head.to_le_bytes());
    check_refused(&bytes, layout, "circle");
}

#[test]
fn the_layout_of_another_version_is_refused() {
    let bytes = records(
        layout(26),
        &[(128, 5, 10, 4), (64, 5, 10, 4), (32, 5, 10, 4)],
    );
    let guess = layout(28);
    assert!(guess.is_guess);
    check_refused(&bytes, guess, "too few records fit");
    let good = records(guess, &[(128, 5, 10, 4), (64, 5, 10, 4), (32, 5, 10, 4)]);
    assert!(read(&mut memory(&good), guess).is_ok());
    check_refused(&good, layout(26), "");
}

#[test]
fn more_freed_than_allocated_is_refused() {
    let layout = layout(27);
    let bytes = records(layout, &[(128, 5, 10, 40)]);
    check_refused(&bytes, layout, "more was freed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_with_anything_in_it_is_no_crash(
        places in prop::collection::vec((0usize..0x3000, any::<u8>()), 1..40),
        minor in 19u32..29,
    ) {
        let layout = layout(minor);
        let mut bytes = records(layout, &[(128, 5, 10, 4), (64, 50, 10, 4), (32, 1, 10, 4)]);
        for (place, byte) in places {
            bytes[place] = byte;
        }
        // Whatever comes of it, it comes, and soon.
        let _ = read(&mut memory(&bytes), layout);
    }

    #[test]
    fn memory_that_ends_anywhere_is_no_crash(len in 0usize..0x2000) {
        let layout = layout(21);
        let bytes = records(layout, &[(128, 5, 10, 4), (64, 50, 10, 4)]);
        let _ = read(&mut memory(&bytes[..len]), layout);
    }
}
