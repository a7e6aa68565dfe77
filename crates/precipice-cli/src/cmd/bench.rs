//! `precipice bench`: how fast training is on this machine.

use anyhow::{Context, bail};
use precipice::spec::RunSpec;
use precipice_figures as figure;
use precipice_lab::bench::{self, Effort, Growth, Timing};
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::threads::THREADS_MAX;
use precipice_lab::store::output;

use crate::Ending;
use crate::args::BenchArgs;
use crate::output::{note, put_figure, say, say_json};

pub fn bench(args: BenchArgs) -> anyhow::Result<Ending> {
    let effort = Effort { rounds: usize::from(args.rounds), seconds: args.seconds };
    if args.growth {
        return growth(&args, effort);
    }
    let tasks = choose(&args.tasks)?;
    let limit = bench::limit_gflops();
    let mut timings = Vec::new();
    if !args.json {
        say(&format!("best matrix product on one core: {limit:.0} GFLOP/s"))?;
        say(HEADING)?;
    }
    for (name, spec) in tasks {
        for &threads in &args.threads {
            let timing = bench::time(&name, spec.clone(), usize::from(threads).min(THREADS_MAX), effort, limit)?;
            if !args.json {
                say(&line(&timing))?;
                if args.plan {
                    say(&plan(&timing))?;
                }
            }
            timings.push(timing);
        }
    }
    if args.json {
        say_json(&timings)?;
    }
    Ok(Ending::Done)
}

/// Timed tasks, and specs under the name they were asked for.
fn choose(names: &[String]) -> anyhow::Result<Vec<(String, RunSpec)>> {
    let all = bench::tasks();
    if names.is_empty() {
        return Ok(all.into_iter().map(|(name, spec)| (name.to_owned(), spec)).collect());
    }
    let find = |name: &String| match all.iter().find(|(task, _)| task == name) {
        Some((_, spec)) => Ok((name.clone(), spec.clone())),
        None => {
            let known = || format!("timed tasks: {}", all.iter().map(|(task, _)| *task).collect::<Vec<_>>().join(", "));
            let spec = spec_file::load(name, &Changes::default()).with_context(known)?;
            Ok((name.clone(), spec))
        }
    };
    names.iter().map(find).collect()
}

/// Nine columns in 79 characters.
const HEADING: &str = "task          thr  steps/s  [slowest, fastest]  data Mflop/step GFLOP/s limit  memory";

fn line(t: &Timing) -> String {
    let memory = t.max_rss_mb.map_or_else(|| "–".to_owned(), |mb| format!("{mb:.0} MB"));
    format!(
        "{:<14} {:>7} {:>9.1}  {:>20} {:>5.1}% {:>12.1} {:>9.1} {:>8.0}% {memory:>8}",
        t.task,
        t.threads,
        t.steps_per_s,
        format!("[{:.1}, {:.1}]", t.min, t.max),
        100.0 * t.data_s_per_step * t.steps_per_s,
        t.flops_per_step / 1e6,
        t.gflops,
        100.0 * t.share_of_limit,
    )
}

fn plan(t: &Timing) -> String {
    if t.flops_per_step == t.plain_flops_per_step {
        return format!("    {}", t.form);
    }
    let saved = t.plain_flops_per_step / t.flops_per_step;
    let plain = t.plain_flops_per_step / 1e6;
    format!("    {}: {saved:.1} times less than the {plain:.0} Mflop of the plain form", t.form)
}

fn growth(args: &BenchArgs, effort: Effort) -> anyhow::Result<Ending> {
    let extension = args.output.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("svg" | "png" | "pdf")) {
        bail!("{}: expected a file that ends in .svg, .png or .pdf", args.output.display());
    }
    // Minutes of work are not to end in a refusal.
    output::check_free(&args.output, args.force)?;
    let mut rows = Vec::new();
    for (what, spec, threads) in bench::growth_tasks() {
        let Growth { axis, value, .. } = what;
        let timing = bench::time(&format!("{axis} = {value}"), spec, threads, effort, f64::INFINITY)?;
        if !args.json {
            say(&format!("{:<16} {:>8.1} steps/s", timing.task, timing.steps_per_s))?;
        }
        rows.push(Growth { steps_per_s: timing.steps_per_s, ..what });
    }
    put_figure(&args.output, &figure::growth(&bench::growth_figure(&rows))?, args.force)?;
    if args.json {
        say_json(&rows)?;
    }
    note(&format!("{}", args.output.display()));
    Ok(Ending::Done)
}
