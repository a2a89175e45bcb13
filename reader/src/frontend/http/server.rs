//! Connections: how many, how long, how large, and how it all ends.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::frontend::http::answer::{Asked, answer};
use crate::frontend::http::guard::Guard;
use crate::frontend::http::query::Query;
use crate::frontend::http::reply::Reply;
use crate::frontend::http::silent::{Seat, Silent};
use crate::serve::Desk;

/// Connections at a time; one more takes the place of the oldest that waits for no answer, or
/// waits itself where all do.
const CONNECTIONS_MAX: usize = 64;

/// A head of a request may be as large; browsers send two kilobytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A head must be there in this time, so that nobody holds a connection by saying nothing.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// A connection is closed after this time, between two requests if there is one on the way.
const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// What is on its way when a connection is to be closed may take this long yet.
const CLOSING_TIME: Duration = Duration::from_secs(30);

/// The same when the whole server ends.
const ENDING_TIME: Duration = Duration::from_secs(2);

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
///
/// What the system says when signals or sockets cannot be waited for.
pub fn run(listener: net::TcpListener, desk: Desk, guard: Guard) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, serve(listener, desk, Rc::new(guard)))
}

async fn serve(listener: net::TcpListener, desk: Desk, guard: Rc<Guard>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let silent = Silent::default();
    let (stop, stopped) = watch::channel(false);
    let accepting = async {
        loop {
            let accepted = listener.accept().await;
            if places.available_permits() == 0 {
                silent.end_oldest();
            }
            let place = places.clone().acquire_owned().await;
            match accepted {
                Ok((stream, _)) => {
                    let seat = silent.enter();
                    let (desk, guard, stopped) = (desk.clone(), guard.clone(), stopped.clone());
                    spawn_local(async move {
                        connection(stream, desk, guard, stopped, seat).await;
                        drop(place);
                    });
                }
                // Out of descriptors, for instance: that passes when connections end.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let mut accepting = pin!(accepting);
    std::future::poll_fn(|context| {
        let is_over = interrupt.poll_recv(context).is_ready()
            || terminate.poll_recv(context).is_ready()
            || Future::poll(accepting.as_mut(), context).is_ready();
        match is_over {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    // Without connections nobody needs to know.
    let _ = stop.send(true);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    drop(timeout(ENDING_TIME, places.acquire_many(all)).await);
    Ok(())
}

/// Serves one connection to its end.
async fn connection(
    stream: TcpStream,
    desk: Desk,
    guard: Rc<Guard>,
    mut stopped: watch::Receiver<bool>,
    seat: Seat,
) {
    let has_asked = Rc::new(Cell::new(false));
    let (asked, is_busy) = (has_asked.clone(), seat.is_busy.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        asked.set(true);
        let (desk, guard, is_busy) = (desk.clone(), guard.clone(), is_busy.clone());
        async move {
            is_busy.set(true);
            let reply = handle(&request, &desk, &guard).await;
            is_busy.set(false);
            Ok::<_, Infallible>(reply.response())
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let asked_to_end = async {
        drop(timeout(CONNECTION_TIME, stopped.wait_for(|stopped| *stopped)).await);
    };
    let mut asked_to_end = pin!(asked_to_end);
    let mut ended = pin!(seat.end.notified());
    let is_done = std::future::poll_fn(|context| {
        // A connection that fails is the other side's affair.
        if Future::poll(serving.as_mut(), context).is_ready() {
            return std::task::Poll::Ready(true);
        }
        // Somebody waits for this place; an answer that is on its way still goes out.
        if Future::poll(ended.as_mut(), context).is_ready() {
            return std::task::Poll::Ready(!has_asked.get());
        }
        Future::poll(asked_to_end.as_mut(), context).map(|()| false)
    })
    .await;
    if !is_done {
        serving.as_mut().graceful_shutdown();
        drop(timeout(CLOSING_TIME, serving).await);
    }
}

async fn handle(request: &Request<Incoming>, desk: &Desk, guard: &Guard) -> Reply {
    let header = |name| {
        let value = request.headers().get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let query = Query::parse(request.uri().query().unwrap_or_default());
    if let Some(refusal) = guard.refusal(header(HOST), header(AUTHORIZATION), &query) {
        return refusal;
    }
    if request.method() != Method::GET {
        return Reply::error(405, "only GET is answered").with("allow", "GET");
    }
    let asked = Asked {
        path: request.uri().path(),
        query: &query,
        accept: header(ACCEPT).unwrap_or_default(),
    };
    answer(asked, desk).await
}
