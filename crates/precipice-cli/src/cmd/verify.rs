//! `precipice verify`: run finished runs, or those of a certificate, again and compare bits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use precipice::record::{MemoryRecorder, Recorder};
use precipice::spec::RunSpec;
use precipice_lab::certificate::{Certificate, Certified, Repetition, repeat};
use precipice_lab::reports::run::VerifyReport;
use precipice_lab::runs;
use precipice_lab::store::RunDir;
use serde::Serialize;

use crate::args::VerifyArgs;
use crate::numbers::commas;
use crate::output::{bounded, note, run_named, say, say_json};
use crate::progress::Progress;
use crate::{Ending, interrupt};

/// What is said of a run, or of one that a certificate names.
#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    Run(VerifyReport),
    Certified {
        file: String,
        same: bool,
        #[serde(flatten)]
        repetition: Repetition,
    },
    /// One of many that cannot be made again here.
    NotTried {
        file: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        problem: String,
    },
}

impl Said {
    /// None where it was not tried.
    fn is_same(&self) -> Option<bool> {
        match self {
            Said::Run(report) => Some(report.same),
            Said::Certified { same, .. } => Some(*same),
            Said::NotTried { .. } => None,
        }
    }
}

pub fn verify(args: VerifyArgs) -> anyhow::Result<Ending> {
    // Nothing is kept of a repetition.
    interrupt::end_at_once();
    let mut named: Vec<PathBuf> = Vec::new();
    for run in &args.runs {
        let place = run_named(run)?;
        // What is named twice is made again once.
        if !named.contains(&place) {
            named.push(place);
        }
    }
    let certified = certified(&named, &args.only)?;
    let runs_of = |place: &PathBuf| certified.get(place).map_or(vec![None], |runs| runs.iter().map(Some).collect());
    let all: Vec<_> = named.iter().flat_map(|place| runs_of(place).into_iter().map(move |run| (place, run))).collect();
    let mut said = Vec::with_capacity(all.len());
    for &(place, certified) in &all {
        let tried = match certified {
            Some(run) => one_certified(&args, place, run),
            None => one_run(&args, place, named.len() > 1),
        };
        said.push(match tried {
            // One that cannot be tried is no reason to leave the others.
            Err(e) if all.len() > 1 => {
                let (problem, name) = (bounded(&format!("{e:#}")), certified.map(|run| run.name.clone()));
                note(&format!("not tried: {problem}"));
                Said::NotTried { file: place.display().to_string(), name, problem }
            }
            tried => tried?,
        });
    }
    let n_of = |is_same| said.iter().filter(|said| said.is_same() == is_same).count();
    let [n_same, n_not_tried] = [Some(true), None].map(n_of);
    match &said[..] {
        // As it was before there were several.
        [Said::Run(report)] if args.said.json => say_json(report)?,
        all if args.said.json => say_json(&all)?,
        [_] => {}
        all => say(&format!("{} of {} have the same bits", commas(n_same as u64), commas(all.len() as u64)))?,
    }
    match n_not_tried {
        _ if n_of(Some(false)) > 0 => Ok(Ending::Failed),
        0 => Ok(Ending::Done),
        n => bail!("{} of {} could not be tried", commas(n as u64), commas(said.len() as u64)),
    }
}

fn one_run(args: &VerifyArgs, root: &Path, is_one_of_many: bool) -> anyhow::Result<Said> {
    let run_dir = RunDir::new(root).with_items(args.moved.items.clone());
    // A damaged spec is a difference; what cannot be read is not watched.
    let mut progress: Box<dyn Recorder> = match run_dir.spec() {
        Ok(spec) => watching(&run_dir.root().display().to_string(), &spec, args.said.quiet),
        Err(_) => Box::new(MemoryRecorder::default()),
    };
    let result = runs::verify(&run_dir, args.threads.count(), progress.as_mut());
    drop(progress);
    let report = VerifyReport::new(&run_dir, result?);
    if !args.said.json {
        let before = if is_one_of_many { format!("{}: ", root.display()) } else { String::new() };
        say(&(before + &of_run(&report)))?;
    }
    Ok(Said::Run(report))
}

fn watching(what: &str, spec: &RunSpec, is_quiet: bool) -> Box<dyn Recorder> {
    let label = format!("verifying {what} · {} steps", commas(spec.train.steps));
    Box::new(Progress::new(&label, spec, is_quiet))
}

fn of_run(report: &VerifyReport) -> String {
    if let Some(difference) = &report.difference {
        let digest = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "-".to_owned());
        let (stored, again) = (digest(&report.stored_digest), digest(&report.digest));
        return format!("differs: {difference}\nstored digest {stored}\ndigest        {again}");
    }
    let digest = report.digest.as_deref().unwrap_or_default();
    let rows = commas(report.rows as u64);
    format!("same bits: {rows} rows, every file and the final parameters\ndigest {digest}")
}

/// The runs of every certificate, or those of some names. All files are read before the first run is made.
fn certified(named: &[PathBuf], only: &[String]) -> anyhow::Result<BTreeMap<PathBuf, Vec<Certified>>> {
    let mut files = BTreeMap::new();
    for place in named.iter().filter(|place| place.is_file()) {
        files.insert(place.clone(), Certificate::read(place)?.runs);
    }
    for name in only {
        if !files.values().flatten().any(|run| run.name == *name) {
            bail!("--only {name}: no certificate that was named has such a run");
        }
    }
    files.values_mut().for_each(|runs| runs.retain(|run| only.is_empty() || only.contains(&run.name)));
    Ok(files)
}

fn one_certified(args: &VerifyArgs, path: &Path, certified: &Certified) -> anyhow::Result<Said> {
    let spec = certified.spec(path)?;
    let mut progress = watching(&certified.name, &spec, args.said.quiet);
    let result = repeat(path, certified, args.moved.items.as_deref(), args.threads.count(), progress.as_mut());
    drop(progress);
    let repetition = result?;
    let same = repetition.difference.is_none();
    if !args.said.json {
        let (name, rows, states) = (&repetition.name, commas(repetition.rows as u64), repetition.states);
        say(&match &repetition.difference {
            None => format!("{name}: same bits: {rows} rows, parameters at {states} steps"),
            Some(difference) => format!("{name}: differs: {difference}"),
        })?;
    }
    Ok(Said::Certified { file: path.display().to_string(), same, repetition })
}
