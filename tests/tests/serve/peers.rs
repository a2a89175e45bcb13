//! The tools that people point at `serve`: Prometheus and its checker, Go's pprof, a browser.

use std::path::Path;
use std::time::Duration;

use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Launch, Prometheus, Scene, is_installed, skip, workspace_root};

use crate::keeper;
use crate::server::Server;

#[test]
fn the_checker_of_prometheus_has_no_complaint() {
    if !is_installed("promtool") {
        return skip("promtool is not installed");
    }
    let scene = Scene::new();
    let _keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let text = server.get("/metrics").text();
    let checker = Launch::new("promtool")
        .args(["check", "metrics"])
        .input(text);
    let outcome = checker.run().success();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
}

#[test]
fn the_scrape_configuration_for_prometheus_is_valid() {
    if !is_installed("promtool") {
        return skip("promtool is not installed");
    }
    let file = workspace_root().join("deploy/prometheus/prometheus.yml");
    Launch::new("promtool")
        .args(["check", "config"])
        .arg(file)
        .run()
        .success();
}

#[test]
fn a_real_prometheus_scrapes_what_is_live() {
    if !is_installed("prometheus") {
        return skip("prometheus is not installed");
    }
    let scene = Scene::new();
    let _keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let config = scene.file(
        "prometheus.yml",
        format!(
            "scrape_configs:\n  - job_name: memshim\n    scrape_interval: 1s\n    static_configs:\n      - targets: [\"{}\"]\n",
            server.address
        ),
    );
    let prometheus = Prometheus::start(&scene, &config, TIME_LIMIT);
    let found = &prometheus.wait_for("memshim_site_live_bytes{function=\"kept\"}")[0];
    assert_eq!(found["metric"]["program"], "growth_steps");
    assert_eq!(found["value"][1], (300 * 4096).to_string());
    // Histograms and counters are taken for what they are.
    let median = prometheus.wait_for(
        "histogram_quantile(0.5, memshim_allocation_size_bytes_bucket{program=\"growth_steps\"})",
    );
    let median: f64 = median[0]["value"][1]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    assert!((1024.0..=4096.0).contains(&median), "{median}");
}

#[test]
fn gos_pprof_fetches_what_is_live_and_what_was_allocated() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let keeper = keeper(&scene, &["300", "-100"]);
    let server = Server::start(&scene, &[]);
    let of_process = format!("?pid={}", keeper.pid);
    let top = pprof(&scene, &server, &format!("heap{of_process}"));
    check(&top, "inuse_space", "800kB");
    assert!(!top.contains("Duration"), "a state has no duration:\n{top}");
    check(
        &pprof(&scene, &server, &format!("allocs{of_process}")),
        "alloc_space",
        "1.17MB",
    );
    check(
        &pprof(&scene, &server, "heap?program=growth_steps"),
        "inuse_space",
        "800kB",
    );
}

#[test]
fn a_difference_has_a_duration_and_what_was_allocated_in_it() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let path = format!("allocs?pid={}&seconds=1", keeper.pid);
    let top = pprof(&scene, &server, &path);
    assert!(top.contains("Duration: 1s"), "{top}");
    assert!(!top.contains("kept"), "nothing was allocated:\n{top}");
}

#[test]
fn the_profile_of_a_program_keeps_what_its_ended_processes_allocated() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let [first, second] = [keeper(&scene, &["300"]), keeper(&scene, &["100"])];
    let server = Server::start(&scene, &[]);
    let allocated = || pprof(&scene, &server, "allocs?program=growth_steps");
    check(&allocated(), "alloc_space", "1.56MB");
    let ended = first.pid;
    first.finish().success();
    let alive = |count: &'static str| {
        server.until("/metrics", |reply| {
            let line = format!("memshim_processes{{program=\"growth_steps\"}} {count}");
            reply.text().contains(&line)
        });
    };
    alive("1.0");
    check(&allocated(), "alloc_space", "1.56MB");
    let segment = scene.segment_of(ended);
    std::fs::remove_file(&segment.path).expect("a segment can be removed");
    second.finish().success();
    alive("0.0");
    check(&allocated(), "alloc_space", "1.56MB");
    let live = pprof(&scene, &server, "heap?program=growth_steps");
    assert!(!live.contains(" kept"), "nobody holds it any more:\n{live}");
}

#[test]
fn labels_that_may_change_are_not_in_profiles_that_are_compared() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let _keepers = [keeper(&scene, &["300"]), keeper(&scene, &["100"])];
    let server = Server::start(&scene, &[]);
    let outcome = Launch::new("go")
        .args(["tool", "pprof", "-tags"])
        .arg(format!("http://{}/debug/pprof/heap", server.address))
        .env("HOME", scene.scratch_dir())
        .env("PPROF_TMPDIR", scene.scratch_dir())
        .run()
        .success();
    let tags = outcome.stdout;
    assert!(tags.contains(" program: Total"), "{tags}");
    assert!(!tags.contains("verdict"), "{tags}");
}

#[test]
fn the_pages_follow_their_processes_in_a_browser() {
    let own_browser = std::env::var_os("MEMSHIM_TEST_CHROMIUM");
    if !is_installed("node") || (own_browser.is_none() && !is_installed("chromium")) {
        return skip("chromium or node is not installed");
    }
    let scene = Scene::new();
    let mut keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let mut launch = Launch::new("node")
        .arg(workspace_root().join("tests/browser/live.mjs"))
        .arg(format!("http://{}/", server.address))
        .limit(Duration::from_secs(300));
    for name in ["MEMSHIM_TEST_CHROMIUM", "MEMSHIM_TEST_SCREENSHOTS"] {
        if let Some(value) = std::env::var_os(name) {
            launch = launch.env(name, value);
        }
    }
    let mut browser = launch.start();
    browser.wait_for("the page looks on");
    keeper.write("50\n");
    keeper.wait_for("now 350");
    let outcome = browser.finish();
    let output = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.status.success(), "{output}");
}

fn check(top: &str, kind: &str, amount: &str) {
    assert!(top.contains(&format!("Type: {kind}")), "{top}");
    let line = top.lines().find(|line| line.ends_with(" kept"));
    let line = line.unwrap_or_else(|| panic!("no kept in\n{top}"));
    assert_eq!(line.split_whitespace().next(), Some(amount), "{top}");
}

fn pprof(scene: &Scene, server: &Server, path: &str) -> String {
    let home: &Path = &scene.scratch_dir();
    let outcome = Launch::new("go")
        .args(["tool", "pprof", "-top"])
        .arg(format!("http://{}/debug/pprof/{path}", server.address))
        .env("HOME", home)
        .env("PPROF_TMPDIR", home)
        .run();
    outcome.success().stdout
}
