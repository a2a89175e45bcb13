//! JUnit's XML, as CI systems show tests: one case a check.
//!
//! There is no standard; this is what Jenkins, GitLab and GitHub's reporters agree on
//! (<https://github.com/testmoapp/junitxml>): a failure has a message and a text, and what could
//! not be decided is skipped with a reason.

#![forbid(unsafe_code)]

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::output::checks::{Check, checks, has_checks};
use crate::output::clean::clean;
use crate::output::{Options, Output};
use crate::report::{Kind, Report, Section};

/// What the cases are grouped under.
const SUITE: &str = "memshim";

/// One test case a check.
pub struct JUnit;

impl Output for JUnit {
    fn name(&self) -> &'static str {
        "junit"
    }

    fn about(&self) -> &'static str {
        "JUnit XML, one test case a check"
    }

    fn media_type(&self) -> &'static str {
        "application/xml"
    }

    fn extension(&self) -> &'static str {
        "xml"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Table]
    }

    fn draws(&self, section: &Section) -> bool {
        has_checks(section)
    }

    fn write(&self, report: &Report, _options: &Options, out: &mut dyn Write) -> io::Result<()> {
        let checks = checks(report);
        let count = |verdict: &str| {
            checks
                .iter()
                .filter(|check| check.verdict == verdict)
                .count()
        };
        let counts = [
            ("tests", checks.len().to_string()),
            ("failures", count("broken").to_string()),
            ("errors", "0".to_owned()),
            ("skipped", count("uncertain").to_string()),
        ];
        let counts: Vec<(&str, &str)> = counts
            .iter()
            .map(|(name, count)| (*name, count.as_str()))
            .collect();
        let mut xml = Writer::new_with_indent(&mut *out, b' ', 2);
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.create_element("testsuites")
            .with_attributes(counts.iter().copied())
            .write_inner_content(|xml| {
                xml.create_element("testsuite")
                    .with_attribute(("name", SUITE))
                    .with_attributes(counts.iter().copied())
                    .write_inner_content(|xml| {
                        checks.iter().try_for_each(|check| write_case(xml, check))
                    })?;
                Ok(())
            })?;
        writeln!(out)
    }
}

fn write_case<W: Write>(xml: &mut Writer<W>, check: &Check<'_>) -> io::Result<()> {
    let name = printable(check.name);
    let message = printable(check.message);
    let case = xml
        .create_element("testcase")
        .with_attribute(("classname", SUITE))
        .with_attribute(("name", name.as_str()))
        .with_attribute(("time", "0"));
    match check.verdict {
        "broken" => case.write_inner_content(|xml| {
            let failure = xml
                .create_element("failure")
                .with_attribute(("type", "limit"))
                .with_attribute(("message", message.as_str()));
            let text = format!("{message}\n{}", stack_text(check));
            failure.write_text_content(BytesText::new(&text))?;
            Ok(())
        })?,
        "uncertain" => case.write_inner_content(|xml| {
            xml.create_element("skipped")
                .with_attribute(("message", message.as_str()))
                .write_empty()?;
            Ok(())
        })?,
        _ => case.write_empty()?,
    };
    Ok(())
}

/// One line a frame, leaf first.
fn stack_text(check: &Check<'_>) -> String {
    let frames = check.stack.into_iter().flat_map(|stack| &stack.0);
    let line = |frame: &std::sync::Arc<crate::report::Frame>| {
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!(" at {file}:{line}"),
            _ => String::new(),
        };
        printable(&format!("  {}{place}", frame.label()))
    };
    frames.map(|frame| line(frame) + "\n").collect()
}

/// The text without what XML 1.0 cannot hold even escaped.
fn printable(text: &str) -> String {
    let is_character = |c: &char| !matches!(c, '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    clean(text).chars().filter(is_character).collect()
}
