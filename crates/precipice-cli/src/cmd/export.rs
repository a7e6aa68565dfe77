//! `precipice export`: rows and tensors for other tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use precipice::spec::RunSpec;
use precipice::task::Set;
use precipice_lab::error::{LabError, RunDirProblem};
use precipice_lab::meter::Metered;
use precipice_lab::reports::contexts::{self, Shown};
use precipice_lab::reports::run::ExportReport;
use precipice_lab::runs::checkpoint_bytes;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::RunDir;
use precipice_lab::store::arrays::npz;
use precipice_lab::store::tables::Table;
use precipice_lab::sweep::{self, Record};

use crate::Ending;
use crate::args::{ExportArgs, ExportFormat, Steps};
use crate::output::{check_place, is_stdout, note, put, run_named, say, say_json};
use crate::progress::Working;

/// Contexts that are written where no number is named.
pub const N_CONTEXTS: u32 = 100;

pub fn export(args: ExportArgs) -> anyhow::Result<Ending> {
    let is_of_networks = args.contexts || args.to == ExportFormat::Safetensors;
    if args.step.is_some() && !is_of_networks {
        bail!("--step chooses networks and goes with --to safetensors or --contexts; tables hold all steps");
    }
    if args.contexts && args.to != ExportFormat::Npz {
        bail!("--contexts are arrays of several axes; they go with --to npz");
    }
    if args.json && args.output.as_deref().is_some_and(is_stdout) {
        bail!("-o - writes the data to standard output; leave out --json");
    }
    args.output.as_deref().map_or(Ok(()), check_place)?;
    let place = run_named(&args.run)?;
    let is_sweep = Record::is_in(&place) && !RunDir::new(&place).spec_path().is_file();
    let (stem, bytes) = if is_sweep { of_sweep(&args, &place)? } else { of_run(&args, &place)? };
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
fn of_run(args: &ExportArgs, root: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let run_dir = RunDir::new(root).with_items(args.moved.items.clone());
    let spec = run_dir.spec()?;
    if args.curves {
        bail!("{}: is one run, whose table is its curve; --curves is for the folder of a sweep", root.display());
    }
    let stem = format!("{}-{}", spec.name, &spec.hash()[..8]);
    let pool = Pool::new(args.threads.count())?;
    if args.to == ExportFormat::Safetensors {
        let [step] = steps(args, &run_dir, &spec)?[..] else {
            bail!("--to safetensors writes the parameters of one step; name one with --step");
        };
        // A checkpoint is already what other tools read; it is checked before it is handed out.
        let working = Working::on("replaying", args.json);
        let workers = Metered { workers: &pool, meter: working.meter() };
        let bytes = pool.with(|| checkpoint_bytes(&run_dir, &spec, step, &workers))?;
        return Ok((format!("{stem}-step-{step:08}"), bytes));
    }
    if args.contexts {
        let n_sequences = args.sequences.unwrap_or(N_CONTEXTS) as usize;
        let set = set(args.on.as_deref(), &spec)?;
        let shown = Shown { steps: steps(args, &run_dir, &spec)?, n_sequences, set };
        let working = Working::on("computing contexts", args.json);
        let workers = Metered { workers: &pool, meter: working.meter() };
        let arrays = pool.with(|| contexts::arrays(&run_dir, &spec, &shown, &workers))?;
        return Ok((stem + "-contexts", npz(&arrays)?));
    }
    let rows = run_dir.rows()?;
    if rows.is_empty() {
        return Err(LabError::RunDir { path: root.to_owned(), problem: RunDirProblem::NoRows }.into());
    }
    Ok((stem, encoded(&Table::of_run(&spec, &rows), args.to)?))
}

/// The steps that were asked for, or the last that is stored.
fn steps(args: &ExportArgs, run_dir: &RunDir, spec: &RunSpec) -> anyhow::Result<Vec<u64>> {
    if let Some(Steps::These(steps)) = &args.step {
        return Ok(steps.clone());
    }
    let all = run_dir.checkpoint_steps(spec)?;
    let last = all.last().copied().with_context(|| format!("{}: has no checkpoints", run_dir.root().display()))?;
    Ok(if args.step == Some(Steps::All) { all } else { vec![last] })
}

/// The evaluation set that was asked for, or that of probes.
pub fn set(on: Option<&str>, spec: &RunSpec) -> anyhow::Result<Set> {
    let facts = spec.facts();
    let Some(name) = on else { return Ok(facts.probed_set) };
    let name_of = |set: &Set| match facts.prefix(*set) {
        "" => "main".to_owned(),
        prefix => prefix.trim_end_matches('_').to_owned(),
    };
    let found = facts.sets().find(|set| name_of(set) == name);
    found.with_context(|| {
        let there_are: Vec<String> = facts.sets().map(|set| name_of(&set)).collect();
        format!("--on {name}: no such evaluation set; {} has {}", spec.name, there_are.join(", "))
    })
}

/// What is exported of a sweep: all runs that have ended in its folder.
fn of_sweep(args: &ExportArgs, folder: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    if args.contexts || args.to == ExportFormat::Safetensors {
        bail!("{}: is a sweep; name one of its runs for parameters or contexts", folder.display());
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
