//! One run: trained into its directory, opened again, repeated, and its companion.
//!
//! Reading order: `session` (train), `resume` (where it goes on), `stored` (what is there afterwards), `verify`,
//! `companion`, [`threads`]. Nothing here draws: see [`crate::whole_run`].

mod companion;
mod resume;
mod session;
mod stored;
pub mod threads;
mod trainer;
mod verify;

pub use companion::{Companion, companion};
pub use session::{Keep, Options, Report, Training, Unsealed, train, train_run};
pub use stored::{StoredRun, at_step, checkpoint_bytes};
pub use trainer::{Build, new_trainer};
pub use verify::{Verification, verify, verify_run};
