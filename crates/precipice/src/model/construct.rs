//! Weights set by hand that make attention an algorithm: descents (von Oswald et al. 2023, Proposition 1 and after),
//! and an induction head that knows a relation.
//!
//! Rows times matrices here, columns in the paper: W_Q is the transpose of its Q, W_O of its P. A token of a descent is
//! (x, y) with y in the last column, and the answer is minus the query's y.

use precipice_num::Real;

use super::{Description, Model, Params};
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

/// A head of layer 2 that looks for the label of the query's own pair, or of its reverse, and says it or its opposite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matcher {
    /// Whether it looks for the reverse.
    pub is_reversed: bool,
    /// 1 to say the label that it finds, -1 for the other one.
    pub sign: f64,
}

/// An induction head on pairs: layer 1 writes each item into the buffer beside its label, layer 2 has one head a
/// matcher. What is not there is not found: half a match with the query itself outweighs all that fits worse.
///
/// A commutative relation needs one matcher of the pair and one of the reverse, both saying what they find; an
/// anticommutative one lets the other say the opposite.
///
/// # Panics
/// If the network is not one of two layers with `output_projection`, one-hot positions from the first on, a buffer as
/// wide as its items, two labels, a linear readout, and as many heads as matchers, each wider than an item.
pub fn write_relation<T: Real>(model: &Model<T>, params: &mut Params<T>, matchers: &[Matcher], sharpness: f64) {
    let &Description { d_pos, d_item: d, d_model: c, d_head: e, n_heads, .. } = model.description();
    assert!(n_heads == matchers.len() && e > d && c >= d_pos + 2 * d, "heads wider than items, and a buffer");
    let (content, buffer, half) = (d_pos, d_pos + d, d / 2);
    params.values.fill(T::ZERO);
    let mut set = |name: &str, head: usize, row: usize, column: usize, value: f64| {
        let tensor =
            params.layout.tensors().iter().find(|tensor| tensor.name == name).expect("a tensor of such a network");
        let [rows, width] = [tensor.shape[tensor.shape.len() - 2], tensor.shape[tensor.shape.len() - 1]];
        params.values[tensor.range.start + (head * rows + row) * width + column] = T::from_f64(value);
    };
    for i in 1..d_pos.min(e) {
        set("blocks.0.attn.W_Q", 0, i, i - 1, sharpness);
    }
    (0..d_pos.min(e)).for_each(|i| set("blocks.0.attn.W_K", 0, i, i, 1.0));
    for i in 0..d {
        set("blocks.0.attn.W_V", 0, content + i, i, 1.0);
        set("blocks.0.attn.W_O", 0, i, buffer + i, 1.0);
    }
    // u with label . u = 1 and -1.
    let (plus, minus) = model.label_table().split_at(d);
    let difference: Vec<f64> = plus.iter().zip(minus).map(|(p, m)| (*p - *m).to_f64()).collect();
    let square: f64 = difference.iter().map(|x| x * x).sum();
    for (head, matcher) in matchers.iter().enumerate() {
        for i in 0..d {
            let met = if matcher.is_reversed { (i + half) % d } else { i };
            set("blocks.1.attn.W_Q", head, content + i, met, sharpness);
            set("blocks.1.attn.W_K", head, buffer + i, i, 1.0);
            set("blocks.1.attn.W_K", head, content + i, met, 0.5);
            set("blocks.1.attn.W_V", head, content + i, 0, 2.0 * difference[i] / square);
        }
        // The first token has nothing before it and sees its own item there.
        (0..d_pos).for_each(|i| set("blocks.1.attn.W_Q", head, i, d, -2.0 * sharpness));
        set("blocks.1.attn.W_K", head, 0, d, 1.0);
        // The first position's column is empty in the query's row.
        set("blocks.1.attn.W_O", head, 0, 0, matcher.sign);
    }
    set("readout.0.weight", 0, 0, 0, sharpness);
    set("readout.0.weight", 0, 1, 0, -sharpness);
}
