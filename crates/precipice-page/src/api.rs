//! What can be asked: the runs as JSON, and the files of the page.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::files::Files;
use crate::follow::{self, Followed};
use crate::limits::Limits;
use crate::list::List;
use crate::place::Place;
use crate::refusal::Refusal;
use crate::{built, run};

/// What answers are made of.
#[derive(Debug)]
pub struct Shared {
    /// The folder of runs.
    pub place: Place,
    /// Bounds.
    pub limits: Limits,
    /// What is known of the runs.
    pub list: List,
    /// The page.
    pub files: Files,
    /// Runs that may still be followed.
    pub streams: Arc<Semaphore>,
    /// Answers that may still be made at a time.
    pub readers: Arc<Semaphore>,
}

type Asked<T> = Result<Query<T>, QueryRejection>;
type Answer = Result<Response, Refusal>;

/// Which run or sweep.
#[derive(Debug, Deserialize)]
struct Which {
    path: String,
}

/// Which checkpoint of which run.
#[derive(Debug, Deserialize)]
struct Saved {
    path: String,
    step: u64,
}

/// All that is answered.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/config.json", get(config))
        .route("/api/runs", get(runs))
        .route("/api/run", get(one_run))
        .route("/api/rows", get(rows))
        .route("/api/checkpoint", get(checkpoint))
        .route("/api/sweep", get(sweep))
        .fallback(other)
        .with_state(shared)
}

async fn config(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(json(built::served_config(&shared.place.named()).to_string()))
}

async fn runs(State(shared): State<Arc<Shared>>) -> Answer {
    work(shared, |shared| json_of(&shared.list.look(&shared.place, &shared.limits))).await
}

async fn one_run(State(shared): State<Arc<Shared>>, asked: Asked<Which>) -> Answer {
    let Which { path } = query(asked, "/api/run?path=PATH")?;
    work(shared, move |shared| json_of(&run::run(&shared.place, &path, shared.limits.read_bytes)?)).await
}

async fn sweep(State(shared): State<Arc<Shared>>, asked: Asked<Which>) -> Answer {
    let Which { path } = query(asked, "/api/sweep?path=PATH")?;
    work(shared, move |shared| json_of(&shared.list.sweep(&shared.place, &path, &shared.limits)?)).await
}

async fn checkpoint(State(shared): State<Arc<Shared>>, asked: Asked<Saved>) -> Answer {
    let Saved { path, step } = query(asked, "/api/checkpoint?path=PATH&step=STEP")?;
    work(shared, move |shared| {
        let bytes = run::checkpoint(&shared.place, &path, step, shared.limits.read_bytes)?;
        Ok(stated("application/octet-stream", bytes))
    })
    .await
}

async fn rows(State(shared): State<Arc<Shared>>, headers: HeaderMap, asked: Asked<Which>) -> Answer {
    let Which { path } = query(asked, "/api/rows?path=PATH")?;
    let after = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok()));
    if after == Some(None) {
        let text = "Last-Event-ID is not that of a row; expected the step of one, or leave it out";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, text));
    }
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        let text = format!("{} runs are followed already; close one, or ask again later", shared.limits.streams);
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text)
    })?;
    let limits = shared.limits;
    let (root, run_dir, spec) =
        work(shared, move |shared| run::followed(&shared.place, &path, shared.limits.read_bytes)).await?;
    let followed = Followed { root, run_dir, spec, after: after.flatten() };
    Ok(stated("text/event-stream", follow::body(followed, limits, permit)))
}

/// Files of the page; below `/api` there is nothing else.
async fn other(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Answer {
    if uri.path().starts_with("/api/") || uri.path() == "/api" {
        let text = "no such question; there are /api/runs, /api/run, /api/rows, /api/checkpoint and /api/sweep";
        return Err(Refusal::new(StatusCode::NOT_FOUND, text));
    }
    // The page is there while all who read from the disk are at work.
    apart(move || Ok(shared.files.answer(uri.path(), &headers))).await
}

fn query<T>(asked: Asked<T>, expected: &str) -> Result<T, Refusal> {
    let wrong = |e: QueryRejection| Refusal::new(StatusCode::BAD_REQUEST, format!("{e}; expected {expected}"));
    asked.map(|Query(asked)| asked).map_err(wrong)
}

/// Does what may wait for the disk, not too much of it at a time.
async fn work<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    // Never closed, so that it is always to be had.
    let permit = shared.readers.clone().acquire_owned().await;
    apart(move || {
        // Held until the work is done, though nobody may wait for it any more.
        let _permit = permit;
        work(&shared)
    })
    .await
}

/// Does it on a thread of its own. What fails there is a fault, and no end of the server.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let text = "a fault of the program; please report what was asked";
    spawn_blocking(work).await.map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text))?
}

fn json_of(value: &impl Serialize) -> Answer {
    let text = serde_json::to_string(value);
    text.map(json).map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot be said in JSON: {e}")))
}

fn json(text: String) -> Response {
    stated("application/json", text)
}

/// An answer that is true only now.
fn stated(kind: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
