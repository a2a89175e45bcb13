//! From the path of an address to what is asked.
//!
//! Nothing of a path ever becomes the name of a file: it is one of these, or nothing.

#![forbid(unsafe_code)]

use crate::frontend::http::query::decoded;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// The page about all processes.
    Home,
    /// Metrics for Prometheus.
    Metrics,
    /// What profiles there are.
    PprofIndex,
    /// A profile: what is live and what was allocated.
    Pprof(Profile),
    /// All processes.
    Processes,
    /// One analysis of one process.
    Analysis {
        /// The process.
        pid: u32,
        /// The name, which may be of no analysis.
        analysis: String,
    },
    /// The page about one process.
    Process(u32),
    /// The data of that page.
    ProcessData(u32),
}

/// The two names under which tools ask for the same profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// Shows what is live first.
    Heap,
    /// Shows what was allocated first.
    Allocs,
}

impl Route {
    /// What this path asks for, if anything.
    pub(super) fn of(path: &str) -> Option<Route> {
        let parts: Vec<String> = path
            .strip_prefix('/')?
            .split('/')
            .map(|part| decoded(part, false))
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(match parts[..] {
            [""] => Route::Home,
            ["metrics"] => Route::Metrics,
            ["debug", "pprof"] | ["debug", "pprof", ""] => Route::PprofIndex,
            ["debug", "pprof", "heap"] => Route::Pprof(Profile::Heap),
            ["debug", "pprof", "allocs"] => Route::Pprof(Profile::Allocs),
            ["api", "processes"] => Route::Processes,
            ["api", "process", pid, analysis] => Route::Analysis {
                pid: number(pid)?,
                analysis: analysis.to_owned(),
            },
            ["process", pid] => Route::Process(number(pid)?),
            ["process", pid, "report.json"] => Route::ProcessData(number(pid)?),
            _ => return None,
        })
    }
}

/// A process id, which has no sign.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<Route>) {
        assert_eq!(Route::of(path), expected, "{path}");
    }

    #[test]
    fn every_answer_has_its_path() {
        check("/", Some(Route::Home));
        check("/metrics", Some(Route::Metrics));
        check("/debug/pprof/", Some(Route::PprofIndex));
        check("/debug/pprof/heap", Some(Route::Pprof(Profile::Heap)));
        check("/debug/pprof/allocs", Some(Route::Pprof(Profile::Allocs)));
        check("/api/processes", Some(Route::Processes));
        check("/process/12", Some(Route::Process(12)));
        check("/process/12/report.json", Some(Route::ProcessData(12)));
        let analysis = Route::Analysis {
            pid: 12,
            analysis: "leaks".into(),
        };
        check("/api/process/12/leaks", Some(analysis));
    }

    #[test]
    fn everything_else_is_nothing() {
        for path in [
            "",
            "*",
            "//",
            "/..",
            "/process/../metrics",
            "/process/+12",
            "/process/-1",
            "/process/4294967296",
            "/process/12/",
            "/process/12/../../etc/passwd",
            "/process/%2e%2e/report.json",
            "/api/process/12/a/b",
            "/debug/pprof/profile",
            "/metrics/",
        ] {
            check(path, None);
        }
    }
}
