//! Work that takes long: without the interpreter's lock, answering Ctrl-C, telling how far it is.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

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
            let worker = scope.spawn(move || {
                let result = catch_unwind(AssertUnwindSafe(work));
                drop(ended);
                result
            });
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
