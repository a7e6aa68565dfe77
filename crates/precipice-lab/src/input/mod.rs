//! What goes in: specs from built-ins, files and overrides, and items from files of arrays.

pub mod items;
pub mod spec_file;
