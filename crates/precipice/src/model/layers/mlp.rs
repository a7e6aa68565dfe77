//! MLP of a block or of an embedding: out = act(x W_in + b_in) W_out + b_out.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use crate::model::params::{Init, Layout};
use crate::spec::Activation;

#[derive(Clone, Debug)]
pub(in crate::model) struct Mlp {
    d_model: usize,
    d_mlp: usize,
    activation: Activation,
    /// `[C, d_mlp]`
    w_in: Range<usize>,
    b_in: Range<usize>,
    /// `[d_mlp, C]`
    w_out: Range<usize>,
    b_out: Range<usize>,
}

/// Activations of an MLP block; empty where there is none.
#[derive(Clone, Debug)]
pub(in crate::model) struct MlpTrace<T> {
    /// Before GELU, `[rows, d_mlp]`; a ReLU's slope is told by its output.
    pre: Vec<T>,
    /// After it.
    post: Vec<T>,
    d_pre: Vec<T>,
}

impl<T: Real> MlpTrace<T> {
    pub(in crate::model) fn new(d_mlp: usize, activation: Activation, rows: usize) -> Self {
        let zeros = |rows: usize| vec![T::ZERO; rows * d_mlp];
        let pre = zeros(if activation == Activation::Gelu { rows } else { 0 });
        Self { pre, post: zeros(rows), d_pre: zeros(rows) }
    }
}

impl Mlp {
    /// Tensors `prefix.W_in` and so on; the weights begin with these gains over their fan-in as variances.
    pub(in crate::model) fn new(
        prefix: &str,
        [d_model, d_mlp]: [usize; 2],
        activation: Activation,
        [gain_in, gain_out]: [f64; 2],
        layout: &mut Layout,
    ) -> Self {
        let std = |fan_in: usize, gain: f64| Init::Normal((gain / fan_in as f64).sqrt());
        let name = |tensor: &str| format!("{prefix}.{tensor}");
        let w_in = layout.push(name("W_in"), &[d_model, d_mlp], std(d_model, gain_in));
        let b_in = layout.push(name("b_in"), &[d_mlp], Init::Constant(0.0));
        let w_out = layout.push(name("W_out"), &[d_mlp, d_model], std(d_mlp, gain_out));
        let b_out = layout.push(name("b_out"), &[d_model], Init::Constant(0.0));
        Self { d_model, d_mlp, activation, w_in, b_in, w_out, b_out }
    }

    /// Adds the block's output to `out`; `x` and `out` are `[rows, C]`.
    pub(in crate::model) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        x: &[T],
        trace: &mut MlpTrace<T>,
        out: &mut [T],
    ) {
        let (c, f) = (self.d_model, self.d_mlp);
        let rows = x.len() / c;
        let post = &mut trace.post[..rows * f];
        match self.activation {
            Activation::Relu => {
                self.read(kernels, p, x, post);
                T::relu(kernels, T::ZERO, post);
            }
            Activation::Gelu => {
                let pre = &mut trace.pre[..rows * f];
                self.read(kernels, p, x, pre);
                T::gelu(kernels, pre, post);
            }
        }
        for row in out.chunks_exact_mut(c) {
            T::axpy(kernels, T::ONE, &p[self.b_out.clone()], row);
        }
        let w_out = MatRef::new(&p[self.w_out.clone()], f, c);
        T::gemm(kernels, MatMut::new(out, rows, c), Fill::Add, MatRef::new(post, rows, f), w_out);
    }

    /// x W_in + b_in
    fn read<T: Real>(&self, kernels: Kernels, p: &[T], x: &[T], pre: &mut [T]) {
        let (c, f) = (self.d_model, self.d_mlp);
        let rows = x.len() / c;
        for row in pre.chunks_exact_mut(f) {
            row.copy_from_slice(&p[self.b_in.clone()]);
        }
        let w_in = MatRef::new(&p[self.w_in.clone()], c, f);
        T::gemm(kernels, MatMut::new(pre, rows, f), Fill::Add, MatRef::new(x, rows, c), w_in);
    }

    /// Adds to the parameters' gradients and writes the input's to `d_x`.
    #[expect(clippy::too_many_arguments, reason = "a backward pass reads the forward's operands and more")]
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        x: &[T],
        d_out: &[T],
        trace: &mut MlpTrace<T>,
        g: &mut [T],
        d_x: &mut [T],
    ) {
        let (c, f) = (self.d_model, self.d_mlp);
        let rows = x.len() / c;
        let (x, d_out) = (MatRef::new(x, rows, c), MatRef::new(d_out, rows, c));
        // out = post W_out + b_out
        let post = MatRef::new(&trace.post, rows, f);
        T::gemm(kernels, MatMut::new(&mut g[self.w_out.clone()], f, c), Fill::Add, post.t(), d_out);
        sum_rows(kernels, d_out, &mut g[self.b_out.clone()]);
        let d_pre = &mut trace.d_pre[..rows * f];
        let w_out = MatRef::new(&p[self.w_out.clone()], f, c);
        T::gemm(kernels, MatMut::new(d_pre, rows, f), Fill::Set, d_out, w_out.t());
        // post = act(pre)
        match self.activation {
            Activation::Relu => T::relu_gradient(kernels, &trace.post[..rows * f], d_pre),
            Activation::Gelu => T::gelu_gradient(kernels, &trace.pre[..rows * f], d_pre),
        }
        // pre = x W_in + b_in
        let d_pre = MatRef::new(d_pre, rows, f);
        T::gemm(kernels, MatMut::new(&mut g[self.w_in.clone()], c, f), Fill::Add, x.t(), d_pre);
        sum_rows(kernels, d_pre, &mut g[self.b_in.clone()]);
        let w_in = MatRef::new(&p[self.w_in.clone()], c, f);
        T::gemm(kernels, MatMut::new(d_x, rows, c), Fill::Set, d_pre, w_in.t());
    }
}

/// out_j += sum_i x_ij
fn sum_rows<T: Real>(kernels: Kernels, x: MatRef<'_, T>, out: &mut [T]) {
    for row in x.dense_rows() {
        T::axpy(kernels, T::ONE, row, out);
    }
}
