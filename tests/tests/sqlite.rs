//! sqlite3 with 100,000 inserts and an index: exact to the last call, sampled within its interval.
//!
//! Needs the Debian package sqlite3.

use memshim_tests::{Answer, Count, Launch, Scene, count_calls, is_installed, skip};

#[test]
fn exact_totals_of_sqlite_equal_those_of_an_independent_counter() {
    let Some(workload) = Workload::new(100_000) else {
        return;
    };
    let count = workload.count();
    let report = workload.report(|launch| launch);
    assert_eq!(report.exact_fact("allocated_objects"), count.allocations);
    assert_eq!(report.exact_fact("freed_objects"), count.frees);
    assert_eq!(report.exact_fact("live_objects"), count.live());
    assert_eq!(report.exact_fact("allocated_bytes"), count.allocated_bytes);
}

#[test]
fn sampled_intervals_of_sqlite_hold_the_exact_figures() {
    check_coverage(5_000, Some("256K"), 90);
}

#[test]
fn intervals_of_sqlite_by_default_hold_the_exact_figures() {
    check_coverage(5_000, None, BY_DEFAULT);
}

#[test]
#[ignore = "nightly: a hundred long runs"]
fn sampled_intervals_of_a_long_script_hold_the_exact_figures() {
    check_coverage(100_000, None, BY_DEFAULT);
}

#[test]
fn the_functions_of_sqlite_are_named() {
    let Some(workload) = Workload::new(1_000) else {
        return;
    };
    let outcome = workload
        .launch(workload.scene.preloaded("sqlite3"))
        .run()
        .success();
    let sites = workload
        .scene
        .sites(&workload.scene.segment_of(outcome.pid));
    let is_sqlite = |name: &str| name.starts_with("sqlite3");
    let named = sites
        .sites()
        .filter(|site| site.functions().iter().any(|name| is_sqlite(name)));
    assert!(
        named.count() > 0,
        "no function of sqlite3 in {:#}",
        sites.json
    );
}

/// One script for one database in memory.
struct Workload {
    scene: Scene,
    script: String,
    output: String,
}

impl Workload {
    fn new(inserts: u32) -> Option<Workload> {
        if !is_installed("sqlite3") {
            skip("sqlite3 is not installed");
            return None;
        }
        let mut script = String::from("CREATE TABLE t(a INTEGER, b TEXT);\nBEGIN;\n");
        for row in 0..inserts {
            script.push_str(&format!(
                "INSERT INTO t VALUES({row}, 'text of row {row}');\n"
            ));
        }
        script.push_str("COMMIT;\nCREATE INDEX i ON t(b);\nSELECT count(*), max(b) FROM t;\n");
        let mut workload = Workload {
            scene: Scene::new(),
            script,
            output: String::new(),
        };
        let plain = workload
            .launch(workload.scene.plain("sqlite3"))
            .run()
            .success();
        workload.output = plain.stdout;
        Some(workload)
    }

    fn launch(&self, launch: Launch) -> Launch {
        // The tests' own history and settings must not change what is counted.
        let launch = launch.env("HOME", self.scene.scratch_dir());
        launch
            .args(["-batch", "-init", "/dev/null", ":memory:"])
            .input(self.script.as_str())
    }

    fn count(&self) -> Count {
        let launch = self.launch(self.scene.plain("sqlite3"));
        count_calls(&self.scene, launch).1
    }

    fn report(&self, set: impl Fn(Launch) -> Launch) -> Answer {
        let outcome = set(self.launch(self.scene.preloaded("sqlite3")))
            .run()
            .success();
        assert_eq!(outcome.stdout, self.output);
        self.scene.report(&self.scene.segment_of(outcome.pid))
    }
}

/// Seeds that are tried.
const RUNS: u32 = 100;

/// How many of them must hold the truth where the sampler chooses by the clock, so that the same seed
/// draws another sample each time: 371 of 400 did, and fewer than this do in one of 5,000 runs.
const BY_DEFAULT: u32 = 82;

fn check_coverage(inserts: u32, interval: Option<&str>, enough: u32) {
    let Some(workload) = Workload::new(inserts) else {
        return;
    };
    let count = workload.count();
    let mut covered = [0; 4];
    for seed in 1..=RUNS {
        let report = workload.report(|launch| {
            let launch = launch.env("MEMSHIM_SEED", seed.to_string());
            match interval {
                Some(interval) => launch.interval(interval),
                None => launch.without_env("MEMSHIM_INTERVAL"),
            }
        });
        let truths = [
            ("allocated_objects", count.allocations),
            ("freed_objects", count.frees),
            ("live_objects", count.live()),
            ("allocated_bytes", count.allocated_bytes),
        ];
        for (covered, (fact, truth)) in covered.iter_mut().zip(truths) {
            *covered += u32::from(report.fact(fact).covers(truth as f64));
        }
    }
    assert!(
        covered.iter().all(|covered| *covered >= enough),
        "{covered:?} of {RUNS}: allocated, freed, live objects; allocated bytes"
    );
}
