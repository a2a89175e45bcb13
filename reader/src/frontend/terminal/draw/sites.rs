//! One process: its heap over time, its call stacks, and the stack of the chosen one.

#![forbid(unsafe_code)]

use std::path::Path;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Sparkline};

use crate::analysis::leaks::class::Class;
use crate::frontend::terminal::draw::columns::{Column, Lines, cut};
use crate::frontend::terminal::draw::{bold, coloured, interval, rate};
use crate::frontend::terminal::news::{SiteRow, Sites};
use crate::frontend::terminal::order::SiteOrder;
use crate::frontend::terminal::state::{Opened, State};
use crate::output::clean::clean;
use crate::output::format;
use crate::report::{Frame as Call, Stack};

/// A call stack with its names, as far as they are there.
struct Named<'a> {
    row: &'a SiteRow,
    stack: Option<&'a Stack>,
}

const HEADING_LINES: u16 = 2;

/// Lines of the curve, and at least of the table, which is what people came for.
const CURVE_LINES: u16 = 4;
const TABLE_LINES_MIN: u16 = 6;

/// Calls of the chosen stack that are shown where there is room.
const STACK_LINES: u16 = 11;

/// The columns; of one that has no room the others say enough.
fn columns<'a>() -> [Column<Named<'a>>; 7] {
    [
        column("live", 11, 0, |site| {
            format::bytes(site.row.watched.live.value)
        }),
        column("95 %", 20, 4, |site| interval(&site.row.watched.live)),
        column("growth", 12, 0, |site| {
            rate(site.row.watched.growth.map(|growth| growth.value), true)
        }),
        column("allocates", 13, 2, |site| {
            rate(site.row.watched.allocated_per_second, false)
        }),
        Column {
            is_left: true,
            ..column("verdict", 17, 1, |site| {
                site.row.watched.verdict.name().to_owned()
            })
        },
        column("leak rate", 13, 3, |site| {
            let leak = site.row.watched.leak;
            leak.map_or_else(String::new, |leak| rate(Some(leak.value), false))
        }),
        Column {
            is_left: true,
            ..column("allocated by", 0, 0, |site| match site.stack {
                Some(stack) => path_of(stack),
                None => "...".to_owned(),
            })
        },
    ]
}

fn column<'a>(
    title: &'static str,
    width: usize,
    leaves: u8,
    text: fn(&Named<'a>) -> String,
) -> Column<Named<'a>> {
    Column {
        title,
        width,
        leaves,
        is_left: false,
        text,
    }
}

pub(super) fn draw(state: &State, opened: &Opened, frame: &mut Frame<'_>, area: Rect) {
    let listed = opened.listed(state.site_order);
    let [head, curve, table, stack] = places(area, listed.len());
    frame.render_widget(Paragraph::new(heading(state, opened)), head);
    let Some(sites) = &opened.sites else {
        return;
    };
    draw_curve(state, sites, frame, curve);
    let named = |row| Named {
        row,
        stack: opened.stack(row.row),
    };
    let listed: Vec<Named<'_>> = listed.into_iter().map(named).collect();
    let lines = Lines {
        columns: &columns(),
        rows: &listed.iter().collect::<Vec<_>>(),
        chosen: opened.chosen(),
        sorted_by: title(state.site_order),
    };
    lines.draw(frame, table, |site| style(state, site.row));
    if let Some(site) = listed.get(opened.chosen()) {
        draw_stack(site, frame, stack);
    }
}

/// Where the heading, the curve, the table and the stack stand; what has no room has no height.
fn places(area: Rect, rows: usize) -> [Rect; 4] {
    let room = area.height.saturating_sub(HEADING_LINES + TABLE_LINES_MIN);
    let stack_lines = STACK_LINES.min(room * 2 / 3);
    let curve_lines = match room - stack_lines >= CURVE_LINES {
        true => CURVE_LINES,
        false => 0,
    };
    // A short table leaves its room to the stack.
    let table_max = area
        .height
        .saturating_sub(HEADING_LINES + curve_lines + stack_lines);
    let table_lines = u16::try_from(rows + 1).unwrap_or(u16::MAX).min(table_max);
    Layout::vertical([
        Constraint::Length(HEADING_LINES),
        Constraint::Length(curve_lines),
        Constraint::Length(table_lines),
        Constraint::Min(stack_lines),
    ])
    .areas(area)
}

/// Whom it is about, and how it is doing.
fn heading(state: &State, opened: &Opened) -> Vec<Line<'static>> {
    let mut processes = state.processes.iter();
    let process = processes.find(|row| row.followed.glance.path == opened.path);
    let first = match process {
        None => opened.path.display().to_string(),
        Some(row) => {
            let glance = &row.followed.glance;
            let age = glance.age_ns.map_or(0.0, |age_ns| age_ns as f64);
            format!(
                "{} ({})  {}, age {}  live {} {}  change {}  interval {}  cost {}  lost {}",
                glance.program,
                glance.pid,
                glance.state.name(),
                format::duration(age),
                format::bytes(glance.live.value),
                interval(&glance.live),
                rate(row.followed.change_per_second, true),
                glance.interval,
                glance
                    .own_cost_percent
                    .map_or_else(|| "-".to_owned(), format::percent),
                format::count(glance.losses as f64),
            )
        }
    };
    let second = match (&opened.problem, &opened.sites) {
        (Some(problem), _) => clean(problem).into_owned(),
        (None, None) => "reading ...".to_owned(),
        (None, Some(sites)) => scope(sites),
    };
    vec![
        Line::styled(clean(&first).into_owned(), bold()),
        Line::from(second),
    ]
}

/// What the figures of growth and allocation are of.
fn scope(sites: &Sites) -> String {
    let window = sites.window_seconds.map_or(0.0, |seconds| seconds * 1e9);
    let bound = match sites.is_complete {
        true => "",
        false => ", an upper bound: deaths are not all known",
    };
    let shown = match sites.rows.len() < sites.all {
        true => format!("{} of {} call stacks", sites.rows.len(), sites.all),
        false => format!("{} call stacks", sites.all),
    };
    format!(
        "{shown}; growth of the last {}{bound}",
        format::duration(window)
    )
}

/// The heap over time, from the start to now, as wide as the screen.
fn draw_curve(state: &State, sites: &Sites, frame: &mut Frame<'_>, area: Rect) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let [title, curve] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let columns = resampled(&sites.curve, usize::from(curve.width));
    let highest = sites.curve.iter().map(|(_, bytes)| *bytes);
    let seconds = sites.curve.last().map_or(0.0, |(seconds, _)| *seconds);
    let text = format!(
        "heap over {}, highest {}",
        format::duration(seconds * 1e9),
        format::bytes(highest.fold(0.0, f64::max)),
    );
    frame.render_widget(Paragraph::new(text), title);
    let sparkline = Sparkline::default()
        .data(columns)
        .style(coloured(state, Color::Cyan));
    frame.render_widget(sparkline, curve);
}

/// The highest that the curve was in each of so many equal parts of its time; it keeps its height
/// from one point to the next.
pub(super) fn resampled(curve: &[(f64, f64)], parts: usize) -> Vec<u64> {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Vec::new();
    };
    let part_seconds = (last.0 - first.0) / parts.max(1) as f64;
    let mut highest = Vec::with_capacity(parts);
    let (mut next, mut level) = (0, 0.0);
    for part in 1..=parts {
        let end = match part == parts {
            true => f64::INFINITY,
            false => first.0 + part_seconds * part as f64,
        };
        let mut top: f64 = level;
        while let Some((_, bytes)) = curve.get(next).filter(|(seconds, _)| *seconds <= end) {
            top = top.max(*bytes);
            level = *bytes;
            next += 1;
        }
        highest.push(top as u64);
    }
    highest
}

/// The calls of the chosen stack, the caller of the allocation first.
fn draw_stack(site: &Named<'_>, frame: &mut Frame<'_>, area: Rect) {
    let Some(room) = usize::from(area.height).checked_sub(1) else {
        return;
    };
    let watched = &site.row.watched;
    let mut title = format!(
        "stack: {} live blocks",
        format::count(watched.live_objects.value)
    );
    for (name, figure) in [("growth", &watched.growth), ("leak rate", &watched.leak)] {
        if let Some(figure) = figure {
            let cell = format::estimate(figure);
            title.push_str(&format!(", {name} {} {}", cell.main, cell.interval));
        }
    }
    let mut lines = vec![Line::styled(title, bold())];
    let calls = site.stack.map(|stack| stack.0.as_slice());
    let Some(calls) = calls else {
        lines.push(Line::from("  names are being looked up ..."));
        frame.render_widget(Paragraph::new(lines), area);
        return;
    };
    let shown = match calls.len() > room {
        true => room.saturating_sub(1),
        false => calls.len(),
    };
    let width = usize::from(area.width);
    for call in calls.iter().take(shown) {
        lines.push(Line::from(cut(&format!("  {}", describe(call)), width)));
    }
    if shown < calls.len() {
        let more = calls.len() - shown;
        lines.push(Line::from(format!("  ... {more} more calls")));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// A call with where it is written: `function  file:line  (module)`.
fn describe(call: &Call) -> String {
    let mut text = call.label();
    if call.inlined {
        text.push_str(" (inlined)");
    }
    if let Some(file) = &call.file {
        let line = call
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        text.push_str(&format!("  {}{line}", short(file)));
    }
    if let Some(module) = call.module_name() {
        text.push_str(&format!("  ({module})"));
    }
    clean(&text).into_owned()
}

/// The last two parts of a path, which tell files of one name apart.
fn short(path: &str) -> String {
    let name = Path::new(path);
    let parent = name.parent().and_then(Path::file_name);
    match (name.file_name(), parent) {
        (Some(file), Some(parent)) => format!("{}/{}", parent.display(), file.display()),
        _ => path.to_owned(),
    }
}

/// The functions of a stack in a line, the caller of the allocation first.
fn path_of(stack: &Stack) -> String {
    const CALLS: usize = 6;
    let names = stack.0.iter().take(CALLS).map(|call| call.label());
    let text = names.collect::<Vec<_>>().join(" < ");
    clean(&text).into_owned()
}

fn title(order: SiteOrder) -> &'static str {
    match order {
        SiteOrder::Live => "live",
        SiteOrder::Growth => "growth",
        SiteOrder::Allocated => "allocates",
        SiteOrder::Leak => "verdict",
    }
}

fn style(state: &State, site: &SiteRow) -> Style {
    match site.watched.verdict {
        Class::Leak => coloured(state, Color::Red),
        Class::GrowingContainer => coloured(state, Color::Yellow),
        _ => Style::new(),
    }
}
