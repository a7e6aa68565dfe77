//! `precipice export`: rows and tensors for other tools.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use precipice_lab::error::{LabError, RunDirProblem};
use precipice_lab::reports::run::ExportReport;
use precipice_lab::runs::at_step;
use precipice_lab::store::{RunDir, atomic, checkpoint, tables};

use crate::Ending;
use crate::args::{ExportArgs, ExportFormat};
use crate::output::{say, say_json};

pub fn export(args: ExportArgs) -> anyhow::Result<Ending> {
    let run_dir = RunDir::new(&args.run);
    let spec = run_dir.spec()?;
    if args.step.is_some() && args.to != ExportFormat::Safetensors {
        bail!("--step chooses a checkpoint and goes with --to safetensors; tables hold all steps");
    }
    let bytes = match args.to {
        ExportFormat::Safetensors => checkpoint_bytes(&run_dir, &spec, args.step)?,
        table => {
            let rows = run_dir.rows()?;
            if rows.is_empty() {
                return Err(LabError::RunDir { path: args.run, problem: RunDirProblem::NoRows }.into());
            }
            match table {
                ExportFormat::Csv => tables::csv(&rows).into_bytes(),
                ExportFormat::Npz => tables::npz(&rows)?,
                _ => tables::parquet(&rows)?,
            }
        }
    };
    let path = args.output.unwrap_or_else(|| PathBuf::from(format!("{}.{}", spec.name, args.to.extension())));
    atomic::write(&path, &bytes)?;
    if args.json {
        say_json(&ExportReport::new(&path, &bytes))?;
    } else {
        say(&path.display().to_string())?;
    }
    Ok(Ending::Done)
}

/// A checkpoint is already what other tools read; it is checked before it is handed out.
fn checkpoint_bytes(run_dir: &RunDir, spec: &precipice::spec::RunSpec, step: Option<u64>) -> anyhow::Result<Vec<u8>> {
    let last = checkpoint::steps(&run_dir.checkpoints())?.last().copied();
    let step = step.or(last).with_context(|| format!("{}: has no checkpoints", run_dir.root().display()))?;
    at_step(run_dir, spec, step)?;
    let path = run_dir.checkpoints().join(checkpoint::file_name(step));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
