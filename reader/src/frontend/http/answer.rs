//! The answer to each route, by way of the desk.

#![forbid(unsafe_code)]

use std::time::Duration;

use tokio::time::timeout;

use crate::analysis::{self, ANALYSES};
use crate::error::Error;
use crate::frontend::http::query::Query;
use crate::frontend::http::reply::Reply;
use crate::frontend::http::route::Route;
use crate::frontend::http::{pages, profile};
use crate::metrics::Form;
use crate::output::{self, Options, can_draw, measure};
use crate::report::Report;
use crate::serve::{Desk, Processes, Refusal, question};
use crate::session::{Filter, Request};

/// An answer takes no longer than this, the time that a question itself asks for left aside.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A request as far as answers depend on it.
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) accept: &'a str,
}

/// Answers one request.
pub(super) async fn answer(asked: Asked<'_>, desk: &Desk) -> Reply {
    let Some(route) = Route::of(asked.path) else {
        return Reply::error(404, "there is nothing here; / shows what there is");
    };
    let query = asked.query;
    let found = match route {
        Route::Home => Ok(pages::home()),
        Route::Metrics => metrics(Form::accepted(asked.accept), desk).await,
        Route::PprofIndex => Ok(profile::index()),
        Route::Pprof(kind) => profile::answer(kind, query, desk).await,
        Route::Processes => within(desk.ask(|processes| Ok(pages::processes(processes)))).await,
        Route::Analysis { pid, analysis } => ask(pid, analysis, query, desk).await,
        Route::Process(pid) => {
            within(desk.ask(move |processes| {
                segment_of(processes, pid)?;
                Ok(pages::process(pid))
            }))
            .await
        }
        Route::ProcessData(pid) => {
            within(desk.ask(move |processes| pages::process_data(processes, pid))).await
        }
    };
    found.unwrap_or_else(|reply| reply)
}

/// The answer of the desk, or why there is none.
pub(super) async fn within<A>(
    asking: impl Future<Output = Result<Result<A, Reply>, Refusal>>,
) -> Result<A, Reply> {
    match timeout(ANSWER_TIME, asking).await {
        Ok(Ok(found)) => found,
        Ok(Err(Refusal::Busy)) => {
            Err(Reply::error(503, "too many questions wait; ask again").with("retry-after", "1"))
        }
        Ok(Err(Refusal::Gone)) => Err(Reply::error(500, "the reading thread has ended")),
        Err(_) => Err(Reply::error(503, "the answer took too long").with("retry-after", "10")),
    }
}

async fn metrics(form: Form, desk: &Desk) -> Result<Reply, Reply> {
    let asking = desk.ask(move |processes| Ok(form.text(&processes.metrics())));
    let text = within(asking).await?;
    Ok(Reply::of(form.media_type(), text))
}

/// The segment of a process that is watched.
pub(super) fn segment_of(processes: &mut Processes, pid: u32) -> Result<std::path::PathBuf, Reply> {
    let missing = || {
        let reason =
            format!("process {pid} is not watched here; /api/processes shows those that are");
        Reply::error(404, &reason)
    };
    processes.of_pid(pid).ok_or_else(missing)
}

/// Why a segment gave no answer.
pub(super) fn unreadable(error: &Error) -> Reply {
    Reply::error(500, &crate::cli::one_line(error))
}

/// What the query of an analysis may say.
const KNOWN: &[&str] = &["format", "top", "measure", "function", "module", "source"];

/// One analysis of one process in one form.
async fn ask(pid: u32, name: String, query: &Query, desk: &Desk) -> Result<Reply, Reply> {
    if analysis::find(&name).is_none() {
        let known: Vec<&str> = ANALYSES.iter().map(|entry| entry.name).collect();
        let reason = format!("there is no such analysis; there are {}", known.join(", "));
        return Err(Reply::error(404, &reason));
    }
    if let Some(unknown) = query.unknown(KNOWN) {
        let known = KNOWN.join(", ");
        let reason = format!("{unknown} is not understood here; there are {known}");
        return Err(Reply::error(400, &reason));
    }
    let form = query.get("format").unwrap_or("json");
    let Some(form) = output::find(form) else {
        let known: Vec<&str> = output::OUTPUTS.iter().map(|output| output.name()).collect();
        let reason = format!("there is no format {form}; there are {}", known.join(", "));
        return Err(Reply::error(400, &reason));
    };
    let top = match query.get("top").map(str::parse) {
        Some(Ok(top)) => Some(top),
        Some(Err(_)) => return Err(Reply::error(400, "top is not a number")),
        None => None,
    };
    let request = Request {
        top: top.filter(|_| !form.picks_rows()),
        filter: filter(query)?,
        is_for_people: form.name() == "text",
        ..Request::default()
    };
    let asking = desk.ask(move |processes| {
        let path = segment_of(processes, pid)?;
        let question = question(&name, &[]);
        let asked = processes.ask(&path, &request, |session| {
            session.find_companion(&request);
            session.ask(&request, &*question)
        });
        asked.map_err(|error| unreadable(&error))
    });
    let report = within(asking).await?;
    let options = Options {
        rows_max: top.unwrap_or(Options::default().rows_max),
        measure: query.get("measure").map(str::to_owned),
        ..Options::default()
    };
    draw(form, &report, &options)
}

fn filter(query: &Query) -> Result<Filter, Reply> {
    let pattern = |name| match query.get(name).map(regex::Regex::new) {
        Some(Ok(pattern)) => Ok(Some(pattern)),
        Some(Err(error)) => Err(Reply::error(400, &format!("{name} is no pattern: {error}"))),
        None => Ok(None),
    };
    Ok(Filter {
        function: pattern("function")?,
        module: pattern("module")?,
        source: pattern("source")?,
        ..Filter::default()
    })
}

/// A report in one form.
pub(super) fn draw(
    form: &dyn output::Output,
    report: &Report,
    options: &Options,
) -> Result<Reply, Reply> {
    if !can_draw(form, report) {
        let reason = format!(
            "the format {} can draw nothing of {}",
            form.name(),
            report.name
        );
        return Err(Reply::error(400, &reason));
    }
    if let Some(measure) = &options.measure
        && !measure::is_in(report, measure)
    {
        let known = measure::all(report).into_iter().collect::<Vec<_>>();
        let reason = format!(
            "there is no measure {measure}; there are {}",
            known.join(", ")
        );
        return Err(Reply::error(400, &reason));
    }
    let mut body = Vec::new();
    let written = form.write(report, options, &mut body);
    written.map_err(|error| Reply::error(500, &format!("the answer cannot be drawn: {error}")))?;
    Ok(Reply::of(form.media_type(), body))
}
