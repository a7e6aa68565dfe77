//! `precipice sweep`: many runs, and what they say together.

mod pack;
mod said;
mod status;
mod submit;
mod unpack;

use std::path::{Path, PathBuf};
use std::time::Duration;

use precipice_lab::sweep::{self, Job, Plan, SweepOptions};

use crate::args::{SweepArgs, SweepCommand};
use crate::numbers::commas;
use crate::output::note;
use crate::progress::SweepProgress;
use crate::{Ending, interrupt};
use said::Sweep;

pub fn sweep(args: SweepArgs) -> anyhow::Result<Ending> {
    match args.command {
        Some(SweepCommand::Status(args)) => return status::status(&args),
        Some(SweepCommand::Pack(args)) => return pack::pack(&args),
        Some(SweepCommand::Unpack(args)) => return unpack::unpack(&args),
        None => {}
    }
    // A worker may be asked to make room at any time.
    interrupt::listen();
    let mut plan = Plan::load(&args.spec, args.fast)?;
    plan.changes.overrides.extend(args.set);
    plan.changes.steps = args.steps;
    plan.arithmetic = args.how.arithmetic;
    plan.set_axes(args.grid)?;
    plan.seeds = args.seeds.map_or(plan.seeds, |seeds| seeds.0);
    let jobs = plan.jobs()?;
    // A spec's name may have been changed.
    let name = if plan.is_of_one_spec { jobs[0].spec.name.clone() } else { plan.name.clone() };
    let folder = args.out.unwrap_or_else(|| PathBuf::from("runs").join(format!("sweep-{name}")));
    let sweep = Sweep { name: &name, axes: &plan.axes, folder: &folder, is_json: args.said.json };
    if args.collect {
        return sweep.collected(sweep::look(&jobs, &folder)?);
    }
    if let Some(ending) = submit::submit(&args.cluster, args.workers, &sweep, &jobs)? {
        return Ok(ending);
    }
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let checkpoint = Duration::from_secs_f64(args.checkpoint);
    let options = SweepOptions { workers: args.workers.map_or(cores, usize::from), checkpoint, shard: args.shard };
    sweep::items_warnings(&jobs)?.iter().for_each(|warning| note(&format!("warning: {warning}")));
    if !args.said.quiet {
        note(&title(&name, &plan.seeds, &jobs, &folder));
    }
    let n_runs = jobs.len();
    let mut screen = SweepProgress::new(n_runs, args.said.quiet);
    let report = sweep::sweep(jobs, &folder, &options, &interrupt::requested, &mut screen)?;
    drop(screen);
    sweep.made(report, n_runs, args.shard)
}

/// What is going to be made.
fn title(name: &str, seeds: &[u64], jobs: &[Job], folder: &Path) -> String {
    let steps = jobs.iter().map(|job| job.spec.train.steps).max().unwrap_or(0);
    let seeds = match seeds {
        [one] => format!("seed {one}"),
        [first, .., last] if last - first + 1 == seeds.len() as u64 => format!("seeds {first} to {last}"),
        _ => format!("{} seeds", commas(seeds.len() as u64)),
    };
    format!(
        "{name} · {} runs of {} steps, {seeds} · into {}",
        commas(jobs.len() as u64),
        commas(steps),
        folder.display()
    )
}
