//! A server under test and the least client that can ask it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memshim_tests::launch::TIME_LIMIT;
use memshim_tests::{Running, Scene};

/// `memshim-reader serve` on a port of its own.
pub struct Server {
    pub running: Running,
    /// Address and port.
    pub address: String,
}

/// One answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// All header lines, as they were sent.
    pub head: String,
    pub body: Vec<u8>,
}

impl Server {
    pub fn start(scene: &Scene, args: &[&str]) -> Server {
        let reader = scene.reader(["serve", "--listen", "127.0.0.1:0"]);
        let mut running = reader.args(args).limit(Duration::from_secs(120)).start();
        let line = running.wait_for("serving http://");
        let address = line.trim_start_matches("serving http://");
        Server {
            address: address.trim_end_matches('/').to_owned(),
            running,
        }
    }

    /// Asks for a path as its own page would.
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// The same with more header lines, each ended by CR LF.
    pub fn get_with(&self, path: &str, headers: &str) -> Reply {
        let host = &self.address;
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    /// Sends bytes and takes all that comes back.
    pub fn send(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        stream
            .set_read_timeout(Some(TIME_LIMIT))
            .expect("a socket takes a timeout");
        stream
            .write_all(request.as_bytes())
            .expect("the server reads");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("the server answers");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(&bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Reply {
            status: status.expect("a head begins with a status"),
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// Asks again and again until the answer is as wanted; what is shown may be a second old.
    pub fn until(&self, path: &str, is_wanted: impl Fn(&Reply) -> bool) -> Reply {
        let started = Instant::now();
        loop {
            let reply = self.get(path);
            if is_wanted(&reply) {
                return reply;
            }
            let text = reply.text();
            assert!(
                started.elapsed() < TIME_LIMIT,
                "{path} never was so:\n{text}"
            );
            std::thread::yield_now();
        }
    }
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The value of a header line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}
