//! From the query's final row to the logits.
//!
//! ```text
//! linear   logits = W x
//! value    ŷ = -x_y, minus the y entry of the query's token: there are no weights here
//! mlp      h_0 = x, h_i = relu(W_i h_{i-1} + b_i) with ONE scalar b_i a layer, logits = W h   (Reddy 2024)
//! ```

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use crate::model::description::Description;
use crate::model::params::{Init, Layout};
use crate::spec::Readout;

#[derive(Clone, Debug)]
pub(in crate::model) struct ReadoutLayers {
    layers: Vec<Linear>,
    /// Column that a network without these layers answers with.
    y_column: Option<usize>,
    d_read: usize,
}

/// `[d_out, d_in]`, with a scalar bias and a ReLU where it is hidden.
#[derive(Clone, Debug)]
struct Linear {
    d_in: usize,
    d_out: usize,
    weight: Range<usize>,
    bias: Option<usize>,
}

/// Outputs of each layer and their gradients, `[S, d_out]`.
#[derive(Clone, Debug)]
pub(in crate::model) struct ReadoutTrace<T> {
    outs: Vec<Vec<T>>,
    d_outs: Vec<Vec<T>>,
    n_outputs: usize,
}

impl<T: Real> ReadoutTrace<T> {
    pub(in crate::model) fn new(description: &Description, capacity: usize) -> Self {
        let widths = description.readout_widths();
        let outs: Vec<Vec<T>> = widths.map(|(_, d_out)| vec![T::ZERO; capacity * d_out]).collect();
        Self { d_outs: outs.clone(), outs, n_outputs: description.targets.n_outputs() }
    }

    pub(in crate::model) fn logits(&self, s: usize) -> &[T] {
        self.outs.last().map_or(&[], |out| &out[..s * self.n_outputs])
    }

    pub(in crate::model) fn logits_and_gradient(&mut self, s: usize) -> (&[T], &mut [T]) {
        let len = s * self.n_outputs;
        match (self.outs.last(), self.d_outs.last_mut()) {
            (Some(out), Some(d_out)) => (&out[..len], &mut d_out[..len]),
            _ => (&[], &mut []),
        }
    }
}

impl ReadoutLayers {
    pub(in crate::model) fn new(description: &Description, layout: &mut Layout) -> Self {
        let d_read = description.d_read;
        if !description.targets.are_labels() {
            let y_column = description.d_pos + description.d_content - 1;
            return Self { layers: Vec::new(), y_column: Some(y_column), d_read };
        }
        let n_layers = description.readout_widths().count();
        let normal = |variance: f64| Init::Normal(variance.sqrt());
        let layers = description.readout_widths().enumerate().map(|(i, (d_in, d_out))| {
            let hidden = i + 1 < n_layers;
            let init = match description.readout {
                Readout::Linear => Init::Constant(0.0),
                Readout::Mlp => normal(if hidden { 2.0 } else { 1.0 } / d_in as f64),
            };
            let weight = layout.push(format!("readout.{i}.weight"), &[d_out, d_in], init);
            // At the scale of a minimal head's rows a random bias can silence every ReLU.
            let bias_init =
                if description.minimal.is_some() { Init::Constant(0.0) } else { normal(1.0 / d_out as f64) };
            let bias = hidden.then(|| layout.push(format!("readout.{i}.bias"), &[1], bias_init).start);
            Linear { d_in, d_out, weight, bias }
        });
        Self { layers: layers.collect(), y_column: None, d_read }
    }

    /// The weights from the row read to one logit, where the readout is linear.
    pub(in crate::model) fn first_row<'a, T>(&self, p: &'a mut [T], label: usize) -> &'a mut [T] {
        let Linear { d_in, weight, .. } = &self.layers[0];
        &mut p[weight.clone()][label * d_in..(label + 1) * d_in]
    }

    /// Numbers in each layer's weights.
    pub(in crate::model) fn weight_lens(&self) -> impl Iterator<Item = usize> {
        self.layers.iter().map(|layer| layer.weight.len())
    }

    /// Writes the transpose of a layer's weights, `[d_in, d_out]`.
    pub(in crate::model) fn transpose<T: Real>(&self, kernels: Kernels, p: &[T], layer: usize, to: &mut [T]) {
        let Linear { d_in, d_out, weight, .. } = &self.layers[layer];
        T::transpose(kernels, &p[weight.clone()], *d_in, to, *d_out);
    }

    /// `input` is S rows and the distance between them; `transposed` all layers' weights transposed, where
    /// somebody has them: few rows are no reason to turn weights over.
    pub(in crate::model) fn forward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        mut transposed: Option<&[T]>,
        input: (&[T], usize),
        s: usize,
        trace: &mut ReadoutTrace<T>,
    ) {
        if let Some(column) = self.y_column {
            let (rows, stride) = input;
            trace.outs[0][..s].iter_mut().enumerate().for_each(|(i, out)| *out = -rows[i * stride + column]);
            return;
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, now) = trace.outs.split_at_mut(i);
            let x = layer.input(before.last(), input, s);
            let out = &mut now[0][..s * layer.d_out];
            let weight = match &mut transposed {
                Some(rest) => {
                    let (weight, later) = rest.split_at(layer.weight.len());
                    *rest = later;
                    MatRef::new(weight, layer.d_in, layer.d_out)
                }
                None => MatRef::new(&p[layer.weight.clone()], layer.d_out, layer.d_in).t(),
            };
            T::gemm(kernels, MatMut::new(out, s, layer.d_out), Fill::Set, x, weight);
            if let Some(bias) = layer.bias {
                T::relu(kernels, p[bias], out);
            }
        }
    }

    /// Writes the gradients of every layer's output and of the input, `d_input` `[S, C]`.
    pub(in crate::model) fn backward<T: Real>(
        &self,
        kernels: Kernels,
        p: &[T],
        s: usize,
        trace: &mut ReadoutTrace<T>,
        d_input: &mut [T],
    ) {
        if let Some(column) = self.y_column {
            let rows = d_input.chunks_exact_mut(self.d_read).zip(&trace.d_outs[0][..s]);
            rows.for_each(|(row, &d)| {
                row.fill(T::ZERO);
                row[column] = -d;
            });
            return;
        }
        for (i, layer) in self.layers.iter().enumerate().rev() {
            let (d_before, d_now) = trace.d_outs.split_at_mut(i);
            let d_out = &mut d_now[0][..s * layer.d_out];
            if layer.bias.is_some() {
                T::relu_gradient(kernels, &trace.outs[i][..s * layer.d_out], d_out);
            }
            // a = x W^T
            let d_x = d_before.last_mut().map_or(&mut *d_input, |d| d);
            let weight = MatRef::new(&p[layer.weight.clone()], layer.d_out, layer.d_in);
            let d_x = MatMut::new(d_x, s, layer.d_in);
            T::gemm(kernels, d_x, Fill::Set, MatRef::new(d_out, s, layer.d_out), weight);
        }
    }

    /// The gradient of a layer's output and its input: the gradient of its weights is the transpose
    /// of the first times the second.
    pub(in crate::model) fn factors<'a, T: Real>(
        &self,
        layer: usize,
        input: (&'a [T], usize),
        s: usize,
        trace: &'a ReadoutTrace<T>,
    ) -> [MatRef<'a, T>; 2] {
        let d_out = MatRef::new(&trace.d_outs[layer], s, self.layers[layer].d_out);
        [d_out, self.layers[layer].input(trace.outs[..layer].last(), input, s)]
    }

    /// The gradient of a layer's bias, of some sequences.
    pub(in crate::model) fn d_bias<T: Real>(
        &self,
        kernels: Kernels,
        layer: usize,
        sequences: Range<usize>,
        trace: &ReadoutTrace<T>,
    ) -> T {
        let width = self.layers[layer].d_out;
        <T as Real>::sum(kernels, &trace.d_outs[layer][sequences.start * width..sequences.end * width])
    }

    /// Adds the gradients of all parameters to `g`, after `backward`.
    pub(in crate::model) fn add_gradients<T: Real>(
        &self,
        kernels: Kernels,
        input: (&[T], usize),
        s: usize,
        trace: &ReadoutTrace<T>,
        g: &mut [T],
    ) {
        for (i, layer) in self.layers.iter().enumerate() {
            let [d_out, x] = self.factors(i, input, s, trace);
            let d_weight = MatMut::new(&mut g[layer.weight.clone()], layer.d_out, layer.d_in);
            T::gemm(kernels, d_weight, Fill::Add, d_out.t(), x);
            if let Some(bias) = layer.bias {
                g[bias] += self.d_bias(kernels, i, 0..s, trace);
            }
        }
    }
}

impl Linear {
    fn input<'a, T>(&self, before: Option<&'a Vec<T>>, (first, stride): (&'a [T], usize), s: usize) -> MatRef<'a, T> {
        match before {
            Some(hidden) => MatRef::new(hidden, s, self.d_in),
            None => MatRef::with_row_stride(first, s, self.d_in, stride),
        }
    }
}
