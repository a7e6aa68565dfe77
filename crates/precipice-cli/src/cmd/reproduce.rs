//! `precipice reproduce`: check claims of the literature by running them.

use anyhow::bail;
use precipice::record::Recorder;
use precipice::spec::RunSpec;
use precipice_lab::claims::{self, Claim, ClaimReport, Settings, Verdict, Watcher};
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::nearest;
use precipice_lab::sweep::SweepWatcher;

use crate::args::ReproduceArgs;
use crate::numbers::duration;
use crate::output::{note, say, say_json};
use crate::progress::{Progress, SweepProgress};
use crate::{Ending, interrupt};

pub fn reproduce(args: ReproduceArgs) -> anyhow::Result<Ending> {
    let chosen = choose(&args.ids)?;
    if args.list {
        list(&chosen, args.json)?;
        return Ok(Ending::Done);
    }
    interrupt::listen();
    let settings =
        Settings { fast: args.fast, threads: args.threads.count(), out: args.out, stop: interrupt::requested };
    let mut watcher = Screen { quiet: args.quiet };
    let mut reports = Vec::new();
    for claim in &chosen {
        if !args.quiet {
            note(&format!("{}: {}", claim.id, claim.claim));
        }
        let report = match claims::check(claim, &settings, &mut watcher) {
            Err(stopped @ LabError::Stopped { .. }) => {
                note(&stopped.to_string());
                break;
            }
            checked => checked?,
        };
        if !args.json {
            say(&to_text(&report))?;
        }
        reports.push(report);
    }
    if args.json {
        say_json(&reports)?;
    }
    let reproduced = reports.iter().filter(|report| report.verdict == Verdict::Reproduced).count();
    Ok(if reproduced == chosen.len() { Ending::Done } else { Ending::Failed })
}

fn choose(ids: &[String]) -> anyhow::Result<Vec<Claim>> {
    let all = claims::register();
    let known: Vec<&str> = all.iter().map(|claim| claim.id).collect();
    for id in ids {
        if !known.contains(&id.as_str()) {
            let hint =
                nearest(id, known.iter().copied()).map_or(String::new(), |name| format!("did you mean {name}? "));
            bail!("no claim {id:?}; {hint}there are {}", known.join(", "));
        }
    }
    Ok(all.into_iter().filter(|claim| ids.is_empty() || ids.iter().any(|id| id == claim.id)).collect())
}

fn list(claims: &[Claim], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return say_json(&claims);
    }
    let lines: Vec<String> = claims
        .iter()
        .map(|c| format!("{}  {}\n         band: {}\n         source: {}", c.id, c.claim, c.band, c.source))
        .collect();
    say(&lines.join("\n"))
}

fn to_text(report: &ClaimReport) -> String {
    let mut text = format!("{}: {}\n", report.id, report.verdict.text().to_uppercase());
    text += &format!("  claim     {}\n  measured  {}\n  band      {}\n", report.claim, report.measured, report.band);
    for row in &report.seeds {
        let value = |(name, value): &(String, Option<f64>)| match value {
            Some(x) if x.abs() >= 100.0 => format!("{name} {x:.0}"),
            Some(x) => format!("{name} {x:.3}"),
            None => format!("{name} –"),
        };
        let values: Vec<String> = row.values.iter().map(value).collect();
        text += &format!("  {} {} {}\n", row.case, if row.holds { "in band " } else { "OUTSIDE " }, values.join(", "));
    }
    if let Some(figure) = &report.figure {
        text += &format!("  figure    {}\n", figure);
    }
    text + &format!("  took      {}", duration(report.seconds))
}

/// Shows one progress display after the other.
struct Screen {
    quiet: bool,
}

impl Watcher for Screen {
    fn begin(&mut self, label: &str, spec: &RunSpec) -> Box<dyn Recorder> {
        Box::new(Progress::new(label, spec, self.quiet))
    }

    fn begin_sweep(&mut self, label: &str, n_runs: usize) -> Box<dyn SweepWatcher> {
        if !self.quiet {
            note(&format!("{label} · {n_runs} runs"));
        }
        Box::new(SweepProgress::new(n_runs, self.quiet))
    }
}
