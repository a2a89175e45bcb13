//! The files of `deploy/`: read by the parsers of those who will read them, or by ports of these.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use memshim_tests::deploy::{dashboard, dashboard_queries, folder, list, text};
use memshim_tests::{Launch, Running, Scene, is_installed, program, skip, workspace_root};
use serde_json::Value;

/// Every document of a YAML file, as a value to walk.
fn documents(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a readable file");
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder whose names end like this.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let below = paths.flat_map(|path| match path.is_dir() {
        true => files(&path, endings),
        false => vec![path],
    });
    let has_ending = |path: &PathBuf| {
        let extension = path.extension().and_then(|it| it.to_str());
        extension.is_some_and(|extension| endings.contains(&extension))
    };
    below.filter(has_ending).collect()
}

/// Every rule of a file as its name and its query.
fn rules(path: &str) -> Vec<(String, String)> {
    let documents = documents(&folder().join(path));
    let groups = documents.iter().flat_map(|it| list(it, "groups"));
    let rules = groups.flat_map(|group| list(group, "rules"));
    let rule = |rule: &Value| {
        let name = rule["record"].as_str().or(rule["alert"].as_str());
        let expr = rule["expr"].as_str();
        (
            name.expect("a rule has a name").to_owned(),
            expr.expect("a rule has a query").to_owned(),
        )
    };
    rules.map(rule).collect()
}

fn all_rules() -> Vec<(String, String)> {
    let recording = rules("prometheus/memshim-rules.yml");
    let alerting = rules("prometheus/memshim-alerts.yml");
    recording.into_iter().chain(alerting).collect()
}

/// The words of a query that begin like this.
fn names(query: &str, start: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = query.split(|letter| !is_part(letter));
    let found = words.filter(|word| word.starts_with(start));
    found.map(String::from).collect()
}

/// Runs a tool in `deploy/`, which must end well.
fn check_by(tool: &str, arguments: &[&str]) {
    if !is_installed(tool) {
        return skip(&format!("{tool} is not installed"));
    }
    let outcome = Launch::new(tool)
        .args(arguments)
        .current_dir(folder())
        .run();
    assert!(
        outcome.status.success(),
        "{tool} {arguments:?}\n{}{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn prometheus_takes_the_rules() {
    let files = [
        "prometheus/memshim-rules.yml",
        "prometheus/memshim-alerts.yml",
    ];
    check_by("promtool", &["check", "rules", files[0], files[1]]);
    check_by(
        "promtool",
        &["check", "config", "prometheus/prometheus.yml"],
    );
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    check_by(
        "promtool",
        &["test", "rules", "prometheus/memshim-rules.test.yml"],
    );
}

#[test]
fn every_alert_has_a_case_and_says_what_to_do() {
    let cases = text("prometheus/memshim-rules.test.yml");
    let alerts = documents(&folder().join("prometheus/memshim-alerts.yml"));
    let groups = alerts.iter().flat_map(|it| list(it, "groups"));
    let rules: Vec<&Value> = groups.flat_map(|group| list(group, "rules")).collect();
    assert!(!rules.is_empty());
    for rule in rules {
        let name = rule["alert"].as_str().expect("a name");
        assert!(cases.contains(&format!("alertname: {name}\n")), "{name}");
        let annotations = &rule["annotations"];
        for key in ["summary", "description"] {
            assert!(annotations[key].as_str().is_some(), "{name} has no {key}");
        }
        assert!(rule["labels"]["severity"].as_str().is_some(), "{name}");
    }
}

#[test]
fn every_query_is_one() {
    let rules = all_rules().into_iter().map(|(_, query)| query);
    let queries: Vec<String> = rules.chain(dashboard_queries()).collect();
    assert!(queries.len() > 30, "{} queries", queries.len());
    for query in queries {
        let parsed = promql_parser::parser::parse(&query);
        assert!(parsed.is_ok(), "{query}: {parsed:?}");
    }
}

#[test]
fn recorded_series_are_recorded_before_they_are_used() {
    let recorded: BTreeSet<String> = all_rules().into_iter().map(|(name, _)| name).collect();
    for (rule, query) in all_rules() {
        for name in names(&query, "program:") {
            assert!(recorded.contains(&name), "{rule} uses {name}");
        }
    }
}

#[test]
fn the_dashboard_is_of_the_schema_that_grafana_publishes() {
    let dashboard = dashboard();
    // That of @grafana/schema 13.2.
    assert_eq!(dashboard["schemaVersion"], 42);
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(
            ids.insert(panel["id"].as_u64()),
            "{title} has the id of another"
        );
        let kinds = ["row", "stat", "timeseries", "table", "heatmap"];
        assert!(
            kinds.contains(&panel["type"].as_str().unwrap_or("")),
            "{title}"
        );
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some(), "{title}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!list(panel, "targets").is_empty(), "{title}");
    }
}

#[test]
fn no_panel_of_the_dashboard_covers_another() {
    let dashboard = dashboard();
    let place = |panel: &Value| ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64());
    let mut cells = BTreeSet::new();
    for panel in list(&dashboard, "panels") {
        let [Some(x), Some(y), Some(width), Some(height)] = place(panel) else {
            panic!("no place: {panel}");
        };
        assert!(x + width <= 24, "{} leaves the grid", panel["title"]);
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} covers another", panel["title"]);
        }
    }
}

#[test]
fn every_yaml_file_can_be_read() {
    let files = files(&folder(), &["yml", "yaml"]);
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let documents = documents(&file);
        assert!(documents.iter().all(Value::is_object), "{}", file.display());
    }
}

#[test]
fn the_guide_names_every_alert_and_links_to_what_is_there() {
    let docs = workspace_root().join("docs");
    let guide = std::fs::read_to_string(docs.join("production.md")).expect("the guide");
    for (alert, _) in rules("prometheus/memshim-alerts.yml") {
        assert!(guide.contains(&format!("| `{alert}` |")), "{alert}");
    }
    let links = guide.split("](").skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split(')').next()).collect();
    assert!(!links.is_empty());
    for link in links {
        assert!(docs.join(link).exists(), "{link}");
    }
}

#[test]
fn every_setting_of_the_files_is_one_that_the_readme_explains() {
    let readme = std::fs::read_to_string(workspace_root().join("README.md")).expect("it");
    let endings = ["yml", "yaml", "service", "timer"];
    let files = files(&folder(), &endings).into_iter();
    let used: BTreeSet<String> = files
        .map(|file| std::fs::read_to_string(file).expect("a readable file"))
        .flat_map(|text| names(&text, "MEMSHIM_"))
        .map(|name| name.trim_end_matches(':').to_owned())
        // Of the reader that serves, explained by its own help.
        .filter(|name| name != "MEMSHIM_TOKEN")
        .collect();
    assert!(used.contains("MEMSHIM_DIR"), "{used:?}");
    for name in used {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

/// The named one of a list of objects with names.
fn named<'a>(list: &'a [Value], name: &str) -> &'a Value {
    let found = list.iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn program_and_sidecar_share_segments_processes_and_user() {
    let documents = documents(&folder().join("kubernetes/memshim.yaml"));
    let deployment = documents.iter().find(|it| it["kind"] == "Deployment");
    let pod = &deployment.expect("a deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["shareProcessNamespace"], true);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let volumes = list(pod, "volumes");
    assert_eq!(named(volumes, "segments")["emptyDir"]["medium"], "Memory");
    for container in ["app", "memshim"] {
        let container = named(list(pod, "containers"), container);
        let dir = &named(list(container, "env"), "MEMSHIM_DIR")["value"];
        let mount = named(list(container, "volumeMounts"), "segments");
        assert_eq!(mount["mountPath"], *dir);
        assert_eq!(
            container["securityContext"]["allowPrivilegeEscalation"],
            false
        );
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
    // Whatever is mounted exists.
    let containers = list(pod, "containers")
        .iter()
        .chain(list(pod, "initContainers"));
    for mount in containers.flat_map(|container| list(container, "volumeMounts")) {
        named(volumes, mount["name"].as_str().expect("a name"));
    }
}

#[test]
fn systemd_takes_the_units() {
    if !is_installed("systemd-analyze") {
        return skip("systemd-analyze is not installed");
    }
    let scene = Scene::new();
    let units = files(&folder().join("systemd"), &["service", "timer"]);
    assert_eq!(units.len(), 6);
    for unit in &units {
        // The program is not installed here, and nobody is called app; the rest is as it is.
        let unit_text = std::fs::read_to_string(unit).expect("a readable unit");
        let unit_text = unit_text.replace("/usr/bin/memshim-reader", "/bin/true");
        let name = unit.file_name().expect("a name").to_string_lossy();
        scene.file(&name, unit_text.replace("User=app", "User=root"));
    }
    for unit in &units {
        let name = unit.file_name().expect("a name");
        let path = scene.scratch_dir().join(name);
        let outcome = Launch::new("systemd-analyze").arg("verify").arg(path).run();
        // Without a running systemd it cannot ask, but what it says of a unit names it.
        let name = name.to_string_lossy();
        let mut errors = outcome.stderr.lines();
        let about_it = errors.find(|line| line.contains(&*name));
        assert_eq!(about_it, None, "{}", outcome.stderr);
    }
}

/// What the server answers to a plain request, its head included.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// A program that leaks, and a server about it; both end when this is dropped.
struct Served {
    address: String,
    _leaker: Running,
    _server: Running,
}

impl Served {
    /// `None` where the reader has no server.
    fn start(scene: &Scene) -> Option<Served> {
        if !scene.reader(["serve", "--help"]).run().status.success() {
            skip("this reader cannot serve");
            return None;
        }
        let launch = scene.preloaded(program("leak_kinds.c")).interval("exact");
        let mut leaker = launch.arg("3000").start();
        leaker.wait_for("done");
        let listen = ["serve", "--listen", "127.0.0.1:0"];
        let mut server = scene.reader(listen).start();
        let line = server.wait_for("http://");
        let (_, rest) = line.split_once("http://").expect("an address");
        let is_address = |letter: &char| letter.is_ascii_digit() || matches!(letter, '.' | ':');
        Some(Served {
            address: rest.chars().take_while(is_address).collect(),
            _leaker: leaker,
            _server: server,
        })
    }
}

#[test]
fn every_metric_that_is_asked_for_is_served() {
    let scene = Scene::new();
    let Some(server) = Served::start(&scene) else {
        return;
    };
    let served = get(&server.address, "/metrics");
    let rules = all_rules().into_iter().map(|(_, query)| query);
    let asked: BTreeSet<String> = rules
        .chain(dashboard_queries())
        .flat_map(|query| names(&query, "memshim_"))
        .collect();
    let is_served = |name: &str| {
        let mut rests = served.lines().filter_map(|line| line.strip_prefix(name));
        rests.any(|rest| rest.starts_with(['{', ' ']))
    };
    let missing: Vec<String> = asked.into_iter().filter(|name| !is_served(name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in\n{served}");
}
