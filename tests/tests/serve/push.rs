//! What a server that profiles are pushed to gets: valid profiles, once, with the time in between.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Launch, Scene, is_installed, skip};

use crate::keeper;
use crate::server::Server;

/// One request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pushed {
    /// The first line and the headers.
    head: String,
    body: Vec<u8>,
}

/// A receiver that answers with these codes in turn, and then with 200.
fn receiver(codes: &'static [u16]) -> (String, Receiver<Pushed>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("some port is free");
    let address = listener.local_addr().expect("it is bound");
    let (sender, pushed) = channel();
    thread::spawn(move || {
        let codes = codes.iter().copied().chain(std::iter::repeat(200));
        for (stream, code) in listener.incoming().zip(codes) {
            let request = read(&mut stream.expect("a connection"), code);
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}"), pushed)
}

fn read(stream: &mut TcpStream, code: u16) -> Pushed {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).expect("a head is text") > 0);
    }
    let lines = head.to_ascii_lowercase();
    let length = lines
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap_or_else(|| panic!("no length in {head}"));
    let mut body = vec![0; length.parse().expect("a number")];
    reader.read_exact(&mut body).expect("a whole body");
    let answer = format!("HTTP/1.1 {code} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream
        .write_all(answer.as_bytes())
        .expect("the pusher reads");
    Pushed { head, body }
}

fn next(pushed: &Receiver<Pushed>) -> Pushed {
    let next = pushed.recv_timeout(TIME_LIMIT);
    next.expect("something is pushed in time")
}

/// The part of a form that is called `name`.
fn part<'a>(body: &'a [u8], name: &str) -> &'a [u8] {
    let find = |bytes: &[u8], wanted: &[u8]| {
        let mut windows = bytes.windows(wanted.len());
        windows.position(|window| window == wanted)
    };
    let named = format!("name=\"{name}\"");
    let start = find(body, named.as_bytes()).expect("the form has it");
    let content = start + find(&body[start..], b"\r\n\r\n").expect("a head ends") + 4;
    let end = find(&body[content..], b"\r\n--memshim").expect("a part ends");
    &body[content..content + end]
}

#[test]
fn a_push_that_failed_is_made_again_and_then_said_to_work() {
    let scene = Scene::new();
    let (url, pushed) = receiver(&[503]);
    let mut keeper = keeper(&scene, &["300"]);
    let token = scene.file("token", "secret\n");
    let token = token.to_str().expect("a plain path");
    let server = Server::start(
        &scene,
        &[
            "--push",
            &url,
            "--push-every",
            "300ms",
            "--push-label",
            "team=a,b",
            "--push-token-file",
            token,
            "--push-tenant",
            "one",
        ],
    );
    let refused = next(&pushed);
    let again = next(&pushed);
    assert_eq!(refused, again);
    let head = &again.head;
    for part in [
        "POST /ingest?name=growth_steps%7Bhost%3D",
        "team%3Da_b",
        "version%3D",
        "&spyName=memshim",
    ] {
        assert!(head.contains(part), "{part} in {head}");
    }
    let head = head.to_ascii_lowercase();
    assert!(head.contains("authorization: bearer secret"), "{head}");
    assert!(head.contains("x-scope-orgid: one"), "{head}");
    assert!(!head.contains("format="), "a form is none: {head}");
    assert_eq!(part(&again.body, "profile")[..2], [0x1f, 0x8b]);
    let config: serde_json::Value =
        serde_json::from_slice(part(&again.body, "sample_type_config")).expect("it is JSON");
    assert_eq!(config["alloc_space"]["aggregation"], "sum");

    let sent = |reply: &crate::server::Reply| reply.text().contains("result=\"sent\"} 1");
    let metrics = server.until("/metrics", |reply| sent(reply)).text();
    assert!(
        metrics.contains("memshim_push_failures_total 1"),
        "{metrics}"
    );
    keeper.write("1\n");
    keeper.wait_for("now 301");
    server.running.signal(libc::SIGTERM);
    let outcome = server.running.finish().success();
    let lines: Vec<&str> = outcome.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", outcome.stderr);
    assert!(lines[0].contains("503") && lines[0].contains("tried again"));
    assert!(lines[1].contains("takes profiles again"));
}

#[test]
fn what_was_allocated_between_two_pushes_is_in_the_second() {
    if !is_installed("go") {
        return skip("go is not installed");
    }
    let scene = Scene::new();
    let (url, pushed) = receiver(&[]);
    let mut keeper = keeper(&scene, &["300"]);
    let _server = Server::start(&scene, &["--push", &url, "--push-every", "300ms"]);
    let first = next(&pushed);
    let top = |request: &Pushed, kind: &str| top(&scene, part(&request.body, "profile"), kind);
    let amount = |request: &Pushed, kind: &str| {
        let top = top(request, kind);
        let line = top.lines().find(|line| line.ends_with(" kept"));
        line.and_then(|line| Some(line.split_whitespace().next()?.to_owned()))
    };
    assert_eq!(amount(&first, "inuse_objects").as_deref(), Some("300"));
    assert_eq!(amount(&first, "alloc_objects"), None);
    keeper.write("50\n");
    keeper.wait_for("now 350");
    let mut allocated = 0;
    while allocated < 50 {
        let request = next(&pushed);
        let amount = amount(&request, "alloc_objects");
        allocated += amount.map_or(0, |amount| amount.parse().expect("a number"));
    }
    assert_eq!(allocated, 50);
    assert!(
        top(&first, "inuse_space").contains("Duration"),
        "a time is told"
    );
}

#[test]
fn a_server_that_is_not_there_is_named_once_and_keeps_nobody_waiting() {
    let scene = Scene::new();
    let _keeper = keeper(&scene, &["300"]);
    let server = Server::start(
        &scene,
        &["--push", "http://127.0.0.1:1", "--push-every", "100ms"],
    );
    let failures = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("memshim_push_failures_total "));
        let number = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        number.unwrap_or(0.0)
    };
    server.until("/metrics", |reply| failures(&reply.text()) >= 2.0);
    server.running.signal(libc::SIGTERM);
    let outcome = server.running.finish().success();
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("http://127.0.0.1:1"));
}

#[test]
fn an_address_that_cannot_be_pushed_to_is_refused_with_a_way_out() {
    let scene = Scene::new();
    for (url, reason) in [
        ("https://pyroscope", "proxy on this machine"),
        ("pyroscope:4040", "http://HOST:PORT"),
        ("http://user:secret@pyroscope", "http://HOST:PORT"),
    ] {
        let outcome = scene.reader(["serve", "--push", url]).run();
        assert_eq!(outcome.status.code(), Some(2), "{url}");
        assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    }
}

fn top(scene: &Scene, profile: &[u8], kind: &str) -> String {
    let file = scene.file("profile.pb.gz", profile);
    let outcome = Launch::new("go")
        .args(["tool", "pprof", "-top"])
        .arg(format!("-sample_index={kind}"))
        .arg(file)
        .env("HOME", scene.scratch_dir())
        .env("PPROF_TMPDIR", scene.scratch_dir())
        .run();
    outcome.success().stdout
}
