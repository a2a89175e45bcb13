//! Threads have exact totals of their own, and who frees whose blocks is told by name.

use memshim_tests::{Answer, Scene, program};
use serde_json::Value;

#[test]
fn a_producer_and_a_consumer_are_named_as_a_pair() {
    let answer = threads("pattern_sites.c", &[], "exact");
    let pairs = answer.rows("thread_pairs").iter();
    let mut pairs = pairs.filter(|row| row["allocated_by"] == "producer");
    let pair = pairs.next().expect("the producer's blocks were freed");
    assert_eq!(pair["freed_by"], "consumer");
    assert_eq!(pair["freed_objects"]["value"], 20_000);
    assert_eq!(pairs.next(), None, "all by one");
    let producer = row(&answer, "producer");
    assert_eq!(producer["freed_by_others_objects"]["value"], 20_000);
    assert_eq!(producer["freed_by_itself_objects"]["value"], 0);
    assert_eq!(row(&answer, "consumer")["foreign_samples"], 20_000);
}

#[test]
fn a_thread_that_was_sampled_still_counts_all_its_bytes_nearly_exactly() {
    for seed in ["1", "2", "3"] {
        let answer = threads("pattern_sites.c", &[("MEMSHIM_SEED", seed)], "4K");
        let bytes = row(&answer, "producer")["allocated_bytes"].as_u64();
        // 1.6 MB, of which what followed its last sample is not told: some intervals at most.
        let missing = 1_600_000 - bytes.expect("a number of bytes");
        assert!(missing < 40_000, "{missing} bytes are missing");
    }
}

#[test]
fn threads_of_one_name_are_one_row_unless_each_is_asked_for() {
    let scene = Scene::new();
    let launch = scene.preloaded(program("thread_pairs.c")).arg("16");
    let segment = scene.segment_of(launch.run().success().pid);
    let together = scene.ask("threads", &segment.path);
    let rows = together.rows("threads");
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0]["threads"], 17);
    let launch = scene.reader(["threads", "--each", "--format", "json"]);
    let each = Answer::parse(&launch.arg(&segment.path).run().success().stdout);
    let rows = each.rows("threads");
    assert_eq!(rows.len(), 17, "{rows:#?}");
    let bytes = |rows: &[Value]| {
        let bytes = rows
            .iter()
            .filter_map(|row| row["allocated_bytes"].as_u64());
        bytes.sum::<u64>()
    };
    assert_eq!(bytes(rows), bytes(together.rows("threads")));
}

#[test]
fn a_thread_that_frees_for_another_of_its_name_is_told_apart() {
    let answer = threads("cross_thread_frees.c", &[], "exact");
    let pairs = answer.rows("thread_pairs");
    assert_eq!(pairs.len(), 1, "{pairs:#?}");
    assert_eq!(pairs[0]["freed_by"], "another cross_thread_fr");
    assert_eq!(pairs[0]["freed_objects"]["value"], 20_000);
}

fn threads(source: &str, settings: &[(&str, &str)], interval: &str) -> Answer {
    let scene = Scene::new();
    let mut launch = scene.preloaded(program(source)).interval(interval);
    for (name, value) in settings {
        launch = launch.env(name, value);
    }
    let outcome = launch.run().success();
    scene.ask("threads", scene.segment_of(outcome.pid).path)
}

fn row<'a>(answer: &'a Answer, thread: &str) -> &'a Value {
    let mut rows = answer.rows("threads").iter();
    let found = rows.find(|row| row["thread"] == thread);
    found.unwrap_or_else(|| panic!("no thread {thread} in {:#}", answer.json))
}
