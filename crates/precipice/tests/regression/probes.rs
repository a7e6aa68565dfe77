//! What is read of a regression network: weights, roll-outs, attention of a stream, sines, and the closed dynamics.

use precipice::measure::descent::closed_forms::{plateaus, white};
use precipice::measure::descent::generalization::{Repetition, loss_under, roll_out};
use precipice::measure::descent::own_value_attention;
use precipice::measure::descent::weights::Circuits;
use precipice::model::construct::{Construction, write_copying};
use precipice::model::{Description, Params};
use precipice::spec::*;
use precipice::task::Set;
use precipice::task::regression::Predictor;
use precipice::train::{TrainState, Trainer};
use precipice::workers::Sequential;
use precipice_num::Kernels;

use crate::{layers, spec};

fn trainer(spec: &RunSpec) -> Trainer {
    Trainer::new(spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap()
}

/// A network that begins as descent has its weights, and repeats its steps.
#[test]
fn a_constructed_network_is_read_and_repeated() {
    let task = RegressionSpec { n_exemplars: 6, d_item: 4, ..RegressionSpec::default() };
    let (rate, shrinkage) = (2.0, 0.05);
    let construction = Some(Construction::GradientDescentPlusPlus { rate, shrinkage });
    let spec = spec(task, ModelSpec { construction, ..layers(1) });
    let state = trainer(&spec).into_state();
    let circuits = Circuits::of(&Description::of(&spec), &state.params, 0).unwrap();
    let weights = circuits.descent();
    assert!((weights.rate_per_exemplar - rate / 6.0).abs() < 1e-6 && (weights.shrinkage - shrinkage).abs() < 1e-6);
    let batch = spec.build_task(None).unwrap().batch(Set::MAIN, 0, 512);
    for (only_y, predictor) in [
        (true, Predictor::GradientDescent { steps: 1, rate }),
        (false, Predictor::GradientDescentPlusPlus { steps: 1, rate, shrinkage }),
    ] {
        let repetition = Repetition { n_applications: 4, damping: 1.0, token_clip: None, only_y };
        let losses = roll_out(&spec, &state, repetition, Kernels::detect(), &Sequential).unwrap();
        for (applications, loss) in (1..).zip(&losses.mean) {
            let expected = match &predictor {
                Predictor::GradientDescent { .. } => Predictor::GradientDescent { steps: applications, rate },
                _ => Predictor::GradientDescentPlusPlus { steps: applications, rate, shrinkage },
            };
            let expected = expected.loss(&batch, FunctionKind::Linear) / 512.0;
            assert!((loss / expected - 1.0).abs() < 1e-4, "{applications}: {loss} {expected}");
        }
        assert!(losses.median.iter().zip(&losses.mean).all(|(median, mean)| median < mean), "heavy tails");
    }
    // Half damped is half the rate.
    let repetition = Repetition { n_applications: 1, damping: 0.5, token_clip: None, only_y: true };
    let damped = roll_out(&spec, &state, repetition, Kernels::detect(), &Sequential).unwrap().mean[0];
    let expected = Predictor::GradientDescent { steps: 1, rate: rate / 2.0 }.loss(&batch, FunctionKind::Linear) / 512.0;
    assert!((damped / expected - 1.0).abs() < 1e-4, "{damped} {expected}");
    // The network's own damping counts in the weights, in the roll-out and on the way to a construction.
    let mut own = spec.clone();
    own.model.construction = None;
    own.model.damping = 0.5;
    let halved = Circuits::of(&Description::of(&own), &state.params, 0).unwrap();
    assert!((halved.descent().rate_per_exemplar - rate / 12.0).abs() < 1e-6);
    let plain = Repetition { n_applications: 1, damping: 1.0, token_clip: None, only_y: true };
    let once = roll_out(&own, &state, plain, Kernels::detect(), &Sequential).unwrap().mean[0];
    let params = halved.towards_descent(&state.params, 0.25, 1.0).unwrap();
    let moved = loss_under(&own, &TrainState { params, ..state.clone() }, Kernels::detect(), &Sequential, |_| {});
    for (loss, rate) in [(once, rate / 2.0), (moved, 1.5)] {
        let expected = Predictor::GradientDescent { steps: 1, rate }.loss(&batch, FunctionKind::Linear) / 512.0;
        assert!((loss / expected - 1.0).abs() < 1e-4, "{loss} {expected}");
    }
    // Other networks have no such weights.
    for change in [
        |model: &mut ModelSpec| model.d_mlp = 7,
        |model: &mut ModelSpec| model.attention = vec![AttentionKind::Softmax],
    ] {
        let mut other = own.clone();
        change(&mut other.model);
        assert!(Circuits::of(&Description::of(&other), &state.params, 0).is_none());
    }
    // Layers that differ have no step to repeat.
    let RunSpec { mut model, .. } = spec.clone();
    model.n_layers = 2;
    let untied = RunSpec { model, ..spec.clone() };
    assert!(roll_out(&untied, &state, repetition, Kernels::detect(), &Sequential).is_none());
    // A step of another rate: at share 0 the network as it is, at 1 the other.
    let at = |share: f64| {
        let params = circuits.towards_descent(&state.params, 0.25, share).unwrap();
        loss_under(&spec, &TrainState { params, ..state.clone() }, Kernels::detect(), &Sequential, |_| {})
    };
    for (share, rate) in [(0.0, rate), (1.0, 1.5)] {
        let expected = Predictor::GradientDescent { steps: 1, rate }.loss(&batch, FunctionKind::Linear) / 512.0;
        assert!((at(share) / expected - 1.0).abs() < 1e-4, "{share}: {} {expected}", at(share));
    }
}

#[test]
fn a_copying_layer_attends_to_its_own_value() {
    let task = RegressionSpec { n_exemplars: 5, d_item: 4, ..RegressionSpec::default() };
    let kinds = vec![AttentionKind::Softmax, AttentionKind::Linear];
    // The first of two heads copies, the other sees all ten tokens evenly.
    let stream = ModelSpec {
        tokens: Tokens::Stream,
        d_pos: Some(11),
        n_heads: 2,
        d_head: Some(16),
        attention: kinds,
        ..layers(2)
    };
    let spec = spec(task, stream);
    let mut trainer = trainer(&spec);
    let mut state = TrainState { params: Params::zeros(trainer.model().layout().clone()), ..trainer.state().clone() };
    trainer.restore(state.clone());
    let even = own_value_attention(&trainer, 20).unwrap();
    write_copying(&mut state.params, 0, 11, 60.0);
    trainer.restore(state);
    let copying = own_value_attention(&trainer, 20).unwrap();
    assert!((even - 0.1).abs() < 1e-6 && copying > 0.999, "{even} {copying}");
}

#[test]
fn sines_are_as_they_are_described() {
    let task =
        RegressionSpec { functions: FunctionKind::Sine, d_item: 1, input_scale: 10.0, ..RegressionSpec::default() };
    let whole = spec(task.clone(), layers(1));
    let batch = whole.build_task(None).unwrap().batch(Set::MAIN, 0, 4000);
    let exact = Predictor::Ridge { penalty: 0.0 }.loss(&batch, FunctionKind::Sine) / 4000.0;
    assert!(exact < 1e-9, "two features fit every sine: {exact}");
    let zero = Predictor::Zero.loss(&batch, FunctionKind::Sine) / 4000.0;
    // y^2 / 2 is at most 1/8, its standard deviation below .03: a standard error below .0005, four of them.
    assert!((zero - task.zero_loss()).abs() < 0.002, "{zero} {}", task.zero_loss());
    let largest = batch.values.iter().fold(0.0_f32, |largest, y| largest.max(y.abs()));
    assert!(largest <= 0.5 && largest > 0.49, "{largest}");
    let scaled = spec(RegressionSpec { label_scale: 2.0, ..task }, layers(1));
    let scaled = scaled.build_task(None).unwrap().batch(Set::MAIN, 0, 3);
    assert!(scaled.values.iter().zip(&batch.values).all(|(a, b)| (a - 2.0 * b).abs() < 1e-6));
    let found = [batch.items[0], batch.items[10], batch.values[0], batch.values[10]].map(f32::to_bits);
    assert_eq!(found, FIRST_SINE, "{found:?}");
}

/// Half the mean square of y, and what is left of it by the best answer without the context: E(y | x) is linear in
/// (sin x, cos x), so least squares over many contexts find it.
#[test]
fn sines_without_their_context() {
    const M: usize = 200_000;
    for (sine_draws, zero, best) in [(SineDraws::Independent, 0.0258, 0.0172), (SineDraws::Tied, 0.0259, 0.0157)] {
        let task = RegressionSpec {
            functions: FunctionKind::Sine,
            sine_draws,
            d_item: 1,
            n_exemplars: 1,
            input_scale: 10.0,
            ..RegressionSpec::default()
        };
        let batch = spec(task.clone(), layers(1)).build_task(None).unwrap().batch(Set::MAIN, 0, M);
        // One pair of a context, so that all are independent.
        let pairs = batch.items.iter().zip(&batch.values).step_by(2);
        let mut sums = [0.0; 6];
        for (&x, &y) in pairs {
            let [sin, cos, y] = [libm::sin(f64::from(x)), libm::cos(f64::from(x)), f64::from(y)];
            let products = [sin * sin, sin * cos, cos * cos, sin * y, cos * y, y * y];
            sums.iter_mut().zip(products).for_each(|(sum, product)| *sum += product / M as f64);
        }
        let [ss, sc, cc, sy, cy, yy] = sums;
        let det = ss * cc - sc * sc;
        let (a, b) = ((cc * sy - sc * cy) / det, (ss * cy - sc * sy) / det);
        let left = 0.5 * (yy - a * sy - b * cy);
        // y^2 has a standard deviation of about .05, so the means have standard errors below 6e-5.
        assert!((0.5 * yy - task.zero_loss()).abs() < 3e-4, "{sine_draws:?}: {yy} {}", task.zero_loss());
        assert!((task.zero_loss() - zero).abs() < 5e-5, "{sine_draws:?}: {}", task.zero_loss());
        assert!((left - best).abs() < 3e-4, "{sine_draws:?}: {left}");
    }
}

const FIRST_SINE: [u32; 4] = [3_230_371_489, 1_054_835_782, 3_200_722_203, 3_190_350_531];

#[test]
fn plateaus_are_those_of_the_network() {
    let levels = |task: RegressionSpec, model: ModelSpec| {
        plateaus(&spec(task, model)).into_iter().map(|(_, level)| (level * 1e4).round()).collect::<Vec<_>>()
    };
    assert_eq!(levels(RegressionSpec::default(), layers(1)), [3956.0]);
    assert_eq!(levels(RegressionSpec { label_scale: 2.0, ..RegressionSpec::default() }, layers(1)), [15825.0]);
    assert!(levels(RegressionSpec::default(), layers(2)).is_empty(), "a saddle of one layer");
    let rank_one = ModelSpec { n_heads: 4, d_head: Some(1), ..layers(1) };
    let covariance = Some(Covariance::Diagonal(vec![0.1, 0.4, 0.2, 0.3]));
    let task = RegressionSpec {
        inputs: InputKind::Gaussian,
        n_exemplars: 31,
        d_item: 4,
        covariance,
        ..RegressionSpec::default()
    };
    assert!(white(&task).is_none());
    assert_eq!(levels(task, rank_one), [3203.0, 1887.0, 1049.0, 680.0]);
}

/// Merged keys and queries from a small aligned start: the network itself, on batches, against the closed dynamics.
#[test]
fn training_follows_the_logistic_curve() {
    let task = RegressionSpec { inputs: InputKind::Gaussian, n_exemplars: 20, d_item: 4, ..RegressionSpec::default() };
    let theory = white(&task).unwrap();
    let (rate, n, d) = (0.004, 20.0, 4.0_f64);
    let mut spec = spec(task, layers(1));
    spec.train.batch_size = 1024;
    spec.train.optimizer = OptimizerSpec::Sgd(SgdSpec { learning_rate: rate, momentum: 0.0, decay: 0.0 });
    for frozen in ["blocks.0.attn.W_K", "blocks.0.attn.W_O"] {
        spec.train.freeze_until.insert(frozen.to_owned(), 1 << 40);
    }
    let mut trainer = trainer(&spec);
    // yhat = v x_q^T U X^T y / N with U = u I in W_Q, and v in W_V; balanced: v = u sqrt(d).
    let start = 0.01;
    let u = (start / d.sqrt()).sqrt();
    let mut state = trainer.state().clone();
    Construction::GradientDescent { rate: n }.write(&mut state.params, 0, 20, 0);
    let scale = |state: &mut TrainState, name: &str, factor: f64| {
        let layout = state.params.layout.clone();
        let tensor = layout.group(name).next().unwrap();
        state.params.values[tensor.range.clone()].iter_mut().for_each(|w| *w *= factor as f32);
    };
    scale(&mut state, "blocks.0.attn.W_Q", u);
    scale(&mut state, "blocks.0.attn.W_K", 1.0 / n);
    scale(&mut state, "blocks.0.attn.W_V", u * d.sqrt());
    trainer.restore(state);
    let half = theory.half_time(start * d.sqrt());
    let mut checked = 0;
    for step in 0..(1.6 * half / rate) as usize {
        let t = step as f64 * rate;
        let expected = theory.logistic(start, t);
        let weights = Circuits::of(&Description::of(&spec), &trainer.state().params, 0).unwrap().descent();
        let found = weights.rate_per_exemplar * n;
        // Batches of 1,024 contexts leave a few percent, most where the curve is steep.
        if step % 20 == 0 {
            assert!((found - expected).abs() < 0.06 * theory.optimal_rate(), "t = {t}: {found} {expected}");
            checked += u32::from(expected > 0.1 * theory.optimal_rate());
        }
        trainer.step(&Sequential).unwrap();
    }
    assert!(checked > 10, "the jump was not reached");
}
