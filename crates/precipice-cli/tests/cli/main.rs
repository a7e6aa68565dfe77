//! The binary as its users meet it.

mod common;
#[cfg(unix)]
mod faults;
mod interface;
mod sweep;
mod theory;
