//! The processes that a server watches: what was read of each last, and what ended ones had done.
//!
//! A segment is read at most once a second. Between readings only figures and the names of code
//! are kept; the history of a process, which may be large, is there while a question is answered.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::analysis::{self, Question};
use crate::error::Error;
use crate::metrics::{Counters, Detail, Family, Figures, Member, Own, Pushed, families};
use crate::serve::own;
use crate::serve::profiles::{self, Kept, Profile, Version};
use crate::session::{Names, Request, Session};
use crate::source::directory::{Found, Name, Users};
use crate::source::go::preloaded;
use crate::source::process::{Liveness, liveness};

/// Who is watched.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Every process of these users, those that are still to come included.
    Users(Users),
    /// The process of one segment.
    Segment(PathBuf),
}

/// How old a reading may be before a question makes a new one.
const FRESH: Duration = Duration::from_secs(1);

/// Programs with series of their own in metrics; all beyond are counted as `other`.
const PROGRAMS_MAX: usize = 100;

/// All that are watched.
pub struct Processes {
    scope: Scope,
    detail: Detail,
    request: Request,
    leaks: Box<dyn Question>,
    /// Those that had ended before the server began, which are none of its business.
    earlier: Option<HashSet<PathBuf>>,
    watched: BTreeMap<PathBuf, Watched>,
    /// The totals of processes whose segments are gone, by program.
    ended: BTreeMap<String, Counters>,
    programs: BTreeSet<String>,
    /// Profiles of those that have ended, from when somebody first asked for one.
    kept: Option<Kept>,
    /// What the thread that pushes profiles has counted.
    pushed: Arc<Mutex<Option<Pushed>>>,
    looked: Option<Instant>,
    reading: Duration,
}

/// One segment.
struct Watched {
    name: Option<Name>,
    /// Of a Go heap, the segment of what C allocates in the same program.
    beside: Option<Name>,
    names: Names,
    figures: Option<Figures>,
    error: Option<String>,
    /// Whether nothing will change any more.
    is_final: bool,
    /// Whether its profile is among those of ended processes.
    is_settled: bool,
}

impl Processes {
    /// Watches those of `scope`; nothing is read yet.
    pub fn new(scope: Scope, detail: Detail, request: Request) -> Processes {
        Processes {
            scope,
            detail,
            request,
            leaks: question("leaks", &["--verdict=leak", "--verdict=growing-container"]),
            earlier: None,
            watched: BTreeMap::new(),
            ended: BTreeMap::new(),
            programs: BTreeSet::new(),
            kept: None,
            pushed: Arc::default(),
            looked: None,
            reading: Duration::ZERO,
        }
    }

    /// The same, with the counts of a thread that pushes what they have.
    pub fn with_pushed(mut self, pushed: Arc<Mutex<Option<Pushed>>>) -> Processes {
        self.pushed = pushed;
        self
    }

    /// Reads all that may have changed, at most once a second.
    pub fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < FRESH) {
            return;
        }
        let begun = Instant::now();
        self.find();
        let (leaks, request) = (&*self.leaks, &self.request);
        for (path, watched) in &mut self.watched {
            if !watched.is_final {
                watched.read(path, request, leaks, self.detail.sites_max);
            }
            if let Some(figures) = &watched.figures
                && self.programs.len() < PROGRAMS_MAX
            {
                self.programs.insert(figures.program.clone());
            }
        }
        self.tell_heaps_apart();
        self.looked = Some(Instant::now());
        self.reading = begun.elapsed();
    }

    /// Where C and Go of one program have a segment each, what belongs to the process counts once.
    fn tell_heaps_apart(&mut self) {
        let read = self.watched.values();
        let read = read.filter_map(|one| Some((one.name?, &*one.figures.as_ref()?.program)));
        let beside = preloaded::beside_c(read);
        for one in self.watched.values_mut() {
            one.beside = one.name.and_then(|name| beside.get(&name).copied());
            if let Some(figures) = one.figures.as_mut().filter(|_| one.beside.is_some()) {
                figures.stand_beside();
            }
        }
    }

    /// Takes in the segments that are new, and settles the accounts of those that are gone.
    fn find(&mut self) {
        let found = match &self.scope {
            Scope::Users(users) => preloaded::find_others(*users),
            Scope::Segment(path) => {
                let name = path.file_name().and_then(Name::parse);
                self.watched
                    .entry(path.clone())
                    .or_insert_with(|| Watched::new(name));
                return;
            }
        };
        let is_over =
            |found: &&Found| liveness(found.name.pid, found.name.start_time) == Liveness::Dead;
        let earlier = self.earlier.get_or_insert_with(|| {
            let over = found.iter().filter(is_over);
            over.map(|found| found.path.clone()).collect()
        });
        let found = found.into_iter();
        let wanted = found.filter(|found| !earlier.contains(&found.path));
        let wanted: BTreeMap<PathBuf, Name> =
            wanted.map(|found| (found.path, found.name)).collect();
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.watched)
            .into_iter()
            .partition(|(path, _)| wanted.contains_key(path));
        self.watched = kept;
        for (path, _) in gone.iter().filter(|(_, watched)| !watched.is_settled) {
            if let Some(kept) = &mut self.kept {
                kept.settle(path, None);
            }
        }
        for figures in gone.into_values().filter_map(|watched| watched.figures) {
            let program = label(&self.programs, &figures.program).to_owned();
            let totals = self.ended.entry(program).or_default();
            totals.add(&figures.counters);
        }
        for (path, name) in wanted {
            self.watched
                .entry(path)
                .or_insert_with(|| Watched::new(Some(name)));
        }
    }

    /// All metrics.
    pub fn metrics(&mut self) -> Vec<Family> {
        self.look();
        let members: Vec<Member<'_>> = self
            .figures()
            .map(|figures| Member {
                program: label(&self.programs, &figures.program),
                figures,
            })
            .collect();
        let unreadable = self.watched.values().filter(|one| one.error.is_some());
        let own = Own {
            reading_seconds: self.reading.as_secs_f64(),
            resident_bytes: own::resident_bytes(),
            cpu_seconds: own::cpu_seconds(),
            unreadable: unreadable.count(),
            pushed: *self.pushed.lock().unwrap_or_else(PoisonError::into_inner),
        };
        families(&members, &self.ended, own, self.detail)
    }

    /// What was read last, by segment.
    pub fn figures(&self) -> impl Iterator<Item = &Figures> {
        let watched = self.watched.values();
        watched.filter_map(|watched| watched.figures.as_ref())
    }

    /// Segments that could not be read, each with the reason.
    pub fn unreadable(&self) -> impl Iterator<Item = (&PathBuf, &str)> {
        let watched = self.watched.iter();
        watched.filter_map(|(path, watched)| Some((path, watched.error.as_deref()?)))
    }

    /// The segment of a process: that of the last program where it executed several.
    pub fn of_pid(&mut self, pid: u32) -> Option<PathBuf> {
        self.look();
        let is_its = |watched: &Watched| match (&watched.name, &watched.figures) {
            (Some(name), _) => name.pid == pid,
            (None, Some(figures)) => figures.pid == pid,
            (None, None) => false,
        };
        let its = self.watched.iter().filter(|(_, watched)| is_its(watched));
        let last = its.max_by_key(|(_, one)| one.name.map(|name| (name.start_time, name.number)));
        last.map(|(path, _)| path.clone())
    }

    /// The segment of what C allocates in a program, where this is that of its Go heap.
    pub fn beside(&self, path: &Path) -> Option<PathBuf> {
        let of_c = self.watched.get(path)?.beside?;
        let mut watched = self.watched.iter();
        let found = watched.find(|(_, one)| one.name == Some(of_c));
        found.map(|(path, _)| path.clone())
    }

    /// The segments of the living processes of a program, or of all programs.
    pub fn of_program(&mut self, program: Option<&str>) -> Vec<PathBuf> {
        self.look();
        let is_its = |figures: &Figures| {
            figures.is_alive && program.is_none_or(|program| figures.program == program)
        };
        let its = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.figures.as_ref().is_some_and(is_its));
        its.map(|(path, _)| path.clone()).collect()
    }

    /// The profiles of a program, or of all: one of each living process, and one of all those of a
    /// version that have ended since the server began.
    ///
    /// One that cannot be read, as it has just ended, is left out until it is settled.
    pub fn profiles(&mut self, program: Option<&str>) -> Vec<Profile> {
        let mut alive = self.of_program(None);
        let over = self.watched.iter();
        let over = over.filter(|(_, it)| it.is_final && !it.is_settled && it.figures.is_some());
        let over: Vec<PathBuf> = over.map(|(path, _)| path.clone()).collect();
        let mut kept = self.kept.take().unwrap_or_default();
        for path in over {
            let last = self.profile(&path).ok();
            kept.settle(&path, last);
            if let Some(watched) = self.watched.get_mut(&path) {
                watched.is_settled = true;
            }
        }
        alive.retain(|path| {
            let figures = self.watched.get(path).and_then(|it| it.figures.as_ref());
            program.is_none_or(|program| figures.is_some_and(|it| it.program == program))
        });
        let mut profiles = Vec::new();
        for path in alive {
            if let Ok(profile) = self.profile(&path) {
                kept.note(&profile);
                profiles.push(profile);
            }
        }
        profiles.extend(kept.ended(program));
        self.kept = Some(kept);
        profiles
    }

    /// The profile of one segment.
    ///
    /// # Errors
    ///
    /// Those of [`Session::open`].
    pub fn profile(&mut self, path: &Path) -> Result<Profile, Error> {
        let question = question("export", &["--blocks=0"]);
        let request = Request::default();
        let (mut report, version) = self.ask(path, &request, |session| {
            let report = session.ask(&request, &*question);
            (report, Version::of(session.history()))
        })?;
        profiles::forget_texts(&mut report);
        Ok(Profile {
            version,
            path: path.to_path_buf(),
            report,
        })
    }

    /// Asks a question about one segment.
    ///
    /// # Errors
    ///
    /// Those of [`Session::open`].
    pub fn ask<A>(
        &mut self,
        path: &Path,
        request: &Request,
        answer: impl FnOnce(&mut Session) -> A,
    ) -> Result<A, Error> {
        let request = Request {
            symbol_directories: self.request.symbol_directories.clone(),
            without_symbols: self.request.without_symbols,
            ..request.clone()
        };
        let watched = self.watched.get_mut(path);
        let names = watched.map(|watched| std::mem::take(&mut watched.names));
        let mut session = Session::reopen(path, &request, names.unwrap_or_default())?;
        let answer = answer(&mut session);
        if let Some(watched) = self.watched.get_mut(path) {
            watched.names = session.into_names();
        }
        Ok(answer)
    }
}

impl Watched {
    fn new(name: Option<Name>) -> Watched {
        Watched {
            name,
            beside: None,
            names: Names::default(),
            figures: None,
            error: None,
            is_final: false,
            is_settled: false,
        }
    }

    fn read(&mut self, path: &Path, request: &Request, leaks: &dyn Question, sites_max: usize) {
        let names = std::mem::take(&mut self.names);
        let mut session = match Session::reopen(path, request, names) {
            Ok(session) => session,
            Err(error) => {
                self.error = Some(crate::cli::one_line(&error));
                return;
            }
        };
        let mut figures = Figures::of(&mut session, leaks, sites_max);
        if let Some(earlier) = &self.figures {
            figures.counters.raise_to(&earlier.counters);
        }
        // What was replaced by exec is over, although its process lives on.
        let is_over = session.history().process.is_gone || figures.state == "replaced";
        self.is_final = is_over;
        self.error = None;
        self.figures = Some(figures);
        self.names = match is_over {
            true => Names::default(),
            false => session.into_names(),
        };
    }
}

/// An analysis with some of its flags.
pub fn question(name: &str, flags: &[&str]) -> Box<dyn Question> {
    let entry = analysis::find(name).expect("the analysis is in the registry");
    let command = entry.command().no_binary_name(true);
    let matches = command.try_get_matches_from(flags);
    let matches = matches.unwrap_or_else(|error| panic!("{name} has other flags: {error}"));
    entry
        .question(&matches)
        .expect("these are the flags of the analysis")
}

/// What a program is called in metrics.
fn label<'a>(programs: &'a BTreeSet<String>, program: &'a str) -> &'a str {
    match programs.contains(program) {
        true => program,
        false => "other",
    }
}
