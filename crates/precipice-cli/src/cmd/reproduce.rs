//! `precipice reproduce`: check claims of the literature by running them.

use std::time::Instant;

use anyhow::bail;
use precipice::record::Recorder;
use precipice::spec::RunSpec;
use precipice_lab::claims::{self, Claim, ClaimReport, Duration, Settings, Verdict, Watcher};
use precipice_lab::error::LabError;
use precipice_lab::input::spec_file::nearest;
use precipice_lab::sweep::SweepWatcher;
use serde::Serialize;

use crate::args::ReproduceArgs;
use crate::numbers::duration;
use crate::output::{note, say_json, say_text};
use crate::progress::{Progress, SweepProgress};
use crate::{Ending, interrupt};

pub fn reproduce(args: ReproduceArgs) -> anyhow::Result<Ending> {
    let chosen = choose(&args.ids)?;
    if args.list {
        list(&chosen, args.said.json)?;
        return Ok(Ending::Done);
    }
    interrupt::listen();
    let settings =
        Settings { fast: args.fast, threads: args.threads.count(), out: args.out, stop: interrupt::requested };
    let mut watcher = Screen { quiet: args.said.quiet, began: Instant::now(), about: None };
    let mut reports = Vec::new();
    if !args.said.quiet && chosen.len() > 1 {
        let all: f64 = chosen.iter().map(|claim| about(claim, args.fast)).sum();
        let fast: f64 = chosen.iter().map(|claim| about(claim, true)).sum();
        let faster = if args.fast { String::new() } else { format!("; --fast {}", About(fast)) };
        let (n, all) = (chosen.len(), About(all));
        note(&format!(
            "{n} claims, {all} in all{faster}; --list lists them, and what is done when Ctrl-C ends it is kept"
        ));
    }
    for (i, claim) in chosen.iter().enumerate() {
        let seconds = about(claim, args.fast);
        (watcher.began, watcher.about) = (Instant::now(), Some(seconds));
        if !args.said.quiet {
            let which = format!("claim {} of {}, {}", i + 1, chosen.len(), About(seconds));
            note(&format!("{}: {}\n  {which}", claim.id, claim.claim));
        }
        let report = match claims::check(claim, &settings, &mut watcher) {
            Err(stopped @ LabError::Stopped { .. }) => {
                note(&stopped.to_string());
                break;
            }
            checked => checked?,
        };
        if !args.said.json {
            say_text(&to_text(&report))?;
        }
        reports.push(report);
    }
    if args.said.json {
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

/// A claim as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    claim: &'a Claim,
    about_seconds: Duration,
}

fn about(claim: &Claim, is_fast: bool) -> f64 {
    about_by_id(claim.id, is_fast)
}

fn list(claims: &[Claim], as_json: bool) -> anyhow::Result<()> {
    let listed = |claim| Listed { claim, about_seconds: claims::about_seconds(claim.id) };
    if as_json {
        return say_json(&claims.iter().map(listed).collect::<Vec<_>>());
    }
    let text = |claim: &Claim| {
        let Claim { id, claim, band, source, .. } = claim;
        let [full, fast] = [false, true].map(|is_fast| About(about_by_id(id, is_fast)));
        let takes = format!("{full}; --fast {fast}");
        format!("{id}\n  {claim}\n  band: {band}\n  source: {source}\n  takes: {takes}")
    };
    let mut lines: Vec<String> = claims.iter().map(text).collect();
    let total = |is_fast| About(claims.iter().map(|claim| about(claim, is_fast)).sum());
    let all = format!("these {} claims: {}; --fast {}", claims.len(), total(false), total(true));
    lines.push(format!("{all}. {}", claims::HOW_LONG));
    say_text(&lines.join("\n"))
}

fn about_by_id(id: &str, is_fast: bool) -> f64 {
    let Duration { full, fast } = claims::about_seconds(id);
    if is_fast { fast } else { full }
}

/// "about 3 min"
struct About(f64);

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            s if s < 1.0 => write!(f, "less than a second"),
            s if s < 60.0 => write!(f, "about {s:.0} s"),
            s if s < 5400.0 => write!(f, "about {:.0} min", s / 60.0),
            s if s < 100_000.0 => write!(f, "about {:.0} h", s / 3600.0),
            s => write!(f, "about {:.0} days", (s / 86400.0).max(1.0)),
        }
    }
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
    /// When the claim began, and how long it takes, about.
    began: Instant,
    about: Option<f64>,
}

impl Screen {
    /// "claim: about 3 min left", or nothing where it takes longer than was said.
    fn of_claim(&self) -> Option<String> {
        let left = self.about? - self.began.elapsed().as_secs_f64();
        (left > 1.0).then(|| format!("claim: {} left", About(left)))
    }
}

impl Watcher for Screen {
    fn begin(&mut self, label: &str, spec: &RunSpec) -> Box<dyn Recorder> {
        Box::new(Progress::within(label, spec, self.quiet, self.of_claim()))
    }

    fn begin_sweep(&mut self, label: &str, n_runs: usize) -> Box<dyn SweepWatcher> {
        if !self.quiet {
            let of_claim = self.of_claim().map_or(String::new(), |words| format!(" · {words}"));
            note(&format!("{label} · {n_runs} runs{of_claim}"));
        }
        Box::new(SweepProgress::new(n_runs, self.quiet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_words() {
        let words = [0.1, 25.0, 170.0, 5000.0, 7200.0, 300_000.0].map(|s| About(s).to_string());
        let expected = ["less than a second", "about 25 s", "about 3 min", "about 83 min", "about 2 h", "about 3 days"];
        assert_eq!(words, expected);
    }
}
