//! Many runs: a grid over any fields times seeds, run by run, on all cores.
//!
//! Every run is a spec in a directory of its own, named by its hash. What is finished is not computed
//! again, so that an interrupted sweep goes on where it was, and a larger one begins with the smaller.
//!
//! Reading order: `plan` (what to run), `grid` (its specs), `record` (what a folder was asked for), `apart` (what
//! tells runs of several sweeps apart), `executor` (who runs them), `pace` (how long
//! it will take), `report` (what became of them), `summary` (what they say together), `tables`, `diagrams`; `catalog`
//! (all that is built in).

mod apart;
mod catalog;
mod diagrams;
mod executor;
mod grid;
mod pace;
mod plan;
mod record;
mod report;
mod summary;
mod tables;

pub use catalog::{Experiment, ExperimentKind, catalog};
pub use diagrams::{
    SweepFigure, SweepFigures, aligned_curves, dependence, draw, facts_of, numbers, phase_data, seed_curves,
};
pub use executor::{SweepWatcher, sweep};
pub use grid::{Job, items_warnings};
pub use pace::Pace;
pub use plan::{Axis, BUILT_IN_SWEEPS, Plan, as_json, parse_seeds, source};
pub use record::{Record, lock};
pub use report::{FailedRun, SweepReport, SweepRow};
pub use summary::{PointSummary, SweepSummary, observations, summarize};
pub use tables::{curves, table};
