//! From the state and a size to a screen, and nothing else.
//!
//! Colours are the sixteen that every terminal has, and none says what no letter says: the chosen
//! line is reversed, headings are bold.

#![forbid(unsafe_code)]

mod columns;
mod help;
mod processes;
#[cfg(test)]
pub(super) mod scenes;
mod sites;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::frontend::terminal::state::State;
use crate::output::clean::clean;
use crate::output::format;
use crate::report::Estimate;

/// Draws the whole screen.
pub(super) fn draw(state: &State, frame: &mut Frame<'_>) {
    let rows = [Constraint::Min(0), Constraint::Length(1)];
    let [body, foot] = Layout::vertical(rows).areas(frame.area());
    match (state.shows_help, &state.opened) {
        (true, _) => help::draw(frame, body),
        (false, Some(opened)) => sites::draw(state, opened, frame, body),
        (false, None) => processes::draw(state, frame, body),
    }
    frame.render_widget(Paragraph::new(footer(state)), foot);
}

/// The line with the keys, or with the filter while one is written.
fn footer(state: &State) -> Line<'static> {
    if state.is_typing {
        let text = format!("filter: {}_   Enter keeps it, Esc drops it", state.filter());
        return Line::styled(text, bold());
    }
    let mut text = String::new();
    if state.is_paused {
        text.push_str("PAUSED  ");
    }
    if !state.filter().is_empty() {
        text.push_str(&format!("filter: {}  ", clean(state.filter())));
    }
    text.push_str(match (state.shows_help, &state.opened) {
        (true, _) => "any key goes back  q quit",
        (false, Some(_)) => "Esc back  s sort  / filter  p pause  ? help  q quit",
        (false, None) => "Enter open  s sort  / filter  d ended ones  p pause  ? help  q quit",
    });
    Line::from(text)
}

/// What is a heading or must be seen.
fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// What is chosen.
fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// A colour, where the user wants colours.
fn coloured(state: &State, colour: Color) -> Style {
    match state.has_colour {
        true => Style::new().fg(colour),
        false => Style::new(),
    }
}

/// Bytes a second, with a sign where they are a change.
fn rate(bytes_per_second: Option<f64>, is_change: bool) -> String {
    let Some(rate) = bytes_per_second else {
        return "-".to_owned();
    };
    // A rate that rounds to nothing is none.
    let sign = match is_change && rate >= 0.5 {
        true => "+",
        false => "",
    };
    let rate = if rate.abs() < 0.5 { 0.0 } else { rate };
    format!("{sign}{}/s", format::bytes(rate))
}

/// An interval of an estimate, in the unit of its value; nothing where it is exact.
fn interval(estimate: &Estimate) -> String {
    format::estimate(estimate).interval
}

#[cfg(test)]
mod tests;
