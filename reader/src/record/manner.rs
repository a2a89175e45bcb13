//! How something is recorded: how often, how much of it is kept, and whom to tell.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use clap::{Args, Command, FromArgMatches};

use crate::alert::rules::Rules;
use crate::error::Error;
use crate::quantity;
use crate::record::guard::Mark;
use crate::record::recorder::Recorder;
use crate::recording::rotate::Limits;

/// What `record`, and `serve --record`, may be told beside what to record and where.
#[derive(Debug, Clone, Args)]
pub struct Manner {
    /// Time between two looks
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = interval_ns)]
    pub(super) every: u64,
    /// How long to keep what was recorded
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = quantity::duration_ns)]
    keep: u64,
    /// How much the recording may come to
    #[arg(long, value_name = "SIZE", default_value = "2GiB", value_parser = recording_bytes)]
    max_bytes: u64,
    /// Keep a snapshot of the moment when so much is live: 512MiB, or 80% of the memory limit
    ///
    /// Marks are looked at every second, between the looks of --every, and may be given several
    /// times. Of a share of the limit resident memory counts too. The snapshot stays as long as
    /// the recording, one for each mark and process in ten minutes at most, and `--status` lists
    /// them; a rule of the kind mark-passed in --alert tells somebody.
    #[arg(long, value_name = "SIZE|SHARE", help_heading = "Alerts")]
    pub(super) limit: Vec<Mark>,
    /// Tell of leaks, growth and limits by the rules in a file
    ///
    /// A rule names what is watched, for which programs and for how long, and whom to tell: a
    /// command, which has the facts as JSON on its standard input, or a webhook. Everything has a
    /// usual value; deploy/alerts/memshim-alerts.toml has every kind of rule with a comment.
    #[arg(long, value_name = "RULES.toml", help_heading = "Alerts")]
    pub(super) alert: Option<PathBuf>,
}

impl Manner {
    /// That of somebody who says nothing about it.
    pub(crate) fn usual() -> Manner {
        let command = Manner::augment_args(Command::new("record").no_binary_name(true));
        let matches = command.get_matches_from([""; 0]);
        Manner::from_arg_matches(&matches).expect("everything has a usual value")
    }

    /// A recorder into `directory` that keeps to it; `wants_dead` takes in processes that were
    /// gone before it came.
    ///
    /// # Errors
    ///
    /// Those of [`Recorder::open`], and of [`Rules::read`].
    pub(super) fn open(&self, directory: &Path, wants_dead: bool) -> Result<Recorder, Error> {
        let rules = self.rules()?;
        let limits = Limits {
            keep_ns: self.keep,
            bytes_max: self.max_bytes,
        };
        let recorder = Recorder::open(directory, limits, wants_dead)?;
        Ok(recorder.with_alerts(rules))
    }

    /// The rules of `--alert`, if they were given.
    ///
    /// # Errors
    ///
    /// Those of [`Rules::read`].
    pub(super) fn rules(&self) -> Result<Option<Rules>, Error> {
        self.alert.as_deref().map(Rules::read).transpose()
    }
}

/// An interval that leaves the processor something else to do.
fn interval_ns(text: &str) -> Result<u64, String> {
    let ns = quantity::duration_ns(text)?;
    match ns >= 10_000_000 {
        true => Ok(ns),
        false => Err("an interval has 10ms at least".to_owned()),
    }
}

/// Room for some files at least.
fn recording_bytes(text: &str) -> Result<u64, String> {
    let bytes = quantity::bytes(text)?;
    match bytes >= 1 << 20 {
        true => Ok(bytes),
        false => Err("a recording needs 1MiB at least".to_owned()),
    }
}
