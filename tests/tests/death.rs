//! Death loses nothing: the segment is whole however the process ends.

use memshim_tests::processes::{SIGCONT, SIGKILL, SIGSTOP, send_signal};
use memshim_tests::{Scene, program};

#[test]
fn a_plain_return_keeps_every_block() {
    check_death("return");
}

#[test]
fn an_exit_without_handlers_keeps_every_block() {
    check_death("_exit");
}

#[test]
fn a_quick_exit_keeps_every_block() {
    check_death("quick_exit");
}

#[test]
fn an_abort_keeps_every_block() {
    check_death("abort");
}

#[test]
fn a_crash_keeps_every_block() {
    check_death("segv");
}

#[test]
fn a_kill_keeps_every_block() {
    check_death("kill");
}

#[test]
fn the_death_of_a_whole_group_keeps_every_block_of_each() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("die.c")).arg("group").run();
    assert_eq!(outcome.signal(), Some(SIGKILL));
    let segments = scene.segments();
    assert_eq!(segments.len(), 2, "{segments:?}");
    for segment in &segments {
        assert_eq!(scene.sites(segment).through("allocate_block").live, 5_000);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_consistent_segment() {
    let scene = Scene::new();
    for tick in [1, 2, 3, 5, 8, 13, 21, 34] {
        let mut running = scene.preloaded(program("churn.c")).start();
        running.wait_for(&format!("tick {tick} "));
        let outcome = running.kill();
        let segment = scene.segment_of(outcome.pid);
        let churned = scene.sites(&segment).through("churn_block");
        assert!(
            churned.allocated >= tick * 2_000,
            "{churned:?} after {tick} ticks"
        );
        // Each thread has one block at most, and may die between a record and its neighbour.
        assert!(churned.live <= 8, "{churned:?}");
    }
}

#[test]
fn a_live_process_is_readable_while_it_allocates() {
    let scene = Scene::new();
    let mut running = scene.preloaded(program("churn.c")).start();
    let mut before = 0;
    for tick in 1..=10 {
        running.wait_for(&format!("tick {tick} "));
        let report = scene.ask("report", running.pid.to_string());
        let now = report.fact("allocated_objects").value as u64;
        assert!(now >= before && now >= tick * 2_000, "{now} after {before}");
        before = now;
    }
    assert!(running.finish().success().stderr.is_empty());
}

#[test]
fn a_stopped_reader_never_stops_the_program() {
    let scene = Scene::new();
    let mut running = scene.preloaded(program("churn.c")).start();
    running.wait_for("tick 1 ");
    let pid = running.pid.to_string();
    let reader = scene.reader(["report", &pid]).start();
    send_signal(reader.pid, SIGSTOP);
    running.wait_for("tick 60 ");
    send_signal(reader.pid, SIGCONT);
    reader.finish().success();
    running.finish().success();
}

fn check_death(how: &str) {
    let scene = Scene::new();
    let sites = scene.profile(program("die.c"), &[how]);
    let totals = sites.through("allocate_block");
    assert_eq!(
        (totals.allocated, totals.freed, totals.live),
        (5_000, 0, 5_000)
    );
    assert_eq!(totals.live_bytes, 160_000);
}
