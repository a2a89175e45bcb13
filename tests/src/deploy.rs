//! What the files of `deploy/` ask Prometheus: queries of the dashboards, and the rules.

use std::path::PathBuf;

use serde_json::Value;

use crate::workspace_root;

/// The folder itself.
pub fn folder() -> PathBuf {
    let path = workspace_root().join("deploy");
    path.canonicalize().expect("deploy/ is there")
}

/// A file of it, by its path below the folder.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The dashboard for Grafana.
pub fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/dashboards/memshim.json")).expect("JSON")
}

/// The elements below a key, none where it is missing.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Every query of the dashboard, its annotations included, with values for Grafana's variables.
pub fn dashboard_queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = list(&dashboard, "panels").iter();
    let targets = panels.flat_map(|panel| list(panel, "targets"));
    let annotations = list(&dashboard["annotations"], "list");
    let queries = targets.chain(annotations).map(|it| it["expr"].as_str());
    let queries = queries.map(|query| query.expect("a target has a query"));
    let filled = |query: &str| {
        let query = query.replace("$__rate_interval", "2m");
        let query = query.replace("$__range", "3h");
        query.replace("$program", ".*").replace("$instance", ".*")
    };
    queries.map(filled).collect()
}

/// The name of an alert or a recording rule file with every time that it waits for made shorter,
/// and no query changed.
pub fn impatient_rules(path: &str, interval: &str, duration: &str) -> String {
    let shortened = |line: &str| {
        let key = line.trim_start().split_once(':').map_or("", |(key, _)| key);
        let indent = &line[..line.len() - line.trim_start().len()];
        match key {
            "for" => format!("{indent}for: {duration}\n"),
            "interval" => format!("{indent}interval: {interval}\n"),
            _ => format!("{line}\n"),
        }
    };
    text(path).lines().map(shortened).collect()
}
