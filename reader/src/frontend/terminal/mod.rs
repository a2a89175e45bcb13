//! `top`: all processes and their call stacks in a terminal, as they are now.
//!
//! ```text
//!  keys ────────┐                    ┌─ wishes ─► follow   segments -> figures, paced by cost
//!  signals ─────┼─► State ─► draw    │               │ └ stacks ─► name   slow, never waited for
//!  readings ────┘     └──────────────┘               ▼                │
//!     ▲                                           readings            ▼
//!     └───────────────────────────────────────────────┴───────────── names
//! ```
//!
//! The state takes keys and news and knows no terminal; drawing is a function of the state and the
//! size. Nothing slow happens in the thread that does both.

#![forbid(unsafe_code)]

mod draw;
mod follow;
mod news;
mod order;
mod plain;
mod state;
mod tty;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use crate::error::Error;
use crate::frontend::terminal::follow::Follower;
use crate::frontend::terminal::news::{News, Wish};
use crate::frontend::terminal::state::{Reaction, State};
use crate::frontend::terminal::tty::Tty;
use crate::quantity;
use crate::session::{Namer, Request, Unnamed, target};

/// Live view in the terminal: processes, and what their call stacks hold, allocate and leak
///
/// Up and down choose a process and Enter opens it: its heap over time, its call stacks by what is
/// live, growth, allocation rate or leak, and the stack of the chosen one. s sorts, / filters,
/// p pauses, Esc goes back, ? explains, q quits. Where standard output is no terminal, everything
/// is printed once.
#[derive(Debug, Args)]
pub struct Top {
    /// Process id or segment file to open; by default the list of all processes
    target: Option<String>,
    /// Read anew so often
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = every)]
    every: Duration,
    /// Processes of all users; only root may read them
    #[arg(long)]
    all_users: bool,
    /// Look for binaries and debug files here too; may be given several times
    #[arg(long, value_name = "DIR")]
    symbol_dir: Vec<PathBuf>,
}

/// What a view is made with.
#[derive(Debug, Clone)]
struct Settings {
    every: Duration,
    all_users: bool,
    request: Request,
}

/// The ends of the channels that the loop waits for.
struct Inputs {
    events: Receiver<io::Result<Event>>,
    news: Receiver<News>,
    signals: Receiver<i32>,
}

/// Shows processes until it is told to stop, or once where there is no terminal.
///
/// # Errors
///
/// Those of [`target::resolve`], and [`Error::Write`] when the terminal goes away.
pub fn top(top: &Top) -> Result<ExitCode, Error> {
    let target = top.target.as_deref();
    let opened = target
        .map(|target| target::resolve(Some(target)))
        .transpose()?;
    let settings = Settings {
        every: top.every,
        all_users: top.all_users,
        request: Request {
            symbol_directories: top.symbol_dir.clone(),
            is_for_people: true,
            ..Request::default()
        },
    };
    if !io::stdout().is_terminal() || is_dumb() {
        plain::print(&settings, opened)?;
        return Ok(ExitCode::SUCCESS);
    }
    let failed = |source| Error::Write {
        path: PathBuf::from("the terminal"),
        source,
    };
    // Caught before the terminal is changed, so that none can leave it so.
    let signals = tty::signals().map_err(failed)?;
    let mut tty = Tty::enter().map_err(failed)?;
    let ended = show(&mut tty.terminal, &settings, opened, signals);
    drop(tty);
    match ended.map_err(failed)? {
        Some(signal) => tty::die_of(signal).map_err(failed),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The loop; gives the signal that ended it, if one did.
fn show(
    terminal: &mut DefaultTerminal,
    settings: &Settings,
    opened: Option<PathBuf>,
    signals: Receiver<i32>,
) -> io::Result<Option<i32>> {
    let (wishes, inputs) = start(settings, signals);
    let mut state = State::new(has_colour());
    if let Some(path) = opened {
        state.open(path.clone());
        // The other end lives as long as this one.
        drop(wishes.send(Wish::Open(path)));
    }
    loop {
        terminal.draw(|frame| draw::draw(&state, frame))?;
        let reaction = select! {
            recv(inputs.events) -> event => match event {
                Ok(event) => press(&mut state, &event?),
                Err(_) => Reaction::Quit,
            },
            recv(inputs.news) -> news => {
                if let Ok(news) = news {
                    state.take(news);
                }
                Reaction::None
            }
            recv(inputs.signals) -> signal => return Ok(signal.ok()),
        };
        match reaction {
            Reaction::None => {}
            Reaction::Quit => return Ok(None),
            Reaction::Wish(wish) => drop(wishes.send(wish)),
        }
    }
}

fn press(state: &mut State, event: &Event) -> Reaction {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => state.press(key),
        _ => Reaction::None,
    }
}

/// Starts the threads that read keys and segments and find names.
fn start(settings: &Settings, signals: Receiver<i32>) -> (Sender<Wish>, Inputs) {
    let (events_in, events) = unbounded();
    thread::spawn(move || {
        // Ends with the process; a failure ends the view.
        while let Ok(()) = events_in.send(event::read()) {}
    });
    let (wishes, wished) = unbounded();
    let (news_in, news) = unbounded();
    // At most one set of stacks waits while another gets its names; the next reading brings
    // whatever found no room.
    let (unnamed_in, unnamed) = bounded::<Unnamed>(1);
    let named = news_in.clone();
    thread::spawn(move || {
        let mut namer = Namer::default();
        for unnamed in unnamed {
            let path = unnamed.path.clone();
            let stacks = namer.name(unnamed);
            if named.send(News::Names { path, stacks }).is_err() {
                return;
            }
        }
    });
    let follower = Follower::new(settings.clone(), news_in, unnamed_in);
    thread::spawn(move || follower.run(&wished));
    let inputs = Inputs {
        events,
        news,
        signals,
    };
    (wishes, inputs)
}

/// Whether the user did not ask for a plain screen (<https://no-color.org>).
fn has_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the terminal cannot put the cursor where one wants it.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// A time between two readings that neither floods the machine nor looks dead.
fn every(text: &str) -> Result<Duration, String> {
    let every = Duration::from_nanos(quantity::duration_ns(text)?);
    let allowed = Duration::from_millis(100)..=Duration::from_secs(3600);
    match allowed.contains(&every) {
        true => Ok(every),
        false => Err("write a duration from 100ms to 1h".to_owned()),
    }
}
