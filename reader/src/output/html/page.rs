//! Puts the page together: the frame, the style sheets, the scripts, and the data last.

#![forbid(unsafe_code)]

use std::io::{self, BufWriter, Write};
use std::sync::LazyLock;

use crate::output::html::data::Data;
use crate::output::html::digest::source_expression;
use crate::output::html::escape::ScriptSafe;
use crate::report::{Report, Section};

/// What the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Every view that the report has something for.
    Report,
    /// The flame graph, without the way to others.
    FlameGraph,
    /// Every view, with data that is fetched again and again.
    LiveReport,
    /// The table of all processes of a server, which leads to the report on each.
    Processes,
}

/// The page around everything, with `{{names}}` for what changes.
const FRAME: &str = include_str!("assets/page.html");

const STYLES: &[&str] = &[
    include_str!("assets/theme.css"),
    include_str!("assets/page.css"),
    include_str!("assets/tables.css"),
    include_str!("assets/charts.css"),
    include_str!("assets/flame.css"),
    include_str!("assets/print.css"),
];

/// Each may use what those before it define.
const SCRIPTS: &[&str] = &[
    include_str!("assets/elements.js"),
    include_str!("assets/numbers.js"),
    include_str!("assets/report.js"),
    include_str!("assets/values.js"),
    include_str!("assets/columns.js"),
    include_str!("assets/table.js"),
    include_str!("assets/charts.js"),
    include_str!("assets/timeline.js"),
    include_str!("assets/flame/tree.js"),
    include_str!("assets/flame/measures.js"),
    include_str!("assets/flame/totals.js"),
    include_str!("assets/flame/colours.js"),
    include_str!("assets/flame/canvas.js"),
    include_str!("assets/flame/keyboard.js"),
    include_str!("assets/flame/details.js"),
    include_str!("assets/flame/outline.js"),
    include_str!("assets/flame/controls.js"),
    include_str!("assets/flame/view.js"),
    include_str!("assets/header.js"),
    include_str!("assets/overview.js"),
    include_str!("assets/views.js"),
    include_str!("assets/start.js"),
];

/// What a page that fetches its report does when it has been drawn.
const LIVE_SCRIPT: &str = include_str!("assets/live.js");

/// Those of the page about all processes.
const PROCESSES_SCRIPTS: &[&str] = &[
    include_str!("assets/elements.js"),
    include_str!("assets/numbers.js"),
    include_str!("assets/report.js"),
    include_str!("assets/values.js"),
    include_str!("assets/header.js"),
    include_str!("assets/live.js"),
    include_str!("assets/processes.js"),
];

const BUFFER_BYTES: usize = 64 << 10;

/// Writes the page with the sections that pass `is_wanted`.
pub(crate) fn write(
    report: &Report,
    view: View,
    is_wanted: &dyn Fn(&Section) -> bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let data = Data::of(report, is_wanted);
    write_frame(view, "", out, &|out| {
        serde_json::to_writer(ScriptSafe::new(out), &data)?;
        Ok(())
    })
}

/// Writes a page that fetches its data from `address`, which is one of ours and needs no escapes.
pub(crate) fn write_live(view: View, address: &str, out: &mut dyn Write) -> io::Result<()> {
    let source = format!(" data-source=\"{address}\"");
    write_frame(view, &source, out, &|_| Ok(()))
}

fn write_frame(
    view: View,
    source: &str,
    out: &mut dyn Write,
    write_data: &dyn Fn(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let mut rest = FRAME;
    while let Some((before, behind)) = rest.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let (name, behind) = behind.split_once("}}").unwrap_or((behind, ""));
        match name {
            "policy" => out.write_all(policy(view).as_bytes())?,
            "view" => out.write_all(view.name().as_bytes())?,
            "styles" => write_elements("style", STYLES, &mut out)?,
            "scripts" => write_elements("script", &view.scripts(), &mut out)?,
            "source" => out.write_all(source.as_bytes())?,
            "data" => write_data(&mut out)?,
            _ => unreachable!("the page has no place called {name}"),
        }
        rest = behind;
    }
    out.write_all(rest.as_bytes())?;
    out.flush()
}

impl View {
    fn name(self) -> &'static str {
        match self {
            View::Report => "report",
            View::FlameGraph => "flamegraph",
            View::LiveReport => "live",
            View::Processes => "processes",
        }
    }

    fn scripts(self) -> Vec<&'static str> {
        match self {
            View::Report | View::FlameGraph => SCRIPTS.to_vec(),
            View::LiveReport => [SCRIPTS, &[LIVE_SCRIPT]].concat(),
            View::Processes => PROCESSES_SCRIPTS.to_vec(),
        }
    }

    /// Whether it asks its server for data; the others load nothing at all.
    fn is_live(self) -> bool {
        matches!(self, View::LiveReport | View::Processes)
    }
}

/// What the browser may do: run and apply exactly what stands in the page, and load nothing but,
/// where it is live, data from where it came itself.
fn policy(view: View) -> String {
    let scripts = match view.is_live() {
        true => &expressions(&view.scripts()),
        false => &*SCRIPT_EXPRESSIONS,
    };
    let connect = match view.is_live() {
        true => " connect-src 'self';",
        false => "",
    };
    format!(
        "default-src 'none'; img-src data:; script-src {scripts}; style-src {};{connect} base-uri 'none'; form-action 'none'",
        *STYLE_EXPRESSIONS,
    )
}

/// What allows the scripts and the style sheets of a report; they never change.
static SCRIPT_EXPRESSIONS: LazyLock<String> = LazyLock::new(|| expressions(SCRIPTS));
static STYLE_EXPRESSIONS: LazyLock<String> = LazyLock::new(|| expressions(STYLES));

fn expressions(texts: &[&str]) -> String {
    let expressions = texts.iter().map(|text| source_expression(text));
    expressions.collect::<Vec<_>>().join(" ")
}

/// One element each, so that a browser's debugger shows them apart.
fn write_elements(tag: &str, texts: &[&str], out: &mut dyn Write) -> io::Result<()> {
    for text in texts {
        writeln!(out, "<{tag}>{text}</{tag}>")?;
    }
    Ok(())
}
