//! Certificates: what runs came to, in a small file, for anyone to make again and compare.
//!
//! Reading order: `text` (the file), `certify` (of stored runs), `repeat` (made again and held against it).

mod certify;
mod repeat;
mod text;

pub use certify::certify;
pub use repeat::{Repetition, repeat};
pub use text::{Certificate, Certified, FORMAT, KIND, N_DIGITS, State};
