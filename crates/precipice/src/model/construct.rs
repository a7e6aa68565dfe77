//! Weights set by hand that make attention an algorithm (von Oswald et al. 2023, Proposition 1 and after).
//!
//! Rows times matrices here, columns in the paper: W_Q is the transpose of its Q, W_O of its P. A token is
//! (x, y) with y in the last column, and the answer is minus the query's y.

use precipice_num::Real;

use super::Params;
pub use crate::spec::Construction;

impl Construction {
    /// Writes the algorithm into the first head of a layer, where the other heads then write nothing. The first
    /// `d_pos` columns of a token are its position. For a descent from other weights than 0 see [`start_from`].
    ///
    /// # Panics
    /// If the network has no such layer, no output projection, or heads narrower than a token.
    pub fn write<T: Real>(self, params: &mut Params<T>, layer: usize, n_exemplars: usize, d_pos: usize) {
        let c = params.tensor_shape(&format!("blocks.{layer}.attn.W_Q"))[1];
        let y = c - 1;
        let n = n_exemplars as f64;
        let (score, value_x, value_y, out_x, out_y) = match self {
            // y_q += (eta/N) sum_i (W0 x_i - y_i) x_i . x_q
            Construction::GradientDescent { rate } => (1.0, 0.0, -1.0, 0.0, rate / n),
            // and x_q += -gamma sum_i x_i x_i . x_q
            Construction::GradientDescentPlusPlus { rate, shrinkage } => (1.0, 1.0, -1.0, -shrinkage, rate / n),
            // y_q += -sum_i p_qi y_i
            Construction::KernelSmoother { sharpness } => (sharpness, 0.0, -1.0, 0.0, 1.0),
        };
        let mut diagonal = |name: &str, of_x: f64, of_y: f64| {
            let (values, width) = params.first_head(&format!("blocks.{layer}.attn.{name}"));
            for i in d_pos..c {
                values[i * width + i] = T::from_f64(if i == y { of_y } else { of_x });
            }
        };
        diagonal("W_Q", score, 0.0);
        diagonal("W_K", 1.0, 0.0);
        diagonal("W_V", value_x, value_y);
        diagonal("W_O", out_x, out_y);
    }
}

/// Lets the values of a constructed descent read W0 x - y instead of -y: one step from W0 `[d]`. The answer is
/// what the step adds to W0 x.
///
/// # Panics
/// As [`Construction::write`].
pub fn start_from<T: Real>(params: &mut Params<T>, layer: usize, weights: &[f64]) {
    let (values, width) = params.first_head(&format!("blocks.{layer}.attn.W_V"));
    values[weights.len() * width + weights.len()] = -T::ONE;
    for (i, &w) in weights.iter().enumerate() {
        values[i * width + weights.len()] = T::from_f64(w);
    }
}

/// A soft-max layer that turns a stream x_1 y_1 x_2 y_2 ... into pairs: each x token attends to the position after
/// its own and adds the y that it finds there; the query, whose next position is empty, attends to x_1, which has
/// no y. Positions are one-hot in the first `d_pos` = T columns, so that every sequence starts at the first. The
/// sharper the scores, the nearer to a copy: other tokens keep less than T e^-sharpness of the attention.
///
/// # Panics
/// As [`Construction::write`].
pub fn write_copying<T: Real>(params: &mut Params<T>, layer: usize, d_pos: usize, sharpness: f64) {
    let c = params.tensor_shape(&format!("blocks.{layer}.attn.W_Q"))[1];
    let (query, width) = params.first_head(&format!("blocks.{layer}.attn.W_Q"));
    (0..d_pos).for_each(|i| query[i * width + (i + 1) % d_pos] = T::from_f64(sharpness));
    let (key, width) = params.first_head(&format!("blocks.{layer}.attn.W_K"));
    (0..d_pos).for_each(|i| key[i * width + i] = T::ONE);
    for name in ["W_V", "W_O"] {
        let (values, width) = params.first_head(&format!("blocks.{layer}.attn.{name}"));
        values[(c - 1) * width + c - 1] = T::ONE;
    }
}
