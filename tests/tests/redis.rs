//! A server under load is read live in less than a second, and after kill -9 as well.
//!
//! Needs the Debian packages redis-server and redis-tools.

use std::path::{Path, PathBuf};
use std::time::Duration;

use memshim_tests::processes::SIGKILL;
use memshim_tests::{Answer, Running, Scene, find_installed, skip};

#[test]
fn redis_under_load_is_reported_live_and_dead() {
    let Some([server_path, benchmark_path]) = installed() else {
        return;
    };
    let scene = Scene::new();
    let socket = scene.scratch_dir().join("redis.sock");
    let server = start_server(&scene, &server_path, &socket);
    let mut load = scene
        .plain(benchmark_path)
        .arg("-s")
        .arg(&socket)
        .args([
            "-n",
            "50000",
            "-q",
            "-l",
            "-t",
            "set,lpush,sadd",
            "-r",
            "20000",
            "-d",
            "600",
        ])
        .start();
    wait_for_load(&mut load);
    let pid = server.pid.to_string();
    let living = ask_in_a_second(&scene, "report", &pid);
    check_named(&ask_in_a_second(&scene, "sites", &pid));
    ask_in_a_second(&scene, "leaks", &pid);
    let killed = server.kill();
    assert_eq!(killed.signal(), Some(SIGKILL));
    load.kill();
    let segment = scene.segment_of(killed.pid);
    let dead = scene.report(&segment);
    check_named(&scene.sites(&segment));
    let allocated = |answer: &Answer| answer.fact("allocated_objects").value;
    assert!(
        allocated(&dead) >= allocated(&living),
        "figures went back in death"
    );
}

fn start_server(scene: &Scene, program: &Path, socket: &Path) -> Running {
    let launch = scene.preloaded(program).without_env("MEMSHIM_INTERVAL");
    let launch = launch.args([
        "--port",
        "0",
        "--save",
        "",
        "--appendonly",
        "no",
        "--unixsocket",
    ]);
    let mut server = launch.arg(socket).start();
    server.wait_for("eady to accept connections");
    server
}

/// Waits until the benchmark, which goes on for ever, has written its first kind of value.
fn wait_for_load(load: &mut Running) {
    load.wait_for("SET: ");
}

/// The answer, which must come within a second; a busy machine may have three tries.
fn ask_in_a_second(scene: &Scene, analysis: &str, pid: &str) -> Answer {
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let outcome = scene
            .reader([analysis, pid, "--format", "json"])
            .run()
            .success();
        if outcome.elapsed < Duration::from_secs(1) {
            return Answer::parse(&outcome.stdout);
        }
        slowest = slowest.max(outcome.elapsed);
    }
    panic!("{analysis} of a living process took {slowest:?}");
}

fn check_named(sites: &Answer) {
    // Debian's redis exports its symbols, so they are known without debug files.
    let is_redis = |name: &str| name.starts_with("sds") || name.contains("Command");
    let named = sites
        .sites()
        .any(|site| site.functions().into_iter().any(is_redis));
    assert!(named, "no function of redis in {:#}", sites.json);
}

fn installed() -> Option<[PathBuf; 2]> {
    let found = ["redis-server", "redis-benchmark"].map(find_installed);
    match found {
        [Some(server), Some(benchmark)] => Some([server, benchmark]),
        _ => {
            skip("redis-server or redis-benchmark is not installed");
            None
        }
    }
}
