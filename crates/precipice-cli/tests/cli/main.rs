//! The binary as its users meet it.

mod certify;
mod common;
#[cfg(unix)]
mod extend;
#[cfg(unix)]
mod faults;
mod figures;
mod interface;
mod looking;
#[cfg(unix)]
mod page;
mod progress;
mod refusals;
#[cfg(unix)]
mod runs;
mod stored;
mod sweep;
mod theory;
