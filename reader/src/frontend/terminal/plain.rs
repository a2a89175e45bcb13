//! The view where there is no terminal: everything once, as text.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::analysis::watch::Watch;
use crate::error::Error;
use crate::frontend::terminal::Settings;
use crate::frontend::terminal::draw::draw;
use crate::frontend::terminal::follow::{leaks, sites};
use crate::frontend::terminal::news::{News, ProcessRow};
use crate::frontend::terminal::state::State;
use crate::session::{Namer, Processes, Request, Session};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// Columns and lines of a page that nobody scrolls; a program that reads it wants other forms.
const WIDTH: u16 = 150;
const LINES_OPENED: u16 = 48;

/// Lines that are no process: the heading, the titles and the keys.
const LINES_AROUND: usize = 4;

/// Prints all processes, or the one that was asked for.
///
/// # Errors
///
/// Those of [`Session::open`] and [`Error::Write`].
pub(super) fn print(settings: &Settings, opened: Option<PathBuf>) -> Result<(), Error> {
    let mut state = State::new(false);
    let mut rows = Vec::new();
    for followed in Processes::new(settings.all_users).look() {
        let is_wanted = opened.is_none() && followed.glance.is_alive;
        let session = is_wanted.then(|| read(&followed.glance.path, settings));
        // One that vanishes meanwhile has no verdicts, but it is in the list.
        let watch = session.and_then(Result::ok);
        let watch = watch.map(|session| Watch::of(session.history()));
        rows.push(ProcessRow {
            followed,
            leaks: watch.map(|watch| leaks(&watch.sites)),
        });
    }
    state.take(News::Processes(rows));
    let lines = match opened {
        None => u16::try_from(state.listed().len() + LINES_AROUND).unwrap_or(u16::MAX),
        Some(path) => {
            open(&mut state, path, settings)?;
            LINES_OPENED
        }
    };
    let text = drawn(&state, lines);
    let failed = |source| Error::Write {
        path: PathBuf::from("-"),
        source,
    };
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(failed)
}

fn read(path: &Path, settings: &Settings) -> Result<Session, Error> {
    let request = Request {
        without_symbols: true,
        ..settings.request.clone()
    };
    Session::open(path, &request)
}

/// Reads one process in full, and waits for all names.
fn open(state: &mut State, path: PathBuf, settings: &Settings) -> Result<(), Error> {
    let session = read(&path, settings)?;
    state.open(path.clone());
    let found = sites(&session, Watch::of(session.history()));
    let places: Vec<usize> = found.rows.iter().map(|row| row.watched.site).collect();
    let stacks = Namer::default().name(session.unnamed(&places, &settings.request));
    state.take(News::Sites(Box::new(found)));
    state.take(News::Names { path, stacks });
    Ok(())
}

/// The same screen as in a terminal, without the line of keys, its lines as text.
fn drawn(state: &State, lines: u16) -> String {
    let backend = TestBackend::new(WIDTH, lines);
    let Ok(mut terminal) = Terminal::new(backend);
    let Ok(_) = terminal.draw(|frame| draw(state, frame));
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(WIDTH));
    let rows = rows.take(usize::from(lines).saturating_sub(1));
    let text = |row: &[ratatui::buffer::Cell]| -> String {
        let text: String = row.iter().map(|cell| cell.symbol()).collect();
        text.trim_end().to_owned()
    };
    let text: Vec<String> = rows.map(text).collect();
    text.join("\n").trim_end().to_owned() + "\n"
}
