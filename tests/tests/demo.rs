//! The demonstration of the README: one command starts it, one ends it, and nothing is left.

use std::path::{Path, PathBuf};
use std::time::Instant;

use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Launch, Outcome, Scene, artefacts, is_installed, skip, workspace_root};

/// `scripts/demo` with files and segments of its own; ended when this is dropped.
struct Demo {
    scene: Scene,
}

impl Demo {
    /// `None` where something is missing that the script needs.
    fn new() -> Option<Demo> {
        for tool in ["cc", "curl", "flock", "setsid"] {
            if !is_installed(tool) {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        Some(Demo {
            scene: Scene::new(),
        })
    }

    fn folder(&self) -> PathBuf {
        self.scene.scratch_dir().join("demo")
    }

    fn launch(&self, word: &str) -> Launch {
        Launch::new(workspace_root().join("scripts/demo"))
            .arg(word)
            .env("MEMSHIM_DEMO_DIR", self.folder())
            .env("MEMSHIM_DIR", self.scene.segment_dir())
            .env("MEMSHIM_READER", &artefacts().reader)
    }

    fn run(&self, word: &str) -> Outcome {
        self.launch(word).run()
    }

    /// The processes that it noted, by id and name.
    fn processes(&self) -> Vec<(u32, String)> {
        let noted = std::fs::read_to_string(self.folder().join("processes"));
        let noted = noted.unwrap_or_default();
        let whole = noted.lines().map(|line| line.split(' ').collect());
        let whole = whole.filter_map(|words: Vec<&str>| match words[..] {
            [pid, _, name] => Some((pid.parse().expect("an id"), name.to_owned())),
            _ => None,
        });
        whole.collect()
    }

    fn stop(&self) {
        let processes = self.processes();
        self.run("stop").success();
        for (pid, name) in processes {
            assert!(!is_running(pid), "{name} still runs as process {pid}");
        }
        assert!(!self.folder().exists(), "files are left");
        assert_eq!(self.scene.segments(), [], "segments are left");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // A test that failed leaves no process behind either.
        self.run("stop");
    }
}

fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// What is at an address of this machine.
fn fetch(url: &str) -> String {
    let curl = Launch::new("curl").args(["--silent", "--show-error", "--fail", url]);
    curl.run().success().stdout
}

/// The first address in a text that ends like this.
fn address_in(text: &str, ending: &str) -> String {
    let mut words = text.split_whitespace();
    let found = words.find(|word| word.starts_with("http://") && word.ends_with(ending));
    found
        .unwrap_or_else(|| panic!("no {ending} in\n{text}"))
        .to_owned()
}

#[test]
fn the_demonstration_shows_what_it_promises_and_leaves_nothing() {
    let Some(demo) = Demo::new() else {
        return;
    };
    let said = demo.run("start").success().stdout;
    let processes = demo.processes();
    let begin = Instant::now();
    let metrics = address_in(&said, "/metrics");
    for program in ["shop-leaking", "shop-healthy"] {
        let line = format!("memshim_processes{{program=\"{program}\"}} 1");
        while !fetch(&metrics).contains(&line) {
            assert!(begin.elapsed() < TIME_LIMIT, "no {program} at {metrics}");
        }
        assert!(processes.iter().any(|(_, name)| name == program));
    }
    let page = metrics.trim_end_matches("metrics");
    assert!(fetch(page).contains("<html"), "{page}");
    if is_installed("prometheus") {
        let alerts = address_in(&said, "/alerts");
        let rules = fetch(&alerts.replace("/alerts", "/api/v1/rules"));
        assert!(rules.contains("MemshimLeakSuspected"), "{rules}");
    }
    // A second start changes nothing, and says the same.
    let again = demo.run("start").success().stdout;
    assert!(again.contains("running already"), "{again}");
    assert!(again.contains(&said), "{again}");
    assert_eq!(demo.processes(), processes);
    demo.stop();
    // There is nothing to stop, which is no failure.
    demo.stop();
    assert!(!demo.run("status").status.success());
}

#[test]
fn a_start_that_was_killed_halfway_is_cleared_away() {
    let Some(demo) = Demo::new() else {
        return;
    };
    for next in ["stop", "start"] {
        let start = demo.launch("start").start();
        let begin = Instant::now();
        while demo.processes().is_empty() {
            assert!(begin.elapsed() < TIME_LIMIT, "nothing was started");
            std::thread::yield_now();
        }
        start.kill();
        let halfway = demo.processes();
        demo.run(next).success();
        for (pid, name) in halfway {
            assert!(!is_running(pid), "{name} still runs as process {pid}");
        }
    }
    demo.stop();
}
