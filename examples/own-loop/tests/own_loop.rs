//! The loop sees what a recorder sees, and a change of the rate is the only thing that changes the path.

use own_loop::drive_to_jump;
use precipice::measure::Row;
use precipice::record::{MemoryRecorder, Next, RecordError, Recorder};
use precipice::run::{Outcome, Run};
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice::workers::Sequential;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_num::Kernels;

fn small(steps: u64) -> RunSpec {
    let overrides = ["eval.every=50", "eval.sequences=200", "probes.enabled=false", "probes.ablations=[]"];
    let overrides = overrides.map(str::to_owned).to_vec();
    spec_file::load("copying-small", &Changes { overrides, seed: None, steps: Some(steps) }).unwrap()
}

/// Keeps rows, and stops at a step.
struct Until(u64, MemoryRecorder);

impl Recorder for Until {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.1.row(row)
    }

    fn checkpoint(&mut self, trainer: &Trainer) -> Result<(), RecordError> {
        self.1.checkpoint(trainer)
    }

    fn step(&mut self, step: u64, _: f64) -> Next {
        if step >= self.0 { Next::Stop } else { Next::Continue }
    }
}

/// Rows as text, in which the mean of no losses is equal to itself.
fn text(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| format!("{row:?}")).collect()
}

#[test]
fn left_alone_it_is_the_run_of_its_spec() {
    let spec = small(1600);
    let seen = drive_to_jump(&spec, None).unwrap();
    let (plateau, jump) = (seen.plateau.unwrap(), seen.run.step());
    assert!(seen.ended.is_none() && 0 < plateau && plateau < jump && jump < 1600, "{plateau} {jump}");
    assert!(seen.run.rows().last().unwrap().named("accuracy").unwrap() > seen.run.facts().progress.threshold());

    let mut recorded = Run::new(&spec, None, Kernels::detect()).unwrap();
    let mut recorder = Until(jump, MemoryRecorder::default());
    assert_eq!(recorded.record(&Sequential, &mut recorder).unwrap(), Outcome::Stopped { step: jump });
    assert_eq!(recorded.state().params.digest(), seen.run.state().params.digest());
    assert_eq!(text(&recorder.1.rows), text(seen.run.rows()));
}

#[test]
fn another_rate_from_the_plateau_on_is_another_path_from_there() {
    let spec = small(1600);
    let [slow, fast] = [None, Some(0.6)].map(|rate| drive_to_jump(&spec, rate).unwrap());
    assert_eq!(slow.plateau, fast.plateau);
    let until = slow.run.rows().iter().take_while(|row| Some(row.step) <= slow.plateau).count();
    let [slow_rows, fast_rows] = [&slow, &fast].map(|seen| text(seen.run.rows()));
    assert_eq!(slow_rows[..until], fast_rows[..until]);
    assert_ne!(slow_rows[until], fast_rows[until]);
    assert!(fast.run.step() < slow.run.step(), "{} {}", fast.run.step(), slow.run.step());
}

#[test]
fn without_a_jump_it_ends_with_its_steps_and_a_bad_rate_is_refused() {
    let seen = drive_to_jump(&small(10), None).unwrap();
    assert_eq!((seen.ended, seen.run.step()), (Some(Outcome::Finished), 10));
    assert!(drive_to_jump(&small(1600), Some(-1.0)).unwrap_err().to_string().contains("learning_rate"));
}
