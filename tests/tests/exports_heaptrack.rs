//! A session of sqlite3 as heaptrack_print shows it: the totals and the top sites of the report.
//!
//! Needs the Debian packages heaptrack and sqlite3.

use std::collections::HashMap;
use std::path::PathBuf;

use memshim_tests::{Answer, Scene, Segment, is_installed, skip};

#[test]
fn heaptrack_shows_the_totals_of_an_exact_session() {
    let Some(session) = Session::new("exact") else {
        return;
    };
    let report = session.scene.report(&session.segment);
    let shown = session.heaptrack_print();
    let calls = report.exact_fact("allocated_objects");
    assert_eq!(
        shown.number("calls to allocation functions: "),
        calls as f64
    );
    // Nothing else ran when the peak was written, so it is the sum over sites to the byte.
    shown.check_bytes(
        "peak heap memory consumption: ",
        report.exact_fact("peak_live_bytes"),
    );
    shown.check_bytes("total memory leaked: ", report.exact_fact("live_bytes"));
}

#[test]
fn heaptrack_shows_the_top_sites_of_an_exact_session() {
    let Some(session) = Session::new("exact") else {
        return;
    };
    let shown = session.heaptrack_print();
    let sites = session.scene.sites(&session.segment);
    let (function, calls) = top(&sites, "allocated_objects");
    let section = shown.section("MOST CALLS TO ALLOCATION FUNCTIONS");
    assert!(
        section[0].starts_with(&format!("{calls} calls ")),
        "{}",
        section[0]
    );
    assert_eq!(section[1], function);
    for (title, column) in [
        ("PEAK MEMORY CONSUMERS", "peak_live_bytes"),
        ("MEMORY LEAKS", "live_bytes"),
    ] {
        let (function, bytes) = top(&sites, column);
        let section = shown.section(title);
        let amount = section[0].split(' ').next().unwrap_or_default();
        assert!(
            is_rounded(amount, bytes),
            "{bytes} bytes, not {}",
            section[0]
        );
        assert_eq!(section[1], function, "{title}");
    }
}

#[test]
fn heaptrack_shows_the_estimates_of_a_sampled_session_and_says_so() {
    let Some(session) = Session::new("4K") else {
        return;
    };
    let report = session.scene.report(&session.segment);
    let shown = session.heaptrack_print();
    let calls = report.fact("allocated_objects").value;
    let shown_calls = shown.number("calls to allocation functions: ");
    assert!(
        (shown_calls - calls).abs() <= 0.001 * calls,
        "{shown_calls}, not {calls}"
    );
    shown.check_bytes(
        "total memory leaked: ",
        report.fact("live_bytes").value as u64,
    );
    shown.check_bytes(
        "peak heap memory consumption: ",
        report.fact("peak_live_bytes").value as u64,
    );
    assert!(
        shown.text.contains("[by memshim; estimated from samples;"),
        "{}",
        shown.text
    );
}

/// A program that has ended, and its export.
struct Session {
    scene: Scene,
    segment: Segment,
    file: PathBuf,
}

impl Session {
    fn new(interval: &str) -> Option<Session> {
        for tool in ["sqlite3", "heaptrack_print"] {
            if !is_installed(tool) {
                skip(&format!("{tool} is not installed"));
                return None;
            }
        }
        let scene = Scene::new();
        let mut script = String::from("CREATE TABLE t(a INTEGER, b TEXT);\nBEGIN;\n");
        for row in 0..5_000 {
            script.push_str(&format!(
                "INSERT INTO t VALUES({row}, 'text of row {row}');\n"
            ));
        }
        script.push_str("COMMIT;\nCREATE INDEX i ON t(b);\nSELECT count(*) FROM t;\n");
        let launch = scene.preloaded("sqlite3").interval(interval);
        let launch = launch
            .env("HOME", scene.scratch_dir())
            .env("MEMSHIM_SEED", "1");
        let launch = launch.args(["-batch", "-init", "/dev/null", ":memory:"]);
        let outcome = launch.input(script).run().success();
        let segment = scene.segment_of(outcome.pid);
        let file = scene.scratch_dir().join("session.heaptrack");
        // The name's ending says the form.
        let launch = scene.reader(["export", "-o"]).arg(&file).arg(&segment.path);
        launch.run().success();
        Some(Session {
            scene,
            segment,
            file,
        })
    }

    fn heaptrack_print(&self) -> Shown {
        let launch = self.scene.plain("heaptrack_print");
        let launch = launch.args(["--disable-builtin-suppressions", "-l", "-f"]);
        let outcome = launch.arg(&self.file).run().success();
        assert_eq!(outcome.stderr, "", "heaptrack_print complains");
        Shown {
            text: outcome.stdout,
        }
    }
}

/// What heaptrack_print wrote.
struct Shown {
    text: String,
}

impl Shown {
    /// What follows `label` on its line, up to a space.
    fn word(&self, label: &str) -> &str {
        let found = self.text.lines().find_map(|line| line.strip_prefix(label));
        let rest = found.unwrap_or_else(|| panic!("no {label:?} in {}", self.text));
        rest.split(' ').next().unwrap_or_default()
    }

    fn number(&self, label: &str) -> f64 {
        let word = self.word(label);
        word.parse()
            .unwrap_or_else(|_| panic!("{word} is no number"))
    }

    fn check_bytes(&self, label: &str, expected: u64) {
        let word = self.word(label);
        assert!(
            is_rounded(word, expected),
            "{label}{word}, not {expected} bytes"
        );
    }

    /// The lines under a title, without their indentation.
    fn section(&self, title: &str) -> Vec<&str> {
        let lines = self.text.lines().skip_while(|line| *line != title);
        let lines: Vec<&str> = lines.skip(1).take(2).map(str::trim).collect();
        assert_eq!(lines.len(), 2, "no {title} in {}", self.text);
        lines
    }
}

/// Whether `word`, such as `211.18K`, is `bytes` in heaptrack's decimal units to two places.
fn is_rounded(word: &str, bytes: u64) -> bool {
    let digits = word.trim_end_matches(|character: char| character.is_alphabetic());
    let unit = match word[digits.len()..].chars().next() {
        Some('K') => 1e3,
        Some('M') => 1e6,
        Some('G') => 1e9,
        _ => 1.0,
    };
    let shown = digits.parse::<f64>().unwrap_or(f64::NAN) * unit;
    (shown - bytes as f64).abs() <= unit * 0.0051
}

/// The innermost function with the most of `column` over all its callers, and how much.
///
/// One without a name goes by its address in the module.
fn top(sites: &Answer, column: &str) -> (String, u64) {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for site in sites.sites() {
        let leaf = &site.frames()[0];
        let name = match leaf["function"].as_str() {
            Some(function) => function.to_owned(),
            None => {
                let module = leaf["module"].as_str().unwrap_or_default();
                let module = module.rsplit('/').next().unwrap_or_default();
                format!("{module}+{:#x}", leaf["offset"].as_u64().unwrap_or(0))
            }
        };
        *sums.entry(name).or_default() += site.count(column);
    }
    let most = sums.into_iter().max_by_key(|(_, sum)| *sum);
    most.expect("a session has sites")
}
