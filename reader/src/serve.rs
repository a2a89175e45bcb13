//! `serve`: metrics, profiles and pages about running processes, over HTTP.

#![forbid(unsafe_code)]

mod desk;
mod own;
mod processes;
pub mod profiles;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::cli::Naming;
use crate::error::Error;
use crate::frontend::http;
use crate::metrics::Detail;
use crate::push::Pushing;
use crate::record::{Beside, Manner};
use crate::session::target;
use crate::source::directory::Users;

pub use desk::{Desk, Refusal};
pub use processes::{Processes, Scope, question};

/// Serve metrics, profiles and live pages about running programs over HTTP
///
/// Without TARGET every process of yours is served, those included that start later. There are
/// /metrics for Prometheus, /debug/pprof/heap and /debug/pprof/allocs for Go's tools, Parca,
/// Pyroscope and Alloy, a page about all processes at / and one about each at /process/PID, and
/// every answer of this program at /api/process/PID/ANALYSIS?format=FORMAT.
///
/// It listens on this machine only. To let others in give another address with --listen, with
/// --token or behind a proxy that checks who asks: call stacks and command lines tell much.
#[derive(Debug, Args)]
pub struct Serve {
    /// Process id or segment file; by default all processes of yours
    #[arg(conflicts_with = "all")]
    target: Option<String>,
    /// Serve the processes of all users; only root may read them
    #[arg(long, alias = "all-users")]
    all: bool,
    /// Address and port to listen on; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Let only those in who send this text, as `Authorization: Bearer TEXT` or as ?token=TEXT
    ///
    /// Other users of the machine can read command lines; the variable MEMSHIM_TOKEN does the same
    /// in secret.
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
    /// Answer to this name of the machine too, beside localhost and addresses; may be given often
    ///
    /// A page of a stranger in your browser could else reach this server under a name of its own.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Call stacks of each program with metrics of their own
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=20))]
    top_sites: u8,
    /// Give each process metrics of its own instead of the sum by program
    #[arg(long)]
    label_pid: bool,
    #[command(flatten)]
    naming: Naming,
    #[command(flatten)]
    pushing: Pushing,
    /// Record into this directory too, as `memshim-reader record` does
    #[arg(long, value_name = "DIR", help_heading = "Recording")]
    record: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Recording")]
    manner: Option<Manner>,
}

/// Serves until a signal ends it.
///
/// # Errors
///
/// [`Error::Listen`] when the address cannot be had, and what [`target::resolve`] says of a target
/// that is not there.
pub fn serve(serve: &Serve) -> Result<ExitCode, Error> {
    let scope = match &serve.target {
        Some(target) => Scope::Segment(target::resolve(Some(target))?),
        None if serve.all => Scope::Users(Users::All),
        None => Scope::Users(Users::Own),
    };
    let failed = |source| Error::Listen {
        address: serve.listen,
        source,
    };
    let listener = TcpListener::bind(serve.listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let detail = Detail {
        sites_max: serve.top_sites.into(),
        by_process: serve.label_pid,
    };
    let request = serve.naming.request();
    let pushed = Arc::default();
    let counts = Arc::clone(&pushed);
    let desk = Desk::start(move || Processes::new(scope, detail, request).with_pushed(counts));
    let pusher = serve.pushing.start(desk.clone(), pushed)?;
    let beside = recorder(serve)?;
    let token = serve.token.clone();
    let token = token.or_else(|| std::env::var("MEMSHIM_TOKEN").ok());
    announce(address, token.is_some());
    let guard = http::Guard::new(serve.allow_host.clone(), token);
    let served = http::run(listener, desk, guard).map_err(failed);
    // Pushes what came since the last time.
    drop(pusher);
    if let Some(beside) = beside {
        beside.end();
    }
    served.map(|()| ExitCode::SUCCESS)
}

/// The recorder that was asked for.
fn recorder(serve: &Serve) -> Result<Option<Beside>, Error> {
    match (&serve.record, &serve.manner) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::Argument {
            argument: "how to record".to_owned(),
            wanted: "enough; add --record DIR",
        }),
        (Some(directory), manner) => {
            let manner = manner.clone().unwrap_or_else(Manner::usual);
            let target = serve.target.as_deref();
            Beside::begin(directory.clone(), manner, target, serve.all).map(Some)
        }
    }
}

/// Says where to look, for people and for scripts that chose port 0.
fn announce(address: SocketAddr, has_token: bool) {
    let open_to_all = match address.ip() {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback(),
    };
    if open_to_all && !has_token {
        eprintln!(
            "memshim-reader: anyone who reaches {address} can read call stacks and command lines; \
             --token keeps them out"
        );
    }
    let mut out = io::stdout().lock();
    // Nobody may be listening, which is no reason not to serve.
    drop(writeln!(out, "serving http://{address}/").and_then(|()| out.flush()));
}
