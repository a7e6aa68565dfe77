//! Work that takes long: without the interpreter's lock, answering Ctrl-C, telling how far it is.

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use precipice_lab::runs::threads::Pool;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

use crate::error;

/// Time between two looks at signals and progress.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Runs `work` on a thread of its own, while this one watches. `stop` is set where Ctrl-C came or `tick` raised, and what
/// was raised is returned beside what the work then came to.
pub(crate) fn attended<R: Send>(
    py: Python<'_>,
    stop: &AtomicBool,
    tick: &mut (dyn FnMut(Python<'_>) -> PyResult<()> + Send),
    work: impl FnOnce() -> R + Send,
) -> PyResult<(R, Option<PyErr>)> {
    py.detach(|| {
        std::thread::scope(|scope| {
            let (ended, ends) = channel::<()>();
            let worker = std::thread::Builder::new().spawn_scoped(scope, move || {
                let result = catch_unwind(AssertUnwindSafe(work));
                drop(ended);
                result
            });
            let worker = worker.map_err(|e| error::other(format!("the system gives no thread: {e}")))?;
            let mut raised = None;
            while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(LOOK) {
                if raised.is_none() {
                    raised = Python::attach(|py| py.check_signals().and_then(|()| tick(py))).err();
                    stop.store(raised.is_some(), Ordering::Relaxed);
                }
            }
            let result = worker.join().unwrap_or_else(Err).map_err(of_panic)?;
            Ok((result, raised))
        })
    })
}

/// Threads for work that is asked for here. They are shared by all runs, but not with one that is under way: a task or a
/// probe that is called on its threads, and asks for work itself, would wait for itself. After a fork the threads of the
/// parent are not there.
pub(crate) fn pool(threads: usize) -> PyResult<Arc<Pool>> {
    type Pools = Mutex<BTreeMap<(u32, usize), Arc<Pool>>>;
    static SHARED: Pools = Pools::new(BTreeMap::new());
    let new = || Pool::for_work_at(threads, Path::new("precipice")).map(Arc::new).map_err(error::lab);
    if is_on_borrowed_thread() {
        return new();
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    match shared.entry((std::process::id(), threads)) {
        Entry::Occupied(pool) => Ok(pool.get().clone()),
        Entry::Vacant(place) => Ok(place.insert(new()?).clone()),
    }
}

/// Whether this is a thread of a pool: one that waits there does other work of that pool meanwhile.
fn is_on_borrowed_thread() -> bool {
    rayon::current_thread_index().is_some()
}

/// Work on this thread, or, where that belongs to a pool, on one that only waits.
pub(crate) fn apart<R: Send>(work: impl FnOnce() -> PyResult<R> + Send) -> PyResult<R> {
    if !is_on_borrowed_thread() {
        return work();
    }
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().spawn_scoped(scope, || caught(work));
        let worker = worker.map_err(|e| error::other(format!("the system gives no thread: {e}")))?;
        worker.join().map_err(of_panic)??
    })
}

/// Whether what was raised is Ctrl-C, after which there is a result to be told of; anything else is passed on.
pub(crate) fn is_interrupt(raised: Option<PyErr>) -> PyResult<bool> {
    match raised {
        None => Ok(false),
        Some(raised) if Python::attach(|py| raised.is_instance_of::<PyKeyboardInterrupt>(py)) => Ok(true),
        Some(raised) => Err(raised),
    }
}

/// Raises where Ctrl-C came; to be asked now and then by work that takes long.
pub(crate) fn check_signals() -> PyResult<()> {
    Python::attach(|py| py.check_signals())
}

/// Work on this thread, whose panics become errors.
pub(crate) fn caught<R>(work: impl FnOnce() -> R) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(work)).map_err(of_panic)
}

/// What a task or a probe in Python raised comes through the engine as a panic; any other is a mistake of this program.
fn of_panic(payload: Box<dyn Any + Send>) -> PyErr {
    match payload.downcast::<PyErr>() {
        Ok(raised) => *raised,
        Err(payload) => {
            let said = payload.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no words");
            error::other(format!("a mistake of precipice, please report it: {said}"))
        }
    }
}
