//! Annotations of GitHub Actions: what broke, beside the line that broke it.
//!
//! The form is that of workflow commands
//! (<https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>). GitHub
//! shows ten errors and ten warnings of a step and drops the others, so what would be the tenth of
//! many says how many more there are.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::Path;

use crate::output::checks::{Check, checks, has_checks};
use crate::output::clean::clean;
use crate::output::{Options, Output};
use crate::report::{Frame, Kind, Report, Section};

/// Annotations of one kind that GitHub shows of a step.
const SHOWN_MAX: usize = 10;

/// Errors for what is broken, warnings for what is uncertain.
pub struct GitHub;

impl Output for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn about(&self) -> &'static str {
        "annotations of GitHub Actions, one a broken check"
    }

    fn media_type(&self) -> &'static str {
        "text/plain; charset=utf-8"
    }

    fn extension(&self) -> &'static str {
        "github"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        has_checks(section)
    }

    fn write(&self, report: &Report, options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let checks = checks(report);
        for (verdict, command) in [("broken", "error"), ("uncertain", "warning")] {
            let found = || checks.iter().filter(|check| check.verdict == verdict);
            let count = found().count();
            let shown = if count > SHOWN_MAX {
                SHOWN_MAX - 1
            } else {
                count
            };
            for check in found().take(shown) {
                annotate(command, check, options, out)?;
            }
            if count > shown {
                let names: Vec<&str> = found().skip(shown).map(|check| check.name).collect();
                let title = format!("title=memshim: {} more {verdict}", count - shown);
                let text = message(&names.join("\n"));
                writeln!(out, "::{command} {title}::{text}")?;
            }
        }
        let broken = checks.iter().filter(|check| check.verdict == "broken");
        writeln!(
            out,
            "memshim: {} of {} checks are broken",
            broken.count(),
            checks.len()
        )
    }
}

fn annotate(
    command: &str,
    check: &Check<'_>,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut properties = Vec::new();
    if let Some((file, line)) = place(check, options.source_root.as_deref()) {
        properties.push(format!("file={}", property(&file)));
        properties.push(format!("line={line}"));
    }
    properties.push(format!(
        "title={}",
        property(&format!("memshim: {}", check.name))
    ));
    let text = message(check.message);
    writeln!(out, "::{command} {}::{text}", properties.join(","))
}

/// The innermost line of the stack that lies in the repository, or else the innermost of all.
///
/// GitHub places an annotation only where the path is relative to the repository.
fn place(check: &Check<'_>, root: Option<&Path>) -> Option<(String, u32)> {
    let frames = || check.stack.into_iter().flat_map(|stack| &stack.0);
    let own = frames().find_map(|frame| {
        let file = Path::new(frame.file.as_deref()?);
        let relative = file.strip_prefix(root?).ok()?;
        Some((relative.to_string_lossy().into_owned(), frame.line?))
    });
    let any = |frame: &Frame| Some((frame.file.as_deref()?.to_owned(), frame.line?));
    own.or_else(|| frames().find_map(|frame| any(frame)))
}

/// What follows the last colons: `%` and line breaks would end it.
fn message(text: &str) -> String {
    let lines = text.lines().map(|line| clean(line).replace('%', "%25"));
    lines.collect::<Vec<_>>().join("%0A")
}

/// The value of a property, where colons and commas would end it too.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(message("100 %, a: b\nc\u{1b}[2J"), "100 %25, a: b%0Ac");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
