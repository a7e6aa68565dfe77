//! In-context regression: every context has its own function, y = w . x or a sine, and the query asks for another y.

mod predictors;
mod spec;
mod tuning;

use std::sync::OnceLock;

use precipice_num::{Cholesky, Kernels, Rng};

use super::{
    Address, EvalSet, Facts, Family, PredictorName, Progress, Purpose, Reader, Seeds, Set, Task, TaskError, World,
    world_vectors,
};
use crate::field::SpecError;
use crate::sequence::{Batch, Geometry, Targets};

pub use predictors::{Predictor, context};
pub use spec::{Covariance, FunctionKind, InputKind, RegressionSpec, SCALE_MAX, SineDraws};
pub use tuning::tuned_predictors;

impl Family for RegressionSpec {
    fn validate(&self) -> Result<(), SpecError> {
        spec::validate(self)
    }

    fn facts(&self, Reader { tokens, n_layers }: Reader) -> Facts {
        let &Self { n_exemplars, d_item, .. } = self;
        let is_sine = self.functions == FunctionKind::Sine;
        let sizes =
            if is_sine { format!("sines, N = {n_exemplars}") } else { format!("N = {n_exemplars}, d = {d_item}") };
        // For w ~ N(0, I) it is the posterior mean.
        let ridge = if is_sine || self.n_tasks.is_some() { "ridge" } else { "exact (ridge)" };
        let mut predictors = vec![("zero", "answering 0"), ("average", "mean of y"), ("gd", "gradient descent")];
        predictors.extend((n_layers > 1).then_some(("gd_plus_plus", "GD++")));
        predictors.push(("ridge", ridge));
        predictors.extend(self.n_tasks.map(|_| ("pool", "posterior of the pool")));
        Facts {
            family: "regression".to_owned(),
            sizes,
            d_item,
            geometry: Geometry::of_values(n_exemplars, tokens),
            targets: Targets::QueryValue,
            eval_sets: vec![EvalSet::new("", "trained network")],
            probed_set: Set::MAIN,
            novel_set: None,
            by_heart: None,
            progress: Progress {
                column: "gd_share".to_owned(),
                words: "share of gradient descent".to_owned(),
                floor: 0.0,
                floor_words: "answering 0".to_owned(),
                ceiling: 1.0,
                ceiling_words: "gradient descent".to_owned(),
            },
            predictors: predictors.into_iter().map(|(name, words)| PredictorName::new(name, words)).collect(),
            formula: None,
            has_halves: false,
            // A pool of functions, that of its predictor, and what each function says of a context.
            n_kept: self.n_tasks.unwrap_or(0) * (2 * d_item + 4),
        }
    }

    fn build(&self, reader: Reader, World { seeds, n_positions, .. }: World) -> Result<Box<dyn Task>, TaskError> {
        Ok(Box::new(Regression::new(self, reader, n_positions, seeds)))
    }
}

/// The regression task with its fixed world.
#[derive(Debug)]
pub struct Regression {
    spec: RegressionSpec,
    facts: Facts,
    seeds: Seeds,
    n_positions: usize,
    /// Lower factor of the covariance, `[d, d]`.
    mixing: Option<Vec<f32>>,
    /// The functions of a finite pool, `[M, d]`.
    pool: Option<Vec<f32>>,
    /// Steps that predictors take.
    n_steps: usize,
    /// Tuned when they are first asked for.
    predictors: OnceLock<Vec<Predictor>>,
}

impl Task for Regression {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        for s in 0..batch.n_sequences {
            self.fill_sequence(kernels, Address::new(self.seeds, set, step, first + s), s, batch);
        }
    }

    /// Nothing has a label.
    fn label_table(&self) -> Vec<f32> {
        Vec::new()
    }

    fn predict(&self, predictor: usize, batch: &Batch) -> Vec<f64> {
        self.predictors()[predictor].predictions(batch, self.spec.functions).collect()
    }
}

impl Regression {
    /// The task of valid fields.
    pub fn new(spec: &RegressionSpec, reader: Reader, n_positions: usize, seeds: Seeds) -> Self {
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
        let (facts, n_steps) = (spec.facts(reader), reader.n_layers);
        // Pairs have no positions; any room will do.
        let n_positions = n_positions.max(facts.geometry.n_tokens());
        let predictors = OnceLock::new();
        Self { spec: spec.clone(), facts, seeds, n_positions, mixing, pool, n_steps, predictors }
    }

    /// The functions of a finite pool, `[M, d]`.
    pub fn pool(&self) -> Option<&[f32]> {
        self.pool.as_deref()
    }

    /// The predictors of the facts, at their best rates.
    pub fn predictors(&self) -> &[Predictor] {
        self.predictors.get_or_init(|| tuned_predictors(self, &self.spec, self.n_steps))
    }

    /// The sequence of an address, written to place `s` of the batch.
    fn fill_sequence(&self, kernels: Kernels, address: Address, s: usize, batch: &mut Batch) {
        let (n, d, n_tokens) = (self.spec.n_exemplars, self.spec.d_item, batch.n_tokens());
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
        batch.offsets[s] = rng.below((self.n_positions - n_tokens + 1) as u32);
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
        let u = rng.uniform();
        let amplitude = self.spec.label_scale * (low + (high - low) * u);
        let v = if self.spec.sine_draws == SineDraws::Tied { u } else { rng.uniform() };
        let phase = std::f64::consts::PI * v;
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
