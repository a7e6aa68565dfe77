//! `precipice bench`: how fast training is on this machine.

use anyhow::{Context, bail};
use precipice::spec::RunSpec;
use precipice_figures as figure;
use precipice_lab::bench::{self, Effort, Growth, KernelTime, Limit, Profile, StageTime, Timing};
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::threads::THREADS_MAX;
use precipice_lab::store::output;

use crate::Ending;
use crate::args::BenchArgs;
use crate::lines::wrap;
use crate::output::{note, put_figure, say, say_json};
use crate::progress::Working;

pub fn bench(args: BenchArgs) -> anyhow::Result<Ending> {
    let effort = Effort { rounds: usize::from(args.rounds), seconds: args.seconds };
    if args.growth {
        return growth(&args, effort);
    }
    let tasks = choose(&args.tasks)?;
    if args.profile {
        return profile(tasks, effort, args.json);
    }
    let limit = Limit::find();
    let mut timings = Vec::new();
    let working = Working::on("timing", args.json);
    working.meter().expect((tasks.len() * args.threads.len()) as u64 * effort.n_rounds());
    if !args.json {
        let [m, n, k] = limit.shape();
        let gflops = limit.gflops();
        say(&format!("best product: {m}x{n}x{k}, now {gflops:.0} GFLOP/s a core; timed in every round"))?;
        say(HEADING)?;
    }
    for (name, spec) in tasks {
        for &threads in &args.threads {
            let timing = bench::time(
                &name,
                spec.clone(),
                usize::from(threads).min(THREADS_MAX),
                effort,
                &limit,
                working.meter(),
            )?;
            if !args.json {
                say(&line(&timing))?;
                if args.plan {
                    say(&plan(&timing))?;
                }
            }
            timings.push(timing);
        }
    }
    drop(working);
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

/// Columns in 70 characters; spread is the fastest round less the slowest, as a share of the median; limit is the share
/// of it, and the largest share of a round less the smallest.
const HEADING: &str = "task          thr steps/s spread data  Mflop GFLOP/s      limit memory";

fn line(t: &Timing) -> String {
    let memory = match t.max_rss_mb {
        None => "–".to_owned(),
        Some(mb) if mb < 999.5 => format!("{mb:.0} MB"),
        Some(mb) => format!("{} GB", short(mb / 1024.0, 10.0)),
    };
    // A long name has a line of its own.
    let name = if t.task.chars().count() > 13 { format!("{}\n{:13}", t.task, "") } else { format!("{:13}", t.task) };
    let share = format!("{} ±{}", share(t.share_of_limit), share(t.share_spread));
    format!(
        "{name} {:>3} {:>7} {:>5.1}% {:>3}% {:>6} {:>7.1} {share:>10} {memory:>6}",
        t.threads,
        short(t.steps_per_s, 1e5),
        100.0 * (t.max - t.min) / t.steps_per_s,
        short(100.0 * t.data_s_per_step * t.steps_per_s, 10.0),
        short(t.flops_per_step / 1e6, 1e4),
        t.gflops,
    )
}

/// With one digit behind the point, which large numbers have no room for.
fn short(value: f64, large: f64) -> String {
    if value < large - 0.05 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// 0.421 as ".42".
fn share(value: f64) -> String {
    let text = format!("{value:.2}");
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

fn plan(t: &Timing) -> String {
    if t.flops_per_step == t.plain_flops_per_step {
        return wrap(&format!("    {}", t.form), "      ", 70);
    }
    let saved = t.plain_flops_per_step / t.flops_per_step;
    let plain = t.plain_flops_per_step / 1e6;
    let text = format!("    {}: {saved:.1} times less than the {plain:.0} Mflop of the plain form", t.form);
    wrap(&text, "      ", 70)
}

/// Each task's step by stage and kernel.
fn profile(tasks: Vec<(String, RunSpec)>, effort: Effort, json: bool) -> anyhow::Result<Ending> {
    let working = Working::on("profiling", json);
    working.meter().expect(tasks.len() as u64 * bench::PROFILE_ROUNDS);
    let mut profiles = Vec::new();
    for (name, spec) in tasks {
        let profile = bench::profile(&name, spec, effort, working.meter())?;
        if !json {
            say(&taken_apart(&profile))?;
        }
        profiles.push(profile);
    }
    drop(working);
    if json {
        say_json(&profiles)?;
    }
    Ok(Ending::Done)
}

/// A line for each stage and kernel of a hundredth of the step or more; what a stage does besides its kernels is copies,
/// look-ups and calls.
fn taken_apart(profile: &Profile) -> String {
    let Profile { task, s_per_step, measuring, .. } = profile;
    let ms = 1e3 * s_per_step;
    let told = format!(
        "{task}: {ms:.3} ms a step on one thread; {:.0} % more was measuring",
        100.0 * measuring / (1.0 - measuring)
    );
    let mut lines = vec![wrap(&told, "  ", 70)];
    for StageTime { stage, share, kernels } in &profile.stages {
        lines.push(format!("  {:<26} {:>5.1}%", stage, 100.0 * share));
        for KernelTime { kernel, share, calls_per_step, gflops, shapes } in kernels.iter().filter(|k| k.share >= 0.01) {
            let rate = gflops.map_or(String::new(), |gflops| format!("{gflops:>6.0} GFLOP/s"));
            lines.push(format!("    {:<24} {:>5.1}% {:>8.0} calls {rate}", kernel, 100.0 * share, calls_per_step));
            for ([m, n, k], share) in shapes.iter().filter(|(_, share)| *share >= 0.01) {
                lines.push(format!("      {:<22} {:>5.1}%", format!("{m} x {n} x {k}"), 100.0 * share));
            }
        }
    }
    lines.join("\n")
}

fn growth(args: &BenchArgs, effort: Effort) -> anyhow::Result<Ending> {
    let extension = args.output.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("svg" | "png" | "pdf")) {
        bail!("{}: expected a file that ends in .svg, .png or .pdf", args.output.display());
    }
    // Minutes of work are not to end in a refusal.
    output::check_free(&args.output, args.force)?;
    let mut rows = Vec::new();
    let working = Working::on("timing", args.json);
    working.meter().expect(bench::growth_tasks().len() as u64 * effort.n_rounds());
    let limit = Limit::find();
    for (what, spec, threads) in bench::growth_tasks() {
        let Growth { axis, value, .. } = what;
        let timing = bench::time(&format!("{axis} = {value}"), spec, threads, effort, &limit, working.meter())?;
        if !args.json {
            say(&format!("{:<16} {:>8.1} steps/s", timing.task, timing.steps_per_s))?;
        }
        rows.push(Growth { steps_per_s: timing.steps_per_s, ..what });
    }
    drop(working);
    put_figure(&args.output, &figure::growth(&bench::growth_figure(&rows))?, args.force)?;
    if args.json {
        say_json(&rows)?;
    }
    note(&format!("{}", args.output.display()));
    Ok(Ending::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_70_columns() {
        let timing = Timing {
            task: "copying-small".to_owned(),
            threads: 128,
            steps_per_s: 123_456.7,
            min: 1.0,
            max: 123_456.7,
            data_s_per_step: 0.99 / 123_456.7,
            flops_per_step: 99_999.9e6,
            gflops: 12_345.6,
            share_of_limit: 1.0,
            share_spread: 0.999,
            max_rss_mb: Some(123_456.0),
            form: "one linear layer by its sufficient statistic: sums over the context, never their matrix".to_owned(),
            plain_flops_per_step: 999_999.9e6,
        };
        let all = [HEADING.to_owned(), line(&timing), plan(&timing)].join("\n");
        assert!(all.lines().all(|line| line.chars().count() <= 70), "{all}");
        let named = Timing { task: "a/long/path/to/a/spec.toml".to_owned(), ..timing };
        assert_eq!(line(&named).lines().count(), 2);
        // Numbers stand under the ends of their names.
        let usual =
            Timing { task: "wide-8".to_owned(), threads: 2, steps_per_s: 542.13, share_of_limit: 0.421, ..named };
        let usual =
            Timing { min: 540.0, max: 548.0, share_spread: 0.02, gflops: 75.12, flops_per_step: 132e6, ..usual };
        let usual = Timing { data_s_per_step: 0.05 / 542.13, max_rss_mb: Some(17.0), ..usual };
        assert_eq!(line(&usual), "wide-8          2   542.1   1.5% 5.0%  132.0    75.1   .42 ±.02  17 MB");
        let ends = |text: &str, part: &str| text.find(part).map(|at| text[..at + part.len()].chars().count());
        assert_eq!(ends(HEADING, "Mflop"), ends(&line(&usual), "132.0"));
        assert_eq!(ends(HEADING, "memory"), ends(&line(&usual), "17 MB"));
    }
}
