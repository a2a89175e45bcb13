//! Budgets: limits in a file, for the whole program and for its parts.
//!
//! ```toml
//! max_peak = "200MiB"
//! max_leak = 0
//!
//! [[site]]
//! name = "the parser"            # what the check is called; by default its patterns
//! function = '^parse_'           # all patterns match one frame, anywhere in the stack
//! module = 'libjson'             # the recorded path of its module
//! file = 'src/parser/'           # the path of its source file
//! max_live = "1MiB"              # at the end
//! max_peak = "4MiB"              # when the process had most
//! max_allocated = "100MiB"
//! max_allocations = 100
//! ```

#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::check::limit::{Limits, Size};
use crate::comparison::Measure;
use crate::error::Error;
use crate::report::{Frame, Stack};

/// All limits of a file.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Document")]
pub struct Budget {
    /// Those of the whole program.
    pub limits: Limits,
    /// Those of its parts.
    pub sites: Vec<Site>,
}

/// The file as it is written, with every key known: a budget with a mistake limits nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    max_growth: Option<super::limit::Growth>,
    max_leak: Option<Size>,
    max_peak: Option<Size>,
    max_live: Option<Size>,
    max_allocated: Option<Size>,
    max_allocations: Option<u64>,
    site: Vec<Site>,
}

/// Limits of all call stacks with a frame that matches.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    name: Option<String>,
    function: Option<Pattern>,
    module: Option<Pattern>,
    file: Option<Pattern>,
    max_live: Option<Size>,
    max_peak: Option<Size>,
    max_allocated: Option<Size>,
    max_allocations: Option<u64>,
}

/// A regular expression that matches anywhere.
#[derive(Debug)]
struct Pattern(Regex);

impl From<Document> for Budget {
    fn from(document: Document) -> Budget {
        Budget {
            limits: Limits {
                max_growth: document.max_growth,
                max_leak: document.max_leak,
                max_peak: document.max_peak,
                max_live: document.max_live,
                max_allocated: document.max_allocated,
                max_allocations: document.max_allocations,
            },
            sites: document.site,
        }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&text)
            .map(Pattern)
            .map_err(|error| de::Error::custom(last_line(&error.to_string())))
    }
}

impl Budget {
    /// Reads a budget.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] when there is no such file, [`Error::Content`] with the line of a mistake.
    pub fn read(path: &Path) -> Result<Budget, Error> {
        let text = fs::read_to_string(path).map_err(Error::open(path))?;
        Budget::parse(&text).map_err(|(line, problem)| Error::Content {
            path: path.to_path_buf(),
            line,
            problem,
        })
    }

    /// The limits in a text, or the line of a mistake and what it is.
    fn parse(text: &str) -> Result<Budget, (usize, String)> {
        let budget: Budget = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            (line_of(text, start), error.message().replace('\n', " "))
        })?;
        let empty = budget.sites.iter().position(Site::has_no_pattern);
        match empty {
            None => Ok(budget),
            Some(number) => {
                let mut headers = text.match_indices("[[site]]");
                let start = headers.nth(number).map_or(0, |(start, _)| start);
                let problem = "a site needs a function, a module or a file";
                Err((line_of(text, start), problem.to_owned()))
            }
        }
    }
}

impl Site {
    /// What the check is called.
    pub fn title(&self) -> String {
        let pattern = |name: &str, pattern: &Option<Pattern>| {
            let pattern = pattern.as_ref()?;
            Some(format!("{name} {}", pattern.0.as_str()))
        };
        let patterns = [
            pattern("function", &self.function),
            pattern("module", &self.module),
            pattern("file", &self.file),
        ];
        let patterns: Vec<String> = patterns.into_iter().flatten().collect();
        self.name.clone().unwrap_or_else(|| patterns.join(", "))
    }

    /// Whether the stack counts: one of its frames matches every pattern.
    pub fn matches(&self, stack: &Stack) -> bool {
        stack.0.iter().any(|frame| self.matches_frame(frame))
    }

    /// Its limits by what they limit.
    pub fn limits(&self) -> impl Iterator<Item = (Measure, f64)> {
        let size = |measure, size: Option<Size>| size.map(|size| (measure, size.0));
        let limits = [
            size(Measure::LiveBytes, self.max_live),
            size(Measure::PeakBytes, self.max_peak),
            size(Measure::AllocatedBytes, self.max_allocated),
            self.max_allocations
                .map(|count| (Measure::AllocatedObjects, count as f64)),
        ];
        limits.into_iter().flatten()
    }

    fn matches_frame(&self, frame: &Frame) -> bool {
        let matches = |pattern: &Option<Pattern>, text: Option<&str>| {
            let is_match = |pattern: &Pattern| text.is_some_and(|text| pattern.0.is_match(text));
            pattern.as_ref().is_none_or(is_match)
        };
        matches(&self.function, frame.function.as_deref())
            && matches(&self.module, frame.module.as_deref())
            && matches(&self.file, frame.file.as_deref())
    }

    fn has_no_pattern(&self) -> bool {
        self.function.is_none() && self.module.is_none() && self.file.is_none()
    }
}

/// The line, from 1, in which a byte stands.
fn line_of(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().iter().take(byte);
    1 + before.filter(|byte| **byte == b'\n').count()
}

/// The message of an error that draws the pattern on the lines above it.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_mistake(text: &str, line: usize, part: &str) {
        match Budget::parse(text) {
            Err((found, problem)) => {
                assert_eq!(found, line, "{problem}");
                assert!(problem.contains(part), "{problem}");
            }
            Ok(budget) => panic!("{text:?} was read as {budget:?}"),
        }
    }

    #[test]
    fn a_budget_has_limits_of_the_whole_and_of_parts() {
        let text = "max_peak = \"200MiB\"\nmax_leak = 0\nmax_growth = \"5%\"\n\n[[site]]\n\
                    function = 'parse.*'\nmax_live = \"1MiB\"\nmax_allocations = 100\n";
        let budget = Budget::parse(text).expect("a good budget");
        assert_eq!(budget.limits.max_peak, Some(Size(209_715_200.0)));
        assert_eq!(budget.limits.max_leak, Some(Size(0.0)));
        let limits: Vec<(Measure, f64)> = budget.sites[0].limits().collect();
        let expected = [
            (Measure::LiveBytes, 1_048_576.0),
            (Measure::AllocatedObjects, 100.0),
        ];
        assert_eq!(limits, expected);
        assert_eq!(budget.sites[0].title(), "function parse.*");
    }

    #[test]
    fn a_mistake_has_its_line() {
        check_mistake("max_peak = 1\nmax_peek = 2\n", 2, "unknown field");
        check_mistake("\nmax_peak = \"much\"\n", 2, "is no size");
        check_mistake("max_leak = -1\n", 1, "not negative");
        check_mistake("[[site]]\nfunction = '('\n", 2, "unclosed group");
        check_mistake(
            "max_peak = 1\n[[site]]\nmax_live = 2\n",
            2,
            "needs a function",
        );
        check_mistake("max_peak 1\n", 1, "");
    }

    #[test]
    fn all_patterns_match_in_one_frame() {
        let text = "[[site]]\nfunction = '^parse'\nmodule = 'libjson'\nmax_live = 1\n";
        let budget = Budget::parse(text).expect("a good budget");
        let frame = |function: &str, module: &str| Frame {
            function: Some(function.into()),
            module: Some(module.into()),
            ..Frame::default()
        };
        let check = |frames: [Frame; 2], expected: bool| {
            assert_eq!(budget.sites[0].matches(&Stack::from_iter(frames)), expected);
        };
        check(
            [
                frame("grow", "/usr/lib/libc.so.6"),
                frame("parse", "/usr/lib/libjson.so"),
            ],
            true,
        );
        check(
            [frame("grow", "/usr/lib/libjson.so"), frame("parse", "app")],
            false,
        );
    }
}
