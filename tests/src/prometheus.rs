//! A Prometheus that scrapes what a test serves, and answers what the test asks.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Launch, Running, Scene};

/// A running server of Debian's package; it ends when this is dropped.
pub struct Prometheus {
    port: u16,
    limit: Duration,
    begin: Instant,
    _running: Running,
}

impl Prometheus {
    /// Starts one with this configuration, which tests may ask until `limit` has passed.
    pub fn start(scene: &Scene, config: &Path, limit: Duration) -> Prometheus {
        let port = free_port();
        let data = scene.scratch_dir().join("prometheus-data");
        let running = Launch::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .limit(limit)
            .start();
        Prometheus {
            port,
            limit,
            begin: Instant::now(),
            _running: running,
        }
    }

    /// The series that a query gives now; none as well before the server answers.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let outcome = Launch::new("curl")
            .args(["--silent", "--get", "--data-urlencode"])
            .arg(format!("query={query}"))
            .arg(format!("http://127.0.0.1:{}/api/v1/query", self.port))
            .run();
        let answer: Value = serde_json::from_str(&outcome.stdout).unwrap_or_default();
        assert_ne!(answer["status"], "error", "{query}: {answer}");
        let series = answer["data"]["result"].as_array();
        series.cloned().unwrap_or_default()
    }

    /// Asks until there is a series.
    pub fn wait_for(&self, query: &str) -> Vec<Value> {
        loop {
            let series = self.query(query);
            if !series.is_empty() {
                return series;
            }
            assert!(self.begin.elapsed() < self.limit, "no answer to {query}");
        }
    }
}

/// A port that was free a moment ago, for servers that do not tell which one they took.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
