//! Many threads and many processes at once: it works, in bounded memory.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use memshim_tests::{Scene, program};

#[test]
fn two_thousand_threads_are_counted() {
    check_threads(2_000);
}

#[test]
#[ignore = "nightly: takes long and needs a machine that allows so many threads"]
fn ten_thousand_threads_are_counted() {
    check_threads(10_000);
}

#[test]
fn two_hundred_processes_have_their_own_segments() {
    check_processes(200);
}

#[test]
#[ignore = "nightly: needs a machine that allows so many processes"]
fn a_thousand_processes_have_their_own_segments() {
    check_processes(1_000);
}

fn check_threads(threads: u64) {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("threads_at_once.c"))
        .arg(threads.to_string());
    let outcome = launch.limit(Duration::from_secs(120)).run().success();
    assert_eq!(outcome.stdout, format!("{threads} threads\n"));
    let segment = scene.segment_of(outcome.pid);
    let blocks = scene.sites(&segment).through("thread_blocks");
    assert_eq!((blocks.allocated, blocks.live), (threads * 10, 0));
    let used = std::fs::metadata(&segment.path)
        .expect("the segment is there")
        .blocks()
        * 512;
    assert!(
        used <= 64 << 20,
        "{used} bytes of segment for {threads} threads"
    );
}

fn check_processes(processes: usize) {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("many_processes.c"))
        .arg(processes.to_string());
    let outcome = launch.limit(Duration::from_secs(120)).run().success();
    assert_eq!(outcome.stdout, format!("{processes} of {processes}\n"));
    let children = scene.segments_beside(outcome.pid);
    assert_eq!(children.len(), processes);
    for child in children.iter().step_by(processes / 10) {
        assert_eq!(scene.sites(child).through("child_blocks").live, 50);
    }
    let used: u64 = children
        .iter()
        .map(|child| std::fs::metadata(&child.path).map_or(0, |metadata| metadata.blocks() * 512))
        .sum();
    let each = used / processes as u64;
    assert!(each <= 1 << 20, "{each} bytes for a process with 50 blocks");
}
