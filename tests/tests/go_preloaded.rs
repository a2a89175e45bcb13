//! Go programs that are not static need nothing but the preload to show their heap.

use std::fs::File;
use std::os::unix::fs::FileExt;

use memshim_abi::WORD_BYTES;
use memshim_abi::header::at;
use memshim_tests::go::{Linked, cgo_program, go_program, line_with, toolchain};
use memshim_tests::{Answer, Scene, skip};

/// What both_heaps.go keeps in Go: 16 goroutines, each 100 slices of its own and 100 when C calls
/// back.
const SLICES: f64 = 3_200.0 * 4_096.0;

/// The rate that Go up to 1.20 gives itself whatever it is told.
const FIXED_RATE: u64 = 512 << 10;

/// Whether a test can be done here.
fn has_go() -> bool {
    let is_there = toolchain().is_some();
    if !is_there {
        skip("there is no Go compiler");
    }
    is_there
}

/// What the shim noted of the Go runtime in its process.
fn rate_set(scene: &Scene, pid: u32) -> u64 {
    let segments = scene.segments();
    let mut own = segments.iter().filter(|segment| segment.pid == pid);
    let own = own.find(|segment| segment.number == 0);
    let file = File::open(&own.expect("a segment of the shim's").path).expect("a segment");
    let mut word = [0; WORD_BYTES as usize];
    file.read_exact_at(&mut word, at::GO_SET as u64 * WORD_BYTES)
        .expect("a header");
    u64::from_le_bytes(word)
}

/// Whether an estimate at a rate is as near to the truth as a sample of blocks that are smaller can
/// be expected to be: six standard deviations.
fn check_near(estimate: u64, truth: f64, rate: u64) {
    let far = 6.0 * (truth * rate as f64).sqrt() + truth / 100.0;
    let estimate = estimate as f64;
    assert!(
        (truth - far..=truth + far).contains(&estimate),
        "{estimate} for {truth} at {rate}"
    );
}

fn check_slices(answer: &Answer, rate: u64) {
    let sites = answer.sites_through("main.keep").into_iter();
    let made_at = line_with("both_heaps.go", "block := make");
    let made = sites.filter(|site| site.frames()[0]["line"] == made_at);
    let kept = made.map(|site| site.count("live_bytes")).sum();
    // By chance alone nothing is sampled in one of ten thousand million runs.
    assert!(kept > 0, "{:#}", answer.json);
    check_near(kept, SLICES, rate);
}

#[test]
fn a_program_with_c_in_it_shows_both_heaps() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let program = cgo_program(&["both_heaps.go"]);
    let launch = scene.preloaded(&program).env("MEMSHIM_GO_RATE", "1");
    let mut running = launch.start();
    running.wait_for("both 16");
    let pid = running.pid;
    let rate = rate_set(&scene, pid);
    assert!(matches!(rate, 1 | FIXED_RATE), "{rate}");
    let answer = scene.ask("sites", pid.to_string());
    check_slices(&answer, rate);
    let c_sites = answer.rows("c_sites").iter();
    let of_c = c_sites.filter(|row| row["stack"][0]["function"] == "c_keep");
    let live = of_c.filter_map(|row| row["live_objects"]["value"].as_f64());
    assert_eq!(live.sum::<f64>(), 3_200.0, "{:#}", answer.json);
    let listed = scene.list();
    let own = listed.rows("segments").iter();
    let own = own.filter(|row| row["pid"] == pid);
    let programs: Vec<&str> = own.filter_map(|row| row["program"].as_str()).collect();
    let [c, go] = programs[..] else {
        panic!("{programs:?}");
    };
    assert_eq!(go, format!("{c} (Go heap)"));
    let outcome = running.finish();
    let plain = scene.plain(&program).run();
    outcome.assert_same_as(&plain);
    // What was read while it ran stays.
    check_slices(&scene.ask("sites", pid.to_string()), rate);
}

#[test]
fn a_program_that_loads_no_c_library_shows_its_heap() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let program = go_program(&["server.go"], Linked::PositionIndependent);
    let launch = scene.preloaded(&program).env("MEMSHIM_GO_RATE", "4K");
    let mut running = launch.start();
    running.wait_for("ready");
    let rate = rate_set(&scene, running.pid);
    assert!(matches!(rate, 4096 | FIXED_RATE), "{rate}");
    let answer = scene.ask("sites", running.pid.to_string());
    // A block of eight times the rate and more is all but surely sampled, and counts as it is.
    check_near(
        answer.through("main.start").live_bytes,
        f64::from(4 << 20),
        1,
    );
    running.finish().success();
}

#[test]
fn a_program_at_which_nobody_looked_is_told_of_in_one_line() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let outcome = scene.preloaded(cgo_program(&["both_heaps.go"])).run();
    let outcome = outcome.success();
    let answer = scene.ask("report", outcome.pid.to_string());
    let text = answer.json.to_string();
    assert!(text.contains("nobody looked while"), "{text}");
}

#[test]
fn a_program_is_left_alone_when_the_user_says_so() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let launch = scene.preloaded(cgo_program(&["both_heaps.go"]));
    let mut running = launch.env("MEMSHIM_GO", "0").start();
    running.wait_for("both 16");
    assert_eq!(rate_set(&scene, running.pid), 0);
    let answer = scene.ask("sites", running.pid.to_string());
    assert_eq!(answer.through("c_keep").live, 3_200);
    assert_eq!(scene.segments().len(), 1);
    let enable = scene.reader(["report", "--enable"]);
    enable.arg(running.pid.to_string()).run().success();
    assert_eq!(scene.segments().len(), 2, "until the user says otherwise");
    running.finish().success();
}

#[test]
fn a_program_without_go_has_nothing_set() {
    let scene = Scene::new();
    let outcome = scene.preloaded("true").run().success();
    assert_eq!(rate_set(&scene, outcome.pid), 0);
}
