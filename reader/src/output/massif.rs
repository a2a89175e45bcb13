//! The report as massif writes it, for `ms_print` and massif-visualizer.
//!
//! Snapshots of the whole over time, and at the peak and at the end the call stacks that held it.
//! The form is described by what `ms_print` reads; what is between the snapshots is not told.

#![forbid(unsafe_code)]

mod tree;

use std::io::{self, Write};

use crate::output::clean::clean;
use crate::output::contents::{Point, Process, Site, curve, has_sites, sites};
use crate::output::{Options, Output};
use crate::report::{Kind, Report, Section};
use tree::Tree;

/// A hundred snapshots at most, two of them with their call stacks.
pub struct Massif;

impl Output for Massif {
    fn name(&self) -> &'static str {
        "massif"
    }

    fn about(&self) -> &'static str {
        "for ms_print and massif-visualizer"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "massif"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Stacks, Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        has_sites(section)
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let process = Process::of(report);
        writeln!(out, "desc: (by memshim)")?;
        writeln!(out, "cmd: {}", clean(process.command_line))?;
        writeln!(out, "time_unit: ms")?;
        let sites = sites(report);
        let tree = |bytes: fn(&Site<'_>) -> f64| {
            let weighed = sites.iter().map(|site| (site.stack, bytes(site)));
            Tree::of(weighed)
        };
        let peak = tree(|site| site.peak.bytes);
        let end = tree(|site| site.live.bytes);
        let snapshots = snapshots(&process, &curve(report), peak, end);
        for (number, snapshot) in snapshots.iter().enumerate() {
            snapshot.write(number, out)?;
        }
        Ok(())
    }
}

/// The heap at one moment.
struct Snapshot {
    time_ms: u64,
    bytes: u64,
    detail: Detail,
}

enum Detail {
    None,
    Peak(Tree),
    End(Tree),
}

/// massif itself keeps no more, and `ms_print` prints every one.
const SNAPSHOTS_MAX: usize = 100;
const NS_PER_MS: u64 = 1_000_000;

/// The curve with the peak and the end in their places; without a curve it begins at nothing.
fn snapshots(process: &Process<'_>, curve: &[Point], peak: Tree, end: Tree) -> Vec<Snapshot> {
    let origin = Point {
        age_ns: 0.0,
        live_bytes: 0.0,
        live_objects: 0.0,
    };
    let mut points = thinned(curve, SNAPSHOTS_MAX - 3);
    if points.first().is_none_or(|first| first.age_ns > 0.0) {
        points.insert(0, origin);
    }
    let peak_ns = process.peak_age_ns as f64;
    let before_peak = points.partition_point(|point| point.age_ns < peak_ns);
    let before_end = points.partition_point(|point| point.age_ns < process.age_ns as f64);
    let plain = |point: &Point| Snapshot {
        time_ms: point.age_ns as u64 / NS_PER_MS,
        bytes: point.live_bytes.round() as u64,
        detail: Detail::None,
    };
    let mut snapshots: Vec<Snapshot> = points[..before_peak].iter().map(plain).collect();
    snapshots.push(Snapshot {
        time_ms: process.peak_age_ns / NS_PER_MS,
        bytes: peak.bytes(),
        detail: Detail::Peak(peak),
    });
    snapshots.extend(points[before_peak..before_end].iter().map(plain));
    snapshots.push(Snapshot {
        time_ms: process.age_ns / NS_PER_MS,
        bytes: end.bytes(),
        detail: Detail::End(end),
    });
    snapshots
}

/// At most `points_max` of the points: of neighbours the one with the most live.
fn thinned(points: &[Point], points_max: usize) -> Vec<Point> {
    let together = points.len().div_ceil(points_max).max(1);
    let neighbours = points.chunks(together);
    let most = |points: &[Point]| {
        let most = |left: &&Point, right: &&Point| left.live_bytes.total_cmp(&right.live_bytes);
        points.iter().max_by(most).copied()
    };
    neighbours.filter_map(most).collect()
}

impl Snapshot {
    fn write(&self, number: usize, out: &mut dyn Write) -> io::Result<()> {
        let rule = "#-----------";
        writeln!(out, "{rule}\nsnapshot={number}\n{rule}")?;
        writeln!(out, "time={}\nmem_heap_B={}", self.time_ms, self.bytes)?;
        // Neither what the allocator adds to blocks nor the stacks of threads are measured.
        writeln!(out, "mem_heap_extra_B=0\nmem_stacks_B=0")?;
        match &self.detail {
            Detail::None => writeln!(out, "heap_tree=empty"),
            Detail::Peak(tree) => {
                writeln!(out, "heap_tree=peak")?;
                tree.write(out)
            }
            Detail::End(tree) => {
                writeln!(out, "heap_tree=detailed")?;
                tree.write(out)
            }
        }
    }
}
