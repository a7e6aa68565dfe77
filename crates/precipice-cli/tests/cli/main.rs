//! The binary as its users meet it.

mod branch;
mod certify;
#[cfg(unix)]
mod clusters;
mod common;
mod diff;
#[cfg(unix)]
mod extend;
#[cfg(unix)]
mod faults;
mod figures;
mod interface;
mod looking;
#[cfg(unix)]
mod packs;
#[cfg(unix)]
mod page;
mod progress;
mod refusals;
#[cfg(unix)]
mod runs;
mod stored;
mod sweep;
mod theory;
