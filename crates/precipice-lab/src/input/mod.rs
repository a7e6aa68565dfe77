//! What goes in: specs from built-ins, files and overrides, and items from files of arrays.
//!
//! Reading order: [`mod@file`] (bytes, not too many), [`built_in`], `fields` (TOML to plain data), `change` (what is typed
//! on the command line), [`spec_file`], `arrays`, [`items`].

pub(crate) mod arrays;
pub mod built_in;
pub(crate) mod change;
pub(crate) mod fields;
pub mod file;
pub mod items;
pub mod spec_file;
