//! What `serve` answers about real programs: exact figures, safe names, closed doors.
//!
//! Uses the Debian packages prometheus, golang-go, nginx, openssl and curl where they are installed.

#[path = "serve/doors.rs"]
mod doors;
#[path = "serve/exposition.rs"]
mod exposition;
#[path = "serve/peers.rs"]
mod peers;
#[path = "serve/proxy.rs"]
mod proxy;
#[path = "serve/push.rs"]
mod push;
#[path = "serve/server.rs"]
mod server;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use exposition::Metrics;
use std::time::Instant;

use memshim_tests::go::{cgo_program, toolchain};
use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Answer, Running, Scene, program, skip};
use server::{Reply, Server};

/// A program that keeps blocks of 4,096 bytes on demand, every one of them recorded.
fn keeper(scene: &Scene, lines: &[&str]) -> Running {
    let mut running = scene.preloaded(program("growth_steps.c")).start();
    for line in lines {
        running.write(&format!("{line}\n"));
        running.wait_for("now");
    }
    running
}

fn classic(reply: &Reply) -> Metrics {
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    Metrics::parse(&reply.text(), false)
}

const KEPT: [(&str, &str); 2] = [("program", "growth_steps"), ("function", "kept")];

#[test]
fn figures_are_exact_where_every_block_is_recorded() {
    let scene = Scene::new();
    let mut keeper = keeper(&scene, &["300", "-100"]);
    let server = Server::start(&scene, &[]);
    let metrics = classic(&server.get("/metrics"));
    let live = |metrics: &Metrics| metrics.value("memshim_site_live_bytes", &KEPT);
    assert_eq!(live(&metrics), Some(200.0 * 4096.0));
    assert_eq!(
        metrics.value("memshim_site_live_objects", &KEPT),
        Some(200.0)
    );
    let whose = [("program", "growth_steps")];
    let freed = metrics.value("memshim_heap_freed_objects_total", &whose);
    assert!(freed >= Some(100.0), "{freed:?}");
    let sizes = [("program", "growth_steps"), ("le", "4096.0")];
    let small = metrics.value("memshim_allocation_size_bytes_bucket", &sizes);
    assert!(small >= Some(300.0), "{small:?}");

    let left = metrics.value("memshim_memory_left_bytes", &whose);
    assert!(left > Some(0.0), "a process has memory left: {left:?}");

    keeper.write("50\n");
    keeper.wait_for("now 250");
    server.until("/metrics", |reply| {
        live(&classic(reply)) == Some(250.0 * 4096.0)
    });
}

#[test]
fn a_program_with_heaps_of_c_and_of_go_is_one_process() {
    if toolchain().is_none() {
        return skip("there is no Go compiler");
    }
    let scene = Scene::new();
    let mut running = scene.preloaded(cgo_program(&["both_heaps.go"])).start();
    running.wait_for("both 16");
    let server = Server::start(&scene, &[]);
    let metrics = classic(&server.get("/metrics"));
    let whose = [("program", "both_heaps")];
    assert_eq!(metrics.value("memshim_processes", &whose), Some(1.0));
    let kinds = ["anonymous", "file", "shared"].map(|kind| {
        let labels = [whose[0], ("kind", kind)];
        metrics.value("memshim_resident_bytes", &labels)
    });
    let told: f64 = kinds.iter().flatten().sum();
    let resident = memshim_reader::source::process::resident_bytes(running.pid);
    let resident = resident.expect("it runs") as f64;
    assert!(
        (0.5 * resident..1.5 * resident).contains(&told),
        "{told} of {resident}"
    );
    let sites = server.get(&format!("/api/process/{}/sites", running.pid));
    let sites = sites.json().to_string();
    assert!(
        sites.contains("main.") && sites.contains("c_keep"),
        "{sites}"
    );
    running.finish().success();
}

#[test]
fn open_metrics_says_the_same_as_the_classic_form() {
    let scene = Scene::new();
    let _keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let reply = server.get_with("/metrics", accept);
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let open = Metrics::parse(&reply.text(), true);
    let classic = classic(&server.get("/metrics"));
    for name in ["memshim_site_live_bytes", "memshim_heap_live_objects"] {
        assert!(!open.all(name).is_empty());
        assert_eq!(open.all(name), classic.all(name));
    }
}

#[test]
fn a_server_may_record_what_it_serves() {
    let scene = Scene::new();
    let mut keeper = keeper(&scene, &["300"]);
    let recording = scene.scratch_dir().join("recording");
    let path = recording.to_str().expect("a plain path");
    let server = Server::start(&scene, &["--record", path, "--every", "20ms"]);
    let status = || {
        let status = scene.reader(["record", "--format", "json", "--status"]);
        let outcome = status.arg(&recording).run();
        outcome
            .status
            .success()
            .then(|| Answer::parse(&outcome.stdout))
    };
    let started = Instant::now();
    while status().is_none_or(|status| status.rows("processes").is_empty()) {
        assert!(started.elapsed() < TIME_LIMIT, "nothing was recorded");
    }
    keeper.write("200\n");
    keeper.wait_for("now 500");
    // It looks a last time before it ends.
    server.running.signal(libc::SIGTERM);
    server.running.finish().success();
    let report = scene.ask("report", &recording);
    assert!(report.exact_fact("live_bytes") >= 500 * 4096);
    keeper.finish();

    let alone = scene.reader(["serve", "--every", "5s"]).run();
    assert!(
        alone.one_error_line().contains("--record"),
        "{}",
        alone.stderr
    );
}

#[test]
fn no_counter_falls_when_processes_end_and_their_segments_go() {
    let scene = Scene::new();
    let server = Server::start(&scene, &[]);
    server.get("/metrics");
    let mut earlier: Option<Metrics> = None;
    let mut rises = |reply: &Reply| {
        let metrics = classic(reply);
        for (name, labels, value) in earlier.iter().flat_map(Metrics::counters) {
            let labels: Vec<(&str, &str)> = labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let later = metrics.value(name, &labels);
            assert!(
                later >= Some(value),
                "{name} {labels:?}: {value}, {later:?}"
            );
        }
        earlier = Some(metrics);
    };
    let allocated = |reply: &Reply| {
        let whose = [("program", "growth_steps")];
        classic(reply).value("memshim_heap_allocated_objects_total", &whose)
    };
    for round in 1..=3 {
        let keeper = keeper(&scene, &["300"]);
        let wanted = f64::from(round) * 300.0;
        rises(&server.until("/metrics", |reply| allocated(reply) >= Some(wanted)));
        keeper.finish().success();
        let alive = |reply: &Reply| classic(reply).value("memshim_processes", &KEPT[..1]);
        rises(&server.until("/metrics", |reply| alive(reply) == Some(0.0)));
        for segment in scene.segments() {
            std::fs::remove_file(&segment.path).expect("a segment can be removed");
        }
        // The last of three comes without waiting for the cache to be old.
        rises(&server.get("/metrics"));
    }
    server.until("/metrics", |reply| {
        classic(reply).value("memshim_segment_bytes", &KEPT[..1]) == Some(0.0)
            && allocated(reply) >= Some(900.0)
    });
}

#[test]
fn hostile_names_of_programs_stay_names() {
    let scene = Scene::new();
    let name = b"a\"b\\c\nd} 1\n<script><x>\xff";
    let path = scene.scratch_dir().join(OsStr::from_bytes(name));
    std::fs::copy(program("growth_steps.c"), &path).expect("any name is a name");
    let mut keeper = scene.preloaded(&path).start();
    keeper.write("10\n");
    keeper.wait_for("now 10");
    let server = Server::start(&scene, &[]);
    let shown = String::from_utf8_lossy(name).into_owned();
    let metrics = classic(&server.get("/metrics"));
    let alive = metrics.value("memshim_processes", &[("program", &*shown)]);
    assert_eq!(alive, Some(1.0), "{:?}", metrics.all("memshim_processes"));
    let processes = server.get("/api/processes").json();
    assert_eq!(processes["sections"][0]["rows"][0]["program"], shown);
    let page = server.get(&format!("/process/{}", keeper.pid));
    assert!(!page.text().contains("<x>"));
    let data = server.get(&format!("/process/{}/report.json", keeper.pid));
    assert_eq!(data.json()["schema"], "memshim.page/1");
}

#[test]
fn each_process_has_series_of_its_own_where_that_is_asked_for() {
    let scene = Scene::new();
    let [one, two] = [keeper(&scene, &["100"]), keeper(&scene, &["200"])];
    let server = Server::start(&scene, &["--label-pid", "--top-sites", "1"]);
    let metrics = classic(&server.get("/metrics"));
    for (pid, blocks) in [(one.pid, 100.0), (two.pid, 200.0)] {
        let labels = [("pid", &*pid.to_string()), ("function", "kept")];
        let live = metrics.value("memshim_site_live_objects", &labels);
        assert_eq!(live, Some(blocks));
    }
    let sites = metrics.all("memshim_site_live_objects");
    assert_eq!(sites.len(), 4, "one site and the others, twice: {sites:?}");
}

#[test]
fn a_single_target_is_all_that_is_served() {
    let scene = Scene::new();
    let [one, two] = [keeper(&scene, &["100"]), keeper(&scene, &["200"])];
    let server = Server::start(&scene, &[&one.pid.to_string()]);
    let processes = server.get("/api/processes").json();
    let rows = processes["sections"][0]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["pid"], one.pid);
    assert_eq!(server.get(&format!("/process/{}", two.pid)).status, 404);
}
