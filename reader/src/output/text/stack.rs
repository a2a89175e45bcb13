//! A call stack under the row it belongs to: `function  file:line  (module)`, leaf first.

#![forbid(unsafe_code)]

use crate::output::Options;
use crate::output::text::line::{Line, Style, shorten_end, shorten_start, width};
use crate::report::{Frame, Stack};

/// A function's name is not cut below this: what is left would not tell it from its neighbours.
const FUNCTION_WIDTH_MIN: usize = 30;

/// A path is not cut below this: its file name and line are what is looked for.
const PLACE_WIDTH_MIN: usize = 24;

/// At most `frames_max` frames, then how many more there are.
pub(crate) fn draw(stack: &Stack, indent: usize, options: &Options) -> Vec<Line> {
    if stack.0.is_empty() {
        return vec![Line::indented(indent).and(Style::Faint, "no stack was recorded")];
    }
    let frames_max = options.frames_max.max(1);
    let shown = stack.0.iter().take(frames_max);
    let mut lines: Vec<Line> = shown
        .map(|frame| draw_frame(frame, indent, options))
        .collect();
    let hidden = stack.0.len().saturating_sub(frames_max);
    if hidden > 0 {
        lines.push(Line::indented(indent).and(Style::Faint, &format!("... {hidden} more frames")));
    }
    lines
}

/// One frame, its name and path shortened until the line fits, as far as sense allows.
fn draw_frame(frame: &Frame, indent: usize, options: &Options) -> Line {
    let mark = if frame.inlined { " (inlined)" } else { "" };
    let module = frame
        .module_name()
        .map_or(String::new(), |name| format!("  ({name})"));
    let mut function = frame.label();
    let mut place = place(frame);

    let available = options
        .width
        .saturating_sub(indent + width(mark) + width(&module));
    let gap = if place.is_empty() { 0 } else { 2 };
    let for_place = available
        .saturating_sub(width(&function) + gap)
        .max(PLACE_WIDTH_MIN);
    place = shorten_start(&place, for_place);
    let for_function = available
        .saturating_sub(width(&place) + gap)
        .max(FUNCTION_WIDTH_MIN);
    function = shorten_name(frame, &function, for_function);

    Line::indented(indent)
        .and(Style::Name, &function)
        .and(Style::Faint, mark)
        .and(Style::Plain, &" ".repeat(gap))
        .and(Style::Plain, &place)
        .and(Style::Faint, &module)
}

/// A function's name that fits: of most names the beginning says most, but those of Go begin with a
/// path, of which the end does.
pub(crate) fn shorten_name(frame: &Frame, name: &str, width_max: usize) -> String {
    let is_go = frame
        .file
        .as_ref()
        .is_some_and(|file| file.ends_with(".go"));
    // Type parameters have paths too.
    let path = name.split('[').next().unwrap_or(name);
    let own = match path.rfind('/') {
        Some(slash) if is_go => &name[slash + 1..],
        _ => return shorten_end(name, width_max),
    };
    match width(own) < width_max {
        true => shorten_start(name, width_max),
        false => shorten_end(own, width_max),
    }
}

/// `file:line`, or what of it is known.
fn place(frame: &Frame) -> String {
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.to_string(),
        (None, _) => String::new(),
    }
}
