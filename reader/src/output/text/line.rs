//! A line of text in parts, each with its look, measured and shortened before colour is added.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use crate::output::clean::clean;

/// What a part of a line is, and so how it looks; colour only repeats what the words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// As the terminal has it.
    Plain,
    /// A heading.
    Title,
    /// Of second rank: intervals, modules, notes.
    Faint,
    /// A function's name.
    Name,
    /// What should not be overlooked.
    Warning,
}

impl Style {
    /// The parameters of ECMA-48's select graphic rendition.
    fn parameters(self) -> &'static str {
        match self {
            Style::Plain => "0",
            Style::Title => "1",
            Style::Faint => "2",
            Style::Name => "36",
            Style::Warning => "33",
        }
    }
}

/// One line, without its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line {
    parts: Vec<(Style, String)>,
}

impl Line {
    /// A line that begins with `style`d text.
    pub(crate) fn of(style: Style, text: &str) -> Line {
        Line::default().and(style, text)
    }

    /// A line that begins with `indent` spaces.
    pub(crate) fn indented(indent: usize) -> Line {
        Line::default().and(Style::Plain, &" ".repeat(indent))
    }

    /// The line with one more part. Every text passes here, and is made safe here.
    pub(crate) fn and(mut self, style: Style, text: &str) -> Line {
        if !text.is_empty() {
            self.parts.push((style, clean(text).into_owned()));
        }
        self
    }

    /// Writes the line and its end, without blanks before the end.
    pub(crate) fn write(&self, is_coloured: bool, out: &mut dyn Write) -> io::Result<()> {
        let last = self
            .parts
            .iter()
            .rposition(|(_, text)| !text.trim_end().is_empty());
        let visible = last.map_or(&[][..], |last| &self.parts[..=last]);
        for (index, (style, text)) in visible.iter().enumerate() {
            let text = if Some(index) == last {
                text.trim_end()
            } else {
                text
            };
            if is_coloured && *style != Style::Plain {
                write!(out, "\u{1b}[{}m{text}\u{1b}[0m", style.parameters())?;
            } else {
                out.write_all(text.as_bytes())?;
            }
        }
        out.write_all(b"\n")
    }
}

/// How many columns a text takes; every character counts as one.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text with its end cut off, marked by an ellipsis, where it is longer than `width_max`.
pub(crate) fn shorten_end(text: &str, width_max: usize) -> String {
    if width(text) <= width_max {
        return text.to_owned();
    }
    text.chars()
        .take(width_max.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// The text with its beginning cut off likewise; of a path the end says most.
pub(crate) fn shorten_start(text: &str, width_max: usize) -> String {
    let surplus = width(text).saturating_sub(width_max);
    if surplus == 0 {
        return text.to_owned();
    }
    ['…']
        .into_iter()
        .chain(text.chars().skip(surplus + 1))
        .collect()
}

/// The text in lines of at most `width_max`, broken at spaces; longer words stay whole.
pub(crate) fn wrap(text: &str, width_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= width_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
