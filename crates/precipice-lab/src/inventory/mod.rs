//! What runs there are, and what may go: listed by their manifests, chosen by conditions, removed, or relieved of
//! the checkpoints that replay makes again.
//!
//! Reading order: `walk` (which folders are runs), `entry` (what is said of one), `field` (its values by name),
//! `condition` (`t50<3000`), `list` (all of it), `remove` and `thin` (what may go).

mod condition;
mod entry;
mod field;
mod list;
mod remove;
mod thin;
mod walk;

pub use condition::Condition;
pub use entry::{Parent, RunEntry, Standing};
pub use field::COLUMNS;
pub use list::{Asked, list};
pub use remove::{Removal, remove};
pub use thin::{Thinned, thin};
