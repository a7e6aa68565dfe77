//! The regression task: what it draws, its predictors, and weights that are algorithms.

use precipice::model::construct::{Construction, start_from, write_copying};
use precipice::model::{Model, Params, Reads};
use precipice::record::MemoryRecorder;
use precipice::run::{Outcome, Run};
use precipice::sequence::Batch;
use precipice::spec::*;
use precipice::task::regression::{Predictor, Regression, context};
use precipice::task::{Reader, Set, Task};
use precipice::theory::regression::{Correlated, Filter, Spectra, White, pool_optimum};
use precipice::workers::Sequential;
use precipice_num::Kernels;

use crate::{layers, spec};

/// The task itself, as networks of so many layers read it.
fn world(task: &RegressionSpec, n_layers: usize) -> Regression {
    Regression::new(task, Reader { n_layers, ..Reader::default() }, 0, Seeds::default())
}

fn batch_of(task: RegressionSpec, n_sequences: usize) -> Batch {
    spec(task, layers(1)).build_task(None).unwrap().batch(Set::MAIN, 0, n_sequences)
}

/// Largest difference between a network with weights set by hand and a predictor, in f64.
fn difference(spec: &RunSpec, set: impl Fn(&mut Params<f64>), expected: impl Fn(&[Vec<f64>; 3]) -> f64) -> f64 {
    let task = spec.build_task(None).unwrap();
    let model = Model::<f64>::new(spec, &task.label_table(), Kernels::detect());
    let mut params = Params::zeros(model.layout().clone());
    set(&mut params);
    let batch = task.batch(Set::MAIN, 0, 32);
    let mut largest = 0.0_f64;
    for reads in [Reads::All, Reads::QueryOnly] {
        let mut trace = model.trace(32, reads);
        model.forward(&params, &batch, &mut trace);
        for (s, answer) in trace.logits().iter().enumerate() {
            let expected = expected(&context(&batch, s, FunctionKind::Linear));
            assert!(expected.abs() > 1e-6, "a prediction that says nothing: {expected}");
            largest = largest.max((answer - expected).abs());
        }
    }
    largest
}

fn by(predictor: Predictor) -> impl Fn(&[Vec<f64>; 3]) -> f64 {
    move |[xs, query, ys]| predictor.predict(xs, ys, query)
}

#[test]
fn constructions_equal_their_algorithms() {
    let task = RegressionSpec { n_exemplars: 7, d_item: 4, noise: 0.1, ..RegressionSpec::default() };
    for steps in [1, 2, 5] {
        for is_tied in [false, true] {
            let network = spec(task.clone(), ModelSpec { tied_layers: is_tied, n_heads: 1, ..layers(steps) });
            let n_written = if is_tied { 1 } else { steps };
            let write = |construction: Construction| {
                move |params: &mut Params<f64>| {
                    (0..n_written).for_each(|layer| construction.write(params, layer, 7, 0));
                }
            };
            let descent = write(Construction::GradientDescent { rate: 4.0 });
            let expected = by(Predictor::GradientDescent { steps, rate: 4.0 });
            assert!(difference(&network, descent, expected) < 1e-10);
            let plus_plus = write(Construction::GradientDescentPlusPlus { rate: 4.0, shrinkage: 0.3 });
            let expected = by(Predictor::GradientDescentPlusPlus { steps, rate: 4.0, shrinkage: 0.3 });
            assert!(difference(&network, plus_plus, expected) < 1e-10);
        }
    }
}

#[test]
fn a_descent_may_start_anywhere() {
    let task = RegressionSpec { n_exemplars: 6, d_item: 3, ..RegressionSpec::default() };
    let start = [0.5, -1.5, 2.0];
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let step = |[xs, query, ys]: &[Vec<f64>; 3]| {
        let residual = |(x, y): (&[f64], &f64)| (y - dot(&start, x)) * dot(x, query);
        xs.chunks(3).zip(ys).map(residual).sum::<f64>() * 2.0 / 6.0
    };
    let write = |params: &mut Params<f64>| {
        Construction::GradientDescent { rate: 2.0 }.write(params, 0, 6, 0);
        start_from(params, 0, &start);
    };
    assert!(difference(&spec(task, layers(1)), write, step) < 1e-10);
}

#[test]
fn a_copying_layer_makes_pairs_of_a_stream() {
    let task = RegressionSpec { n_exemplars: 5, d_item: 4, ..RegressionSpec::default() };
    let kinds = vec![AttentionKind::Softmax, AttentionKind::Linear];
    let stream = ModelSpec { tokens: Tokens::Stream, d_pos: Some(11), attention: kinds, ..layers(2) };
    let write = |params: &mut Params<f64>| {
        write_copying(params, 0, 11, 60.0);
        Construction::GradientDescent { rate: 3.0 }.write(params, 1, 5, 11);
    };
    let expected = by(Predictor::GradientDescent { steps: 1, rate: 3.0 });
    assert!(difference(&spec(task, stream), write, expected) < 1e-10);
}

#[test]
fn soft_max_attention_is_a_kernel_smoother() {
    let task = RegressionSpec { n_exemplars: 9, d_item: 3, ..RegressionSpec::default() };
    let smoother = |[xs, query, ys]: &[Vec<f64>; 3]| {
        let kernel = |x: &[f64]| libm::exp(5.0 * x.iter().zip(query).map(|(x, q)| x * q).sum::<f64>());
        let weights: Vec<f64> = xs.chunks(3).map(kernel).collect();
        weights.iter().zip(ys).map(|(w, y)| w * y).sum::<f64>() / weights.iter().sum::<f64>()
    };
    let network = spec(task, ModelSpec { attention: Vec::new(), ..layers(1) });
    let write = |params: &mut Params<f64>| Construction::KernelSmoother { sharpness: 5.0 }.write(params, 0, 9, 0);
    assert!(difference(&network, write, smoother) < 1e-10);
}

#[test]
fn batches_hold_linear_functions_of_the_inputs() {
    // As many exemplars as unknowns: least squares finds w, and the query confirms it.
    let batch = batch_of(RegressionSpec::default(), 200);
    let exact = Predictor::Ridge { penalty: 0.0 };
    let close = |(p, y): (f64, f64)| u32::from((p - y).abs() < 1e-2 * (1.0 + y.abs()));
    let n_close: u32 = exact.predictions(&batch, FunctionKind::Linear).zip(batch.query_values()).map(close).sum();
    // Rounding of single precision times the condition of ten random inputs.
    assert!(n_close > 195, "{n_close}");
    assert!(batch.items.iter().all(|x| x.abs() < 0.5), "U(-1/2, 1/2)");
    let mean_square = |values: &[f32]| values.iter().map(|&x| f64::from(x * x)).sum::<f64>() / values.len() as f64;
    // 22,000 numbers of variance 1/12 and kurtosis 9/5: standard error .6 % of the variance, five of them 3 %.
    assert!((mean_square(&batch.items) * 12.0 - 1.0).abs() < 0.03);
}

#[test]
fn covariance_noise_and_pools_are_as_asked() {
    let rows = vec![vec![2.0, 0.6], vec![0.6, 0.5]];
    let gaussian = RegressionSpec {
        d_item: 2,
        inputs: InputKind::Gaussian,
        covariance: Some(Covariance::Full(rows)),
        ..RegressionSpec::default()
    };
    let batch = batch_of(gaussian.clone(), 2000);
    let moment = |i: usize, j: usize| {
        let pairs = batch.items.chunks(2).map(|x| f64::from(x[i] * x[j]));
        pairs.sum::<f64>() / (batch.items.len() / 2) as f64
    };
    // 22,000 pairs: standard errors below .02 on the diagonal and .008 beside it, five of them.
    assert!(
        (moment(0, 0) - 2.0).abs() < 0.1 && (moment(1, 1) - 0.5).abs() < 0.025 && (moment(0, 1) - 0.6).abs() < 0.04
    );
    let noisy = batch_of(RegressionSpec { noise: 0.25, ..gaussian.clone() }, 2000);
    let difference = |s: usize| {
        let pairs = noisy.values_of(s).iter().zip(batch.values_of(s)).map(|(a, b)| f64::from(a - b));
        pairs.collect::<Vec<f64>>()
    };
    let noise: Vec<f64> = (0..2000).flat_map(|s| difference(s)[..10].to_vec()).collect();
    let variance = noise.iter().map(|e| e * e).sum::<f64>() / noise.len() as f64;
    // 20,000 Gaussian numbers: standard error 1 % of the variance.
    assert!((variance - 0.25).abs() < 0.0125, "{variance}");
    assert!((0..2000).all(|s| difference(s)[10] == 0.0), "the query's y has no noise");
    let pooled = world(&RegressionSpec { n_tasks: Some(3), ..gaussian }, 1);
    let batch = pooled.batch(Set::Train, 0, 300);
    let pool = Predictor::Pool { functions: pooled.pool().unwrap().to_vec(), noise: 0.0 };
    assert!(pool.loss(&batch, FunctionKind::Linear) < 1e-6, "one of three functions fits every context");
    let seen: std::collections::BTreeSet<u32> = batch.item_ids.iter().copied().collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn predictors_are_ordered_and_tuned() {
    let task = RegressionSpec { noise: 0.05, n_exemplars: 20, n_tasks: Some(4), ..RegressionSpec::default() };
    let world_of_two_layers = world(&task, 2);
    let batch = world_of_two_layers.batch(Set::MAIN, 0, 2000);
    let names = world_of_two_layers.facts().predictors.iter().map(|predictor| &predictor.name[..]);
    let losses =
        world_of_two_layers.predictors().iter().map(|predictor| predictor.loss(&batch, FunctionKind::Linear) / 2000.0);
    let losses: Vec<(&str, f64)> = names.zip(losses).collect();
    let loss = |name: &str| losses.iter().find(|(found, _)| *found == name).unwrap().1;
    assert!(loss("pool") < loss("ridge") && loss("ridge") < loss("gd_plus_plus"), "{losses:?}");
    assert!(
        loss("gd_plus_plus") < loss("gd") && loss("gd") < loss("zero") && loss("zero") < loss("average"),
        "{losses:?}"
    );
    // One step's best rate: N / (s2 (N + d + kappa - 2)) = 6.0606, here to the curvature of 1,024 contexts.
    let plain = world(&RegressionSpec::default(), 1);
    let Predictor::GradientDescent { steps: 1, rate } = plain.predictors()[2] else { panic!("{plain:?}") };
    assert!((rate - 6.0606).abs() < 0.3, "{rate}");
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Mean of half the square error of a rule on 20,000 contexts, and its standard error.
fn simulated(task: RegressionSpec, answer: impl Fn(&[f64], &[f64], &[f64]) -> f64) -> (f64, f64) {
    let batch = batch_of(task, 20_000);
    let losses: Vec<f64> = (0..batch.n_sequences)
        .zip(batch.query_values())
        .map(|(s, y)| {
            let [xs, query, ys] = context(&batch, s, FunctionKind::Linear);
            0.5 * (answer(&xs, &ys, &query) - y).powi(2)
        })
        .collect();
    let n = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / n;
    let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / n;
    (mean, (variance / n).sqrt())
}

/// Within four standard errors, each of which is below 2 % of the value: a chance of 1 in 16,000.
fn agree(name: &str, expected: f64, (mean, error): (f64, f64)) {
    assert!(error < 0.02 * mean, "{name}: {mean} +- {error}");
    assert!((mean - expected).abs() < 4.0 * error, "{name}: {mean} +- {error}, closed form {expected}");
}

/// x_q^T M X^T y / N.
fn through(m: &[f64], xs: &[f64], ys: &[f64], query: &[f64]) -> f64 {
    let d = query.len();
    let step = |i: usize| xs.chunks_exact(d).zip(ys).map(|(x, y)| x[i] * y).sum::<f64>() / ys.len() as f64;
    let step: Vec<f64> = (0..d).map(step).collect();
    query.iter().enumerate().map(|(i, q)| q * dot(&m[i * d..(i + 1) * d], &step)).sum()
}

#[test]
fn closed_forms_agree_with_simulation() {
    let task = RegressionSpec { noise: 0.1, n_exemplars: 8, d_item: 5, ..RegressionSpec::default() };
    for inputs in [InputKind::Uniform, InputKind::Gaussian] {
        let task = RegressionSpec { inputs, ..task.clone() };
        let white = White {
            n_exemplars: 8,
            d_item: 5,
            variance: task.input_variance(),
            kurtosis: task.input_kurtosis(),
            noise: task.noise,
        };
        for factor in [0.5, 1.0, 1.3] {
            let rate = factor * white.optimal_rate();
            let step = Predictor::GradientDescent { steps: 1, rate };
            agree("one step", white.loss(rate), simulated(task.clone(), |xs, ys, query| step.predict(xs, ys, query)));
        }
    }
    // The saddle: one direction of w is learned, by values that read x and keys that read y.
    let white = White { n_exemplars: 10, d_item: 10, variance: 1.0 / 12.0, kurtosis: 1.8, noise: 0.0 };
    let direction: Vec<f64> = (0..10).map(|i| f64::from(i) - 3.0).collect();
    let square = dot(&direction, &direction);
    let saddle = |xs: &[f64], ys: &[f64], query: &[f64]| {
        let along: f64 = xs.chunks_exact(10).zip(ys).map(|(x, y)| y * dot(x, &direction)).sum();
        dot(query, &direction) * along / square * white.optimal_rate() / 10.0
    };
    agree("saddle", white.rank_one_saddle_loss(), simulated(RegressionSpec::default(), saddle));
}

/// Several steps, GD++ and ridge on noisy contexts: averages over w, query and noise against draws of them.
#[test]
fn filters_agree_with_simulation() {
    let task = RegressionSpec { noise: 0.1, n_exemplars: 8, d_item: 5, ..RegressionSpec::default() };
    let mut spectra = Spectra::new(8, 5, task.input_variance(), task.noise);
    let contexts = spec(task.clone(), layers(1)).build_task(None).unwrap().batch(Set::Train, 0, 20_000);
    (0..contexts.n_sequences).for_each(|s| spectra.push(&contexts.items_of(s)[..8 * 5]));
    assert_eq!(spectra.n_contexts(), 20_000);
    let (steps, rate, shrinkage) = (3, 4.0, 0.2);
    for filter in [
        Filter::Descent { steps, rate },
        Filter::DescentPlusPlus { steps, rate, shrinkage },
        Filter::Ridge { penalty: 0.1 },
    ] {
        let predictor = Predictor::from(filter);
        let drawn = simulated(task.clone(), |xs, ys, query| predictor.predict(xs, ys, query));
        let exact = spectra.loss(filter);
        assert!(exact.standard_error < 0.3 * drawn.1, "{exact:?}: averages are sharper than draws");
        agree(&format!("{predictor:?}"), exact.value, drawn);
    }
}

#[test]
fn closed_forms_of_covariances_and_pools_agree_with_simulation() {
    let rows = vec![vec![2.0, 0.6, 0.1], vec![0.6, 0.5, 0.0], vec![0.1, 0.0, 0.3]];
    let gaussian = RegressionSpec {
        inputs: InputKind::Gaussian,
        n_exemplars: 6,
        d_item: 3,
        noise: 0.2,
        ..RegressionSpec::default()
    };
    let task = RegressionSpec { covariance: Some(Covariance::Full(rows.clone())), ..gaussian.clone() };
    let theory = Correlated { n_exemplars: 6, covariance: rows.concat(), d_item: 3, noise: 0.2 };
    let best = theory.optimum();
    for m in [best.clone(), best.iter().map(|m| 0.6 * m).collect()] {
        agree("covariance", theory.loss(&m), simulated(task.clone(), |xs, ys, query| through(&m, xs, ys, query)));
    }
    // The best M of a pool: no direction is better on contexts of the pool, beyond their noise.
    let pooled = RegressionSpec { n_tasks: Some(4), ..gaussian };
    let functions = world(&pooled, 1).pool().unwrap().to_vec();
    let functions: Vec<f64> = functions.into_iter().map(f64::from).collect();
    let best = pool_optimum(&functions, 3, 6, 0.2);
    let loss = |m: &[f64]| simulated(pooled.clone(), |xs, ys, query| through(m, xs, ys, query)).0;
    let at_best = loss(&best);
    for at in 0..9 {
        for step in [-0.1, 0.1] {
            let mut moved = best.clone();
            moved[at] += step;
            assert!(loss(&moved) > at_best, "M[{at}] + {step}");
        }
    }
}

#[test]
fn ridge_takes_the_shortest_solution_and_survives_repetition() {
    let exact = Predictor::Ridge { penalty: 0.0 };
    // One equation, two unknowns: w = (.6, .8) y.
    assert!((exact.predict(&[0.6, 0.8], &[2.0], &[1.0, 1.0]) - 2.8).abs() < 1e-12);
    let repeated = exact.predict(&[0.6, 0.8, 0.6, 0.8], &[2.0, 2.0], &[1.0, 1.0]);
    assert!((repeated - 2.8).abs() < 1e-6, "{repeated}");
    assert!((Predictor::Ridge { penalty: 1.0 }.predict(&[0.6, 0.8], &[2.0], &[0.6, 0.8]) - 1.0).abs() < 1e-12);
    assert!(exact.predict(&[0.0, 0.0], &[0.0], &[1.0, 1.0]).abs() < 1e-12, "a blank context");
}

#[test]
fn the_first_numbers_of_the_task_do_not_change() {
    let batch = batch_of(RegressionSpec::default(), 1);
    let found = [batch.items[0], batch.items[109], batch.values[0], batch.values[10]].map(f32::to_bits);
    assert_eq!(found, FIRST, "{found:?}");
}

const FIRST: [u32; 4] = [3_202_304_667, 3_171_255_928, 3_201_963_537, 1_066_126_047];

/// A layer learns the step, abruptly, and any number of threads and both ways to compute it agree.
#[test]
fn training_finds_gradient_descent() {
    let task = RegressionSpec { n_exemplars: 4, d_item: 2, input_scale: 2.0, ..RegressionSpec::default() };
    let mut spec = spec(task, ModelSpec { init_scale: Some(0.02), ..layers(1) });
    spec.train.steps = 600;
    spec.train.optimizer = OptimizerSpec::Adam(AdamSpec {
        learning_rate: 1e-2,
        adam_beta1: 0.9,
        adam_beta2: 0.98,
        epsilon: 1e-8,
        decay: 0.0,
    });
    let mut recorder = MemoryRecorder::default();
    let outcome = Run::new(&spec, None, Kernels::detect()).unwrap().record(&Sequential, &mut recorder).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let (first, last) = (&recorder.rows[0], recorder.rows.last().unwrap());
    assert!(
        first.named("gd_share").unwrap().abs() < 0.05 && last.named("gd_share").unwrap() > 0.95,
        "{first:?} {last:?}"
    );
    assert!(
        last.named("gd_sensitivity_cosine").unwrap() > 0.99
            && last.named("loss").unwrap() < last.named("zero_loss").unwrap()
    );
}
