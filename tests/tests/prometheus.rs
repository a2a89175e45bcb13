//! Continuous profiling as it runs in production: real programs under load with default settings,
//! `serve`, and Debian's Prometheus with the rules and the dashboard of `deploy/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use memshim_tests::deploy::{dashboard_queries, impatient_rules};
use memshim_tests::{Launch, Prometheus, Running, Scene, find_installed, skip};
use serde_json::Value;

/// Signs pages, and forgets to drop one of ten: 300 KiB a second, as far as the machine has time.
const LEAKING: &str = "
import hashlib, os, time
pages = os.urandom(400000)
forgotten = []
while True:
    for number in range(10):
        hashlib.sha256(pages)
        page = pages[number * 8000:(number + 1) * 8000]
    forgotten.append(page)
    time.sleep(0.01)
";

/// Has 20,000 strings of any length, of which it replaces one after the other at random.
const HEALTHY: &str = "while (1) { $kept{int rand 20000} = 'x' x rand 2000 for 1..2000; select undef, undef, undef, 0.02 }";

/// As it stands in the label of metrics.
const LEAKER: &str = "python3";

/// Long enough that a healthy program would have been called a leaker, if it ever is.
const SCRAPES: u64 = 20;

const LIMIT: Duration = Duration::from_secs(150);

struct Tools {
    redis_server: PathBuf,
    redis_benchmark: PathBuf,
    perl: PathBuf,
    python: PathBuf,
}

impl Tools {
    /// `None` where one is missing.
    fn find() -> Option<Tools> {
        let found = |name: &str| {
            let found = find_installed(name);
            if found.is_none() {
                skip(&format!("{name} is not installed"));
            }
            found
        };
        found("prometheus")?;
        found("curl")?;
        Some(Tools {
            redis_server: found("redis-server")?,
            redis_benchmark: found("redis-benchmark")?,
            perl: found("perl")?,
            python: PathBuf::from("/usr/bin/python3"),
        })
    }
}

/// A program as it runs in production: preloaded, and all settings left alone.
fn in_production(scene: &Scene, program: &Path) -> Launch {
    let launch = scene.preloaded(program).limit(LIMIT);
    launch.without_env("MEMSHIM_INTERVAL")
}

/// Starts all that is watched; it ends with what is returned.
fn start_programs(scene: &Scene, tools: &Tools) -> Vec<Running> {
    let leaker = in_production(scene, &tools.python);
    let healthy = in_production(scene, &tools.perl);
    let socket = scene.scratch_dir().join("redis.sock");
    let server = in_production(scene, &tools.redis_server)
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket);
    let mut server = server.start();
    server.wait_for("eady to accept connections");
    let load = scene
        .plain(&tools.redis_benchmark)
        .arg("-s")
        .arg(&socket)
        .args(["-l", "-q", "-c", "2", "-r", "10000", "-d", "600"])
        .args(["-n", "20000", "-t", "set,get,incr,sadd,hset,zadd"])
        .limit(LIMIT);
    vec![
        leaker.args(["-c", LEAKING]).start(),
        healthy.args(["-e", HEALTHY]).start(),
        server,
        load.start(),
    ]
}

/// The server, and where it listens.
fn serve(scene: &Scene) -> (Running, String) {
    let reader = scene.reader(["serve", "--listen", "127.0.0.1:0"]);
    let mut server = reader.limit(LIMIT).start();
    let line = server.wait_for("serving http://");
    let (_, rest) = line.split_once("http://").expect("an address");
    (server, rest.trim_end_matches('/').to_owned())
}

/// The rules of `deploy/` with their times made shorter, and who is to be scraped.
fn configuration(scene: &Scene, target: &str) -> PathBuf {
    for name in ["memshim-rules.yml", "memshim-alerts.yml"] {
        let path = format!("prometheus/{name}");
        scene.file(name, impatient_rules(&path, "1s", "10s"));
    }
    let text = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n\
                rule_files: [memshim-rules.yml, memshim-alerts.yml]\n\
                scrape_configs: [{job_name: memshim, static_configs: [{targets: ['TARGET']}]}]\n";
    scene.file("prometheus.yml", text.replace("TARGET", target))
}

/// What fired at any time, each as the alert and the program; but two that judge by the pace of
/// many minutes, and the first seconds of a program are at no such pace.
fn fired(prometheus: &Prometheus) -> Vec<(String, String)> {
    let label = |series: &Value, name: &str| series["metric"][name].as_str().unwrap_or("").into();
    let query = "max by (alertname, program) (max_over_time(ALERTS{alertstate=\"firing\", \
                 alertname!~\"MemshimTooExpensive|MemshimMemoryLimitNear\"}[10m]))";
    let series = prometheus.query(query);
    let pairs = series
        .iter()
        .map(|it| (label(it, "alertname"), label(it, "program")));
    pairs.collect()
}

#[test]
fn the_alert_fires_for_the_leaker_alone_and_every_panel_has_an_answer() {
    let Some(tools) = Tools::find() else {
        return;
    };
    let scene = Scene::new();
    let _programs = start_programs(&scene, &tools);
    let (_server, address) = serve(&scene);
    let config = configuration(&scene, &address);
    let prometheus = Prometheus::start(&scene, &config, LIMIT);

    prometheus.wait_for("ALERTS{alertname=\"MemshimLeakSuspected\",alertstate=\"firing\"}");
    for program in ["redis-server", "perl", LEAKER] {
        let watched = format!(
            "count_over_time(memshim_leak_candidates{{program=\"{program}\",verdict=\"leak\"}}[5m])"
        );
        prometheus.wait_for(&format!("{watched} >= {SCRAPES}"));
    }
    for query in dashboard_queries() {
        prometheus.wait_for(&query);
    }
    let expected = ("MemshimLeakSuspected".to_owned(), LEAKER.to_owned());
    assert_eq!(fired(&prometheus), [expected]);
}
