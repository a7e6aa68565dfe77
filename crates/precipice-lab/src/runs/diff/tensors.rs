//! Two states of training, tensor by tensor.

use std::ops::Range;

use precipice::model::Params;
use precipice::train::TrainState;
use serde::Serialize;

/// A tensor that only one of two networks has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OnlyTensor {
    /// Its name in a checkpoint.
    pub tensor: String,
    /// Row-major.
    pub shape: Vec<usize>,
}

/// A tensor that two networks have in different shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherShape {
    /// Its name in a checkpoint.
    pub tensor: String,
    /// Its shape in the first.
    pub a: Vec<usize>,
    /// Its shape in the second.
    pub b: Vec<usize>,
}

/// A tensor whose values are not the same in two states.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorDifference {
    /// Its name in a checkpoint; moments begin with `optimizer.`.
    pub tensor: String,
    /// Values that it has.
    pub values: usize,
    /// Values whose bits differ.
    pub differing: usize,
    /// Largest absolute difference; infinite where one value is not finite.
    pub largest: f64,
    /// Largest difference relative to the larger of the two values.
    pub relative: f64,
    /// Where the largest absolute difference is.
    pub index: Vec<usize>,
    /// The value there in the first.
    pub a: f64,
    /// The value there in the second.
    pub b: f64,
}

impl TensorDifference {
    /// Whether it is of parameters, and not of the optimizer's moments.
    pub fn is_parameter(&self) -> bool {
        !self.tensor.starts_with("optimizer.")
    }
}

/// How far apart the parameters of two runs are at a step: those tensors that both have in one shape.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// Updates done.
    pub step: u64,
    /// Euclidean norm of the difference.
    pub distance: f64,
    /// The same relative to the norm of the first run's parameters.
    pub relative: f64,
    /// The tensor with the largest part in it; none where there is no distance.
    pub tensor: Option<String>,
}

/// What of a state a tensor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Params,
    First,
    Second,
}

impl Part {
    const ALL: [(Part, &str); 3] =
        [(Part::Params, ""), (Part::First, "optimizer.first."), (Part::Second, "optimizer.second.")];

    fn of(self, state: &TrainState) -> Option<&Params<f32>> {
        match self {
            Part::Params => Some(&state.params),
            Part::First => state.optimizer.first.as_ref(),
            Part::Second => state.optimizer.second.as_ref(),
        }
    }
}

/// A tensor that both have in one shape.
#[derive(Clone, Debug)]
struct Pair {
    name: String,
    shape: Vec<usize>,
    part: Part,
    a: Range<usize>,
    b: Range<usize>,
}

impl Pair {
    fn values<'a>(&self, a: &'a TrainState, b: &'a TrainState) -> impl Iterator<Item = (f32, f32)> + use<'a> {
        let of = |state: &'a TrainState, range: &Range<usize>| {
            self.part.of(state).map_or(&[][..], |params| &params.values[range.clone()])
        };
        of(a, &self.a).iter().copied().zip(of(b, &self.b).iter().copied())
    }

    fn difference(&self, a: &TrainState, b: &TrainState) -> Option<TensorDifference> {
        let (mut differing, mut largest, mut relative, mut at) = (0, f64::NEG_INFINITY, 0.0_f64, 0);
        for (i, (x, y)) in self.values(a, b).enumerate().filter(|(_, (x, y))| x.to_bits() != y.to_bits()) {
            let (x, y) = (f64::from(x), f64::from(y));
            let apart = finite_or_infinite((x - y).abs());
            differing += 1;
            // Zeros of both signs are not apart.
            relative = relative.max(if apart == 0.0 { 0.0 } else { finite_or_infinite(apart / x.abs().max(y.abs())) });
            if apart > largest {
                (largest, at) = (apart, i);
            }
        }
        let (x, y) = self.values(a, b).nth(at).filter(|_| differing > 0)?;
        Some(TensorDifference {
            tensor: self.name.clone(),
            values: self.a.len(),
            differing,
            largest,
            relative,
            index: index_of(at, &self.shape),
            a: x.into(),
            b: y.into(),
        })
    }
}

fn finite_or_infinite(x: f64) -> f64 {
    if x.is_finite() { x } else { f64::INFINITY }
}

/// Row-major.
fn index_of(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = Vec::with_capacity(shape.len());
    for &n in shape.iter().rev() {
        index.push(at % n);
        at /= n;
    }
    index.reverse();
    index
}

/// Which tensors of two networks are compared, and which cannot be.
#[derive(Clone, Debug)]
pub(super) struct Pairing {
    pairs: Vec<Pair>,
    pub only_a: Vec<OnlyTensor>,
    pub only_b: Vec<OnlyTensor>,
    pub other_shapes: Vec<OtherShape>,
}

impl Pairing {
    /// By any state of each.
    pub fn of(a: &TrainState, b: &TrainState) -> Self {
        let named = |state: &TrainState| -> Vec<(String, Vec<usize>, Part, Range<usize>)> {
            let parts = Part::ALL.into_iter().filter_map(|(part, prefix)| Some((part, prefix, part.of(state)?)));
            let of_part = |(part, prefix, params): (Part, &str, &Params<f32>)| {
                let tensors = params.layout.tensors().iter();
                tensors
                    .map(|t| (format!("{prefix}{}", t.name), t.shape.clone(), part, t.range.clone()))
                    .collect::<Vec<_>>()
            };
            parts.flat_map(of_part).collect()
        };
        let (of_a, mut of_b) = (named(a), named(b));
        let (mut pairs, mut only_a, mut other_shapes) = (Vec::new(), Vec::new(), Vec::new());
        for (name, shape, part, a) in of_a {
            match of_b.iter().position(|(other, ..)| *other == name).map(|at| of_b.remove(at)) {
                Some((_, other, _, b)) if other == shape => pairs.push(Pair { name, shape, part, a, b }),
                Some((_, other, ..)) => other_shapes.push(OtherShape { tensor: name, a: shape, b: other }),
                None => only_a.push(OnlyTensor { tensor: name, shape }),
            }
        }
        let only_b = of_b.into_iter().map(|(tensor, shape, ..)| OnlyTensor { tensor, shape }).collect();
        Self { pairs, only_a, only_b, other_shapes }
    }

    /// Tensors that are compared.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// The tensors that differ: parameters, then moments, each with the largest absolute difference first.
    pub fn differences(&self, a: &TrainState, b: &TrainState) -> Vec<TensorDifference> {
        let differing = |pair: &Pair| Some((pair.part == Part::Params, pair.difference(a, b)?));
        let mut found: Vec<(bool, TensorDifference)> = self.pairs.iter().filter_map(differing).collect();
        found.sort_by(|(is_param, one), (other_is, other)| {
            other_is.cmp(is_param).then_with(|| other.largest.total_cmp(&one.largest))
        });
        found.into_iter().map(|(_, difference)| difference).collect()
    }

    /// How far apart the parameters are.
    pub fn distance(&self, a: &TrainState, b: &TrainState) -> Distance {
        let (mut total, mut norm, mut most) = (0.0, 0.0, (0.0, None));
        for pair in self.pairs.iter().filter(|pair| pair.part == Part::Params) {
            let mut square = 0.0;
            for (x, y) in pair.values(a, b) {
                let (x, y) = (f64::from(x), f64::from(y));
                (square, norm) = (square + (x - y) * (x - y), norm + x * x);
            }
            total += square;
            // Where a value is not finite the tensor has all of it.
            if square > most.0 || square.is_nan() && most.1.is_none() {
                most = (square, Some(pair.name.clone()));
            }
        }
        let distance: f64 = f64::sqrt(total);
        let relative = if distance == 0.0 { 0.0 } else { distance / f64::sqrt(norm) };
        Distance { step: a.step, distance, relative, tensor: most.1 }
    }
}

#[cfg(test)]
mod tests {
    use precipice_num::Kernels;

    use super::*;
    use crate::input::spec_file::{Changes, load};
    use crate::runs::new_trainer;

    const ADAM: &str = "train.optimizer={adam={learning_rate=0.001}}";

    fn state(overrides: &[&str]) -> TrainState {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        let spec = load("copying-small", &Changes { overrides, ..Changes::default() }).unwrap();
        new_trainer(&spec, None, Kernels::detect()).unwrap().into_state()
    }

    #[test]
    fn the_largest_difference_is_found_by_hand() {
        let a = state(&[]);
        let pairing = Pairing::of(&a, &a);
        assert!(pairing.differences(&a, &a).is_empty() && pairing.len() >= a.params.layout.tensors().len());
        assert_eq!(pairing.distance(&a, &a), Distance { step: 0, distance: 0.0, relative: 0.0, tensor: None });
        let mut b = a.clone();
        let tensor = a.params.layout.tensors()[1].clone();
        let width = *tensor.shape.last().unwrap();
        let at = tensor.range.start + width + 2;
        b.params.values[at] += 3.0;
        b.params.values[at + 1] += 0.5;
        b.params.values[0] += 1.0;
        let found = pairing.differences(&a, &b);
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!((&first.tensor, first.differing, first.values), (&tensor.name, 2, tensor.range.len()));
        assert_eq!(first.index[first.index.len() - 2..], [1, 2]);
        let (x, y) = (f64::from(a.params.values[at]), f64::from(b.params.values[at]));
        assert_eq!((first.a, first.b, first.largest), (x, y, (x - y).abs()));
        assert!(first.relative >= first.largest / x.abs().max(y.abs()));
        let distance = pairing.distance(&a, &b);
        assert!((distance.distance - f64::sqrt(9.0 + 0.25 + 1.0)).abs() < 1e-6, "{distance:?}");
        let norm = a.params.values.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
        assert!((distance.relative - distance.distance / norm).abs() < 1e-6);
        assert_eq!(distance.tensor.as_ref(), Some(&tensor.name));
    }

    #[test]
    fn signs_of_zeros_and_values_that_are_not_finite_are_differences() {
        let a = state(&[]);
        let mut b = a.clone();
        let readout = a.params.values.iter().position(|x| *x == 0.0).unwrap();
        b.params.values[readout] = -0.0;
        let pairing = Pairing::of(&a, &b);
        let found = pairing.differences(&a, &b);
        assert_eq!((found.len(), found[0].largest, found[0].relative), (1, 0.0, 0.0));
        b.params.values[readout] = f32::NAN;
        let found = pairing.differences(&a, &b);
        assert!(found[0].largest.is_infinite() && found[0].b.is_nan());
        assert!(pairing.distance(&a, &b).distance.is_nan() && pairing.differences(&b, &b).is_empty());
    }

    #[test]
    fn moments_come_after_parameters_and_other_shapes_are_named() {
        let a = state(&[ADAM]);
        let mut b = a.clone();
        b.optimizer.second.as_mut().unwrap().values[0] = 9.0;
        let pairing = Pairing::of(&a, &b);
        let only = pairing.differences(&a, &b);
        assert!(only.len() == 1 && only[0].tensor.starts_with("optimizer.second."), "{only:?}");
        b.params.values[0] += 0.5;
        let both = pairing.differences(&a, &b);
        assert!(!both[0].tensor.starts_with("optimizer.") && both[1] == only[0]);

        let plain = state(&[]);
        let pairing = Pairing::of(&plain, &a);
        assert!(!pairing.only_b.is_empty() && pairing.only_a.is_empty() && pairing.other_shapes.is_empty());
        assert!(pairing.only_b.iter().all(|only| only.tensor.starts_with("optimizer.")));
        let fewer = state(&["task.copying.n_labels=8"]);
        let pairing = Pairing::of(&plain, &fewer);
        let [other] = &pairing.other_shapes[..] else { panic!("{:?}", pairing.other_shapes) };
        assert!(other.a.contains(&16) && other.b.contains(&8) && pairing.len() > 0, "{other:?}");
        assert!(pairing.differences(&plain, &fewer).iter().all(|one| one.tensor != other.tensor));
    }
}
