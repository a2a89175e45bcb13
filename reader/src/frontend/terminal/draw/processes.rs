//! The list of processes.

#![forbid(unsafe_code)]

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::frontend::terminal::draw::columns::{Column, Lines};
use crate::frontend::terminal::draw::{bold, coloured, interval, rate};
use crate::frontend::terminal::news::ProcessRow;
use crate::frontend::terminal::order::ProcessOrder;
use crate::frontend::terminal::state::State;
use crate::output::format;

/// The columns; of one that has no room the others say enough.
const COLUMNS: &[Column<ProcessRow>] = &[
    column("pid", 8, 0, |row| row.followed.glance.pid.to_string()),
    Column {
        is_left: true,
        ..column("program", 0, 0, |row| row.followed.glance.program.clone())
    },
    column("state", 8, 6, |row| {
        let name = row.followed.glance.state.name();
        name.split(' ').next().unwrap_or(name).to_owned()
    }),
    column("age", 9, 5, |row| {
        let age = row.followed.glance.age_ns;
        age.map_or_else(|| "-".to_owned(), |age_ns| format::duration(age_ns as f64))
    }),
    column("live", 11, 0, |row| {
        format::bytes(row.followed.glance.live.value)
    }),
    column("95 %", 20, 9, |row| interval(&row.followed.glance.live)),
    column("change", 12, 1, |row| {
        rate(row.followed.change_per_second, true)
    }),
    column("allocates", 13, 2, |row| {
        rate(row.followed.allocated_per_second, false)
    }),
    column("leaks", 6, 0, |row| match row.leaks {
        Some(leaks) => leaks.sites.to_string(),
        None => "..".to_owned(),
    }),
    column("leak rate", 13, 7, |row| match row.leaks {
        Some(leaks) if leaks.sites > 0 => rate(Some(leaks.bytes_per_second), false),
        _ => String::new(),
    }),
    column("lost", 6, 4, |row| {
        format::count(row.followed.glance.losses as f64)
    }),
    column("cost", 7, 3, |row| {
        let cost = row.followed.glance.own_cost_percent;
        cost.map_or_else(|| "-".to_owned(), format::percent)
    }),
    column("interval", 9, 8, |row| row.followed.glance.interval.clone()),
];

const fn column(
    title: &'static str,
    width: usize,
    leaves: u8,
    text: fn(&ProcessRow) -> String,
) -> Column<ProcessRow> {
    Column {
        title,
        width,
        leaves,
        is_left: false,
        text,
    }
}

/// A heading with the totals, and a line a process.
pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let rows = [Constraint::Length(2), Constraint::Min(0)];
    let [head, body] = Layout::vertical(rows).areas(area);
    let listed = state.listed();
    frame.render_widget(Paragraph::new(heading(state, &listed)), head);
    if listed.is_empty() {
        frame.render_widget(Paragraph::new(nobody(state)), body);
        return;
    }
    let lines = Lines {
        columns: COLUMNS,
        rows: &listed,
        chosen: state.chosen(),
        sorted_by: title(state.process_order),
    };
    lines.draw(frame, body, |row| style(state, row));
}

fn heading(state: &State, listed: &[&ProcessRow]) -> Line<'static> {
    let running = listed.iter().filter(|row| row.followed.glance.is_alive);
    let live: f64 = running
        .clone()
        .map(|row| row.followed.glance.live.value)
        .sum();
    let leaking = listed.iter().filter(|row| is_leaking(row)).count();
    let text = format!(
        "memshim top   {} running, {} live, {leaking} leaking",
        running.count(),
        format::bytes(live),
    );
    match state.has_looked {
        true => Line::styled(text, bold()),
        false => Line::styled("memshim top   reading ...", bold()),
    }
}

/// What to do where there is nothing to see.
fn nobody(state: &State) -> Vec<Line<'static>> {
    if !state.has_looked {
        return Vec::new();
    }
    if !state.filter.is_empty() {
        return vec![Line::from(
            "no process is called like that; Esc drops the filter",
        )];
    }
    let ended = state.processes.len();
    let mut lines = vec![
        Line::from("no running process is profiled; start one with"),
        Line::from("  memshim-reader run -- CMD   or   LD_PRELOAD=libmemshim.so CMD"),
    ];
    if ended > 0 && !state.shows_ended {
        lines.push(Line::from(format!("d shows the {ended} that ended")));
    }
    lines
}

fn title(order: ProcessOrder) -> &'static str {
    match order {
        ProcessOrder::Live => "live",
        ProcessOrder::Change => "change",
        ProcessOrder::Allocated => "allocates",
        ProcessOrder::Leaks => "leaks",
        ProcessOrder::Pid => "pid",
    }
}

fn is_leaking(row: &ProcessRow) -> bool {
    row.leaks.is_some_and(|leaks| leaks.sites > 0)
}

fn style(state: &State, row: &ProcessRow) -> Style {
    let glance = &row.followed.glance;
    match (glance.is_alive, is_leaking(row), glance.losses > 0) {
        (false, ..) => coloured(state, Color::DarkGray),
        (_, true, _) => coloured(state, Color::Red),
        (_, _, true) => coloured(state, Color::Yellow),
        _ => Style::new(),
    }
}
