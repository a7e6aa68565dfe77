//! What a stored run is certified to have come to.

use precipice::measure::transition::Transition;
use precipice::record::Row;
use precipice::run::{Event, Run, checkpoints_due};
use precipice::spec::{RunSpec, TaskSpec};
use precipice_num::Kernels;

use super::text::{Certified, State, items_of_a_file, of_spec};
use crate::error::{CertificateProblem, LabError};
use crate::input::items;
use crate::runs::threads::Pool;
use crate::runs::{StoredRun, memory, new_trainer};
use crate::store::{Manifest, RunDir, log};

/// What a finished run came to, at these steps besides its end, or at some around its jump. States that are not stored
/// are made again from the checkpoint before them.
///
/// # Errors
/// If the run is not finished or damaged, did not make one of the steps, or is of another program.
///
/// ```
/// use precipice::record::MemoryRecorder;
/// use precipice_lab::certificate::{Certificate, certify, repeat};
/// use precipice_lab::input::spec_file::{self, Changes};
/// use precipice_lab::runs::{Keep, Options, train};
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path().join("run");
/// # let overrides = vec!["eval.sequences=64".to_owned(), "probes.sequences=16".to_owned()];
/// # let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(3), seed: None })?;
/// # let options = Options { out: Some(root), threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
/// let run = train(spec, &options, &mut MemoryRecorder::default())?.seal()?.run_dir;
/// let certified = certify(&run, Some(&[2]), 1)?;
/// assert_eq!(certified.states.iter().map(|state| state.step).collect::<Vec<_>>(), [2, 3]);
/// let text = Certificate::of(vec![certified.clone()]).to_text();
/// let again = repeat("a certificate".as_ref(), &certified, None, 1, &mut MemoryRecorder::default())?;
/// assert!(text.len() < 2000 && again.difference.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn certify(run_dir: &RunDir, steps: Option<&[u64]>, threads: usize) -> Result<Certified, LabError> {
    let problem = |problem| LabError::certificate(run_dir.root(), problem);
    let spec = run_dir.spec()?;
    let manifest = run_dir.finished(&spec)?;
    if matches!(spec.task, TaskSpec::Own(_)) || !manifest.own_metrics.is_empty() {
        return Err(problem(CertificateProblem::OfAnotherProgram));
    }
    items_of_a_file(run_dir.root(), &spec)?;
    let mut steps = steps.map_or_else(|| around_the_jump(&spec, &manifest), <[u64]>::to_vec);
    steps.push(manifest.steps);
    steps.sort_unstable();
    steps.dedup();
    if let Some(&step) = steps.iter().find(|&&step| step > manifest.steps) {
        return Err(problem(CertificateProblem::NoSuchStep { step, steps: manifest.steps }));
    }
    let run = StoredRun::of(run_dir.clone())?;
    let states = states(&run, &manifest, &steps, threads)?;
    let certified = Certified {
        name: spec.name.clone(),
        spec_hash: manifest.spec_hash.clone(),
        spec: of_spec(&spec),
        arithmetic: manifest.arithmetic.clone(),
        version: manifest.version.clone(),
        outcome: manifest.outcome,
        t50: manifest.transition.and_then(|jump| jump.t50),
        steps: manifest.steps,
        rows: run.rows.len(),
        states,
    };
    // What is left out must be what it is by default.
    certified.spec(run_dir.root())?;
    Ok(certified)
}

/// The start, and states that are due before, in and after the jump: those that most runs have stored, whichever of them
/// are left.
fn around_the_jump(spec: &RunSpec, manifest: &Manifest) -> Vec<u64> {
    let due: Vec<u64> = checkpoints_due(spec).take_while(|&step| step <= manifest.steps).collect();
    let nearest = |at: f64| due.iter().copied().min_by_key(|&step| (step as f64 - at).abs().round() as u64);
    let moments = match manifest.transition.map(Transition::from) {
        Some(jump) => vec![jump.onset_step, jump.t50, jump.t50 + jump.width_10_90],
        None => vec![manifest.steps as f64 / 2.0],
    };
    let moments = moments.into_iter().filter(|at| at.is_finite());
    due.first().copied().into_iter().chain(moments.filter_map(nearest)).collect()
}

fn states(run: &StoredRun, manifest: &Manifest, steps: &[u64], threads: usize) -> Result<Vec<State>, LabError> {
    let StoredRun { run_dir, spec, rows, .. } = run;
    let mut with_items = spec.clone();
    memory::check_run(&with_items, false, threads)?;
    let bank = items::load(&mut with_items)?;
    let layout = new_trainer(&with_items, bank, Kernels::detect())?.model().layout().clone();
    let pool = Pool::for_work_at(threads, run_dir.root())?;
    let stored = manifest.checkpoints();
    let (mut found, mut replayed) = (Vec::new(), None::<Run>);
    for &step in steps {
        let log = check_until(rows, step, &manifest.spec_hash);
        if stored.contains(&step) {
            let (_, saved) = run_dir.checkpoint(spec, step, &layout)?;
            found.push(State::of(step, &saved.state.params, log));
            continue;
        }
        // What was made for the state before is gone on with, unless a checkpoint is nearer.
        let nearest = stored.iter().copied().rfind(|&kept| kept <= step).unwrap_or(0);
        let mut again = match replayed.take().filter(|run| run.step() >= nearest) {
            Some(run) => run,
            None => run.run_before(step, &Run::new)?,
        };
        pool.with(|| advance_to(&mut again, step, &pool));
        found.push(State::of(step, &again.state().params, log));
        replayed = Some(again);
    }
    Ok(found)
}

fn advance_to(run: &mut Run, step: u64, pool: &Pool) {
    while run.step() < step && !matches!(run.advance(step - run.step(), pool), Event::Ended(_)) {}
}

/// The check of the rows up to a step.
fn check_until(rows: &[Row], step: u64, spec_hash: &str) -> String {
    let until = rows.iter().take_while(|row| row.step <= step);
    until.fold(spec_hash.to_owned(), |before, row| log::to_line(row, &before).1)
}

#[cfg(test)]
mod tests {
    use precipice::measure::{Better, Metric, Probe, Unit};
    use precipice::record::MemoryRecorder;
    use precipice::train::Trainer;
    use precipice::workers::Workers;

    use super::*;
    use crate::input::spec_file::{self, Changes};
    use crate::runs::{Keep, Options, train_run};

    const OWN: Metric = Metric::new("own", "a measure of another program", Unit::Number, Better::Neither);

    #[derive(Debug)]
    struct Own;

    impl Probe for Own {
        fn metrics(&self) -> Vec<Metric> {
            vec![OWN]
        }

        fn measure(&mut self, _: &Trainer, _: &dyn Workers, row: &mut Row) {
            row.push(OWN.main(), 1.0);
        }
    }

    /// Its rows have columns that nobody else makes.
    #[test]
    fn runs_of_other_programs_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let overrides = ["eval.sequences=64", "probes.sequences=16"].map(str::to_owned).to_vec();
        let spec = spec_file::load("copying-small", &Changes { overrides, steps: Some(2), seed: None }).unwrap();
        let out = Some(folder.path().join("run"));
        let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
        let build = |spec: &RunSpec, bank, kernels| {
            let mut run = Run::new(spec, bank, kernels)?;
            run.observe(Box::new(Own));
            Ok(run)
        };
        let report = train_run(spec, &build, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
        let refused = certify(&report.run_dir, None, 1).unwrap_err().to_string();
        assert!(refused.contains("of another program"), "{refused}");
    }
}
