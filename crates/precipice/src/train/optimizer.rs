//! Update rules over the flat parameter vector.

use precipice_num::{Kernels, Real};

use super::past::{Past, freeze_end};
use super::schedule::rate_factor;
use crate::model::{Params, TensorInfo};
use crate::spec::{AdamSpec, OptimizerSpec, TrainSpec};
use crate::workers::{Sequential, Workers};

/// What the update rule remembers between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T> {
    /// SGD's velocity (where momentum is not zero) or Adam's first moment.
    pub first: Option<Params<T>>,
    /// Adam's second moment.
    pub second: Option<Params<T>>,
}

impl<T: Real> OptimizerState<T> {
    /// Zeros, of the kinds that the rule needs.
    pub fn new(optimizer: &OptimizerSpec, like: &Params<T>) -> Self {
        let zeros = || Params::zeros(like.layout.clone());
        match optimizer {
            OptimizerSpec::Sgd(sgd) => Self { first: (sgd.momentum != 0.0).then(zeros), second: None },
            OptimizerSpec::Adam(_) => Self { first: Some(zeros()), second: Some(zeros()) },
        }
    }
}

/// Parameters from which on several threads are faster: what they share they take from each other's caches.
const WORTH_SHARING: usize = 1 << 18;

/// One update, step counted from 0; `past` is what the moments had behind them where the run began. Frozen tensors and
/// their moments stand still. The gradient is left as it was applied: 0 for frozen tensors, and clipped.
pub fn update<T: Real>(
    workers: &dyn Workers,
    kernels: Kernels,
    (train, past): (&TrainSpec, &Past),
    step: u64,
    params: &mut Params<T>,
    grads: &mut Params<T>,
    state: &mut OptimizerState<T>,
) {
    let layout = params.layout.clone();
    let frozen = |name: &str| {
        train
            .freeze_until
            .iter()
            .any(|(group, &until)| step < until && layout.group(group).any(|tensor| tensor.name == name))
    };
    let has_freezes = train.freeze_until.values().any(|&until| step < until);
    if has_freezes {
        for tensor in layout.tensors().iter().filter(|tensor| frozen(&tensor.name)) {
            grads.values[tensor.range.clone()].fill(T::ZERO);
        }
    }
    if let Some(clip_norm) = train.clip_norm {
        clip(grads, clip_norm);
    }
    let base = train.optimizer.learning_rate() * rate_factor(&train.schedule, step, train.steps);
    // Tensor by tensor, so that threads may share the work: all of one vector, then all of the next.
    let workers = if layout.len() < WORTH_SHARING { &Sequential } else { workers };
    let each = |values: &mut [T], job: &(dyn Fn(usize, &TensorInfo, &mut [T]) + Sync)| {
        workers.run_parts(values, layout.ends(), &|idx, values| {
            let tensor = &layout.tensors()[idx];
            if !(has_freezes && frozen(&tensor.name)) {
                job(idx, tensor, values);
            }
        });
    };
    let rate_of = |tensor: &TensorInfo| base * rate_factor_of(train, &tensor.name, &layout);
    let g = &grads.values;
    match &train.optimizer {
        OptimizerSpec::Sgd(spec) => {
            // v <- momentum v + g; theta <- (1 - decay) theta - rate v
            let direction = match &mut state.first {
                None => g,
                Some(velocity) => {
                    each(&mut velocity.values, &|_, tensor, v| {
                        T::axpby(kernels, T::ONE, &g[tensor.range.clone()], T::from_f64(spec.momentum), v);
                    });
                    &velocity.values
                }
            };
            let keep = T::from_f64(1.0 - spec.decay);
            each(&mut params.values, &|_, tensor, p| {
                let rate = T::from_f64(rate_of(tensor));
                T::axpby(kernels, -rate, &direction[tensor.range.clone()], keep, p);
            });
        }
        OptimizerSpec::Adam(spec) => {
            let (Some(first), Some(second)) = (&mut state.first, &mut state.second) else {
                unreachable!("OptimizerState::new gives Adam both moments")
            };
            // m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2
            let (b1, b2) = (spec.adam_beta1, spec.adam_beta2);
            each(&mut first.values, &|_, tensor, m| {
                T::axpby(kernels, T::from_f64(1.0 - b1), &g[tensor.range.clone()], T::from_f64(b1), m);
            });
            each(&mut second.values, &|_, tensor, v| {
                T::add_squares(kernels, T::from_f64(b2), T::from_f64(1.0 - b2), &g[tensor.range.clone()], v);
            });
            each(&mut params.values, &|idx, tensor, p| {
                let ages = past.ages(idx, freeze_end(train, &tensor.name), step);
                let size = p.len() / ages.len();
                for (part, age) in ages.enumerate() {
                    let (here, all) = (part * size..(part + 1) * size, tensor.range.start + part * size);
                    let factors = adam_factors(spec, rate_of(tensor), age).map(T::from_f64);
                    let (m, v) = (&first.values[all..all + size], &second.values[all..all + size]);
                    T::adam(kernels, factors, m, v, &mut p[here]);
                }
            });
        }
    }
}

/// The factor of the most specific group that holds a tensor.
fn rate_factor_of(train: &TrainSpec, name: &str, layout: &crate::model::Layout) -> f64 {
    let groups = train.rate_factors.iter();
    groups
        .filter(|(group, _)| layout.group(group).any(|tensor| tensor.name == name))
        .max_by_key(|(group, _)| group.len())
        .map_or(1.0, |(_, &factor)| factor)
}

/// Scales the gradient down to the norm where it is longer.
fn clip<T: Real>(grads: &mut Params<T>, clip_norm: f64) {
    let norm = grads.values.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt();
    if norm > clip_norm {
        let scale = T::from_f64(clip_norm / norm);
        grads.values.iter_mut().for_each(|g| *g *= scale);
    }
}

/// theta <- (1 - rate decay) theta - rate m_hat / (sqrt(v_hat) + eps): what [`Real::adam`] wants.
fn adam_factors(spec: &AdamSpec, rate: f64, age: u64) -> [f64; 4] {
    let t = (age + 1) as f64;
    let correction = |beta: f64| 1.0 - libm::pow(beta, t);
    let second_scale = 1.0 / correction(spec.adam_beta2).sqrt();
    [1.0 - rate * spec.decay, rate / correction(spec.adam_beta1), second_scale, spec.epsilon]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::Layout;
    use crate::spec::SgdSpec;
    use crate::workers::Sequential;

    fn two_tensors(values: [f64; 2]) -> Params<f64> {
        let mut layout = Layout::default();
        layout.push("a.w", &[1], crate::model::Init::Constant(0.0));
        layout.push("b.w", &[1], crate::model::Init::Constant(0.0));
        Params { layout: Arc::new(layout), values: values.to_vec() }
    }

    fn step(train: &TrainSpec, step: u64, params: &mut Params<f64>, state: &mut OptimizerState<f64>, grads: [f64; 2]) {
        let past = Past::none(&params.layout);
        update(&Sequential, Kernels::detect(), (train, &past), step, params, &mut two_tensors(grads), state);
    }

    #[test]
    fn only_longer_gradients_are_clipped() {
        let sgd = SgdSpec { learning_rate: 1.0, momentum: 0.0, decay: 0.0 };
        let train = TrainSpec { clip_norm: Some(5.0), optimizer: OptimizerSpec::Sgd(sgd), ..TrainSpec::default() };
        for (grads, want) in [([3.0, 3.9], [-3.0, -3.9]), ([6.0, 8.0], [-3.0, -4.0])] {
            let mut params = two_tensors([0.0, 0.0]);
            let mut state = OptimizerState::new(&train.optimizer, &params);
            step(&train, 0, &mut params, &mut state, grads);
            assert_eq!(params.values, want);
        }
    }

    #[test]
    fn adam_adds_epsilon_outside_the_root() {
        let adam = AdamSpec { learning_rate: 1.0, adam_beta1: 0.9, adam_beta2: 0.999, epsilon: 0.5, decay: 0.0 };
        let train = TrainSpec { optimizer: OptimizerSpec::Adam(adam), ..TrainSpec::default() };
        let mut params = two_tensors([0.0, 0.0]);
        let mut state = OptimizerState::new(&train.optimizer, &params);
        step(&train, 0, &mut params, &mut state, [2.0, 0.5]);
        // First step: m_hat = g and v_hat = g^2, so the step is g / (|g| + eps).
        assert!((params.values[0] + 2.0 / 2.5).abs() < 1e-12 && (params.values[1] + 0.5).abs() < 1e-12);
    }

    /// A tensor that begins to move late gets the same first step as one that always moved.
    #[test]
    fn adam_counts_from_the_thaw() {
        let adam = AdamSpec { learning_rate: 0.1, adam_beta1: 0.9, adam_beta2: 0.999, epsilon: 1e-8, decay: 0.0 };
        let mut train = TrainSpec { optimizer: OptimizerSpec::Adam(adam), ..TrainSpec::default() };
        train.freeze_until.insert("b".to_owned(), 3);
        let mut params = two_tensors([0.0, 0.0]);
        let mut state = OptimizerState::new(&train.optimizer, &params);
        let mut first = 0.0;
        for s in 0..4 {
            step(&train, s, &mut params, &mut state, [1.0, 1.0]);
            if s == 0 {
                first = params.values[0];
            }
            assert_eq!(params.values[1] == 0.0, s < 3);
        }
        assert!((params.values[1] - first).abs() < 1e-12);
    }

    #[test]
    fn the_most_specific_rate_factor_counts() {
        let sgd = SgdSpec { learning_rate: 1.0, momentum: 0.0, decay: 0.0 };
        let mut train = TrainSpec { optimizer: OptimizerSpec::Sgd(sgd), ..TrainSpec::default() };
        train.rate_factors.insert("b".to_owned(), 2.0);
        train.rate_factors.insert("b.w".to_owned(), 3.0);
        let mut params = two_tensors([0.0, 0.0]);
        let mut state = OptimizerState::new(&train.optimizer, &params);
        step(&train, 0, &mut params, &mut state, [1.0, 1.0]);
        assert_eq!(params.values, [-1.0, -3.0]);
    }

    #[test]
    fn frozen_gradients_do_not_count_for_clipping() {
        let sgd = SgdSpec { learning_rate: 1.0, momentum: 0.0, decay: 0.0 };
        let mut train = TrainSpec { clip_norm: Some(5.0), optimizer: OptimizerSpec::Sgd(sgd), ..TrainSpec::default() };
        train.freeze_until.insert("b.w".to_owned(), 10);
        let mut params = two_tensors([0.0, 1.0]);
        let mut state = OptimizerState::new(&train.optimizer, &params);
        step(&train, 0, &mut params, &mut state, [4.0, 100.0]);
        assert_eq!(params.values, [-4.0, 1.0]);
    }
}
