//! `precipice figure`: draw a figure of stored runs.

use std::path::{Path, PathBuf};

use anyhow::bail;
use precipice_figures::Figure;
use precipice_lab::reports::run::FiguresReport;
use precipice_lab::run_figures::{self, Choice, Kind};
use precipice_lab::runs::threads::Pool;
use precipice_lab::runs::{StoredRun, companion};
use precipice_lab::whole_run::train_companion;

use crate::args::FigureArgs;
use crate::output::{say, say_json};
use crate::progress::Progress;
use crate::{Ending, interrupt};

pub fn figure(args: FigureArgs) -> anyhow::Result<Ending> {
    let mut paths = Vec::new();
    let choice = Choice { heads: args.heads.clone(), steps: args.steps.clone() };
    if args.kind == Kind::Argument && choice != Choice::default() {
        bail!("argument has no choice of heads or steps");
    }
    if args.kind == Kind::Argument {
        let figure = argument(&args)?;
        paths.push(write(&args, &args.runs[0], &figure)?);
    } else {
        if args.output.is_some() && args.runs.len() > 1 {
            bail!("-o names one file, but there are {} runs; leave it out to write into each run", args.runs.len());
        }
        let pool = Pool::new(args.threads.count())?;
        for root in &args.runs {
            let figure = run_figures::draw_chosen(args.kind, &StoredRun::open(root)?, &choice, &pool)?;
            paths.push(write(&args, root, &figure)?);
        }
    }
    let report = FiguresReport::new(&paths);
    if args.json {
        say_json(&report)?;
    } else {
        say(&report.figures.join("\n"))?;
    }
    Ok(Ending::Done)
}

fn write(args: &FigureArgs, root: &Path, figure: &Figure) -> anyhow::Result<PathBuf> {
    let default = || root.join("figures").join(format!("{}.svg", args.kind.name()));
    let path = args.output.clone().unwrap_or_else(default);
    run_figures::write(figure, &path)?;
    Ok(path)
}

/// A run and its companion with L = N, which is trained if it is not given.
fn argument(args: &FigureArgs) -> anyhow::Result<Figure> {
    let run = StoredRun::open(&args.runs[0])?;
    let companion = match &args.runs[1..] {
        [] => {
            interrupt::listen();
            let spec = companion(&run)?.spec;
            let mut watch = Progress::new(&spec.name, &spec, args.quiet);
            train_companion(&run, args.threads.count(), &mut watch)?
        }
        [companion] => StoredRun::open(companion)?,
        more => bail!("argument takes a run and its companion with L = N, not {} runs", more.len() + 1),
    };
    Ok(run_figures::draw_argument(&run, &companion)?)
}
