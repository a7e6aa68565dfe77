//! How fast training is on this machine.

mod growth;
mod limit;
mod profile;

use std::time::Instant;

use precipice::model::plan::Plan;
use precipice::spec::RunSpec;
use precipice::task::{Set, Task};
use precipice::train::Trainer;
use precipice_num::Kernels;
use serde::Serialize;

pub use growth::{Growth, growth_figure, growth_tasks};
pub use limit::Limit;
use limit::Work;
pub use profile::{KernelTime, Profile, ROUNDS as PROFILE_ROUNDS, StageTime, profile};

use crate::error::{BenchProblem, LabError};
use crate::input::{items, spec_file};
use crate::meter::Meter;
use crate::runs::threads::Pool;
use crate::runs::{memory, new_trainer};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds, of which the median counts.
    pub rounds: usize,
    /// Seconds of each.
    pub seconds: f64,
}

impl Effort {
    /// Rounds with the warm-up, which is as long as one.
    pub fn n_rounds(&self) -> u64 {
        self.rounds as u64 + 1
    }
}

/// One timed task. `null` where the system does not tell.
#[derive(Clone, Debug, Serialize)]
pub struct Timing {
    /// Name of the task.
    pub task: String,
    /// Threads.
    pub threads: usize,
    /// Training steps a second: median, slowest and fastest round.
    pub steps_per_s: f64,
    /// Slowest round.
    pub min: f64,
    /// Fastest round.
    pub max: f64,
    /// Seconds in which one thread draws the data of a step.
    pub data_s_per_step: f64,
    /// Floating-point operations of a step in the form that was chosen.
    pub flops_per_step: f64,
    /// 1e9 of them a second.
    pub gflops: f64,
    /// gflops by that of the best product of this machine, timed beside the steps on as many threads: median of the
    /// rounds.
    pub share_of_limit: f64,
    /// The largest of the rounds' shares less the smallest.
    pub share_spread: f64,
    /// Largest memory of the process while it ran.
    pub max_rss_mb: Option<f64>,
    /// What was computed.
    pub form: String,
    /// Operations of a step that projects every token.
    pub plain_flops_per_step: f64,
}

/// The tasks that are timed where none is named: the built-in networks, those of common benchmarks
/// of attention (63-wide items, 65 positions, width 128), and the general network at that width.
///
/// ```
/// use precipice_lab::bench::tasks;
/// assert!(tasks().iter().all(|(_, spec)| spec.validate().is_ok()));
/// ```
pub fn tasks() -> Vec<(&'static str, RunSpec)> {
    const WIDE: [&str; 3] = ["model.d_pos=65", "task.copying.d_item=63", "model.d_buffer=0"];
    let task = |built_in: &str, overrides: &[&str]| {
        let overrides = overrides.iter().map(|change| (*change).to_owned()).collect();
        let changes = spec_file::Changes { overrides, ..spec_file::Changes::default() };
        spec_file::load(built_in, &changes).expect("a built-in spec is valid")
    };
    let wide = |more: &[&str]| task("copying", &[&WIDE, more].concat());
    // Classes without novel ones, as trainers in other languages time it.
    const CLASS: [&str; 4] = [
        "task.classification.n_classes=1024",
        "task.classification.burstiness=2",
        "task.classification.p_novel=0",
        "model.readout_layers=2",
    ];
    let class = |more: &[&str]| task("classification", &[&CLASS, more].concat());
    // What most of the field trains: several heads behind W_O, and blocks as in GPT-2.
    const HEADS: [&str; 2] = ["model.n_heads=4", "model.output_projection=true"];
    const BLOCKS: [&str; 4] = [
        "model.scale_scores=true",
        "model.layer_norm=true",
        "model.d_mlp=512",
        "train.optimizer={ adam = { learning_rate = 0.001 } }",
    ];
    let blocks = |more: &[&str]| wide(&[&HEADS, &BLOCKS[..], more].concat());
    vec![
        ("copying", task("copying", &[])),
        ("copying-small", task("copying-small", &[])),
        ("wide-8", wide(&[])),
        ("wide-8-mlp", wide(&["model.readout=mlp"])),
        ("wide-16", wide(&["task.copying.n_exemplars=16"])),
        ("wide-32", wide(&["task.copying.n_exemplars=32"])),
        ("heads-2", wide(&HEADS)),
        ("blocks-2", blocks(&[])),
        ("blocks-4", blocks(&["model.n_layers=4"])),
        ("class-8", class(&[])),
        ("class-32", class(&["task.classification.n_exemplars=32"])),
        ("class-novel", task("classification", &[])),
    ]
}

/// Times training steps of a spec, without evaluations, with the limit beside them; the meter counts rounds, the
/// warm-up among them.
///
/// # Errors
/// If the spec cannot be run, or diverges while it is timed.
pub fn time(
    name: &str,
    mut spec: RunSpec,
    threads: usize,
    effort: Effort,
    limit: &Limit,
    meter: &Meter,
) -> Result<Timing, LabError> {
    let problem = |problem: BenchProblem| LabError::Bench { task: name.to_owned(), problem };
    forget_peak_memory();
    let pool = Pool::new(threads).map_err(|e| problem(BenchProblem::NoThreads { cause: e.to_string() }))?;
    let mut trainer = trainer_of(&mut spec, threads)?;
    let plan = Plan::of(trainer.model().description(), spec.train.batch_size);
    let rounds = pool
        .with(|| time_rounds(&mut trainer, plan.flops, &pool, effort, limit, meter))
        .map_err(|e| problem(BenchProblem::Diverged { step: e.step }))?;
    let max_rss_mb = peak_memory_mb();
    let [slowest, steps_per_s, fastest] = range(rounds.iter().map(|round| round.steps.rate() / plan.flops));
    let [low, share_of_limit, high] = range(rounds.iter().map(|round| round.steps.rate() / round.products.rate()));
    Ok(Timing {
        task: name.to_owned(),
        threads,
        steps_per_s,
        min: slowest,
        max: fastest,
        data_s_per_step: data_seconds(trainer.task(), spec.train.batch_size),
        flops_per_step: plan.flops,
        gflops: plan.flops * steps_per_s / 1e9,
        share_of_limit,
        share_spread: high - low,
        max_rss_mb,
        form: trainer.form().name().to_owned(),
        plain_flops_per_step: plan.plain_flops,
    })
}

/// The trainer of a spec that fits into the memory.
fn trainer_of(spec: &mut RunSpec, threads: usize) -> Result<Trainer, LabError> {
    let bank = items::load(spec)?;
    memory::check(spec, memory::need(spec, false, threads)?, 1)?;
    new_trainer(spec, bank, Kernels::detect())
}

/// The smallest, the median and the largest.
fn range(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}

/// Training steps, and the products that were timed between them.
#[derive(Default)]
struct Round {
    steps: Work,
    products: Work,
}

/// All rounds, after a warm-up as long as one. Products stand before, after and among the steps of a round, so that a
/// change of the clock hits both.
fn time_rounds(
    trainer: &mut Trainer,
    flops_per_step: f64,
    pool: &Pool,
    effort: Effort,
    limit: &Limit,
    meter: &Meter,
) -> Result<Vec<Round>, precipice::train::Diverged> {
    /// Seconds of products, and of the steps after which they come: a tenth.
    const PRODUCTS: f64 = 4e-3;
    const STEPS: f64 = 40e-3;
    let mut rounds = Vec::with_capacity(effort.rounds);
    for idx in 0..=effort.rounds {
        let mut round = Round { products: limit.run(pool, PRODUCTS), ..Round::default() };
        while round.steps.seconds < effort.seconds {
            let (clock, mut some) = (Instant::now(), Work::default());
            while some.seconds < STEPS.min(effort.seconds - round.steps.seconds) {
                trainer.step(pool)?;
                some.flops += flops_per_step;
                some.seconds = clock.elapsed().as_secs_f64();
            }
            round.steps.add(some);
            // As long after long steps.
            round.products.add(limit.run(pool, PRODUCTS.max(some.seconds * PRODUCTS / STEPS)));
        }
        meter.done(1);
        if idx > 0 {
            rounds.push(round);
        }
    }
    Ok(rounds)
}

/// Seconds in which one thread draws a batch: the median of several.
fn data_seconds(task: &dyn Task, batch_size: usize) -> f64 {
    let mut batch = task.workspace(batch_size);
    batch.n_sequences = batch_size;
    let mut seconds = [0.0; 21];
    for (step, seconds) in seconds.iter_mut().enumerate() {
        let clock = Instant::now();
        task.fill(Kernels::detect(), Set::Train, step as u64, 0, &mut batch);
        *seconds = clock.elapsed().as_secs_f64();
    }
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Starts a new maximum, where the system can (Linux).
fn forget_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident memory of this process so far, where the system tells (Linux).
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_timed() {
        let effort = Effort { rounds: 1, seconds: 0.01 };
        let limit = Limit::find();
        for (name, spec) in tasks() {
            let timing = time(name, spec, 1, effort, &limit, &Meter::default()).unwrap();
            assert!(timing.steps_per_s > 0.0 && timing.data_s_per_step > 0.0, "{timing:?}");
            assert!(timing.flops_per_step <= timing.plain_flops_per_step, "{timing:?}");
            assert!(timing.share_of_limit > 0.0 && timing.share_spread == 0.0, "one round has no spread: {timing:?}");
        }
    }

    /// Steps, products and rates are told apart: the share is that of the rates in the same round.
    #[test]
    fn shares_are_of_the_limit_on_as_many_threads() {
        let limit = Limit::find();
        let effort = Effort { rounds: 3, seconds: 0.05 };
        for threads in [1, 2] {
            let (_, spec) = tasks().swap_remove(0);
            let timing = time("copying", spec, threads, effort, &limit, &Meter::default()).unwrap();
            // Tests run beside each other: a product may wait for its turn, and only the order of magnitude is certain.
            let pool = Pool::new(threads).unwrap();
            let runs = (0..20).map(|_| limit.run(&pool, 5e-3));
            let work = runs.max_by(|a, b| a.rate().total_cmp(&b.rate())).unwrap();
            assert!(work.seconds >= 5e-3 && work.rate() > 0.0);
            let share = timing.gflops * 1e9 / work.rate();
            let ratio = timing.share_of_limit / share;
            assert!((0.1..10.0).contains(&ratio), "{timing:?}, {share}");
        }
    }
}
