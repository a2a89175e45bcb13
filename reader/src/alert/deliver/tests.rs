//! What telling promises: it arrives, it ends, and it keeps nobody waiting.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::alert::kind::Level;
use crate::alert::notice::Place;
use crate::alert::rules::Rules;
use crate::alert::words::Told;

fn action(means: Means) -> Action {
    Action {
        name: "it".to_owned(),
        means,
        timeout_ns: 20_000_000_000,
        at_once: 2,
        per_hour: 1_000,
    }
}

fn shell(line: &str) -> Means {
    Means::Command(["/bin/sh", "-c", line].map(String::from).to_vec())
}

fn notice(program: &str) -> Arc<Notice> {
    let rules = Rules::parse("[[alert]]\nkind = \"live-above\"\nabove = 1\n").expect("good");
    let told = Told {
        program,
        host: "h",
        value: Level::Number(5.0),
        threshold: None,
        detail: "",
    };
    let place = Place {
        pids: &[7],
        since_unix_ns: 1,
        unix_ns: 2,
        recording: "/rec",
    };
    Arc::new(Notice::new(
        &rules.alerts[0],
        News::Firing,
        &told,
        place,
        None,
    ))
}

/// What one action made of some notices.
fn tell(action: &Action, count: usize) -> Tally {
    let mut delivery = Delivery::begin(std::slice::from_ref(action));
    for _ in 0..count {
        delivery.hand(&notice("api"), &[0]);
    }
    delivery.end(Duration::from_secs(30));
    delivery.tallies().remove(0)
}

#[test]
fn a_command_has_the_facts_on_its_input_and_in_its_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("told");
    let line = format!(
        "{{ cat; echo \"$MEMSHIM_ALERT $MEMSHIM_ALERT_STATE $MEMSHIM_ALERT_PID\"; }} > '{}'",
        path.display()
    );
    let tally = tell(&action(shell(&line)), 1);
    assert_eq!((tally.told, tally.failed), (1, 0), "{tally:?}");
    let text = std::fs::read_to_string(path).expect("it was written");
    let (json, words) = text.split_once('\n').expect("two lines");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(json["schema"], "memshim.alert/1");
    assert_eq!(
        (&json["program"], &json["value"]),
        (&"api".into(), &5.0.into())
    );
    assert_eq!(words, "MemshimLiveAbove firing 7\n");
}

#[test]
fn a_command_that_fails_or_is_not_there_is_told_of() {
    let failing = tell(&action(shell("exit 3")), 2);
    assert_eq!(failing.failed, 2);
    assert!(failing.trouble.contains("exit status: 3"), "{failing:?}");
    let missing = tell(&action(Means::Command(vec!["/no/such".to_owned()])), 1);
    assert!(
        missing.trouble.contains("cannot run /no/such"),
        "{missing:?}"
    );
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    // The pipe has its writer for as long as the grandchild lives.
    let line = format!("sleep 1000 > '{}' & wait", fifo.display());
    let patient = Action {
        timeout_ns: 500_000_000,
        ..action(shell(&line))
    };
    let reading = thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::read(fifo)
    });
    let tally = tell(&patient, 1);
    assert!(
        tally.trouble.contains("was killed: it had not ended"),
        "{tally:?}"
    );
    assert_eq!(reading.join().expect("no panic").expect("a pipe"), b"");
}

#[test]
fn never_more_run_at_once_than_allowed_and_what_is_too_much_is_dropped() {
    let directory = tempfile::tempdir().expect("a directory");
    let gate = directory.path().join("gate");
    let running = directory.path().join("running");
    std::fs::create_dir(&running).expect("a directory");
    // Each notes itself and waits until the gate is there.
    let line = format!(
        "touch '{0}'/$$; ls '{0}' | wc -l >> '{1}'/counts; while [ ! -e '{2}' ]; do sleep 0.02; \
         done; rm '{0}'/$$",
        running.display(),
        directory.path().display(),
        gate.display()
    );
    let mut delivery = Delivery::begin(&[action(shell(&line))]);
    let begun = Instant::now();
    for _ in 0..QUEUE + 20 {
        delivery.hand(&notice("api"), &[0]);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "it waited for a command"
    );
    let dropped = delivery.tallies()[0].dropped;
    assert!((18..=20).contains(&dropped), "{dropped}");
    std::fs::write(&gate, "").expect("the gate opens");
    delivery.end(Duration::from_secs(60));
    let tally = delivery.tallies().remove(0);
    assert_eq!(tally.told + dropped, QUEUE as u64 + 20, "{tally:?}");
    let counts = std::fs::read_to_string(directory.path().join("counts")).expect("counts");
    let most = counts
        .lines()
        .filter_map(|line| line.trim().parse::<u32>().ok())
        .max();
    assert!(most <= Some(2), "{most:?} at once");
}

#[test]
fn an_action_tells_so_much_an_hour_and_no_more() {
    let few = Action {
        per_hour: 3,
        ..action(shell(":"))
    };
    let tally = tell(&few, 5);
    assert_eq!((tally.told, tally.held_back), (3, 2));
}

/// Reads a request to the end of its body and answers.
fn answer(mut stream: TcpStream, status: &str) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).expect("a request");
        bytes.extend(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lower = text.to_ascii_lowercase();
        let head = lower.split("\r\n\r\n").next().unwrap_or("").to_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let wanted = length.and_then(|it| it.parse::<usize>().ok());
        if wanted.is_some_and(|wanted| text.len() >= head.len() + 4 + wanted) || count == 0 {
            let reply =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(reply.as_bytes()).expect("it listens");
            return text;
        }
    }
}

#[test]
fn a_webhook_is_tried_again_until_it_takes_the_notice() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || {
        let (first, _) = listener.accept().expect("a client");
        answer(first, "503 Busy");
        let (second, _) = listener.accept().expect("it comes again");
        answer(second, "204 Fine")
    });
    let tally = tell(&action(Means::Webhook(url)), 1);
    assert_eq!((tally.told, tally.failed), (1, 0), "{tally:?}");
    let request = server.join().expect("no panic");
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").expect("a body");
    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(json["alert"], "MemshimLiveAbove");
}

#[test]
fn a_webhook_that_refuses_is_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("bound"));
    let server = thread::spawn(move || answer(listener.accept().expect("a client").0, "404 No"));
    let tally = tell(&action(Means::Webhook(url)), 1);
    assert!(tally.trouble.contains("answered 404"), "{tally:?}");
    server.join().expect("no panic");
}

#[test]
fn a_webhook_that_hangs_delays_nobody() {
    // It accepts by the kernel's queue, and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let hanging = Action {
        timeout_ns: 1_000_000_000,
        ..action(Means::Webhook(url))
    };
    let mut delivery = Delivery::begin(&[hanging, action(shell(":"))]);
    let begun = Instant::now();
    for _ in 0..10 {
        delivery.hand(&notice("api"), &[0, 1]);
    }
    assert!(
        begun.elapsed() < Duration::from_millis(900),
        "{:?}",
        begun.elapsed()
    );
    while delivery.tallies()[1].told < 10 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the command waits"
        );
        thread::sleep(ATTENTION);
    }
    delivery.end(Duration::ZERO);
    assert_eq!(delivery.tallies()[0].told, 0);
    assert!(
        begun.elapsed() < Duration::from_secs(40),
        "{:?}",
        begun.elapsed()
    );
}
