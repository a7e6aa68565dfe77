//! Maps of rows that begin with a one-hot position and end with zeros, as the first layer reads them: the position's
//! part is a look-up, and what is multiplied are contents alone. The bits are those of the whole product.

use std::ops::Range;

use precipice_num::{Fill, Kernels, MatMut, MatRef, Real};

use super::Attention;
use crate::model::description::Description;
use crate::sequence::Batch;

/// Columns of such rows.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    d_pos: usize,
    contents: Range<usize>,
}

impl Coded {
    /// Of a layer that reads them.
    pub(super) fn of(description: &Description, layer: usize) -> Option<Self> {
        let &Description { d_pos, d_content, .. } = description;
        description.reads_one_hot(layer).then_some(Self { d_pos, contents: d_pos..d_pos + d_content })
    }

    /// Where what comes after is 0.
    pub(super) fn end(&self) -> usize {
        self.contents.end
    }

    /// Contents of `m` rows.
    fn contents<'a, T>(&self, input: &'a [T], m: usize, c: usize) -> MatRef<'a, T> {
        MatRef::new(input, m, c).columns(self.contents.clone())
    }
}

impl Attention {
    /// What a map of `e` columns makes of all tokens, in rows `width` apart.
    #[expect(clippy::too_many_arguments, reason = "a product's operands, and where its rows go")]
    pub(super) fn project_coded<T: Real>(
        &self,
        coded: &Coded,
        kernels: Kernels,
        map: &[T],
        (e, width): (usize, usize),
        input: &[T],
        batch: &Batch,
        out: &mut [T],
    ) {
        let (t, c) = (self.n_tokens, self.d_model);
        let m = batch.n_sequences * t;
        for (s, out) in out.chunks_mut(t * width).take(batch.n_sequences).enumerate() {
            let first = batch.offsets[s] as usize;
            debug_assert!(first + t <= coded.d_pos);
            T::copy_rows(kernels, &map[first * e..(first + t) * e], out, (e, width), e);
        }
        let contents = coded.contents(input, m, c);
        let map = MatRef::new(&map[coded.contents.start * e..], coded.contents.len(), e);
        T::gemm(kernels, MatMut::with_row_stride(out, m, e, width), Fill::Add, contents, map);
    }

    /// Adds the gradient of a head's map, given that of what it made of all tokens and the distance of its rows.
    pub(super) fn coded_gradient<T: Real>(
        &self,
        coded: &Coded,
        kernels: Kernels,
        input: &[T],
        batch: &Batch,
        (d, stride): (&[T], usize),
        g: &mut [T],
    ) {
        let (t, c, e) = (self.n_tokens, self.d_model, self.d_head);
        let m = batch.n_sequences * t;
        for (s, d) in d.chunks(t * stride).take(batch.n_sequences).enumerate() {
            let first = batch.offsets[s] as usize;
            T::add_rows(kernels, d, &mut g[first * e..(first + t) * e], (stride, e), e);
        }
        let contents = coded.contents(input, m, c);
        let g = MatMut::new(&mut g[coded.contents.start * e..], coded.contents.len(), e);
        T::gemm(kernels, g, Fill::Add, contents.t(), MatRef::with_row_stride(d, m, e, stride));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::params::Params;
    use crate::model::{Model, Reads};
    use crate::spec::{ModelSpec, RunSpec};
    use crate::task::Set;

    /// Look-ups have the bits of the product with whole rows, forward and backward.
    #[test]
    fn look_ups_are_the_whole_product() {
        let model = ModelSpec { n_heads: 3, d_buffer: 5, output_projection: true, ..ModelSpec::default() };
        let spec = RunSpec { model: ModelSpec { d_head: Some(7), d_pos: Some(23), ..model }, ..RunSpec::default() };
        let (task, kernels, s) = (spec.build_task(None).unwrap(), Kernels::detect(), 4);
        let model = Model::<f32>::new(&spec, &task.label_table(), kernels);
        let (params, batch) = (model.init(0), task.batch(Set::Train, 0, s));
        let mut trace = model.trace(s, Reads::All);
        model.forward(&params, &batch, &mut trace);
        let input = &trace.blocks[0].resid_pre;
        let layer = model.attention(0);
        let coded = layer.coded.as_ref().unwrap();
        let (t, c, e) = (layer.n_tokens, layer.d_model, layer.d_head);
        let (m, width) = (s * t, 3 * e);
        let place = layer.of_head(&layer.w_k, 1);
        let map = &params.values[place.clone()];
        let [mut whole, mut out] = [vec![0.0; m * width], vec![0.0; m * width]];
        let rows = MatRef::new(&input[..], m, c);
        let to = MatMut::with_row_stride(&mut whole[e..], m, e, width);
        f32::gemm(kernels, to, Fill::Set, rows, MatRef::new(map, c, e));
        layer.project_coded(coded, kernels, map, (e, width), input, &batch, &mut out[e..]);
        assert_eq!(whole, out);
        let [mut g, mut of_look_ups] = [0, 1].map(|_| Params::<f32>::zeros(model.layout().clone()).values);
        let d = MatRef::with_row_stride(&out[e..], m, e, width);
        f32::gemm(kernels, MatMut::new(&mut g[place.clone()], c, e), Fill::Add, rows.t(), d);
        layer.coded_gradient(coded, kernels, input, &batch, (&out[e..], width), &mut of_look_ups[place]);
        assert!(g == of_look_ups && g.iter().any(|&g| g != 0.0));
    }
}
