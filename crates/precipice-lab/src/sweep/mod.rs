//! Many runs: a grid over any fields times seeds, run by run, on all cores.
//!
//! Every run is a spec in a directory of its own, named by its hash. What is finished is not computed
//! again, so that an interrupted sweep goes on where it was, and a larger one begins with the smaller.
//!
//! Reading order: `plan` (what to run), `grid` (its specs), `record` (what a folder was asked for), `apart` (what
//! tells runs of several sweeps apart), `pace` (how long it will take), `queue` (which run is next), `shard` (a fixed part),
//! `executor` (who runs them), `report` (what
//! became of them), `summary` (what they say together), `tables`, `collect` (table and figures of a folder), `status` (how far it is), `cluster` (jobs of many workers), `pack` (few files), `unpack` (directories again); `words` (fields and values as figures say them), `dependence` (one swept field), `phases`
//! (two), `diagrams` (which figures a sweep has), `stored` (the same of a folder), `overlay` (several runs in one
//! figure), `twins` (two and their difference); `catalog` (all that is built in).

mod apart;
mod catalog;
mod cluster;
mod collect;
mod dependence;
mod diagrams;
mod executor;
mod grid;
mod overlay;
mod pace;
mod pack;
mod phases;
mod plan;
mod queue;
mod record;
mod report;
mod shard;
mod status;
mod stored;
mod summary;
mod tables;
#[cfg(test)]
mod testing;
mod twins;
mod unpack;
mod words;

pub use catalog::{Experiment, ExperimentKind, catalog};
pub use cluster::{JobRequest, System};
pub use collect::{Collected, Look, collect, look};
pub use dependence::{dependence, numbers};
pub use diagrams::{SweepFigure, SweepFigures, SweepKind, aligned_curves, draw, facts_of, seed_curves};
pub use executor::{SweepOptions, SweepWatcher, sweep};
pub use grid::{Job, as_json as value_as_json, items_warnings};
pub use overlay::{OVERLAY_MAX, draw_overlay};
pub use pace::Pace;
pub use pack::{Packed, pack};
pub use phases::phase_data;
pub use plan::{Axis, BUILT_IN_SWEEPS, Plan, as_json, parse_seeds, source};
pub use record::{NotEnded, Record, ended, enter, lock};
pub use report::{FailedRun, SweepReport, SweepRow};
pub use shard::Shard;
pub use status::{RunState, SweepStatus};
pub use stored::{StoredFigure, StoredSweep, draw_stored, folder_name};
pub use summary::{PointSummary, SEEDS_OF_INTERVAL, SweepSummary, has_jumped, observations, summarize};
pub use tables::{curves, table};
pub use twins::{TWINS, draw_twins};
pub use unpack::{Unpacked, unpack};
