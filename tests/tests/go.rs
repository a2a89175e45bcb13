//! Go programs, static and stripped ones too, show their own heap without being changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use memshim_tests::go::{Linked, cgo_program, go_program, line_with, toolchain};
use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Answer, Outcome, Scene, find_installed, skip};

const SILENT: &[&str] = &["allocations.go", "silent.go"];
const TELLING: &[&str] = &["allocations.go", "telling.go"];

/// What main.keepNodes and main.keepBlobs keep, and what main.churn allocates.
const NODES: f64 = 200_000.0 * 128.0;
const BLOBS: f64 = 300.0 * 65_536.0;
const CHURNED: f64 = 20_000.0 * 20_480.0;

/// Whether a test can be done here.
fn has_go() -> bool {
    let is_there = toolchain().is_some();
    if !is_there {
        skip("there is no Go compiler");
    }
    is_there
}

/// Runs a command under `run` and gives what was said of its call stacks, and its outcome.
fn run(scene: &Scene, command: &[&str]) -> (Option<Answer>, Outcome) {
    run_at("64K", scene, command)
}

/// The same with so many bytes between two samples.
fn run_at(rate: &str, scene: &Scene, command: &[&str]) -> (Option<Answer>, Outcome) {
    let path = scene.scratch_dir().join("sites.json");
    let options = [
        "run",
        "--report",
        "sites",
        "--top",
        "100000",
        "--go-rate",
        rate,
        "-o",
    ];
    let outcome = scene
        .reader(options)
        .arg(&path)
        .arg("--")
        .args(command)
        .run();
    let text = std::fs::read_to_string(path);
    (text.ok().map(|text| Answer::parse(&text)), outcome)
}

/// Whether an estimate is as near to the truth as a sample can be expected to be: six standard
/// deviations and more, which no number of runs will see exceeded.
fn check_near(estimate: u64, truth: f64, what: &str) {
    let estimate = estimate as f64;
    assert!(
        (0.6 * truth..1.5 * truth).contains(&estimate),
        "{what}: {estimate} for {truth}"
    );
}

fn check_sites(answer: &Answer, what: &str) {
    let live = |function| answer.through(function).live_bytes;
    check_near(live("main.keepNodes"), NODES, what);
    check_near(live("main.keepBlobs"), BLOBS, what);
    check_near(answer.through("main.churn").allocated_bytes, CHURNED, what);
    check_near(live("fill"), f64::from(1 << 20), what);
    let node = answer.sites_through("main.keepNodes")[0];
    assert_eq!(
        node.functions()[..2],
        ["main.newNode", "main.keepNodes"],
        "{what}"
    );
    let lines = node.frames().iter().map(|frame| frame["line"].as_u64());
    assert_eq!(
        lines.take(2).collect::<Vec<_>>(),
        [Some(32), Some(37)],
        "{what}"
    );
    assert_eq!(node.functions().last(), Some(&"main.allocate"), "{what}");
    let filled = answer.sites_through("fill")[0].functions();
    assert_eq!(told_name(filled[0]), "main.(*shelf[...]).fill", "{what}");
}

#[test]
fn a_program_shows_its_heap_however_it_was_linked() {
    if !has_go() {
        return;
    }
    for linked in Linked::ALL {
        let scene = Scene::new();
        let program = go_program(SILENT, linked);
        let program = program.to_str().expect("a plain path");
        let (answer, outcome) = run(&scene, &[program, "exit"]);
        let plain = scene.plain(program).arg("exit").run();
        outcome.assert_same_as(&plain);
        assert_eq!(outcome.status.code(), Some(3));
        check_sites(&answer.expect("a report"), &format!("{linked:?}"));
    }
}

#[test]
fn whatever_ends_a_program_its_heap_is_known() {
    if !has_go() {
        return;
    }
    let program = go_program(SILENT, Linked::WithoutSymbols);
    let program = program.to_str().expect("a plain path");
    let ends = [
        ("return", 0),
        ("exit", 3),
        ("panic", 2),
        ("kill", 128 + 9),
        ("terminate", 128 + 15),
    ];
    for (how, status) in ends {
        let scene = Scene::new();
        let (answer, outcome) = run(&scene, &[program, how]);
        assert_eq!(
            outcome.status.code(),
            Some(status),
            "{how}: {}",
            outcome.stderr
        );
        check_sites(&answer.expect("a report"), how);
    }
}

/// What the runtime said of its own heap profile: for each stack the sampled blocks, by size.
fn told(stdout: &str) -> BTreeMap<String, Vec<(f64, f64, f64)>> {
    let mut told: BTreeMap<String, Vec<(f64, f64, f64)>> = BTreeMap::new();
    let records = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("record "));
    for record in records {
        let mut words = record.splitn(4, ' ');
        let mut number = || -> f64 {
            let word = words.next().expect("a number");
            word.parse().expect("a number")
        };
        let counts = (number(), number(), number());
        let stack = words.next().expect("a stack");
        // The runtime gives its own calls at both ends too, which its tools leave out.
        let calls = stack.split(';');
        let calls: Vec<&str> = calls
            .filter(|call| !call.starts_with("runtime.goexit:"))
            .collect();
        let own = calls.iter().take_while(|call| call.starts_with("runtime."));
        let shown = match own.count() {
            all if all == calls.len() => &calls[..],
            own => &calls[own..],
        };
        told.entry(shown.join(";")).or_default().push(counts);
    }
    told
}

/// A name as the runtime tells it, which leaves type parameters out; its tools show them since 1.21.
fn told_name(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(first), Some(last)) => format!("{}[...]{}", &name[..first], &name[last + 1..]),
        _ => name.to_owned(),
    }
}

/// A figure as runtime/pprof scales it.
fn scaled(count: f64, size: f64) -> f64 {
    const RATE: f64 = 2048.0;
    count * size / -(-size / RATE).exp_m1()
}

#[test]
fn figures_and_names_are_those_of_the_program_itself() {
    if !has_go() {
        return;
    }
    for linked in Linked::ALL {
        let scene = Scene::new();
        let mut running = scene.plain(go_program(TELLING, linked)).start();
        running.wait_for("quiet");
        let answer = scene.ask("sites", running.pid.to_string());
        let outcome = running.finish().success();
        let told = told(&outcome.stdout);
        let mut compared = 0;
        for site in answer.sites() {
            let calls = site.frames().iter().map(|frame| {
                let function = told_name(frame["function"].as_str().unwrap_or("?"));
                format!("{function}:{}", frame["line"])
            });
            let stack = calls.collect::<Vec<String>>().join(";");
            // What the program allocates to tell its profile is not in what it tells.
            if !stack.contains("main.allocate") {
                continue;
            }
            // The runtime keeps up to 128 calls since Go 1.23, and tells 32 of them here.
            let is_start = |told: &str| {
                let rest = stack.strip_prefix(told);
                rest == Some("") || rest.is_some_and(|it| it.starts_with(';')) && told.len() > 300
            };
            let records = told.iter().find(|(told, _)| is_start(told));
            let records = records.map(|(_, records)| records);
            let records = records.unwrap_or_else(|| panic!("{linked:?}: {stack} in {told:#?}"));
            let sum = |figure: fn(&(f64, f64, f64)) -> f64| records.iter().map(figure).sum::<f64>();
            let allocated = sum(|(allocated, _, size)| scaled(*allocated, *size));
            let live = sum(|(allocated, freed, size)| scaled(allocated - freed, *size));
            let pairs = [("allocated_bytes", allocated), ("live_bytes", live)];
            for (column, truth) in pairs {
                let found = site.count(column) as f64;
                // Each record is rounded to a whole number of bytes.
                assert!(
                    (found - truth).abs() <= 2.0,
                    "{column} of {stack}: {found} for {truth}"
                );
            }
            compared += 1;
        }
        // Nodes, blobs, churn and what is filled; of smaller things chance decides what is sampled.
        assert!(compared >= 4, "{linked:?}: {compared} sites were compared");
    }
}

#[test]
fn a_running_program_without_a_profile_is_switched_on_when_asked() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let server = go_program(&["server.go"], Linked::WithoutSymbols);
    let mut running = scene.plain(server).start();
    running.wait_for("ready");
    let pid = running.pid.to_string();
    let refused = scene.reader(["report", &pid]).run();
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        refused.one_error_line().contains("--enable"),
        "{}",
        refused.stderr
    );
    let ask = ["leaks", "--enable", "--for", "9s", "--format", "json", &pid];
    let answer = Answer::parse(&scene.reader(ask).run().success().stdout);
    let rows = answer.rows("leaks");
    let functions = |row: &serde_json::Value| row["stack"][0]["function"].to_string();
    let leaks: Vec<String> = rows
        .iter()
        .filter(|row| row["verdict"] == "leak")
        .map(functions)
        .collect();
    assert_eq!(leaks, ["\"main.remember\""], "{:#}", answer.json);
    assert_eq!(rows[0]["stack"][0]["line"], 25);
    // What was allocated before is unknown.
    let sites = scene.ask("sites", &pid);
    assert_eq!(sites.sites_through("main.start").len(), 0);
    assert!(sites.through("main.remember").live_bytes > 1 << 20);
    running.finish().success();
}

#[test]
fn a_program_that_a_shell_starts_is_found() {
    if !has_go() {
        return;
    }
    let scene = Scene::new();
    let server = go_program(&["server.go"], Linked::WithoutSymbols);
    let script = format!("{} ; exit 7", server.display());
    let arguments = ["run", "--report", "sites", "--", "sh", "-c", &script];
    let mut running = scene.reader(arguments).start();
    running.wait_for("ready");
    let pid = loop {
        let of_go = scene.segments().into_iter().find(|it| {
            let exe = std::fs::read_link(format!("/proc/{}/exe", it.pid));
            exe.is_ok_and(|exe| exe == server)
        });
        if let Some(found) = of_go {
            let known = scene.sites(&found).through("main.remember");
            if known.live_bytes > 0 {
                break found.pid;
            }
        }
    };
    let outcome = running.finish();
    assert_eq!(outcome.status.code(), Some(7), "{}", outcome.stderr);
    let kept = scene.sites(&scene.segment_of(pid));
    assert!(kept.through("main.handle").allocated_bytes > 0);
}

/// Debian's packages, with and without C, with and without a profile of their own.
#[test]
fn programs_of_others_do_what_they_do_without() {
    let scene = Scene::new();
    let wrong = scene.file("wrong.go", "package wrong\nfunc (\n");
    let wrong = wrong.to_str().expect("a plain path");
    for command in [
        &["gofmt", "-l", wrong][..],
        &["go", "env", "GOARCH", "GOVERSION"],
        &["prometheus", "--help"],
        &["promtool", "check", "config", "no-such-file"],
    ] {
        if find_installed(command[0]).is_none() {
            skip(&format!("{} is not installed", command[0]));
            continue;
        }
        let plain = scene.plain(command[0]).args(&command[1..]).run();
        let (sites, outcome) = run_at("1K", &scene, command);
        outcome.assert_same_as(&plain);
        let sites = sites.unwrap_or_else(|| panic!("{command:?}: {}", outcome.stderr));
        let rows = sites.rows("sites");
        let has_names = |row: &serde_json::Value| {
            let frames = row["stack"].as_array().into_iter().flatten();
            frames
                .into_iter()
                .all(|frame| frame["line"].is_u64() && frame["function"].is_string())
        };
        assert!(!rows.is_empty(), "{command:?}: {:#}", sites.json);
        assert!(rows.iter().all(has_names), "{command:?}: {rows:#?}");
    }
}

#[test]
fn readings_of_a_busy_program_are_consistent() {
    if has_go() {
        check_busy(200, TIME_LIMIT);
    }
}

#[test]
#[ignore = "nightly: ten thousand readings take minutes"]
fn ten_thousand_readings_of_a_busy_program_are_consistent() {
    if has_go() {
        check_busy(10_000, 20 * TIME_LIMIT);
    }
}

fn check_busy(readings: usize, limit: Duration) {
    let program = go_program(&["busy.go"], Linked::WithoutSymbols);
    let scene = Scene::new();
    let plain = scene.plain(&program).run().success();
    let mut running = scene.plain(&program).limit(limit).start();
    running.wait_for("ready");
    let mut process = memshim_reader::source::go::Process::open(running.pid).expect("a Go program");
    process.enable(512, false).expect("it may be written to");
    let mut before: BTreeMap<Vec<u64>, (u64, u64)> = BTreeMap::new();
    let until = Instant::now() + limit;
    while process.read_out().is_ok_and(|it| it.stacks.len() < 100) {
        assert!(Instant::now() < until, "nothing is sampled");
    }
    for number in 0..readings {
        let readout = process.read_out();
        let readout = readout.unwrap_or_else(|error| panic!("reading {number}: {error}"));
        for totals in readout.stacks {
            let now = (totals.born.raw_objects, totals.died.raw_objects);
            assert!(now.1 <= now.0, "reading {number}: {totals:?}");
            let then = before.insert(totals.stack.to_vec(), now);
            let then = then.unwrap_or_default();
            assert!(
                then.0 <= now.0 && then.1 <= now.1,
                "reading {number}: {then:?} {now:?}"
            );
        }
    }
    let outcome = running.finish().success();
    assert_eq!(outcome.stdout, plain.stdout, "the program's own sums");
}

#[test]
fn a_program_with_c_in_it_shows_both_heaps_in_one_report() {
    if has_go() {
        check_both_heaps(3);
    }
}

#[test]
fn a_program_with_c_in_it_survives_a_hundred_runs() {
    if !has_go() {
        return;
    }
    let program = cgo_program(&["both_heaps.go"]);
    let scene = Scene::new();
    for run in 0..100 {
        let interval = ["exact", "4K"][run % 2];
        let outcome = scene.preloaded(&program).interval(interval).run().success();
        assert_eq!(outcome.stdout, "both 16\n", "run {run}");
    }
}

/// Functions of it that a stack of C's is known by.
const OF_BOTH_HEAPS: [&str; 5] = [
    "c_keep",
    "c_call_back",
    "main.inC",
    "main.callback",
    "runtime.goexit",
];

fn check_both_heaps(runs: usize) {
    let program = cgo_program(&["both_heaps.go"]);
    let made_at = line_with("both_heaps.go", "block := make");
    for _ in 0..runs {
        let scene = Scene::new();
        let path = scene.scratch_dir().join("report.json");
        let options = [
            "run",
            "--interval",
            "exact",
            "--go-rate",
            "1",
            "--report",
            "sites",
        ];
        let launch = scene.reader(options).args(["--top", "100000", "-o"]);
        let outcome = launch.arg(&path).arg("--").arg(&program).run();
        assert_eq!(outcome.stdout, "both 16\n", "{}", outcome.stderr);
        assert_eq!(outcome.status.code(), Some(0), "{}", outcome.stderr);
        let text = std::fs::read_to_string(&path).expect("a report");
        let answer = Answer::parse(&text);
        // 16 goroutines, each 100 slices of its own and 100 when C calls back.
        let slices = answer.sites_through("main.keep");
        let slices = slices
            .iter()
            .filter(|site| site.frames()[0]["line"] == made_at);
        let kept: u64 = slices.map(|site| site.count("live_bytes")).sum();
        // Waiting for a collection allocates a few dozen bytes in the same place.
        let truth = 3_200 * 4_096;
        assert!(
            (truth..truth + truth / 100).contains(&kept),
            "{kept} of {truth}"
        );
        let c_sites = answer.rows("c_sites").iter();
        let of_c = c_sites.filter(|row| row["stack"][0]["function"] == "c_keep");
        let mut live = BTreeMap::new();
        for row in of_c {
            let frames = row["stack"].as_array().into_iter().flatten();
            let functions = frames.filter_map(|frame| frame["function"].as_str());
            // The names of the runtime's own functions differ from one Go to the next.
            let own: Vec<&str> = functions
                .filter(|name| name.starts_with("main.main") || OF_BOTH_HEAPS.contains(name))
                .collect();
            *live.entry(own.join(" ")).or_default() +=
                row["live_objects"]["value"].as_f64().unwrap_or_default();
        }
        let keeps = |callers: &str, goroutine: &str| {
            let stack = format!("c_keep {callers} main.main.func1 {goroutine} runtime.goexit");
            live.get(&stack).copied() == Some(1_600.0)
        };
        let is_crossed = ["main.main.func2", "main.main.gowrap1"]
            .iter()
            .any(|goroutine| {
                keeps("main.inC", goroutine) && keeps("main.callback c_call_back", goroutine)
            });
        assert!(is_crossed && live.len() == 2, "{live:#?}");
    }
}
