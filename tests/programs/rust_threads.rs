//! Four Rust threads build maps of strings, send them through a channel and add them up.
//!
//! Truth: prints one sum, the same on every run; build_map is called four times.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;

#[inline(never)]
fn build_map(seed: u64) -> BTreeMap<String, Vec<u64>> {
    let mut map = BTreeMap::new();
    for index in 0..2_000u64 {
        map.insert(format!("key {}", index * seed % 7_919), vec![index; (index % 16) as usize]);
    }
    map
}

fn main() {
    let (sender, receiver) = channel();
    let threads: Vec<_> = (1..=4)
        .map(|seed| {
            let sender = sender.clone();
            thread::spawn(move || sender.send(build_map(seed)).expect("main still listens"))
        })
        .collect();
    drop(sender);
    // Received after all were sent: a receiver that has to wait allocates, one that need not does not.
    for thread in threads {
        thread.join().expect("no thread panics");
    }
    let sum: u64 = receiver.iter().flat_map(|map| map.into_values().flatten()).sum();
    println!("sum {sum}");
}
