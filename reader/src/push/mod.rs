//! Pushes profiles to a server that cannot, or should not, ask for them: Pyroscope, or Alloy.
//!
//! ```text
//! every 15 s:  desk ─► profiles (by version) ─► differences ─► form ─► queue ─► POST
//! ```
//!
//! One thread collects and sends. A server that is gone costs memory up to a limit and nothing else.

#![forbid(unsafe_code)]

pub mod form;
pub mod queue;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::error::Error;
use crate::metrics::Pushed;
use crate::output::{self, Options};
use crate::push::queue::{Parcel, Queue};
use crate::quantity;
use crate::report::{Fact, Report, Value};
use crate::run::say;
use crate::serve::Desk;
use crate::serve::profiles::{Profile, Version, by_stack, stacks_of, subtract};

/// One request, from the name of the server to its answer, takes no longer.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// What is left at the end may take this long yet.
const ENDING_TIME: Duration = Duration::from_secs(3);

const SECOND_NS: u64 = 1_000_000_000;

/// Digits of a build-id in the label `version`.
const BUILD_DIGITS: usize = 12;

/// Columns that Pyroscope has a meaning for; it would add up all others over time.
const COLUMNS: &[&str] = &[
    "allocated_objects",
    "allocated_bytes",
    "live_objects",
    "live_bytes",
    "stack",
];

/// Where to push, and as whom.
#[derive(Debug, Clone, Args)]
pub struct Pushing {
    /// Push profiles to this Pyroscope or Alloy too, such as http://pyroscope:4040
    ///
    /// Each program is an application of its name, with the labels host and version (the first
    /// twelve digits of its build-id). What was allocated is sent by the time that it was allocated
    /// in, what is live as it is then. Only http: put Alloy or a proxy on this machine before a
    /// server that wants https.
    #[arg(long, value_name = "URL", value_parser = server, help_heading = "Push")]
    push: Option<String>,
    /// Time between two pushes
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "15s",
        value_parser = quantity::duration_ns,
        requires = "push",
        help_heading = "Push"
    )]
    push_every: u64,
    /// The name of the application; {program} stands for the program's
    #[arg(
        long,
        value_name = "NAME",
        default_value = "{program}",
        requires = "push",
        help_heading = "Push"
    )]
    push_name: String,
    /// One more label, or another value for host or version; may be given several times
    #[arg(
        long,
        value_name = "NAME=VALUE",
        value_parser = label,
        requires = "push",
        help_heading = "Push"
    )]
    push_label: Vec<(String, String)>,
    /// Read the server's token from this file; MEMSHIM_PUSH_TOKEN has it too
    #[arg(long, value_name = "FILE", requires = "push", help_heading = "Push")]
    push_token_file: Option<PathBuf>,
    /// The user that the token is the password of, where the server wants both
    #[arg(long, value_name = "NAME", requires = "push", help_heading = "Push")]
    push_user: Option<String>,
    /// The tenant (X-Scope-OrgID), where the server has several
    #[arg(long, value_name = "NAME", requires = "push", help_heading = "Push")]
    push_tenant: Option<String>,
}

fn server(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").unwrap_or_default();
    let is_address = !host.is_empty() && !host.starts_with('/');
    let is_plain = text.chars().all(|it| it.is_ascii_graphic()) && !host.contains(['?', '#', '@']);
    match (is_address && is_plain, text.starts_with("https://")) {
        (true, _) => Ok(text.to_owned()),
        (_, true) => Err(
            "https is not spoken here; push to Alloy or a proxy on this machine by \
                          http, which speaks it"
                .to_owned(),
        ),
        _ => Err("write http://HOST:PORT".to_owned()),
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A thread that pushes; dropping it pushes a last time.
pub struct Pusher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Pusher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that fails has nothing more to push.
            let _ = thread.join();
        }
    }
}

impl Pushing {
    /// Starts to push what the desk knows, if that was asked for; counts go to `pushed`.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] where the token cannot be read.
    pub fn start(
        &self,
        desk: Desk,
        pushed: Arc<Mutex<Option<Pushed>>>,
    ) -> Result<Option<Pusher>, Error> {
        let Some(server) = self.push.clone() else {
            return Ok(None);
        };
        *pushed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pushed::default());
        let mut work = Work {
            server,
            every: Duration::from_nanos(self.push_every).max(Duration::from_millis(100)),
            name: self.push_name.clone(),
            labels: self.labels(),
            headers: self.headers()?,
            desk,
            pushed,
            queue: Queue::default(),
            before: HashMap::new(),
            collected_unix_ns: None,
            trouble: None,
        };
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || work.run(&stopped));
        Ok(Some(Pusher {
            stop: Some(stop),
            thread: Some(thread),
        }))
    }

    /// Labels of every profile; those that were given are stronger.
    fn labels(&self) -> BTreeMap<String, String> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let own = [("host".to_owned(), host.trim().to_owned())];
        own.into_iter().chain(self.push_label.clone()).collect()
    }

    fn headers(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let token = match &self.push_token_file {
            Some(path) => Some(std::fs::read_to_string(path).map_err(Error::open(path))?),
            None => std::env::var("MEMSHIM_PUSH_TOKEN").ok(),
        };
        let token = token.map(|token| token.trim().to_owned());
        let token = token.filter(|token| !token.is_empty());
        let authorization = token.map(|token| match &self.push_user {
            Some(user) => {
                use base64::Engine as _;
                let both = format!("{user}:{token}");
                let both = base64::engine::general_purpose::STANDARD.encode(both);
                format!("Basic {both}")
            }
            None => format!("Bearer {token}"),
        });
        let authorization = authorization.map(|value| ("Authorization", value));
        let tenant = self.push_tenant.clone();
        let tenant = tenant.map(|tenant| ("X-Scope-OrgID", tenant));
        Ok(authorization.into_iter().chain(tenant).collect())
    }
}

/// All that the thread has.
struct Work {
    server: String,
    every: Duration,
    name: String,
    labels: BTreeMap<String, String>,
    headers: Vec<(&'static str, String)>,
    desk: Desk,
    pushed: Arc<Mutex<Option<Pushed>>>,
    queue: Queue,
    /// What each version had when it was collected last.
    before: HashMap<Version, HashMap<u64, Vec<Value>>>,
    /// When that was, ns since the Unix epoch.
    collected_unix_ns: Option<u64>,
    /// What was last said to be wrong.
    trouble: Option<String>,
}

impl Work {
    fn run(&mut self, stopped: &Receiver<()>) {
        // What was allocated before nobody can put into a time.
        self.collect(false);
        let mut next = Instant::now() + self.every;
        loop {
            let until = self
                .queue
                .not_before()
                .map_or(next, |not_before| next.min(not_before));
            let pause = until.saturating_duration_since(Instant::now());
            let is_over = stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout);
            if is_over || Instant::now() >= next {
                self.collect(true);
                // A push that took longer than the time between two is followed by a whole pause.
                next = (next + self.every).max(Instant::now());
            }
            self.send(is_over);
            if is_over {
                return;
            }
        }
    }

    /// Takes the profiles of now, and puts what is different since the last time into the queue.
    fn collect(&mut self, is_sent: bool) {
        let Ok(profiles) = self.desk.wait_for(|processes| processes.profiles(None)) else {
            return;
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_unix_ns = now.map_or(0, |now| now.as_nanos() as u64);
        let from_unix_ns = self.collected_unix_ns.replace(now_unix_ns);
        let mut before = HashMap::new();
        for (version, mut report) in by_version(profiles) {
            let all = by_stack(&mut report);
            if is_sent {
                if let Some(earlier) = self.before.get(&version) {
                    subtract(&mut report, earlier);
                }
                let span = (from_unix_ns.unwrap_or(now_unix_ns), now_unix_ns);
                let parcel = self.parcel(&version, report, span);
                let dropped = parcel.map_or(0, |parcel| self.queue.add(parcel));
                self.count(|pushed| pushed.dropped += dropped);
            }
            before.insert(version, all);
        }
        self.before = before;
    }

    /// A profile as it is sent; `None` of one that has nothing to say.
    fn parcel(&self, version: &Version, mut report: Report, span: (u64, u64)) -> Option<Parcel> {
        keep_columns(&mut report);
        let table = stacks_of(&mut report)?;
        table.rows.retain(|row| {
            let mut numbers = row.iter().filter_map(Value::number);
            numbers.any(|number| number > 0.0)
        });
        if table.rows.is_empty() {
            return None;
        }
        let (from, until) = span;
        report
            .target
            .retain(|fact| !matches!(fact.name.as_str(), "age_ns" | "as_of_unix_ns"));
        let duration = Value::Duration(until.saturating_sub(from));
        report.target.push(Fact::new("age_ns", "age", duration));
        let as_of = Value::Time(from);
        report
            .target
            .push(Fact::new("as_of_unix_ns", "as of", as_of));
        let pprof = output::find("pprof").expect("pprof is in the registry");
        let mut profile = Vec::new();
        pprof
            .write(&report, &Options::default(), &mut profile)
            .ok()?;
        let mut labels = self.labels.clone();
        let build = &version.build_id;
        let build = build.get(..BUILD_DIGITS).unwrap_or(build);
        labels
            .entry("version".to_owned())
            .or_insert_with(|| build.to_owned());
        let labels: Vec<(String, String)> = labels.into_iter().collect();
        let name = self.name.replace("{program}", &version.program);
        Some(Parcel {
            address: form::address(
                &self.server,
                &name,
                &labels,
                (from / SECOND_NS, until / SECOND_NS),
            ),
            body: form::body(&profile),
        })
    }

    /// Sends what waits until there is nothing more, or the server takes none.
    fn send(&mut self, is_last: bool) {
        let time = if is_last { ENDING_TIME } else { REQUEST_TIME };
        let end = is_last.then(|| Instant::now() + ENDING_TIME);
        while let Some(parcel) = self.queue.next(Instant::now()) {
            let answer = post(parcel, &self.headers, time);
            match answer {
                Answer::Taken => {
                    self.queue.done();
                    self.count(|pushed| pushed.sent += 1);
                    if self.trouble.take().is_some() {
                        say(&format!("{} takes profiles again", self.server));
                    }
                }
                Answer::Refused(reason) => {
                    self.queue.done();
                    self.count(|pushed| pushed.refused += 1);
                    self.complain(reason, "what it refuses is dropped");
                }
                Answer::Failed(reason) => {
                    self.queue.failed(Instant::now());
                    self.count(|pushed| pushed.failures += 1);
                    self.complain(reason, "it is tried again");
                    break;
                }
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                break;
            }
        }
        let bytes = self.queue.bytes() as u64;
        self.count(|pushed| pushed.waiting_bytes = bytes);
    }

    /// Says what is wrong, once for each thing until profiles are taken again.
    fn complain(&mut self, reason: String, consequence: &str) {
        if self.trouble.as_ref() != Some(&reason) {
            say(&format!(
                "cannot push to {}: {reason}; {consequence}",
                self.server
            ));
            self.trouble = Some(reason);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Pushed)) {
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        change(pushed.get_or_insert_default());
    }
}

/// What a server made of a parcel.
enum Answer {
    Taken,
    /// It will never take it.
    Refused(String),
    /// It may take it later.
    Failed(String),
}

fn post(parcel: &Parcel, headers: &[(&'static str, String)], time: Duration) -> Answer {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(time))
        // Stacks and the token go where the user said and nowhere else.
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("memshim-reader/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let mut request = agent.post(&parcel.address).content_type(form::CONTENT_TYPE);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    match request.send(&parcel.body[..]) {
        Ok(answer) if answer.status().is_success() => Answer::Taken,
        Ok(answer) => Answer::Refused(format!("it answered {}", answer.status())),
        Err(ureq::Error::StatusCode(code @ (408 | 425 | 429 | 500..))) => {
            Answer::Failed(format!("it answered {code}"))
        }
        Err(ureq::Error::StatusCode(code)) => Answer::Refused(format!("it answered {code}")),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// The reports of all processes of a version as one.
fn by_version(profiles: Vec<Profile>) -> BTreeMap<Version, Report> {
    let mut versions: BTreeMap<Version, Report> = BTreeMap::new();
    for mut profile in profiles {
        match versions.get_mut(&profile.version) {
            Some(report) => {
                let rows = stacks_of(&mut profile.report);
                let rows = rows.map(|table| std::mem::take(&mut table.rows));
                if let Some(table) = stacks_of(report) {
                    table.rows.extend(rows.unwrap_or_default());
                }
            }
            None => drop(versions.insert(profile.version, profile.report)),
        }
    }
    for report in versions.values_mut() {
        // One row a stack, or the difference would be taken from each of them.
        let rows = by_stack(report);
        if let Some(table) = stacks_of(report) {
            table.rows = rows.into_values().collect();
        }
    }
    versions
}

fn keep_columns(report: &mut Report) {
    let Some(table) = stacks_of(report) else {
        return;
    };
    let is_kept: Vec<bool> = table
        .columns
        .iter()
        .map(|column| COLUMNS.contains(&column.key.as_str()))
        .collect();
    let mut kept = is_kept.iter();
    table.columns.retain(|_| kept.next() == Some(&true));
    for row in &mut table.rows {
        let mut kept = is_kept.iter();
        row.retain(|_| kept.next() == Some(&true));
    }
}
