//! The heap over time, what grew between two moments, and where the memory of a process is.

use memshim_tests::{Answer, Running, Scene, Segment, at_an_even_pace, program};
use serde_json::Value;

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

/// Milliseconds of one of the two hundred steps of `growth_curve`.
const STEP_MS: &str = "5";

/// The answers about the curve that `growth_curve` draws, of a process that was killed at its end.
fn growth_of(curve: &str, interval: &str) -> Answer {
    let scene = Scene::new();
    let launch = scene.preloaded(program("growth_curve.c"));
    let mut running = launch.interval(interval).args([curve, STEP_MS]).start();
    running.wait_for("done");
    let killed = running.kill();
    scene.ask("growth", scene.segment_of(killed.pid).path)
}

fn trend(answer: &Answer) -> &str {
    let section = answer.json["sections"].as_array().into_iter().flatten();
    let mut trends = section.filter_map(|section| section["facts"]["trend"].as_str());
    trends.next().expect("a trend")
}

/// The rows of the heap over time as ages in seconds and live bytes.
fn points(answer: &Answer) -> Vec<(f64, f64)> {
    let number = |value: &Value| value.as_f64().expect("a number");
    let rows = answer.rows("heap_over_time").iter();
    rows.map(|row| {
        (
            number(&row["age_ns"]) / 1e9,
            number(&row["live_bytes"]["value"]),
        )
    })
    .collect()
}

fn check_steady(curve: &str) {
    for interval in ["exact", "2K"] {
        at_an_even_pace(|| {
            let answer = growth_of(curve, interval);
            assert_eq!(trend(&answer), "steady", "{curve} at {interval}");
        });
    }
}

#[test]
fn a_killed_program_leaves_its_heap_over_time() {
    at_an_even_pace(|| {
        let answer = growth_of("linear", "exact");
        let points = points(&answer);
        // A point a millisecond or so, of more than 0.8 s.
        assert!(points.len() > 100, "{} points", points.len());
        assert!(points.is_sorted_by(|left, right| left.0 < right.0));
        assert_eq!(points[0].1, 0.0);
        let (end, last) = points[points.len() - 1];
        assert_eq!(last, 2_000.0 * KIB);
        // A line from nothing to all.
        for share in [0.25, 0.5, 0.75] {
            let index = points.partition_point(|(age, _)| *age < share * end);
            let live = points[index].1;
            let expected = share * last;
            assert!((live - expected).abs() < 0.2 * last, "{live} at {share}");
        }
    });
}

#[test]
fn the_peak_is_a_point_of_the_curve() {
    let answer = growth_of("returns", "exact");
    let highest = points(&answer).into_iter().map(|(_, live)| live);
    // One block of churn beside what is kept.
    assert_eq!(highest.fold(0.0, f64::max), 1_001.0 * KIB);
}

#[test]
fn growth_up_to_the_end_is_found_with_its_onset() {
    for interval in ["exact", "2K"] {
        for (curve, onset) in [("linear", 0.0..0.15), ("late", 0.35..0.65)] {
            at_an_even_pace(|| {
                let answer = growth_of(curve, interval);
                let trend = trend(&answer);
                // What grew from its start on may not be over with that.
                let is_found =
                    trend == "growing" || onset.start == 0.0 && trend.starts_with("growing");
                assert!(is_found, "{curve} at {interval}: {trend}");
                let share = share_at_onset(&answer);
                assert!(onset.contains(&share), "{curve} at {interval}: {share}");
            });
        }
    }
}

#[test]
fn a_saw_tooth_is_no_growth() {
    check_steady("saw");
}

#[test]
fn a_step_is_no_growth_whether_it_stays_or_not() {
    check_steady("step");
    check_steady("returns");
}

#[test]
fn a_cache_that_is_full_is_no_growth() {
    check_steady("cache");
}

/// How much of its life was over when it began to grow.
fn share_at_onset(answer: &Answer) -> f64 {
    let sections = answer.json["sections"].as_array().into_iter().flatten();
    let mut onsets = sections.filter_map(|section| section["facts"]["onset_age_ns"].as_f64());
    let age_ns = answer.json["target"]["age_ns"].as_f64();
    onsets.next().expect("an onset") / age_ns.expect("an age")
}

/// `growth_steps` with 300 blocks, and how old it was then, as a moment.
fn with_300_blocks(scene: &Scene) -> (Running, Segment, String) {
    let mut running = scene.preloaded(program("growth_steps.c")).start();
    running.write("300\n");
    running.wait_for("now 300");
    let segment = scene.segment_of(running.pid);
    let report = scene.report(&segment);
    let age_ns = report.json["target"]["age_ns"].as_u64();
    (running, segment, format!("{}ns", age_ns.expect("an age")))
}

/// The row of the function `kept`.
fn kept(answer: &Answer) -> &Value {
    let rows = answer.rows("growth").iter();
    let is_kept = |frame: &Value| frame["function"] == "kept";
    let mut found = rows.filter(|row| {
        let stack = row["stack"].as_array();
        stack.is_some_and(|frames| frames.iter().any(is_kept))
    });
    found.next().expect("kept has grown or shrunk")
}

fn values(row: &Value, columns: [&str; 3]) -> [f64; 3] {
    columns.map(|column| {
        assert_eq!(row[column]["exact"], true, "{row:#}");
        row[column]["value"].as_f64().expect("a value")
    })
}

const OBJECTS: [&str; 3] = ["new_objects", "freed_objects", "net_objects"];

#[test]
fn growth_is_what_was_born_and_lives_minus_what_was_older_and_died() {
    let scene = Scene::new();
    let (mut running, segment, since) = with_300_blocks(&scene);
    running.write("-100\n50\n");
    running.wait_for("now 250");
    let ask = |more: &[&str]| {
        let launch = scene.reader(["growth"]).arg(&segment.path).args(more);
        let outcome = launch.args(["--format", "json"]).run().success();
        Answer::parse(&outcome.stdout)
    };
    let grown = ask(&["--since", &since]);
    assert_eq!(values(kept(&grown), OBJECTS), [50.0, 100.0, -50.0]);
    assert_eq!(grown.exact_fact("heap_after_bytes"), 250 * 4096);
    assert_eq!(grown.fact("net_bytes").value, -50.0 * 4096.0);
    let before = ask(&["--since", "0s", "--until", &since]);
    assert_eq!(values(kept(&before), OBJECTS), [300.0, 0.0, 300.0]);
}

#[test]
fn two_readings_of_a_running_process_are_compared_block_by_block() {
    let scene = Scene::new();
    let (mut running, segment, _) = with_300_blocks(&scene);
    let reader = scene.reader(["growth", "--for", "1s", "--format", "json"]);
    let reader = reader.arg(&segment.path).start();
    // Each round gains 2 blocks and loses 1; how many there are between the readings is open.
    let mut blocks = 300;
    for _ in 0..100 {
        running.write("2\n-1\n");
        blocks += 1;
        running.wait_for(&format!("now {blocks}"));
    }
    let answer = Answer::parse(&reader.finish().success().stdout);
    // All rounds may be over before the first reading, or after the second.
    let after = answer.exact_fact("heap_after_bytes") / 4096;
    assert!((300..=blocks).contains(&after), "{after} of {blocks}");
    let changed = answer.rows("growth");
    if !changed.is_empty() {
        let [new, freed, net] = values(kept(&answer), OBJECTS);
        assert_eq!(new - freed, net);
        // A reading of a program that goes on may see a round or two by half.
        assert!(
            (net - 4.0..=2.0 * net + 8.0).contains(&new),
            "{new} - {freed}"
        );
    }
}

#[test]
fn freed_memory_that_the_allocator_keeps_is_told_from_live_blocks() {
    let scene = Scene::new();
    for interval in ["exact", "64K"] {
        let launch = scene.preloaded(program("growth_fragments.c"));
        let mut running = launch.interval(interval).start();
        running.wait_for("done");
        let answer = scene.ask("resident", scene.segment_of(running.pid).path);
        // 51,200 blocks in which 1,000 bytes can be used, rounded up to 1,000 by the C library.
        let truth = 51_200.0 * 1_000.0;
        let live = answer.fact("live_usable_bytes");
        assert!(live.low <= 1.01 * truth && live.high >= truth, "{live:?}");
        let kept = answer.fact("kept_bytes");
        assert!(
            (0.95..1.15).contains(&(kept.high / truth)) || interval != "exact",
            "{kept:?}"
        );
        assert!(
            kept.low <= 1.1 * truth && kept.high >= 0.95 * truth,
            "{kept:?}"
        );
        let rows = answer.rows("resident_by_kind");
        let heap = rows.iter().find(|row| row["what"] == "heap");
        let heap = heap.expect("the heap has a row")["resident_bytes"].as_f64();
        let heap = heap.expect("a number of bytes");
        assert!((95.0 * MIB..110.0 * MIB).contains(&heap), "{heap}");
        running.finish();
    }
}

#[test]
fn a_dead_process_has_no_resident_memory_and_the_answer_says_so() {
    let scene = Scene::new();
    let ended = scene.preloaded(program("fifo.c")).run().success();
    let answer = scene.ask("resident", scene.segment_of(ended.pid).path);
    let said = answer.json.to_string();
    assert!(said.contains("the process is gone"), "{said}");
}
