//! What is answered, what is refused, and how it ends.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memshim_reader::analysis::ANALYSES;
use memshim_reader::output::OUTPUTS;
use memshim_tests::Scene;

use crate::keeper;
use crate::server::Server;

#[test]
fn every_path_has_its_answer_and_kind() {
    let scene = Scene::new();
    let keeper = keeper(&scene, &["100"]);
    let pid = keeper.pid;
    let server = Server::start(&scene, &[]);
    for (path, kind) in [
        ("/", "text/html"),
        ("/metrics", "text/plain"),
        ("/debug/pprof/", "text/plain"),
        ("/debug/pprof/heap", "application/octet-stream"),
        ("/debug/pprof/allocs?gc=1", "application/octet-stream"),
        (
            "/debug/pprof/heap?program=growth_steps",
            "application/octet-stream",
        ),
        ("/api/processes", "application/json"),
        (&format!("/process/{pid}"), "text/html"),
        (&format!("/process/{pid}/report.json"), "application/json"),
    ] {
        let reply = server.get(path);
        let found = reply.header("content-type").unwrap_or_default();
        assert!(
            reply.status == 200 && found.starts_with(kind),
            "{path}: {reply:?}"
        );
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    for analysis in ANALYSES {
        let path = format!("/api/process/{pid}/{}", analysis.name);
        let reply = server.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.json()["schema"], "memshim.report/1");
    }
    for output in OUTPUTS {
        let path = format!("/api/process/{pid}/export?format={}", output.name());
        let reply = server.get(&path);
        // Some forms are for other reports, and say so.
        let is_refused = reply.status == 400 && reply.text().contains("can draw nothing");
        assert!(
            reply.status == 200 || is_refused,
            "{path}: {}",
            reply.text()
        );
        if reply.status == 200 {
            assert_eq!(reply.header("content-type"), Some(output.media_type()));
        }
    }
}

#[test]
fn a_later_answer_has_the_names_of_the_first_and_of_the_command_line() {
    let scene = Scene::new();
    let keeper = keeper(&scene, &["100"]);
    let server = Server::start(&scene, &[]);
    let path = format!("/api/process/{}/sites", keeper.pid);
    let sites = |answer: serde_json::Value| {
        let sections = answer["sections"].as_array().expect("sections");
        let sites = sections.iter().find(|section| section["name"] == "sites");
        sites.expect("sites").clone()
    };
    let first = sites(server.get(&path).json());
    assert_eq!(sites(server.get(&path).json()), first);
    let command_line = scene.ask("sites", keeper.pid.to_string());
    assert_eq!(sites(command_line.json), first);
}

#[test]
fn silent_connections_keep_nobody_out() {
    let scene = Scene::new();
    let server = Server::start(&scene, &[]);
    let connect = |_| TcpStream::connect(&server.address).expect("the server listens");
    // Three times as many as there are places, half of them in the middle of a word.
    let mut silent: Vec<TcpStream> = (0..192).map(connect).collect();
    for stream in silent.iter_mut().step_by(2) {
        // The server may have given its place to a later one by now.
        let _ = stream.write_all(b"GET /met");
    }
    let begun = Instant::now();
    assert_eq!(server.get("/metrics").status, 200);
    // Silence itself would end them after thirty seconds.
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
    drop(silent);
}

#[test]
fn filters_and_limits_reach_the_answer() {
    let scene = Scene::new();
    let keeper = keeper(&scene, &["100"]);
    let server = Server::start(&scene, &[]);
    let path = format!(
        "/api/process/{}/sites?function=%5Ekept%24&top=1",
        keeper.pid
    );
    let answer = server.get(&path).json();
    let sections = answer["sections"].as_array().expect("sections");
    let sites = sections.iter().find(|section| section["name"] == "sites");
    let rows = sites.expect("sites")["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["stack"][0]["function"], "kept");
}

#[test]
fn what_is_asked_wrongly_is_refused_with_a_reason() {
    let scene = Scene::new();
    let keeper = keeper(&scene, &["100"]);
    let pid = keeper.pid;
    let server = Server::start(&scene, &[]);
    for (path, status, reason) in [
        ("/nothing", 404, "nothing here"),
        ("/process/../../etc/passwd", 404, "nothing here"),
        ("/process/%2e%2e%2fetc/report.json", 404, "nothing here"),
        ("/process/1", 404, "process 1 is not watched"),
        ("/api/process/1/leaks", 404, "process 1 is not watched"),
        ("/debug/pprof/heap?pid=1", 404, "process 1 is not watched"),
        ("/debug/pprof/heap?pid=x", 400, "pid is not a number"),
        ("/debug/pprof/heap?program=x", 404, "no such program"),
        ("/debug/pprof/heap?seconds=301", 400, "up to 300"),
        (
            "/debug/pprof/heap?secnds=1",
            400,
            "secnds is not understood",
        ),
        (
            &format!("/api/process/{pid}/nothing"),
            404,
            "no such analysis",
        ),
        (
            &format!("/api/process/{pid}/leaks?format=x"),
            400,
            "no format x",
        ),
        (
            &format!("/api/process/{pid}/leaks?function=("),
            400,
            "no pattern",
        ),
        (
            &format!("/api/process/{pid}/leaks?suppressions=/etc/passwd"),
            400,
            "not understood",
        ),
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert!(reply.text().contains(reason), "{path}: {}", reply.text());
    }
}

#[test]
fn strangers_are_not_let_in() {
    let scene = Scene::new();
    let server = Server::start(
        &scene,
        &["--token", "secret", "--allow-host", "box.example"],
    );
    let status = |request: &str| {
        server
            .send(&format!("{request}\r\nConnection: close\r\n\r\n"))
            .status
    };
    let token = "Authorization: Bearer secret";
    assert_eq!(
        status(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{token}")),
        200
    );
    assert_eq!(
        status(&format!(
            "GET / HTTP/1.1\r\nHost: box.example:80\r\n{token}"
        )),
        200
    );
    assert_eq!(
        status("GET /?token=secret HTTP/1.1\r\nHost: localhost"),
        200
    );
    assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: localhost"), 401);
    assert_eq!(
        status("GET /?token=secrer HTTP/1.1\r\nHost: localhost"),
        401
    );
    assert_eq!(
        status(&format!("GET / HTTP/1.1\r\nHost: evil.example\r\n{token}")),
        403
    );
    assert_eq!(status(&format!("GET / HTTP/1.0\r\n{token}")), 403);
    assert_eq!(
        status(&format!("POST / HTTP/1.1\r\nHost: localhost\r\n{token}")),
        405
    );
    let long = "x".repeat(64 << 10);
    assert_eq!(
        status(&format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}")),
        431
    );
}

#[test]
fn a_port_that_is_taken_is_named_with_a_way_out() {
    let scene = Scene::new();
    let server = Server::start(&scene, &[]);
    let outcome = scene.reader(["serve", "--listen", &server.address]).run();
    assert_eq!(outcome.status.code(), Some(3));
    let line = outcome.one_error_line();
    assert!(
        line.contains(&server.address) && line.contains("--listen"),
        "{line}"
    );
}

#[test]
fn a_signal_ends_the_server_well() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let scene = Scene::new();
        let server = Server::start(&scene, &[]);
        assert_eq!(server.get("/metrics").status, 200);
        server.running.signal(signal);
        let outcome = server.running.finish().success();
        assert_eq!(outcome.stderr, "");
    }
}
