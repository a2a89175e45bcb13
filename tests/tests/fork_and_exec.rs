//! Every process and every executed program has a segment of its own, and none disturbs another.

use memshim_tests::{Answer, Scene, Segment, program};

#[test]
fn a_child_of_a_threaded_program_is_counted_apart() {
    let scene = Scene::new();
    let outcome = scene
        .preloaded(program("fork_in_threads.c"))
        .run()
        .success();
    let parent = scene.sites(&scene.segment_of(outcome.pid));
    let child = sites_of_only_child(&scene, outcome.pid);
    assert_eq!(child.through("child_allocate").live, 5_000);
    assert_eq!(child.through("churn_pairs").allocated, 0);
    assert_eq!(parent.through("child_allocate").allocated, 0);
    assert_eq!(parent.through("parent_allocate").live, 1_000);
    assert_eq!(parent.through("churn_pairs").live, 0);
}

#[test]
fn frees_of_inherited_blocks_change_neither_process() {
    let scene = Scene::new();
    let outcome = scene.preloaded(program("fork_inherited.c")).run().success();
    let parent = scene.sites(&scene.segment_of(outcome.pid));
    assert_eq!(parent.through("before_fork").live, 1_000);
    assert_eq!(parent.through("after_fork").allocated, 0);
    let child = scene.segments_beside(outcome.pid).remove(0);
    assert_eq!(scene.sites(&child).through("after_fork").live, 300);
    assert_eq!(scene.report(&child).exact_fact("live_objects"), 300);
}

#[test]
fn a_server_that_forks_per_connection_never_blocks() {
    for interval in ["exact", "1K"] {
        let scene = Scene::new();
        let launch = scene
            .preloaded(program("fork_per_connection.c"))
            .interval(interval);
        assert_eq!(launch.run().success().stdout, "100 served\n");
    }
}

#[test]
fn vfork_leaves_the_parent_whole() {
    check_spawn("vfork");
}

#[test]
fn posix_spawn_leaves_the_parent_whole() {
    check_spawn("posix_spawn");
}

#[test]
fn fork_and_exec_leave_the_parent_whole() {
    check_spawn("fork");
}

#[test]
fn a_program_that_a_shell_executes_is_traced() {
    let scene = Scene::new();
    let line = format!("exec {}", program("die.c").display());
    let outcome = scene.preloaded("sh").args(["-c", &line]).run().success();
    assert_eq!(
        scene
            .sites(&scene.segment_of(outcome.pid))
            .through("allocate_block")
            .live,
        5_000
    );
}

#[test]
fn two_programs_of_one_process_have_two_segments() {
    let scene = Scene::new();
    let outcome = scene
        .preloaded(program("close_descriptors.c"))
        .arg("exec")
        .arg(program("die.c"))
        .run()
        .success();
    let segments = scene.segments();
    assert_eq!(segments.len(), 2, "{segments:?}");
    assert!(
        segments.iter().all(|segment| segment.pid == outcome.pid),
        "{segments:?}"
    );
    let blocks: Vec<u64> = segments
        .iter()
        .map(|segment| scene.sites(segment).through("allocate_block").live)
        .collect();
    assert_eq!(blocks, [0, 5_000]);
}

#[test]
fn the_list_names_every_process_and_program() {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("spawn.c"))
        .arg("posix_spawn")
        .arg(program("die.c"));
    launch.run().success();
    let list = scene.list();
    let mut pids: Vec<u64> = list
        .rows_with("pid")
        .iter()
        .filter_map(|row| row["pid"].as_u64())
        .collect();
    pids.sort();
    let wanted: Vec<u64> = scene
        .segments()
        .iter()
        .map(|segment| segment.pid.into())
        .collect();
    assert_eq!(pids, wanted);
    let text = format!("{:?}", list.rows_with("program"));
    assert!(text.contains("spawn") && text.contains("die"), "{text}");
}

fn check_spawn(how: &str) {
    let scene = Scene::new();
    let launch = scene
        .preloaded(program("spawn.c"))
        .arg(how)
        .arg(program("die.c"));
    let outcome = launch.run().success();
    assert_eq!(outcome.stdout, "status 0\n");
    let parent = scene.sites(&scene.segment_of(outcome.pid));
    assert_eq!(parent.through("before_spawn").live, 500);
    assert_eq!(parent.through("after_spawn").live, 700);
    let spawned: Vec<u64> = scene
        .segments_beside(outcome.pid)
        .iter()
        .map(|segment| scene.sites(segment).through("allocate_block").live)
        .filter(|blocks| *blocks > 0)
        .collect();
    assert_eq!(spawned, [5_000]);
}

fn sites_of_only_child(scene: &Scene, parent: u32) -> Answer {
    let children: Vec<Segment> = scene.segments_beside(parent);
    assert_eq!(children.len(), 1, "{children:?}");
    scene.sites(&children[0])
}
