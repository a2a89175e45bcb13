//! Rows that are written once: strings, modules, threads, sites and their frames.

use core::sync::atomic::Ordering;

use super::{Switches, View, explore, spawn, words};
use crate::modules::{self, Module};
use crate::region::{REGION_WORDS, Region, RegionShape, Table};
use crate::sites::{self, Identity};
use crate::threads;
use crate::{Words, header, strings};

/// A region of one row, at the first word.
const fn alone(row_words: usize) -> RegionShape {
    RegionShape {
        first_word: 0,
        rows: 1,
        row_words: row_words as u64,
    }
}

#[test]
fn a_module_is_seen_whole_and_with_its_path() {
    const ROW: usize = header::at::REGIONS + REGION_WORDS;
    const PATH: &[u8] = b"/lib/a.so";
    const MODULE: Module = Module {
        state: modules::state::LOADED,
        start: 1,
        end: 2,
        bias: 3,
        loaded_ticks: 4,
        unloaded_ticks: 0,
        path: header::pack(0, PATH.len() as u32),
        build_id_len: 32,
        build_id: [5; 32],
    };
    explore(Switches::Any, || {
        // The strings lie in the first two words; the entry of their region tells so.
        let words = words(ROW + modules::MODULE_WORDS);
        words[header::at::REGIONS + 1].store(2, Ordering::Relaxed);
        let seen = words.clone();
        let reader = spawn(move || {
            let region = RegionShape {
                first_word: ROW as u64,
                ..alone(modules::MODULE_WORDS)
            };
            let Some(module) = modules::read(&seen[..], region, 0) else {
                return;
            };
            assert_eq!(module, MODULE);
            let mut path = [0; strings::STRING_BYTES_MAX];
            let region = RegionShape {
                first_word: 0,
                rows: 2,
                row_words: 1,
            };
            let len = strings::read(&seen[..], region, module.path, &mut path);
            assert_eq!(&path[..len], PATH);
        });
        let table = Table::of(&words, Region::Strings).expect("a table");
        let path = strings::append(&table, PATH, |rows| rows);
        modules::publish(&words[ROW..], &Module { path, ..MODULE });
        reader.join().unwrap();
    });
}

#[test]
fn a_module_is_gone_exactly_when_the_time_of_that_is_known() {
    explore(Switches::Any, || {
        let words = words(modules::MODULE_WORDS);
        let loaded = Module {
            state: modules::state::LOADED,
            ..Module::default()
        };
        modules::publish(&words, &loaded);
        let view = View::new(&words, &[0..1, 5..6]);
        let reader = spawn(move || {
            let module = modules::read(&view, alone(modules::MODULE_WORDS), 0).expect("published");
            let is_gone = module.state == modules::state::UNLOADED;
            assert_eq!(module.unloaded_ticks, if is_gone { 9 } else { 0 });
        });
        modules::retire(&words, 9);
        reader.join().unwrap();
    });
}

#[test]
fn a_thread_is_seen_with_its_name_and_start() {
    explore(Switches::Any, || {
        let words = words(threads::THREAD_WORDS);
        let seen = words.clone();
        let reader = spawn(move || {
            if let Some(thread) = threads::read(&seen[..], alone(threads::THREAD_WORDS), 0) {
                assert_eq!(
                    (thread.tid, thread.name, thread.started_ticks),
                    (7, [b'a'; 16], 9)
                );
            }
        });
        threads::publish(words.first_chunk().expect("a row"), 7, &[b'a'; 16], 9);
        reader.join().unwrap();
    });
}

const IDENTITY: Identity = Identity {
    hash: 1,
    writer: 7,
    first_frame: 0,
    depth: 2,
    flags: 3,
    modules: 4,
    made_ticks: 5,
};

#[test]
fn a_site_is_seen_with_its_identity_and_its_frames() {
    explore(Switches::Any, || {
        let words = words(sites::SITE_WORDS + 2);
        let view = View::new(&words, &[0..2, 8..10]);
        let seen = words.clone();
        let reader = spawn(move || {
            let Some(site) = sites::read(&view, alone(sites::SITE_WORDS), 0) else {
                return;
            };
            assert_eq!(site.identity, IDENTITY);
            let mut frames = [0; 2];
            seen.copy(sites::SITE_WORDS as u64, &mut frames);
            assert_eq!(frames, [11, 12]);
        });
        for (frame, address) in words[sites::SITE_WORDS..].iter().zip([11, 12]) {
            frame.store(address, Ordering::Relaxed);
        }
        sites::publish(words.first_chunk().expect("a row"), &IDENTITY);
        reader.join().unwrap();
    });
}

#[test]
fn a_writer_that_finds_the_row_of_another_sees_what_it_is() {
    explore(Switches::Any, || {
        let words = words(sites::SITE_WORDS);
        let seen = words.clone();
        let writer = spawn(move || {
            let row = seen.first_chunk().expect("a row");
            if sites::key_of(row) != 0 {
                assert_eq!(sites::identity(row), IDENTITY);
            }
        });
        sites::publish(words.first_chunk().expect("a row"), &IDENTITY);
        writer.join().unwrap();
    });
}
