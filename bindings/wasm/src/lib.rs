//! precipice in a browser: live runs, what they look at, and the theory, with the bits of the command line.
//!
//! A page drives a [`Live`] run in a worker, some steps at a time, and asks the theory (`cliff_*`) whenever a control
//! moves. What goes over the border is text (JSON) or arrays of numbers; errors are thrown with the words that the
//! command line prints.
//!
//! Reading order: `spec` (built-in experiments and changes to them), `live` (a run), `look` (one context, and what the
//! network makes of it), `cliff` (the theory).

mod cliff;
mod live;
mod look;
mod spec;

use std::fmt::Display;

use precipice_num::{Arithmetic, Fill, Kernels, MatMut, MatRef, Real};
use serde::Serialize;
use wasm_bindgen::prelude::*;

pub use cliff::{cliff_ball, cliff_flow, cliff_marks, cliff_point, cliff_surface};
pub use live::Live;
pub use spec::{resolve, specs};

/// What a page is told of a failure; whatever is thrown here is an `Error` there.
fn thrown(error: impl Display) -> JsError {
    JsError::new(&error.to_string())
}

/// Plain data as text.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data")
}

/// To be called once, after loading: a panic is then thrown with its words. The instance is spoiled by it.
#[wasm_bindgen]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}

/// Version of the program.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Whether a multiply-add rounds once, as it was computed here: then the arithmetic `fused` has the bits that processors
/// have. `a` is 1 + 2^-12, not known to the compiler.
#[wasm_bindgen]
pub fn rounds_once(a: f32) -> bool {
    let fused = Kernels::with_arithmetic(Arithmetic::Fused);
    let (left, mut right, mut c) = ([-1.0, a], [1.0; 8], [0.0; 4]);
    right[4..].fill(a);
    // -1 x 1 first, then a x a added to it.
    f32::gemm(fused, MatMut::new(&mut c, 1, 4), Fill::Set, MatRef::new(&left, 1, 2), MatRef::new(&right, 2, 4));
    c == [(f64::from(a) * f64::from(a) - 1.0) as f32; 4]
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_multiply_add_that_rounds_twice_would_be_seen() {
        let a = 1.0 + 2.0_f32.powi(-12);
        assert!(super::rounds_once(a) && a * a - 1.0 != (f64::from(a) * f64::from(a) - 1.0) as f32);
    }
}
