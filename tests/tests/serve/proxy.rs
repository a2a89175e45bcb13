//! The door of `deploy/nginx` in front of a server: a certificate opens it and nothing else does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memshim_tests::{Launch, Outcome, Scene, find_installed, is_installed, skip, workspace_root};

use crate::keeper;
use crate::server::Server;
use memshim_tests::prometheus::free_port;

#[test]
fn a_client_with_a_certificate_is_let_in_and_others_are_not() {
    let Some(nginx) = nginx() else {
        return skip("nginx is not installed");
    };
    for tool in ["openssl", "curl"] {
        if !is_installed(tool) {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let scene = Scene::new();
    let _keeper = keeper(&scene, &["300"]);
    let server = Server::start(&scene, &[]);
    let scratch = scene.scratch_dir();
    let dir = scratch.as_path();
    certificates(dir);
    let port = free_port();
    let config = scene.file(
        "nginx.conf",
        whole_configuration(dir, port, &server.address),
    );
    let proxy = Launch::new(nginx)
        .arg("-c")
        .arg(config)
        .args(["-g", "daemon off; master_process off; pid nginx.pid;", "-p"])
        .arg(dir);
    let proxy = proxy.limit(Duration::from_secs(120)).start();

    let address = format!("https://localhost:{port}/metrics");
    let with = ["--cert", "client.crt", "--key", "client.key"];
    let metrics = until_it_answers(dir, &address, &with).stdout;
    assert!(metrics.contains("memshim_heap_live_bytes"), "{metrics}");
    for without in [
        &[][..],
        &["--cert", "stranger.crt", "--key", "stranger.key"],
    ] {
        let refused = ask(dir, &address, without);
        assert!(!refused.status.success(), "{}", refused.stdout);
        assert!(!refused.stdout.contains("memshim"), "{}", refused.stdout);
    }
    proxy.kill();
}

/// Debian keeps servers off the search path of ordinary users.
fn nginx() -> Option<PathBuf> {
    let system = PathBuf::from("/usr/sbin/nginx");
    find_installed("nginx").or_else(|| system.is_file().then_some(system))
}

/// An authority, the server's certificate and a client's from it, and one that a stranger made.
fn certificates(dir: &Path) {
    let make = |name: &str, more: &[&str]| {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let launch = Launch::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj"])
            .arg(format!("/CN={name}"))
            .args(["-keyout", &key, "-out", &certificate]);
        launch
            .args(more.iter().copied())
            .current_dir(dir)
            .run()
            .success();
    };
    let signed = ["-CA", "authority.crt", "-CAkey", "authority.key"];
    let for_this_machine = ["-addext", "subjectAltName=DNS:localhost"];
    make("authority", &[]);
    make("server", &[&signed[..], &for_this_machine].concat());
    make("client", &signed);
    make("stranger", &[]);
}

/// The file of `deploy/` with these ports and certificates, in the little that nginx needs around.
fn whole_configuration(dir: &Path, port: u16, server: &str) -> String {
    let file = workspace_root().join("deploy/nginx/memshim.conf");
    let text = std::fs::read_to_string(file).expect("the file is there");
    let text = text
        .replace("/etc/memshim", &dir.display().to_string())
        .replace("listen 9465", &format!("listen 127.0.0.1:{port}"))
        .replace("127.0.0.1:9464", server);
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {name};\n"));
    let temporary = temporary.concat();
    format!("error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n")
}

fn ask(dir: &Path, address: &str, args: &[&str]) -> Outcome {
    let curl = Launch::new("curl").args(["--silent", "--fail", "--cacert", "authority.crt"]);
    curl.args(args.iter().copied())
        .arg(address)
        .current_dir(dir)
        .run()
}

fn until_it_answers(dir: &Path, address: &str, args: &[&str]) -> Outcome {
    let started = Instant::now();
    loop {
        let outcome = ask(dir, address, args);
        let is_late = started.elapsed() > Duration::from_secs(30);
        if outcome.status.success() || is_late {
            return outcome.success();
        }
    }
}
