//! The closed forms of a spec's task, for curves and comparisons.

use precipice_num::Kernels;

use crate::model::Description;
use crate::spec::RunSpec;
use crate::task::Set;
use crate::task::regression::{Covariance, FunctionKind, InputKind, RegressionSpec};
use crate::theory::regression::{Spectra, White, eigenvalue_plateaus};

/// The closed forms of one step, where the network is one linear layer that can make it: for whatever is said of the
/// network itself.
pub fn one_step(spec: &RunSpec) -> Option<White> {
    Description::of(spec).is_one_linear_layer().then(|| white(spec.task.regression()?)).flatten()
}

/// White inputs and functions without a pool, for which one step is a closed form; none for other tasks. In units in
/// which w has unit variance: losses are to be multiplied by [`RegressionSpec::weight_variance`].
pub fn white(task: &RegressionSpec) -> Option<White> {
    let is_white = task.functions == FunctionKind::Linear && task.covariance.is_none() && task.n_tasks.is_none();
    is_white.then(|| White {
        n_exemplars: task.n_exemplars,
        d_item: task.d_item,
        variance: task.input_variance(),
        kurtosis: task.input_kurtosis(),
        noise: task.noise / task.weight_variance(),
    })
}

/// Spectra of contexts of the evaluation set, in the same units. `told` hears of each.
pub fn spectra(spec: &RunSpec, n_contexts: usize, told: impl Fn()) -> Option<Spectra> {
    let white = white(spec.task.regression()?)?;
    let task = spec.build_task(None).ok()?;
    let mut spectra = Spectra::new(white.n_exemplars, white.d_item, white.variance, white.noise);
    let mut batch = task.workspace(1);
    batch.n_sequences = 1;
    for context in 0..n_contexts {
        task.fill(Kernels::detect(), Set::MAIN, 0, context, &mut batch);
        spectra.push(&batch.items_of(0)[..white.n_exemplars * white.d_item]);
        told();
    }
    Some(spectra)
}

/// Losses at which training by gradient descent lingers, with their names: those of saddles of one linear layer.
pub fn plateaus(spec: &RunSpec) -> Vec<(String, f64)> {
    let Some(task) = spec.task.regression() else { return Vec::new() };
    let network = Description::of(spec);
    let is_noisy = task.noise > 0.0 || task.n_tasks.is_some();
    if !network.is_one_linear_layer() || task.functions != FunctionKind::Linear || is_noisy {
        return Vec::new();
    }
    match &task.covariance {
        None if network.misread_scale != 0.0 => {
            let saddle = white(task).map(|white| white.rank_one_saddle_loss() * task.weight_variance());
            saddle.map(|loss| ("rank-one saddle".to_owned(), loss)).into_iter().collect()
        }
        // A head of rank one learns an eigenvalue.
        Some(Covariance::Diagonal(values)) if network.d_head == 1 && task.inputs == InputKind::Gaussian => {
            let mut spectrum: Vec<f64> = values.iter().map(|value| value * task.input_variance()).collect();
            spectrum.sort_by(|a, b| b.total_cmp(a));
            let levels = eigenvalue_plateaus(&spectrum, task.n_exemplars);
            let names = |n: usize| if n == 1 { "1 eigenvalue".to_owned() } else { format!("{n} eigenvalues") };
            let levels = levels.into_iter().enumerate().skip(1).take(network.n_heads);
            levels.map(|(n, level)| (names(n), 0.5 * level * task.weight_variance())).collect()
        }
        _ => Vec::new(),
    }
}
