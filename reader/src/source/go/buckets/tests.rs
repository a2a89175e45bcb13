//! Lists of records in a file that stands for memory: good ones, hostile ones, torn ones.

use std::io::Write;

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

#[test]
fn records_of_every_layout_are_read() {
    for minor in [19, 26, 27] {
        let layout = layout(minor);
        let bytes = records(layout, &[(128, 5, 10, 4), (4096, 32, 3, 0), (16, 1, 1, 0)]);
        let walk = read(&mut memory(&bytes), LIST, layout).expect("good records");
        let found = walk.buckets.iter().map(|bucket| {
            let Counts { allocated, freed } = bucket.newest;
            (bucket.size_bytes, bucket.stack.len(), allocated, freed)
        });
        let found: Vec<_> = found.collect();
        assert_eq!(found, [(16, 1, 1, 0), (4096, 32, 3, 0), (128, 5, 10, 4)]);
        assert_eq!(walk.buckets[2].published.allocated, 9);
    }
}

fn check_refused(bytes: &[u8], layout: Layout, expected: &str) {
    match read(&mut memory(bytes), LIST, layout) {
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
    assert!(read(&mut memory(&good), LIST, guess).is_ok());
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
        let _ = read(&mut memory(&bytes), LIST, layout);
    }

    #[test]
    fn memory_that_ends_anywhere_is_no_crash(len in 0usize..0x2000) {
        let layout = layout(21);
        let bytes = records(layout, &[(128, 5, 10, 4), (64, 50, 10, 4)]);
        let _ = read(&mut memory(&bytes[..len]), LIST, layout);
    }
}
