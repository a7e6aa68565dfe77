//! In-context regression: every context has its own function, y = w . x or a sine, and the query asks for another y.

use precipice_num::{Cholesky, Kernels, Rng};

use super::{Address, Purpose, world_vectors};
use crate::batch::Batch;
use crate::spec::{FunctionKind, InputKind, RegressionSpec, Seeds};

/// The regression task with its fixed world.
#[derive(Clone, Debug)]
pub struct Regression {
    spec: RegressionSpec,
    n_tokens: usize,
    n_positions: usize,
    /// Lower factor of the covariance, `[d, d]`.
    mixing: Option<Vec<f32>>,
    /// The functions of a finite pool, `[M, d]`.
    pool: Option<Vec<f32>>,
}

impl Regression {
    pub(super) fn new(spec: &RegressionSpec, n_tokens: usize, n_positions: usize, seeds: Seeds) -> Self {
        let d = spec.d_item;
        let mixing = spec.covariance.as_ref().map(|covariance| {
            let matrix = covariance.matrix(d).expect("a valid spec has a square covariance");
            let factor = Cholesky::new(&matrix, d).expect("a valid spec has a positive definite covariance");
            factor.lower().iter().map(|&x| x as f32).collect()
        });
        let pool = spec.n_tasks.map(|n_tasks| {
            let mut pool = world_vectors(Purpose::TaskPool, seeds, n_tasks, d);
            let scale = (spec.label_scale * (d as f64).sqrt()) as f32;
            pool.iter_mut().for_each(|w| *w *= scale);
            pool
        });
        Self { spec: spec.clone(), n_tokens, n_positions, mixing, pool }
    }

    pub(super) fn workspace(&self, capacity: usize) -> Batch {
        Batch::of_regression(capacity, self.spec.n_exemplars, self.n_tokens, self.spec.d_item)
    }

    /// The functions of a finite pool, `[M, d]`.
    pub(super) fn pool(&self) -> Option<&[f32]> {
        self.pool.as_deref()
    }

    /// The sequence of an address, written to place `s` of the batch.
    pub(super) fn fill_sequence(&self, kernels: Kernels, address: Address, s: usize, batch: &mut Batch) {
        let (n, d) = (self.spec.n_exemplars, self.spec.d_item);
        let items = &mut batch.items[s * (n + 1) * d..(s + 1) * (n + 1) * d];
        let scale = self.spec.input_scale as f32;
        match self.spec.inputs {
            InputKind::Gaussian => Rng::fill_normal(kernels, address.stream(Purpose::Items), scale, items),
            InputKind::Uniform => Rng::fill_uniform(address.stream(Purpose::Items), scale, items),
        }
        if let Some(mixing) = &self.mixing {
            items.chunks_exact_mut(d).for_each(|x| mix(mixing, x));
        }
        let mut rng = Rng::new(address.stream(Purpose::Structure));
        batch.offsets[s] = rng.below((self.n_positions - self.n_tokens + 1) as u32);
        let values = &mut batch.values[s * (n + 1)..(s + 1) * (n + 1)];
        if self.spec.functions == FunctionKind::Sine {
            self.fill_sine(address, items, values);
            return self.add_noise(kernels, address, values);
        }
        let mut fresh = vec![0.0; if self.pool.is_some() { 0 } else { d }];
        let w = match &self.pool {
            Some(pool) => {
                let task = rng.below((pool.len() / d) as u32);
                batch.item_ids[s * (n + 1)..(s + 1) * (n + 1)].fill(task);
                &pool[task as usize * d..(task as usize + 1) * d]
            }
            None => {
                let id = address.stream(Purpose::Weights);
                Rng::fill_normal(kernels, id, self.spec.label_scale as f32, &mut fresh);
                &fresh[..]
            }
        };
        for (y, x) in values.iter_mut().zip(items.chunks_exact(d)) {
            *y = w.iter().zip(x).map(|(&w, &x)| w * x).sum();
        }
        self.add_noise(kernels, address, values);
    }

    /// y = a sin(x + phase).
    fn fill_sine(&self, address: Address, xs: &[f32], values: &mut [f32]) {
        let mut rng = Rng::new(address.stream(Purpose::Weights));
        let (low, high) = FunctionKind::AMPLITUDES;
        let amplitude = self.spec.label_scale * (low + (high - low) * rng.uniform());
        let phase = std::f64::consts::PI * rng.uniform();
        for (y, &x) in values.iter_mut().zip(xs) {
            *y = (amplitude * libm::sin(f64::from(x) + phase)) as f32;
        }
    }

    /// To the context's y; the query's, the last, has none.
    fn add_noise(&self, kernels: Kernels, address: Address, values: &mut [f32]) {
        if self.spec.noise > 0.0 {
            let mut noise = vec![0.0; self.spec.n_exemplars];
            Rng::fill_normal(kernels, address.stream(Purpose::Noise), self.spec.noise.sqrt() as f32, &mut noise);
            values.iter_mut().zip(noise).for_each(|(y, e)| *y += e);
        }
    }
}

/// x <- L x; from the last row on, so that every row still finds the old x.
fn mix(lower: &[f32], x: &mut [f32]) {
    let d = x.len();
    for i in (0..d).rev() {
        x[i] = lower[i * d..=i * d + i].iter().zip(&x[..]).map(|(&l, &x)| l * x).sum();
    }
}
