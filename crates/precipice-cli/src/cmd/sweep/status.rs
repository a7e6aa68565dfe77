//! `precipice sweep status`: how far a folder is.

use std::time::Duration;

use precipice_lab::sweep::SweepStatus;

use super::said::DAMAGED;
use crate::Ending;
use crate::args::StatusArgs;
use crate::numbers::{commas, duration};
use crate::output::{run_named, say, say_json};

pub fn status(args: &StatusArgs) -> anyhow::Result<Ending> {
    let status = SweepStatus::of(&run_named(&args.folder)?)?;
    if args.json {
        say_json(&status)?;
        return Ok(Ending::Done);
    }
    let count = |n: usize| commas(n as u64);
    let outcomes = status.outcomes.iter().map(|(outcome, n)| format!("{outcome} {}", count(*n))).collect::<Vec<_>>();
    let outcomes = if outcomes.is_empty() { String::new() } else { format!("  ({})", outcomes.join(", ")) };
    let mut lines = vec![
        status.folder.clone(),
        format!("ended    {:>9} of {}{outcomes}", count(status.n_ended), count(status.n_runs)),
        format!("running  {:>9}", count(status.n_running)),
        format!("left     {:>9}  begun, and nobody is making them", count(status.n_left)),
        format!("waiting  {:>9}", count(status.n_waiting)),
    ];
    if status.n_unknown > 0 {
        let why = "begun; without locks nobody can tell who makes them";
        lines.insert(4, format!("unknown  {:>9}  {why}", count(status.n_unknown)));
    }
    if status.n_damaged > 0 {
        lines.push(format!("damaged  {:>9}", count(status.n_damaged)));
        lines.extend(status.damaged.iter().map(|problem| format!("  {problem}")));
        lines.push(format!("they are made again: {DAMAGED}"));
    }
    if !status.damaged_packs.is_empty() {
        lines.push(format!("damaged packs {:>4}", count(status.damaged_packs.len())));
        lines.extend(status.damaged_packs.iter().map(|problem| format!("  {problem}")));
    }
    let n_to_make = status.n_left + status.n_waiting;
    lines.push(match (status.seconds_left, status.has_table) {
        (Some(0.0), true) => "all runs have ended; their table is runs.parquet".to_owned(),
        (Some(0.0), false) => "all runs have ended; the sweep's command with --collect writes their table".to_owned(),
        (Some(seconds), _) => format!("about {} left at this pace", duration(seconds)),
        (None, _) if status.n_running > 0 => "time left: not known before the first run has ended".to_owned(),
        (None, _) if status.n_unknown > 0 => "time left: not known without locks".to_owned(),
        (None, _) if n_to_make == 0 => "nobody is making it; all that is left is damaged".to_owned(),
        (None, _) => "nobody is making it; the command that began the sweep goes on".to_owned(),
    });
    if let Some(seconds) = status.seconds_per_run {
        lines.push(format!("{} a run", precise(seconds)));
    }
    say(&lines.join("\n"))?;
    Ok(Ending::Done)
}

/// Short runs take less than the second that durations are counted in.
fn precise(seconds: f64) -> String {
    if seconds < 10.0 { format!("{:.1?}", Duration::from_secs_f64(seconds)) } else { duration(seconds) }
}
