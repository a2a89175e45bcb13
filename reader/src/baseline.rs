//! A profile kept in a file, to be compared with later: `memshim.baseline/1`.
//!
//! It is made to live in a repository: rows in a stable order, one figure and one frame a line,
//! small rows merged into one, and nothing in it that differs between two builds of one source.
//!
//! ```json
//! {
//!   "schema": "memshim.baseline/1",
//!   "program": "server", "executable": "server", "build_id": "c0ffee",
//!   "started_unix_ns": 1795331433000000000, "runs": 3, "interval_bytes": 0, "merged_share": 0.001,
//!   "totals": { "live_bytes": 73728, "allocated_bytes": { "value": 1.5, "run_variance": 2.0 } },
//!   "rows": [ { "stack": ["parse (server)", "main (server)"], "live_bytes": 64 } ]
//! }
//! ```
//!
//! A figure is a number where it is exact and every run had the same, else an object with its
//! variances; a figure that is missing is zero.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::comparison::{Key, MERGED, Measure, Origin, Part, Profile, Quantity, Row};
use crate::error::Error;

/// The name and version of the form; the number rises when a reader of it could break.
pub const SCHEMA: &str = "memshim.baseline/1";

/// Rows below this part of every total are merged.
const MERGED_SHARE: f64 = 0.001;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    program: String,
    executable: String,
    build_id: String,
    started_unix_ns: u64,
    runs: u32,
    interval_bytes: f64,
    merged_share: f64,
    totals: BTreeMap<String, Figure>,
    rows: Vec<DocumentRow>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DocumentRow {
    stack: Vec<String>,
    #[serde(flatten)]
    figures: BTreeMap<String, Figure>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Figure {
    Whole(u64),
    Exact(f64),
    Varying {
        value: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        sampling_variance: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        seen: f64,
        #[serde(default, skip_serializing_if = "is_zero")]
        run_variance: f64,
    },
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// Whether a file begins as baselines do, so that it is none of a segment or recording.
pub fn is_baseline(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}

/// Reads a baseline.
///
/// # Errors
///
/// [`Error::Open`] when there is no such file, [`Error::Content`] when it is something else.
pub fn read(path: &Path) -> Result<Profile, Error> {
    let bytes = fs::read(path).map_err(Error::open(path))?;
    let wrong = |line: usize, problem: String| Error::Content {
        path: path.to_path_buf(),
        line,
        problem,
    };
    let document: Document = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(error.line(), format!("no {SCHEMA}: {error}")))?;
    if document.schema != SCHEMA {
        let problem = format!("is of {}; this reader knows {SCHEMA}", document.schema);
        return Err(wrong(1, problem));
    }
    Ok(document.into_profile())
}

/// Writes a baseline.
///
/// # Errors
///
/// [`Error::Write`].
pub fn write(path: &Path, profile: &Profile) -> Result<(), Error> {
    let document = Document::of(profile);
    let mut text = serde_json::to_string_pretty(&document).expect("numbers and texts are JSON");
    text.push('\n');
    fs::write(path, text).map_err(|source| Error::Write {
        path: path.to_path_buf(),
        source,
    })
}

impl Document {
    fn of(profile: &Profile) -> Document {
        let mut rows: BTreeMap<Vec<String>, [Quantity; 6]> = BTreeMap::new();
        for (key, row) in &profile.rows {
            let texts = match is_small(profile, row) {
                true => vec![MERGED.to_owned()],
                false => key.0.iter().map(Part::to_string).collect(),
            };
            let figures = rows.entry(texts).or_default();
            for (sum, figure) in figures.iter_mut().zip(&row.figures) {
                *sum = sum.plus(figure);
            }
        }
        let rows = rows.into_iter().map(|(stack, figures)| DocumentRow {
            stack,
            figures: by_name(&figures),
        });
        Document {
            schema: SCHEMA.to_owned(),
            program: profile.origin.program.clone(),
            executable: profile.origin.executable.clone(),
            build_id: profile.origin.build_id.clone(),
            started_unix_ns: profile.origin.started_unix_ns,
            runs: profile.runs,
            interval_bytes: profile.interval_bytes,
            merged_share: MERGED_SHARE,
            totals: by_name(&profile.totals),
            rows: rows.collect(),
        }
    }

    fn into_profile(self) -> Profile {
        let mut profile = Profile {
            origin: Origin {
                program: self.program,
                executable: self.executable,
                build_id: self.build_id,
                started_unix_ns: self.started_unix_ns,
                process: None,
            },
            runs: self.runs.max(1),
            interval_bytes: self.interval_bytes.max(0.0),
            totals: by_measure(&self.totals),
            merged_share: self.merged_share,
            ..Profile::default()
        };
        for row in self.rows {
            let key = Key(row.stack.iter().map(|text| Part::parse(text)).collect());
            let stack = key.to_stack();
            profile.add(key, stack, &by_measure(&row.figures));
        }
        profile
    }
}

/// Whether nobody will miss the row: it is small in everything.
fn is_small(profile: &Profile, row: &Row) -> bool {
    Measure::ALL
        .iter()
        .all(|measure| row.figure(*measure).total <= MERGED_SHARE * profile.total(*measure).total)
}

fn by_name(figures: &[Quantity; 6]) -> BTreeMap<String, Figure> {
    let figures = Measure::ALL.iter().zip(figures);
    let present = figures.filter(|(_, figure)| **figure != Quantity::default());
    present
        .map(|(measure, figure)| (measure.key().to_owned(), Figure::of(figure)))
        .collect()
}

fn by_measure(figures: &BTreeMap<String, Figure>) -> [Quantity; 6] {
    Measure::ALL.map(|measure| {
        let figure = figures.get(measure.key());
        figure.map_or_else(Quantity::default, Figure::quantity)
    })
}

impl Figure {
    fn of(quantity: &Quantity) -> Figure {
        let is_varying = quantity.sampling_variance > 0.0 || quantity.run_variance > 0.0;
        let is_whole = quantity.total >= 0.0 && quantity.total.fract() == 0.0;
        match (is_varying, is_whole && quantity.total < 2f64.powi(53)) {
            (true, _) => Figure::Varying {
                value: quantity.total,
                sampling_variance: quantity.sampling_variance,
                seen: quantity.seen,
                run_variance: quantity.run_variance,
            },
            (false, true) => Figure::Whole(quantity.total as u64),
            (false, false) => Figure::Exact(quantity.total),
        }
    }

    fn quantity(&self) -> Quantity {
        match *self {
            Figure::Whole(value) => Quantity::certain(value as f64),
            Figure::Exact(value) => Quantity::certain(value),
            Figure::Varying {
                value,
                sampling_variance,
                seen,
                run_variance,
            } => Quantity {
                total: value,
                sampling_variance,
                seen,
                run_variance,
            },
        }
    }
}

#[cfg(test)]
mod tests;
