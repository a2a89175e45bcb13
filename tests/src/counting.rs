//! An independent witness: the same program under `counting_preload.c`, which only counts calls.

use std::path::Path;

use crate::launch::{Launch, Outcome};
use crate::programs::library;
use crate::scene::Scene;

/// What one process did, to its last call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The process.
    pub pid: u32,
    /// Blocks that were handed out.
    pub allocations: u64,
    /// Blocks that were given back.
    pub frees: u64,
    /// The sizes that were asked for, added up.
    pub allocated_bytes: u64,
}

impl Count {
    /// Blocks that were never given back.
    pub fn live(&self) -> u64 {
        self.allocations - self.frees
    }
}

/// Runs `launch` under the counter and gives the count of the process that was started.
pub fn count_calls(scene: &Scene, launch: Launch) -> (Outcome, Count) {
    let (outcome, counts) = count_calls_of_each_process(scene, launch);
    let found = counts
        .iter()
        .rfind(|count| count.pid == outcome.pid)
        .copied();
    let count = found.unwrap_or_else(|| panic!("{outcome:?} was not counted: {counts:?}"));
    (outcome, count)
}

/// Runs `launch` under the counter and gives one count a process and executed program.
pub fn count_calls_of_each_process(scene: &Scene, launch: Launch) -> (Outcome, Vec<Count>) {
    let dir = scene.scratch_dir().join("counts");
    drop(std::fs::remove_dir_all(&dir));
    std::fs::create_dir(&dir).expect("a scene is writable");
    let outcome = launch
        .env("LD_PRELOAD", library("counting_preload.c"))
        .env("COUNT_FILE", dir.join("count"))
        .run();
    let counts = counts_in(&dir);
    (outcome, counts)
}

/// The counts that `counting_preload.c` has left in `dir`, in the order of its file names.
pub fn counts_in(dir: &Path) -> Vec<Count> {
    let entries = std::fs::read_dir(dir).expect("the counts can be listed");
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths.iter().map(|path| read_count(path)).collect()
}

fn read_count(path: &Path) -> Count {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let pid = name.split('.').nth(1).and_then(|pid| pid.parse().ok());
    let bytes = std::fs::read(path).expect("a count can be read");
    let word = |index: usize| {
        let bytes = &bytes[index * 8..index * 8 + 8];
        u64::from_le_bytes(bytes.try_into().expect("eight bytes make a word"))
    };
    Count {
        pid: pid.unwrap_or_else(|| panic!("no process in the name {name}")),
        allocations: word(0),
        frees: word(1),
        allocated_bytes: word(2),
    }
}
