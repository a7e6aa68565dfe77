//! Where the time of a training step goes: by stage and kernel, on one thread.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice::workers::Sequential;
use precipice_num::{Kernels, Real, profile};
use serde::Serialize;

use super::{Effort, trainer_of};
use crate::error::{BenchProblem, LabError};
use crate::meter::Meter;

/// A task's step, taken apart.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Name of the task.
    pub task: String,
    /// Seconds of a step, without what measuring adds.
    pub s_per_step: f64,
    /// What measuring added, as a part of all time: the more, the less the rest can be trusted.
    pub measuring: f64,
    /// What was timed, stage by stage, the longest first.
    pub stages: Vec<StageTime>,
}

/// A stage of the step.
#[derive(Clone, Debug, Serialize)]
pub struct StageTime {
    /// Its name.
    pub stage: &'static str,
    /// Its part of the step.
    pub share: f64,
    /// The kernels that were called in it, the longest first. The rest is copies, look-ups and calls.
    pub kernels: Vec<KernelTime>,
}

/// A kernel in a stage.
#[derive(Clone, Debug, Serialize)]
pub struct KernelTime {
    /// Its name.
    pub kernel: &'static str,
    /// Its part of the step.
    pub share: f64,
    /// Calls a step.
    pub calls_per_step: f64,
    /// 1e9 floating-point operations a second, of products.
    pub gflops: Option<f64>,
    /// The shapes of products (M, N, K) that took longest, and each one's part of the step; at most three.
    pub shapes: Vec<([usize; 3], f64)>,
}

/// Takes apart the steps of a spec that are made in the seconds of one round.
///
/// # Errors
/// If the spec cannot be run, or diverges.
pub fn profile(name: &str, mut spec: RunSpec, effort: Effort, meter: &Meter) -> Result<Profile, LabError> {
    let mut trainer = trainer_of(&mut spec, 1)?;
    let diverged = |step| LabError::Bench { task: name.to_owned(), problem: BenchProblem::Diverged { step } };
    let mut timed = || {
        profile::start(nanoseconds);
        let steps = steps_in(&mut trainer, effort.seconds);
        let entries = profile::stop();
        meter.done(1);
        steps.map(|steps| (steps, entries)).map_err(diverged)
    };
    timed()?;
    let (steps, entries) = timed()?;
    Ok(taken_apart(name, &entries, steps))
}

/// Rounds that a profile takes: a warm-up and one that counts.
pub const ROUNDS: u64 = 2;

/// Nanoseconds since the first call.
fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Steps in so many seconds, or the one that diverged.
fn steps_in(trainer: &mut Trainer, seconds: f64) -> Result<u64, u64> {
    let (clock, mut steps) = (Instant::now(), 0);
    while clock.elapsed().as_secs_f64() < seconds {
        trainer.step(&Sequential).map_err(|e| e.step)?;
        steps += 1;
    }
    Ok(steps)
}

/// What measuring adds to a call and to the stage around it, in nanoseconds: the least of many means over calls that do
/// nothing.
fn cost_of_measuring() -> [f64; 2] {
    const CALLS: u32 = 1000;
    let mean = |_| {
        profile::start(nanoseconds);
        profile::stage("nothing");
        (0..CALLS).for_each(|_| f32::axpy(Kernels::detect(), 0.0, &[], &mut []));
        let entries = profile::stop();
        let of = |is_call: bool| entries.iter().find(|entry| entry.kernel.is_some() == is_call);
        [true, false].map(|is_call| of(is_call).map_or(0.0, |entry| entry.ticks as f64 / f64::from(CALLS)))
    };
    (0..20).map(mean).fold([f64::INFINITY; 2], |least, mean| [0, 1].map(|i: usize| least[i].min(mean[i])))
}

fn taken_apart(name: &str, entries: &[profile::Entry], steps: u64) -> Profile {
    let [of_call, of_stage] = cost_of_measuring();
    let steps = steps as f64;
    let mut kernels: BTreeMap<(&str, &str), Vec<(&profile::Entry, f64)>> = BTreeMap::new();
    // Each stage as it was measured, calls in it, and the time of its kernels.
    let mut sums: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
    for entry in entries {
        let (ticks, calls) = (entry.ticks as f64, entry.calls as f64);
        let sum = sums.entry(entry.stage).or_default();
        match entry.kernel {
            None => sum[0] += ticks,
            Some(kernel) => {
                let ns = (ticks - of_call * calls).max(0.0);
                kernels.entry((entry.stage, kernel)).or_default().push((entry, ns));
                *sum = [sum[0], sum[1] + calls, sum[2] + ns];
            }
        }
    }
    // Out of order a processor measures faster than it does nothing but measure.
    let net = |[all, calls, of_kernels]: [f64; 3]| (all - of_stage * calls).max(of_kernels);
    let stages: BTreeMap<&str, f64> = sums.iter().map(|(&stage, &sums)| (stage, net(sums))).collect();
    let total: f64 = stages.values().sum();
    let measured: f64 = sums.values().map(|[all, ..]| all).sum();
    let kernel = |kernel: &'static str, mut of: Vec<(&profile::Entry, f64)>| {
        of.sort_by(|a, b| b.1.total_cmp(&a.1));
        let ns: f64 = of.iter().map(|(_, ns)| ns).sum();
        let flops: f64 =
            of.iter().map(|(e, _)| 2.0 * e.calls as f64 * e.shape.map(|n| n as f64).iter().product::<f64>()).sum();
        let shapes = of.iter().filter(|(e, _)| e.shape != [0; 3]).take(3);
        KernelTime {
            kernel,
            share: ns / total,
            calls_per_step: of.iter().map(|(e, _)| e.calls as f64).sum::<f64>() / steps,
            gflops: (flops > 0.0).then(|| flops / ns),
            shapes: shapes.map(|(e, ns)| (e.shape, ns / total)).collect(),
        }
    };
    let stage = |(&stage, &ns): (&&'static str, &f64)| {
        let own = kernels.iter().filter(|((of, _), _)| *of == stage);
        let mut kernels: Vec<_> = own.map(|((_, name), of)| kernel(name, of.clone())).collect();
        kernels.sort_by(|a, b| b.share.total_cmp(&a.share));
        StageTime { stage, share: ns / total, kernels }
    };
    let mut stages: Vec<_> = stages.iter().map(stage).collect();
    stages.sort_by(|a, b| b.share.total_cmp(&a.share));
    let measuring = (1.0 - total / measured).max(0.0);
    Profile { task: name.to_owned(), s_per_step: total * 1e-9 / steps, measuring, stages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_taken_apart() {
        let effort = Effort { rounds: 1, seconds: 0.05 };
        let profile = profile("default", RunSpec::default(), effort, &Meter::default()).unwrap();
        let total: f64 = profile.stages.iter().map(|stage| stage.share).sum();
        for stage in &profile.stages {
            let of_kernels: f64 = stage.kernels.iter().map(|kernel| kernel.share).sum();
            assert!(of_kernels >= 0.0 && of_kernels <= stage.share + 1e-9, "{stage:?}");
        }
        assert!((0.0..1.0).contains(&profile.measuring));
        assert!((total - 1.0).abs() < 1e-9 && profile.s_per_step > 0.0, "{profile:?}");
        let named: Vec<_> = profile.stages.iter().map(|stage| stage.stage).collect();
        for stage in ["prepare", "data", "forward", "loss", "backward", "reduce", "update"] {
            assert!(named.contains(&stage), "{named:?}");
        }
        let forward = profile.stages.iter().find(|stage| stage.stage == "forward").unwrap();
        assert!(forward.kernels.iter().any(|kernel| kernel.kernel == "product" && kernel.gflops.is_some()));
    }
}
