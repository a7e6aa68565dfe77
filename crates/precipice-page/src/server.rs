//! The server: who connects, what is asked, and what every answer has.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::api::{self, Shared};
use crate::error::PageError;
use crate::files::Files;
use crate::guard::{Guard, HEADERS};
use crate::limits::Limits;
use crate::list::List;
use crate::place::Place;
use crate::refusal::Refusal;
use crate::wire::Wire;

/// Between two questions whether it is to stop.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// After the system gave no connection, because there are too many files open or the like.
const PAUSE: Duration = Duration::from_millis(200);
/// Threads that read from the disk.
const READERS: usize = 8;

/// What is served, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of runs.
    pub dir: PathBuf,
    /// Whether it need not be there yet.
    pub may_be_missing: bool,
    /// Address or name of this machine.
    pub host: String,
    /// 0 for any that is free.
    pub port: u16,
    /// Bounds.
    pub limits: Limits,
}

/// A server that listens.
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    guard: Guard,
    place: Place,
    limits: Limits,
}

impl Server {
    /// Listens; whoever connects waits until it is [run](Server::run).
    ///
    /// # Errors
    /// If there is no such folder, or it cannot listen there.
    pub fn bind(options: Options) -> Result<Self, PageError> {
        let Options { dir, may_be_missing, host, port, limits } = options;
        check_dir(&dir, may_be_missing)?;
        let named = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let no_address = |cause: String| PageError::NoAddress { host: host.clone(), cause };
        let mut found = (&*named, port).to_socket_addrs().map_err(|e| no_address(e.to_string()))?;
        let address = found.next().ok_or_else(|| no_address("it has no address".to_owned()))?;
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen().map_err(|cause: io::Error| match cause.kind() {
            io::ErrorKind::AddrInUse => PageError::PortInUse { address },
            io::ErrorKind::AddrNotAvailable => no_address("it is not an address of this machine".to_owned()),
            _ => PageError::CannotListen { address, cause },
        })?;
        let guard = Guard { named, port: address.port() };
        Ok(Self { listener, address, guard, place: Place::new(&dir), limits })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is typed into a browser on this machine.
    pub fn url(&self) -> String {
        match self.address {
            address if address.ip().is_unspecified() => format!("http://localhost:{}/", address.port()),
            address => format!("http://{address}/"),
        }
    }

    /// Answers until it is to stop, which is asked many times a second. What is being sent then is cut off.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn run(self, mut is_stopped: impl FnMut() -> bool) -> Result<(), PageError> {
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(READERS).build();
        let runtime = runtime.map_err(PageError::Broken)?;
        let served = runtime.block_on(async {
            let listener = TcpListener::from_std(self.listener).map_err(PageError::Broken)?;
            let shared = Shared {
                place: self.place,
                limits: self.limits,
                list: List::default(),
                files: Files::new(),
                streams: Arc::new(Semaphore::new(self.limits.streams)),
                readers: Arc::new(Semaphore::new(READERS / 2)),
            };
            let answering = Answering { shared: Arc::new(shared), guard: self.guard };
            tokio::spawn(accept(listener, Arc::new(answering), self.limits));
            while !is_stopped() {
                sleep(ASK_EVERY).await;
            }
            Ok(())
        });
        // Nobody waits for who is still reading.
        runtime.shutdown_background();
        served
    }
}

fn check_dir(dir: &Path, may_be_missing: bool) -> Result<(), PageError> {
    let problem = match std::fs::read_dir(dir) {
        Ok(_) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound && may_be_missing => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => "is a file".to_owned(),
        Err(e) => format!("cannot be read: {e}"),
    };
    Err(PageError::NoRuns { path: dir.to_owned(), problem })
}

/// What all connections share.
struct Answering {
    shared: Arc<Shared>,
    guard: Guard,
}

async fn accept(listener: TcpListener, answering: Arc<Answering>, limits: Limits) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    loop {
        // Never closed, so that this ends only with the runtime.
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answering = answering.clone();
                tokio::spawn(async move {
                    connection(stream, answering, limits).await;
                    drop(permit);
                });
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Answers what comes on a connection. How it ends is the business of the other side.
async fn connection(stream: TcpStream, answering: Arc<Answering>, limits: Limits) {
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(api::router(answering.shared.clone()));
    let service = service_fn(move |request: Request<Incoming>| {
        let (answering, router) = (answering.clone(), router.clone());
        async move { Ok::<_, Infallible>(answer(&answering, router, request, local.ip(), limits.answer_time).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .serve_connection(TokioIo::new(Wire::new(stream, limits)), service)
        .await;
}

async fn answer(
    answering: &Answering,
    router: TowerToHyperService<axum::Router>,
    request: Request<Incoming>,
    local: IpAddr,
    most: Duration,
) -> Response {
    let checked = answering.guard.check(request.method(), request.uri(), request.headers(), local);
    let mut response = match checked {
        Err(refusal) => refusal.into_response(),
        Ok(()) => match timeout(most, router.call(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                let text = format!("no answer within {} s; ask again, what was read is kept", most.as_secs_f64());
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
            }
        },
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response.headers_mut().extend(HEADERS);
    response
}
