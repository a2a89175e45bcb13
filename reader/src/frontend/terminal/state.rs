//! What the screen shows, as it follows from keys and news.

#![forbid(unsafe_code)]

mod cursor;

use std::collections::HashMap;
use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::frontend::terminal::news::{News, ProcessRow, SiteRow, Sites, Wish};
use crate::frontend::terminal::order::{ProcessOrder, SiteOrder};
use crate::report::Stack;

use cursor::Cursor;

/// What is to be done because of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Draw.
    None,
    /// Tell the thread that reads.
    Wish(Wish),
    /// End.
    Quit,
}

/// The whole state of the screen.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) has_colour: bool,
    pub(super) processes: Vec<ProcessRow>,
    /// Whether a list of processes has come yet.
    pub(super) has_looked: bool,
    pub(super) opened: Option<Opened>,
    pub(super) process_order: ProcessOrder,
    pub(super) site_order: SiteOrder,
    /// Whether processes that are over are listed.
    pub(super) shows_ended: bool,
    /// What the list of processes must contain.
    pub(super) filter: String,
    /// Whether keys are letters of a filter.
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    cursor: Cursor<PathBuf>,
}

/// The process that is looked at in full.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    /// `None` until it was read.
    pub(super) sites: Option<Sites>,
    /// Why it could not be read the last time.
    pub(super) problem: Option<String>,
    /// What the stacks must contain.
    pub(super) filter: String,
    names: HashMap<u64, Stack>,
    cursor: Cursor<u64>,
}

impl State {
    pub(super) fn new(has_colour: bool) -> State {
        State {
            has_colour,
            ..State::default()
        }
    }

    /// Takes what the other threads have found out.
    pub(super) fn take(&mut self, news: News) {
        match news {
            News::Processes(processes) => {
                self.processes = processes;
                self.has_looked = true;
            }
            News::Sites(sites) => {
                if let Some(opened) = self.opened_at(&sites.path) {
                    opened.sites = Some(*sites);
                    opened.problem = None;
                }
            }
            News::Names { path, stacks } => {
                if let Some(opened) = self.opened_at(&path) {
                    opened.names.extend(stacks);
                }
            }
            News::Unreadable { path, why } => {
                if let Some(opened) = self.opened_at(&path) {
                    opened.problem = Some(why);
                }
            }
        }
        self.settle();
    }

    /// Looks at one process in full.
    pub(super) fn open(&mut self, path: PathBuf) {
        self.opened = Some(Opened {
            path,
            ..Opened::default()
        });
    }

    /// Does what a key asks for.
    pub(super) fn press(&mut self, key: &KeyEvent) -> Reaction {
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if has_control && matches!(key.code, KeyCode::Char('c')) {
            return Reaction::Quit;
        }
        let reaction = match (self.is_typing, self.shows_help) {
            (true, _) => self.type_filter(key.code),
            (_, true) => self.leave_help(key.code),
            _ => self.command(key.code),
        };
        self.settle();
        reaction
    }

    /// The processes that are listed, in order.
    pub(super) fn listed(&self) -> Vec<&ProcessRow> {
        let is_shown = |row: &&ProcessRow| {
            let glance = &row.followed.glance;
            (self.shows_ended || glance.is_alive)
                && (contains(&glance.program, &self.filter)
                    || contains(&glance.pid.to_string(), &self.filter))
        };
        let mut rows: Vec<&ProcessRow> = self.processes.iter().filter(is_shown).collect();
        rows.sort_by(|left, right| self.process_order.compare(left, right));
        rows
    }

    /// The place of the chosen process among [`State::listed`].
    pub(super) fn chosen(&self) -> usize {
        self.cursor.place
    }

    /// The filter of what is shown.
    pub(super) fn filter(&self) -> &str {
        self.opened
            .as_ref()
            .map_or(&self.filter, |opened| &opened.filter)
    }

    fn opened_at(&mut self, path: &PathBuf) -> Option<&mut Opened> {
        self.opened.as_mut().filter(|opened| opened.path == *path)
    }

    fn filter_mut(&mut self) -> &mut String {
        match &mut self.opened {
            Some(opened) => &mut opened.filter,
            None => &mut self.filter,
        }
    }

    fn type_filter(&mut self, key: KeyCode) -> Reaction {
        match key {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.filter_mut().clear();
                self.is_typing = false;
            }
            KeyCode::Backspace => drop(self.filter_mut().pop()),
            KeyCode::Char(letter) => self.filter_mut().push(letter),
            _ => {}
        }
        Reaction::None
    }

    fn leave_help(&mut self, key: KeyCode) -> Reaction {
        match key {
            KeyCode::Char('q') => Reaction::Quit,
            _ => {
                self.shows_help = false;
                Reaction::None
            }
        }
    }

    fn command(&mut self, key: KeyCode) -> Reaction {
        match key {
            KeyCode::Char('q') => return Reaction::Quit,
            KeyCode::Char('?') => self.shows_help = true,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('d') => self.shows_ended = !self.shows_ended,
            KeyCode::Char('s') => match self.opened {
                Some(_) => self.site_order = self.site_order.next(),
                None => self.process_order = self.process_order.next(),
            },
            KeyCode::Char('p') => {
                self.is_paused = !self.is_paused;
                return Reaction::Wish(Wish::Pause(self.is_paused));
            }
            KeyCode::Enter if self.opened.is_none() => return self.open_chosen(),
            KeyCode::Esc | KeyCode::Backspace => return self.back(),
            _ => self.go(key),
        }
        Reaction::None
    }

    fn open_chosen(&mut self) -> Reaction {
        let Some(path) = self.cursor.chosen.clone() else {
            return Reaction::None;
        };
        self.open(path.clone());
        Reaction::Wish(Wish::Open(path))
    }

    /// First the filter goes, then the process.
    fn back(&mut self) -> Reaction {
        if !self.filter().is_empty() {
            self.filter_mut().clear();
            return Reaction::None;
        }
        match self.opened.take() {
            Some(_) => Reaction::Wish(Wish::Close),
            None => Reaction::None,
        }
    }

    /// Moves the cursor of what is shown.
    fn go(&mut self, key: KeyCode) {
        const PAGE: isize = 10;
        let by = match key {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -PAGE,
            KeyCode::PageDown => PAGE,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            _ => return,
        };
        match &mut self.opened {
            Some(opened) => {
                let rows = opened.keys(self.site_order);
                opened.cursor.go(by, &rows);
            }
            None => {
                let rows = self.keys();
                self.cursor.go(by, &rows);
            }
        }
    }

    /// Keeps the cursors on what they were on, wherever that stands now.
    fn settle(&mut self) {
        let rows = self.keys();
        self.cursor.settle(&rows);
        if let Some(opened) = &mut self.opened {
            let rows = opened.keys(self.site_order);
            opened.cursor.settle(&rows);
        }
    }

    fn keys(&self) -> Vec<PathBuf> {
        let listed = self.listed().into_iter();
        listed.map(|row| row.followed.glance.path.clone()).collect()
    }
}

impl Opened {
    /// The call stacks that are listed, in order.
    pub(super) fn listed(&self, order: SiteOrder) -> Vec<&SiteRow> {
        let rows = self.sites.iter().flat_map(|sites| &sites.rows);
        let mut rows: Vec<&SiteRow> = rows.filter(|row| self.passes(row)).collect();
        rows.sort_by(|left, right| order.compare(&left.watched, &right.watched));
        rows
    }

    /// The place of the chosen call stack among [`Opened::listed`].
    pub(super) fn chosen(&self) -> usize {
        self.cursor.place
    }

    /// The stack of a site; `None` until it has names.
    pub(super) fn stack(&self, row: u64) -> Option<&Stack> {
        self.names.get(&row)
    }

    fn passes(&self, row: &SiteRow) -> bool {
        let frames = self.names.get(&row.row).into_iter();
        let mut frames = frames.flat_map(|stack| &stack.0);
        self.filter.is_empty()
            || contains(row.watched.verdict.name(), &self.filter)
            || frames.any(|frame| {
                contains(&frame.label(), &self.filter)
                    || contains(frame.file.as_deref().unwrap_or(""), &self.filter)
                    || contains(frame.module_name().unwrap_or(""), &self.filter)
            })
    }

    fn keys(&self, order: SiteOrder) -> Vec<u64> {
        let listed = self.listed(order).into_iter();
        listed.map(|row| row.row).collect()
    }
}

/// Whether a text has another in it, in whatever case; everything has nothing in it.
fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.to_lowercase().contains(&part.to_lowercase())
}

#[cfg(test)]
mod tests;
