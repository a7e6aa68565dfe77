//! How fast training is on this machine.

use std::time::Instant;

use precipice::model::plan::Plan;
use precipice::spec::RunSpec;
use precipice::task::{Set, Task};
use precipice::train::Trainer;
use precipice::workers::Workers;
use precipice_figures as figure;
use precipice_num::{Fill, Kernels, MatMut, MatRef, Real, Rng, StreamId};
use serde::Serialize;

use crate::error::{BenchProblem, LabError};
use crate::input::{items, spec_file};
use crate::meter::Meter;
use crate::runs::threads::{self, Pool};
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
    /// gflops by that of the best product of this machine, on as many threads.
    pub share_of_limit: f64,
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

/// Times training steps of a spec, without evaluations; the meter counts rounds, the warm-up among them.
///
/// # Errors
/// If the spec cannot be run, or diverges while it is timed.
pub fn time(
    name: &str,
    mut spec: RunSpec,
    threads: usize,
    effort: Effort,
    limit: f64,
    meter: &Meter,
) -> Result<Timing, LabError> {
    let bank = items::load(&mut spec)?;
    let problem = |problem: BenchProblem| LabError::Bench { task: name.to_owned(), problem };
    forget_peak_memory();
    let pool = Pool::new(threads).map_err(|e| problem(BenchProblem::NoThreads { cause: e.to_string() }))?;
    memory::check(&spec, memory::need(&spec, false)?, 1)?;
    let mut trainer = new_trainer(&spec, bank, Kernels::detect())?;
    let mut rates = pool
        .with(|| steps_per_s(&mut trainer, &pool, effort, meter))
        .map_err(|e| problem(BenchProblem::Diverged { step: e.step }))?;
    let max_rss_mb = peak_memory_mb();
    rates.sort_by(f64::total_cmp);
    let plan = Plan::of(trainer.model().description(), spec.train.batch_size);
    let steps_per_s = rates[rates.len() / 2];
    let gflops = plan.flops * steps_per_s / 1e9;
    Ok(Timing {
        task: name.to_owned(),
        threads,
        steps_per_s,
        min: rates[0],
        max: rates[rates.len() - 1],
        data_s_per_step: data_seconds(trainer.task(), spec.train.batch_size),
        flops_per_step: plan.flops,
        gflops,
        share_of_limit: gflops / (limit * threads as f64),
        max_rss_mb,
        form: trainer.form().name().to_owned(),
        plain_flops_per_step: plan.plain_flops,
    })
}

/// Steps a second of every round, after a warm-up as long as one.
fn steps_per_s(
    trainer: &mut Trainer,
    workers: &dyn Workers,
    effort: Effort,
    meter: &Meter,
) -> Result<Vec<f64>, precipice::train::Diverged> {
    let mut rates = Vec::with_capacity(effort.rounds);
    for round in 0..=effort.rounds {
        let (clock, mut steps) = (Instant::now(), 0);
        let seconds = loop {
            trainer.step(workers)?;
            steps += 1;
            let seconds = clock.elapsed().as_secs_f64();
            if seconds >= effort.seconds {
                break seconds;
            }
        };
        meter.done(1);
        if round > 0 {
            rates.push(f64::from(steps) / seconds);
        }
    }
    Ok(rates)
}

/// One point of the growth of cost.
#[derive(Clone, Debug, Serialize)]
pub struct Growth {
    /// What varies.
    pub axis: &'static str,
    /// Its value.
    pub value: usize,
    /// What was measured.
    pub steps_per_s: f64,
}

/// The default network, varied along one axis at a time, with the threads to time it with.
pub fn growth_tasks() -> Vec<(Growth, RunSpec, usize)> {
    type Axis = (&'static str, &'static [usize], fn(usize) -> Option<String>);
    let axes: [Axis; 4] = [
        ("N", &[4, 8, 16, 32], |n| Some(format!("task.copying.n_exemplars={n}"))),
        ("d_item", &[16, 32, 64, 128, 256], |d| Some(format!("task.copying.d_item={d}"))),
        ("batch", &[32, 64, 128, 256, 512], |s| Some(format!("train.batch_size={s}"))),
        ("threads", &[1, 2, 4, 8], |_| None),
    ];
    let mut tasks = Vec::new();
    for (axis, values, change) in axes {
        for &value in values {
            if axis == "threads" && value > threads::available() {
                continue;
            }
            let overrides = std::iter::once("model.d_pos=65".to_owned()).chain(change(value)).collect();
            let changes = spec_file::Changes { overrides, ..spec_file::Changes::default() };
            let spec = spec_file::load("copying", &changes).expect("a varied built-in is valid");
            tasks.push((
                Growth { axis, value, steps_per_s: f64::NAN },
                spec,
                if axis == "threads" { value } else { 1 },
            ));
        }
    }
    tasks
}

/// Milliseconds a step against each axis.
pub fn growth_figure(rows: &[Growth]) -> figure::Growth {
    let panel = |rows: &[Growth]| figure::GrowthPanel {
        x_name: rows[0].axis.to_owned(),
        points: rows.iter().map(|row| (row.value as f64, 1e3 / row.steps_per_s)).collect(),
    };
    figure::Growth {
        title: "Cost of a training step · default network, 65 positions".to_owned(),
        y_name: "milliseconds a step".to_owned(),
        panels: rows.chunk_by(|a, b| a.axis == b.axis).map(panel).collect(),
    }
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

/// 1e9 floating-point operations a second of the best matrix product, on one core.
pub fn limit_gflops() -> f64 {
    const SHAPE: [usize; 3] = [144, 64, 256];
    const TIMES: usize = 200;
    let [m, n, k] = SHAPE;
    let kernels = Kernels::detect();
    let random = |lane, len| {
        let mut values = vec![0.0; len];
        Rng::fill_normal(kernels, StreamId { seed: 0, purpose: 0, step: 0, lane }, 1.0, &mut values);
        values
    };
    let (a, b, mut c) = (random(0, m * k), random(1, k * n), vec![0.0; m * n]);
    let mut product = || {
        let clock = Instant::now();
        for _ in 0..TIMES {
            let c = MatMut::new(std::hint::black_box(&mut c), m, n);
            f32::gemm(kernels, c, Fill::Set, MatRef::new(&a, m, k), MatRef::new(&b, k, n));
        }
        clock.elapsed().as_secs_f64()
    };
    let best = (0..10).map(|_| product()).fold(f64::INFINITY, f64::min);
    2.0 * (m * n * k * TIMES) as f64 / best / 1e9
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
        let limit = limit_gflops();
        assert!(limit > 0.0);
        for (name, spec) in tasks() {
            let timing = time(name, spec, 1, effort, limit, &Meter::default()).unwrap();
            assert!(timing.steps_per_s > 0.0 && timing.data_s_per_step > 0.0, "{timing:?}");
            assert!(timing.flops_per_step <= timing.plain_flops_per_step, "{timing:?}");
        }
    }
}
