//! A real server, asked over real connections.

mod common;
mod files;
mod limits;
mod refusals;
mod rows;
mod runs;
