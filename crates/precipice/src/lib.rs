#![forbid(unsafe_code)]
//! precipice
pub mod batch;
pub mod model;
pub mod spec;
pub mod task;
pub mod theory;
pub mod train;
pub mod workers;
