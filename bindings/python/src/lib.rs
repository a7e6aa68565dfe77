//! precipice in Python: the engine, with the bits of the command line.
//!
//! This is the half that computes; what people import is the package in `python/precipice`, which dresses it. What goes
//! over the border is NumPy arrays that are moved, not copied, and plain data as JSON. Work that takes long runs without
//! the interpreter's lock and answers Ctrl-C.
//!
//! Reading order: `error` (what is raised), `arrays`, `spec`, `work` (long work), `task` (batches), `own` (tasks and probes
//! that are written in Python), `look` (inside a network), `run`, `store` (runs on a disk), `figure`, `diff`
//! (two of them), `sweep`, `theory`.

mod arrays;
mod diff;
mod error;
mod figure;
mod look;
mod own;
mod run;
mod spec;
mod store;
mod sweep;
mod task;
mod theory;
mod work;

use pyo3::prelude::*;

/// What `import precipice` is made of.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::diff::{diff, twins};
    #[pymodule_export]
    use super::figure::Figure;
    #[pymodule_export]
    use super::run::Run;
    #[pymodule_export]
    use super::spec::{Spec, resolve, specs};
    #[pymodule_export]
    use super::store::train;
    #[pymodule_export]
    use super::sweep::{Sweep, load_sweep, sweep, sweep_progress};
    #[pymodule_export]
    use super::task::Task;
    #[pymodule_export]
    use super::theory::{evaluate, flow, landscape, loss};

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
