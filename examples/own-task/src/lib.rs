//! A task of one's own, in one file: the query is the negative of one of the context's items, and the answer is that
//! item's label. A network that looks for what is similar is always wrong; it has to look for the opposite.
//!
//! It is learned at a jump, as copying is: with each of the seeds 0 to 15 the network of `copying-small` rises from 1/N
//! at a step between 583 and 642 (t50 of the manifest).

use std::collections::BTreeMap;

use precipice::measure::inside::look;
use precipice::measure::{Better, Metric, Probe, Row, Unit};
use precipice::run::{Run, RunError};
use precipice::sequence::{Batch, Geometry, Targets};
use precipice::spec::RunSpec;
use precipice::task::{
    Address, EvalSet, Facts, ItemBank, OwnSpec, PredictorName, Progress, Purpose, Seeds, Set, Task, TaskSpec,
    world_vectors,
};
use precipice::train::Trainer;
use precipice::workers::Workers;
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_num::{Kernels, Rng};

/// Item-label pairs in a context.
pub const N: usize = 4;
/// Labels in all.
const L: usize = 16;
/// Width of an item.
const D: usize = 32;
/// The second evaluation set: the query is the item itself. It is never trained, and shows which sign was learned.
const COPIES: Set = Set::Eval(1);

/// The network and the training of `copying-small`, on this task.
///
/// # Errors
/// If the changes cannot be made.
pub fn spec(changes: &Changes) -> Result<RunSpec, LabError> {
    let mut spec = spec_file::load("copying-small", changes)?;
    spec.name = "opposites".to_owned();
    spec.description = "the query is the negative of an item".to_owned();
    spec.task = TaskSpec::Own(OwnSpec { parameters: BTreeMap::new(), facts: facts() });
    Ok(spec)
}

/// The run of such a spec: what `train_and_draw_run`, `verify_run` and `StoredRun::run_at` are given.
///
/// # Errors
/// If the spec is that of another task.
pub fn build(spec: &RunSpec, _: Option<ItemBank>, kernels: Kernels) -> Result<Run, RunError> {
    let mut run = Run::with_task(spec, Box::new(Opposites::of(spec)), kernels)?;
    run.observe(Box::new(SignedMatch));
    Ok(run)
}

/// What others have to know of the task.
fn facts() -> Facts {
    Facts {
        family: "opposites".to_owned(),
        sizes: format!("N = {N}, L = {L}"),
        d_item: D,
        geometry: Geometry::of_labels(N),
        targets: Targets::QueryLabel { n_labels: L },
        eval_sets: vec![EvalSet::new("", "opposites"), EvalSet::new("copy_", "copies")],
        probed_set: Set::MAIN,
        novel_set: None,
        by_heart: None,
        progress: Progress::of_accuracy("", 1.0 / N as f64, "1/N"),
        predictors: vec![
            PredictorName::new("nearest_neighbor", "nearest neighbor"),
            PredictorName::new("farthest_neighbor", "farthest neighbor"),
        ],
        formula: None,
        has_halves: false,
        n_kept: 0,
    }
}

/// The task with its fixed world.
#[derive(Debug)]
struct Opposites {
    facts: Facts,
    seeds: Seeds,
    n_positions: usize,
}

impl Opposites {
    fn of(spec: &RunSpec) -> Self {
        Self { facts: facts(), seeds: spec.seeds, n_positions: spec.n_positions() }
    }
}

impl Task for Opposites {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn fill(&self, kernels: Kernels, set: Set, step: u64, first: usize, batch: &mut Batch) {
        for s in 0..batch.n_sequences {
            let address = Address::new(self.seeds, set, step, first + s);
            let mut rng = Rng::new(address.stream(Purpose::Structure));
            let slot = rng.below(N as u32) as usize;
            let labels = batch.labels_of_mut(s);
            rng.distinct_below(L as u32, labels);
            batch.answers[s] = labels[slot];
            batch.matches_of_mut(s).fill(false);
            batch.matches_of_mut(s)[slot] = true;
            batch.offsets[s] = rng.below((self.n_positions - 2 * N) as u32);
            let (context, query) = batch.items_of_mut(s).split_at_mut(N * D);
            Rng::fill_normal(kernels, address.stream(Purpose::Items), (1.0 / D as f32).sqrt(), context);
            let sign = if set == COPIES { 1.0 } else { -1.0 };
            query.iter_mut().zip(&context[slot * D..]).for_each(|(q, x)| *q = sign * x);
        }
    }

    fn label_table(&self) -> Vec<f32> {
        world_vectors(Purpose::LabelTable, self.seeds, L, D)
    }

    /// 1 where the nearest item, or the farthest, has the right label.
    fn predict(&self, predictor: usize, batch: &Batch) -> Vec<f64> {
        let sign = if predictor == 0 { 1.0 } else { -1.0 };
        let is_right = |s: usize| {
            let score = |slot: &usize| sign * cosine(batch.item_of(s, *slot), batch.item_of(s, N));
            let best = (0..N).max_by(|a, b| score(a).total_cmp(&score(b)));
            best.is_some_and(|slot| batch.matches_of(s)[slot])
        };
        (0..batch.n_sequences).map(|s| f64::from(u8::from(is_right(s)))).collect()
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Which way the network matches: cosine of the query with the items whose labels it attends to, weighted by that
/// attention. -1/N where it looks at all alike, as one of N is the opposite; -1 once that one alone is attended to. A
/// head that copies has 1.
#[derive(Debug)]
struct SignedMatch;

/// Its column.
pub const SIGNED_MATCH: Metric = Metric::new("signed_match", "signed match", Unit::Cosine, Better::Neither);

impl Probe for SignedMatch {
    fn metrics(&self) -> Vec<Metric> {
        vec![SIGNED_MATCH]
    }

    fn measure(&mut self, trainer: &Trainer, _: &dyn Workers, row: &mut Row) {
        let (batch, trace, heads) = look(trainer, Set::MAIN, 64);
        let (geometry, last) = (batch.geometry(), heads.len() - 1);
        let (mut matched, mut mass) = (0.0, 0.0);
        for s in 0..batch.n_sequences {
            let attention = trace.attention(last, heads[last], s, geometry.query_token());
            for slot in 0..N {
                let on_label = f64::from(attention[geometry.label_token(slot)]);
                matched += on_label * cosine(batch.item_of(s, slot), batch.item_of(s, N));
                mass += on_label;
            }
        }
        row.push(SIGNED_MATCH.main(), matched / mass);
    }
}
