//! Figures, as pages of SVG that notebooks show.

use std::path::PathBuf;

use precipice_figures::{Figure as Page, Theme};
use precipice_lab::run_figures::{self, Choice, Kind};
use precipice_lab::runs::StoredRun;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::atomic;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error;

/// A figure.
#[pyclass(frozen, module = "precipice._native")]
pub(crate) struct Figure(pub(crate) Page);

#[pymethods]
impl Figure {
    #[getter]
    fn svg(&self) -> &str {
        self.0.svg()
    }

    /// The same in the other theme.
    fn dark(&self) -> Self {
        Self(self.0.in_theme(Theme::Dark))
    }

    /// Writes `.svg`, `.png` or `.pdf`.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| run_figures::bytes(&self.0, &path).and_then(|bytes| atomic::write(&path, &bytes)))
            .map_err(error::lab)
    }

    /// As bytes of a PNG file.
    fn png<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.0.png()).map_err(error::other)?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// What is to be drawn of a run.
pub(crate) struct Drawn {
    kind: Kind,
    choice: Choice,
}

impl Drawn {
    pub fn new(kind: &str, heads: Vec<(usize, usize)>, steps: Vec<u64>) -> PyResult<Self> {
        let known = Kind::ALL.into_iter().find(|known| known.name() == kind);
        let names = || Kind::ALL.map(Kind::name).join(", ");
        let kind =
            known.ok_or_else(|| error::value("kind", format!("{kind:?}"), format!("must be one of {}", names())))?;
        Ok(Self { kind, choice: Choice { heads, steps } })
    }

    /// Steps that are asked for and not kept are an error.
    pub fn check_steps(&self, kept: &[u64]) -> PyResult<()> {
        match self.choice.steps.iter().find(|step| !kept.contains(step)) {
            Some(step) => Err(error::value("steps", step, format!("must be steps that are kept: {kept:?}"))),
            None => Ok(()),
        }
    }

    pub fn of(&self, run: &StoredRun, pool: &Pool) -> PyResult<Figure> {
        run_figures::draw_chosen(self.kind, run, &self.choice, pool).map(Figure).map_err(error::lab)
    }
}
