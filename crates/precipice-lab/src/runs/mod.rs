//! One run: trained into its directory, opened again, repeated, and its companion.
//!
//! Reading order: `options`, `session` (train), `writer` (what is kept), `resume` (where it goes on), `branch` (how a
//! branch begins), `parents` (what those of a sweep share), `stored` (what is there afterwards), `replay` (at any step),
//! `verify`, `differences` (of two specs), `diff` (of two runs), `companion`, [`threads`]. Nothing here draws: see [`crate::whole_run`].

pub(crate) mod branch;
mod branch_spec;
mod companion;
mod diff;
mod differences;
mod extend;
mod lighter;
pub mod memory;
mod options;
mod parents;
mod replay;
mod resume;
mod session;
mod stored;
pub mod threads;
mod trainer;
mod verify;
mod writer;

pub use branch::{Told, check_branch, from_its_spec, restored, unbegun};
pub use branch_spec::{Divergence, Graft, branch_spec, branch_spec_of};
pub use companion::{Companion, companion};
pub use diff::{
    ColumnDifference, Distance, OnlyTensor, OtherShape, Outside, Parted, RowDifference, RowsDifference, RunsDifference,
    Side, StatesDifference, TensorDifference, diff,
};
pub use differences::{FieldDifference, differences};
pub use options::{Keep, Options};
pub use replay::{Replay, at_step, at_step_with, checkpoint_bytes};
pub use session::{Report, Training, Unsealed, train, train_near, train_run};
pub use stored::StoredRun;
pub use trainer::{Build, new_trainer};
pub use verify::{Verification, verify, verify_run};
