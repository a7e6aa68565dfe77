//! The page of precipice, on which networks learn in front of the reader's eyes: served on this machine with the runs of
//! a folder, or written as static files.
//!
//! The page itself is built elsewhere (`page/` of the repository) and embedded here. A server shows it, and answers what
//! it asks of the runs: GET alone, nothing outside of the folder, and only to pages of its own.
//!
//! # Reading order
//!
//! [`Limits`], `error`, `refusal` (what is answered instead), `place` (the folder, and what lies in it); `standing`,
//! `curve`, `run` (one run), `walk`, `members` (sweeps), `list` (all), `follow` (a run that goes on); `built` (the page),
//! `files` (as answers), `publish` (as files); `guard` (who may ask), `wire` (who must listen), `api`, `server`.
//!
//! ```
//! use precipice_page::{Limits, Options, Server};
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().to_owned();
//! let options = Options { dir, may_be_missing: false, host: "127.0.0.1".to_owned(), port: 0, limits: Limits::default() };
//! let server = Server::bind(options)?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! let mut n_questions = 0;
//! server.run(|| {
//!     n_questions += 1;
//!     n_questions > 2
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod api;
mod built;
mod curve;
mod error;
mod files;
mod follow;
mod guard;
mod limits;
mod list;
mod members;
mod place;
mod publish;
mod refusal;
mod run;
mod server;
mod standing;
mod walk;
mod wire;

pub use error::PageError;
pub use limits::Limits;
pub use publish::write;
pub use server::{Options, Server};
