//! `precipice at`: a run as it was at any step, or a film of many.

use std::path::{Path, PathBuf};

use anyhow::bail;
use precipice_lab::meter::Metered;
use precipice_lab::reports::at::{self, Moments};
use precipice_lab::reports::run::ExportReport;
use precipice_lab::runs::threads::Pool;
use precipice_lab::store::RunDir;
use precipice_lab::store::arrays::{npz, safetensors};
use precipice_lab::sweep::Record;
use serde_json::json;

use super::export::{N_CONTEXTS, set};
use crate::Ending;
use crate::args::{AtArgs, StepRange};
use crate::output::{check_place, is_stdout, put, run_named, say, say_json};
use crate::progress::Working;

pub fn at(args: AtArgs) -> anyhow::Result<Ending> {
    let to_stdout = args.output.as_deref().is_some_and(is_stdout);
    if args.json && to_stdout {
        bail!("-o - writes the data to standard output; leave out --json");
    }
    let is_safetensors = match args.output.as_deref().filter(|_| !to_stdout) {
        None => false,
        Some(path) => is_safetensors(path)?,
    };
    args.output.as_deref().map_or(Ok(()), check_place)?;
    let root = run_named(&args.run)?;
    let run_dir = RunDir::new(&root).with_items(args.moved.items.clone());
    if Record::is_in(&root) && !run_dir.spec_path().is_file() {
        bail!("{}: is a sweep; name one of its runs", root.display());
    }
    let spec = run_dir.spec()?;
    let (steps, name) = match (args.step, args.steps) {
        (Some(step), _) => (vec![step], format!("{step:08}")),
        (None, Some(StepRange { first, last, every })) => {
            if (last - first) / every >= FRAMES_MAX {
                bail!(
                    "--steps: a film has at most {FRAMES_MAX} steps; show every so many of them, --steps {first}..{last}:K"
                );
            }
            ((first..=last).step_by(every as usize).collect(), format!("{first:08}-{last:08}"))
        }
        (None, None) => bail!("name --step S or --steps A..B:K"),
    };
    let n_sequences = args.sequences.unwrap_or(N_CONTEXTS) as usize;
    let moments = Moments { steps, is_film: args.steps.is_some(), n_sequences, set: set(args.on.as_deref(), &spec)? };
    let pool = Pool::new(args.threads.count())?;
    let working = Working::on("replaying", args.json);
    let workers = Metered { workers: &pool, meter: working.meter() };
    let arrays = pool.with(|| at::arrays(&run_dir, &spec, &moments, &workers))?;
    let hash = spec.hash();
    let bytes = if is_safetensors {
        let about = json!({ "name": spec.name, "spec_hash": hash, "version": env!("CARGO_PKG_VERSION") });
        safetensors(&arrays, &about.to_string())?
    } else {
        npz(&arrays)?
    };
    drop(working);
    let path = args.output.unwrap_or_else(|| PathBuf::from(format!("{}-{}-at-{name}.npz", spec.name, &hash[..8])));
    put(&path, &bytes, args.force)?;
    if args.json {
        say_json(&ExportReport::new(&path, &bytes))?;
    } else if !is_stdout(&path) {
        say(&path.display().to_string())?;
    }
    Ok(Ending::Done)
}

/// Steps of a film, at most: more are no film, and their number may be a slip.
const FRAMES_MAX: u64 = 1 << 20;

/// The format that a file's name asks for.
fn is_safetensors(path: &Path) -> anyhow::Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz") => Ok(false),
        Some("safetensors") => Ok(true),
        _ => bail!("{}: expected a name that ends in .npz or .safetensors", path.display()),
    }
}
