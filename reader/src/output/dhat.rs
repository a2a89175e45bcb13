//! The report as a DHAT profile, for valgrind's `dh_view.html`; Firefox Profiler opens it too.
//!
//! The form is JSON, version 2, whose fields are described by what `dh_view.js` reads. Accesses to
//! memory are never seen, so `bkacc` is false. The viewer shows peaks only together with
//! lifetimes, so both are there when the report has lifetimes of call stacks, and neither when it
//! has not.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use crate::output::clean::clean;
use crate::output::contents::{Amount, Process, Site, has_sites, sites};
use crate::output::interned::Interned;
use crate::output::valgrind::describe_with_column;
use crate::output::{Options, Output};
use crate::report::{Frame, Kind, Report, Section, Stack};

/// One program point a distinct call stack.
pub struct Dhat;

impl Output for Dhat {
    fn name(&self) -> &'static str {
        "dhat"
    }

    fn about(&self) -> &'static str {
        "for valgrind's dh_view.html (DHAT, version 2)"
    }

    fn media_type(&self) -> &'static str {
        "application/json"
    }

    fn extension(&self) -> &'static str {
        "dhat.json"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        has_sites(section)
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &Profile::of(report))?;
        out.write_all(b"\n")
    }
}

/// The whole file. The names are the format's own.
#[derive(Serialize)]
struct Profile {
    #[serde(rename = "dhatFileVersion")]
    version: u32,
    mode: &'static str,
    verb: &'static str,
    #[serde(rename = "bklt")]
    has_lifetimes: bool,
    #[serde(rename = "bkacc")]
    has_accesses: bool,
    #[serde(rename = "tu")]
    time_unit: &'static str,
    /// What a million units of time are.
    #[serde(rename = "Mtu")]
    long_time_unit: &'static str,
    /// Lifetimes below it are short, in units of time.
    #[serde(rename = "tuth")]
    short_lifetime: u64,
    #[serde(rename = "cmd")]
    command_line: String,
    pid: u64,
    #[serde(rename = "te")]
    end: u64,
    #[serde(rename = "tg")]
    peak: u64,
    #[serde(rename = "pps")]
    points: Vec<Point>,
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
}

/// The blocks of one call stack.
#[derive(Default, Serialize)]
struct Point {
    #[serde(rename = "tb")]
    allocated_bytes: u64,
    #[serde(rename = "tbk")]
    allocated_blocks: u64,
    /// In units of time, of all blocks together.
    #[serde(rename = "tl", skip_serializing_if = "Option::is_none")]
    lifetimes: Option<u64>,
    /// The most that is known to have been live at one moment.
    #[serde(rename = "mb")]
    most_bytes: u64,
    #[serde(rename = "mbk")]
    most_blocks: u64,
    #[serde(rename = "gb")]
    peak_bytes: u64,
    #[serde(rename = "gbk")]
    peak_blocks: u64,
    #[serde(rename = "eb")]
    end_bytes: u64,
    #[serde(rename = "ebk")]
    end_blocks: u64,
    /// Places in `ftbl`, the leaf first.
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

/// Lifetimes that DHAT calls short, in microseconds; dhat-rs has the same.
const SHORT_LIFETIME_US: u64 = 10;
const NS_PER_US: u64 = 1000;

/// The viewer takes the first frame for the root of its tree.
const ROOT: &str = "[root]";

impl Profile {
    fn of(report: &Report) -> Profile {
        let process = Process::of(report);
        let sites = sites(report);
        let has_lifetimes =
            !sites.is_empty() && sites.iter().all(|site| site.lifetimes_ns.is_some());
        let mut frames = Frames::default();
        let points = points(&sites, has_lifetimes, &mut frames);
        Profile {
            version: 2,
            mode: "memshim",
            verb: "Allocated",
            has_lifetimes,
            has_accesses: false,
            time_unit: "µs",
            long_time_unit: "s",
            short_lifetime: SHORT_LIFETIME_US,
            command_line: clean(process.command_line).into_owned(),
            pid: process.pid,
            // The viewer divides by it.
            end: (process.age_ns / NS_PER_US).max(1),
            peak: process.peak_age_ns / NS_PER_US,
            points,
            frames: frames.texts.all().to_vec(),
        }
    }
}

/// One point a list of frames: the viewer refuses a file in which one comes twice, as it would
/// where call stacks differ in nothing but what has no name.
fn points(sites: &[Site<'_>], has_lifetimes: bool, frames: &mut Frames) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    let mut places: HashMap<Vec<usize>, usize> = HashMap::new();
    for site in sites {
        let path = frames.path(site.stack);
        let place = *places.entry(path.clone()).or_insert(points.len());
        if place == points.len() {
            points.push(Point {
                frames: path,
                ..Point::default()
            });
        }
        points[place].add(site, has_lifetimes);
    }
    points
}

impl Point {
    fn add(&mut self, site: &Site<'_>, has_lifetimes: bool) {
        let whole = |number: f64| number.round() as u64;
        let both = |amount: Amount| (whole(amount.objects), whole(amount.bytes));
        let (allocated, peak, live) = (both(site.allocated), both(site.peak), both(site.live));
        let add = |sum: &mut u64, number| *sum = sum.saturating_add(number);
        add(&mut self.allocated_blocks, allocated.0);
        add(&mut self.allocated_bytes, allocated.1);
        add(&mut self.peak_blocks, peak.0);
        add(&mut self.peak_bytes, peak.1);
        add(&mut self.end_blocks, live.0);
        add(&mut self.end_bytes, live.1);
        self.most_blocks = self.peak_blocks.max(self.end_blocks);
        self.most_bytes = self.peak_bytes.max(self.end_bytes);
        if has_lifetimes {
            let lifetimes = whole(site.lifetimes_ns.unwrap_or(0.0) / NS_PER_US as f64);
            self.lifetimes = Some(self.lifetimes.unwrap_or(0).saturating_add(lifetimes));
        }
    }
}

/// The table of frames.
struct Frames {
    texts: Interned<String>,
    /// By the place in memory of frames, which stacks share and which outlive this.
    known: HashMap<*const Frame, usize>,
}

impl Default for Frames {
    fn default() -> Frames {
        let mut texts = Interned::default();
        texts.place(ROOT.to_owned());
        Frames {
            texts,
            known: HashMap::new(),
        }
    }
}

impl Frames {
    fn path(&mut self, stack: &Stack) -> Vec<usize> {
        if stack.0.is_empty() {
            return vec![self.texts.place("[no stack]".to_owned())];
        }
        let place = |frame: &Arc<Frame>| {
            let known = self.known.entry(Arc::as_ptr(frame));
            *known.or_insert_with(|| self.texts.place(describe_with_column(frame)))
        };
        stack.0.iter().map(place).collect()
    }
}
