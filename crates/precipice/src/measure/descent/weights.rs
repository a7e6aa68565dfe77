//! What a head computes, whatever its four matrices are: where it looks and what it writes.

use crate::model::{Description, Params};

/// The two maps of a single head (the QK and OV circuits of Elhage et al. 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct Circuits {
    /// W_Q W_K^T, `[C, C]`: a token e_q looks at e with the score e_q qk e^T.
    pub qk: Vec<f64>,
    /// damping W_V W_O, `[C, C]`: it adds e ov of what it looks at.
    pub ov: Vec<f64>,
    /// d, the columns of x; y is the next one.
    d_item: usize,
    damping: f64,
}

/// The step that a head comes nearest to (von Oswald et al. 2023, Proposition 1 and GD++).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DescentWeights {
    /// eta / N.
    pub rate_per_exemplar: f64,
    /// gamma.
    pub shrinkage: f64,
}

impl Circuits {
    /// Of a layer with one linear head on pairs as they are, and nothing beside attention; none for others.
    pub fn of(network: &Description, params: &Params<f32>, layer: usize) -> Option<Self> {
        if !network.is_step(layer) {
            return None;
        }
        let layer = if network.tied_layers { 0 } else { layer };
        let get = |name: &str| params.get(&format!("blocks.{layer}.attn.{name}"));
        let [w_q, w_k, w_v, w_o] = [get("W_Q")?, get("W_K")?, get("W_V")?, get("W_O")?];
        let &Description { d_model: c, d_head: e, d_item, damping, .. } = network;
        let wide = |x: f32| f64::from(x);
        let product = |entry: &dyn Fn(usize, usize, usize) -> f64| -> Vec<f64> {
            (0..c * c).map(|at| (0..e).map(|k| entry(at / c, at % c, k)).sum()).collect()
        };
        let qk = product(&|i, j, k| wide(w_q[i * e + k]) * wide(w_k[j * e + k]));
        let ov = product(&|i, j, k| damping * wide(w_v[i * e + k]) * wide(w_o[k * c + j]));
        Some(Self { qk, ov, d_item, damping })
    }

    fn width(&self) -> usize {
        self.d_item + 1
    }

    /// The mean of a diagonal over x.
    fn mean_over_x(&self, matrix: &[f64]) -> f64 {
        (0..self.d_item).map(|i| matrix[i * self.width() + i]).sum::<f64>() / self.d_item as f64
    }

    /// eta/N = -ov_yy qk_xx and gamma = -ov_xx qk_xx, means over the diagonal of x.
    pub fn descent(&self) -> DescentWeights {
        let (looks, y) = (self.mean_over_x(&self.qk), self.d_item * self.width() + self.d_item);
        DescentWeights { rate_per_exemplar: -self.ov[y] * looks, shrinkage: -self.mean_over_x(&self.ov) * looks }
    }

    /// Parameters of one layer a share of the way from this head (0) to the constructed step of that rate (1). Both are
    /// scaled so that they read -y, which leaves what they compute as it is; only y is written.
    ///
    /// None where the head is too narrow for a construction, or reads no y.
    pub fn towards_descent(&self, params: &Params<f32>, rate_per_exemplar: f64, share: f64) -> Option<Params<f32>> {
        let (c, d) = (self.width(), self.d_item);
        let d_head = params.layout.group("blocks.0.attn.W_Q").next()?.shape[2];
        if d_head < c || self.ov[d * c + d] == 0.0 {
            return None;
        }
        let reads: Vec<f64> = (0..c).map(|row| self.ov[row * c + d]).collect();
        let between = |from: f64, to: f64| ((1.0 - share) * from + share * to) as f32;
        let mut out = params.clone();
        let layout = out.layout.clone();
        for tensor in layout.tensors() {
            let width = tensor.shape[2];
            let values = &mut out.values[tensor.range.clone()];
            values.fill(0.0);
            for i in 0..c {
                match tensor.name.rsplit('.').next() {
                    Some("W_Q") => (0..c).for_each(|j| {
                        let constructed = if i == j && i < d { rate_per_exemplar } else { 0.0 };
                        values[i * width + j] =
                            between(-reads[d] * self.qk[i * c + j], constructed) / self.damping as f32;
                    }),
                    Some("W_K") => values[i * width + i] = 1.0,
                    Some("W_V") => {
                        values[i * width + d] = between(-reads[i] / reads[d], if i == d { -1.0 } else { 0.0 });
                    }
                    _ => values[i * width + i] = if i == d { 1.0 } else { 0.0 },
                }
            }
        }
        Some(out)
    }
}
