//! `precipice export`: rows and tensors for other tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use precipice_lab::error::{LabError, RunDirProblem};
use precipice_lab::reports::run::ExportReport;
use precipice_lab::runs::checkpoint_bytes;
use precipice_lab::store::RunDir;
use precipice_lab::store::tables::Table;
use precipice_lab::sweep::{self, Record};

use crate::Ending;
use crate::args::{ExportArgs, ExportFormat};
use crate::output::{check_place, is_stdout, note, put, say, say_json};

pub fn export(args: ExportArgs) -> anyhow::Result<Ending> {
    if args.step.is_some() && args.to != ExportFormat::Safetensors {
        bail!("--step chooses a checkpoint and goes with --to safetensors; tables hold all steps");
    }
    if args.json && args.output.as_deref().is_some_and(is_stdout) {
        bail!("-o - writes the data to standard output; leave out --json");
    }
    args.output.as_deref().map_or(Ok(()), check_place)?;
    let is_sweep = Record::is_in(&args.run) && !RunDir::new(&args.run).spec_path().is_file();
    let (stem, bytes) = if is_sweep { of_sweep(&args)? } else { of_run(&args)? };
    let path = args.output.unwrap_or_else(|| PathBuf::from(format!("{stem}.{}", args.to.extension())));
    put(&path, &bytes, args.force)?;
    if args.json {
        say_json(&ExportReport::new(&path, &bytes))?;
    } else if !is_stdout(&path) {
        say(&path.display().to_string())?;
    }
    Ok(Ending::Done)
}

/// What is exported of a run, and the name that it has without `-o`.
fn of_run(args: &ExportArgs) -> anyhow::Result<(String, Vec<u8>)> {
    let run_dir = RunDir::new(&args.run).with_items(args.moved.items.clone());
    let spec = run_dir.spec()?;
    if args.curves {
        bail!("{}: is one run, whose table is its curve; --curves is for the folder of a sweep", args.run.display());
    }
    let stem = format!("{}-{}", spec.name, &spec.hash()[..8]);
    if args.to != ExportFormat::Safetensors {
        let rows = run_dir.rows()?;
        if rows.is_empty() {
            return Err(LabError::RunDir { path: args.run.clone(), problem: RunDirProblem::NoRows }.into());
        }
        return Ok((stem, encoded(&Table::of_run(&spec, &rows), args.to)?));
    }
    let step = match args.step {
        Some(step) => step,
        None => {
            let last = run_dir.checkpoint_steps(&spec)?.last().copied();
            last.with_context(|| format!("{}: has no checkpoints", args.run.display()))?
        }
    };
    // A checkpoint is already what other tools read; it is checked before it is handed out.
    let bytes = checkpoint_bytes(&run_dir, &spec, step)?;
    Ok((format!("{stem}-step-{step:08}"), bytes))
}

/// What is exported of a sweep: all runs that have ended in its folder.
fn of_sweep(args: &ExportArgs) -> anyhow::Result<(String, Vec<u8>)> {
    let folder = &args.run;
    if args.to == ExportFormat::Safetensors {
        bail!("{}: is a sweep; name one of its runs for --to safetensors", folder.display());
    }
    let record = Record::read(folder)?;
    let rows = record.ended(folder)?;
    if rows.is_empty() {
        bail!("{}: no run has ended yet", folder.display());
    }
    if rows.len() < record.n_runs() {
        note(&format!("{} of {} runs have ended; the others are left out", rows.len(), record.n_runs()));
    }
    let table = if args.curves { sweep::curves(&rows)? } else { sweep::table(&rows) };
    let name = folder.canonicalize().ok().and_then(|path| path.file_name().map(Path::new).map(Path::to_owned));
    let stem = name.unwrap_or_else(|| PathBuf::from("sweep")).display().to_string();
    Ok((stem + if args.curves { "-curves" } else { "" }, encoded(&table, args.to)?))
}

fn encoded(table: &Table, format: ExportFormat) -> anyhow::Result<Vec<u8>> {
    Ok(match format {
        ExportFormat::Csv => table.csv().into_bytes(),
        ExportFormat::Npz => table.npz()?,
        ExportFormat::Parquet | ExportFormat::Safetensors => table.parquet()?,
    })
}
