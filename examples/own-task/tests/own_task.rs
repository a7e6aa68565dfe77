//! The task is learned, stored, resumed and repeated as a built-in one is.

use std::fs;

use own_task::{build, spec};
use precipice::measure::{Row, metric};
use precipice::record::{MemoryRecorder, Next, RecordError, Recorder};
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice_lab::input::spec_file::Changes;
use precipice_lab::runs::{Keep, Options, StoredRun, verify, verify_run};
use precipice_lab::store::RunOutcome;
use precipice_lab::whole_run::train_and_draw_run;

fn small(seed: u64, steps: u64) -> RunSpec {
    let overrides = ["eval.every=100", "eval.sequences=100", "probes.enabled=false", "probes.ablations=[]"];
    spec(&Changes { overrides: overrides.map(str::to_owned).to_vec(), seed: Some(seed), steps: Some(steps) }).unwrap()
}

fn into(folder: &tempfile::TempDir, name: &str) -> Options {
    Options {
        out: Some(folder.path().join(name)),
        threads: 1,
        resume: true,
        force: false,
        keep: Keep::All,
        arithmetic: None,
    }
}

/// Stops a run at a step, as Ctrl-C would.
struct StopAt(u64);

impl Recorder for StopAt {
    fn row(&mut self, _: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, _: f64) -> Next {
        if step >= self.0 { Next::Stop } else { Next::Continue }
    }
}

#[test]
fn it_jumps_and_its_columns_are_kept_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..2 {
        let options = into(&folder, &format!("seed-{seed}"));
        let report = train_and_draw_run(small(seed, 1000), &build, &options, &mut MemoryRecorder::default()).unwrap();
        assert_eq!(report.manifest.outcome, RunOutcome::Transition, "seed {seed}");
        assert_eq!(report.warnings, [""; 0]);
        let run = StoredRun::open(report.run_dir.root()).unwrap();
        let (first, last) = (&run.rows[0], run.rows.last().unwrap());
        assert!((first.named("signed_match").unwrap() + 0.25).abs() < 0.1);
        assert!(last.named("signed_match").unwrap() < -0.8, "{last:?}");
        // The opposite is always right, the nearest never; the network has become blind to copies.
        assert_eq!(last.get(&metric::PREDICTOR_ACCURACY.at(["", "farthest_neighbor"])), 1.0);
        assert_eq!(last.get(&metric::PREDICTOR_ACCURACY.at(["", "nearest_neighbor"])), 0.0);
        assert!(last.get(&metric::ACCURACY.main()) > 0.9 && last.get(&metric::ACCURACY.on("copy_")) < 0.1);

        let table = fs::read(run.run_dir.parquet_path()).unwrap();
        let column = b"signed_match";
        assert!(table.windows(column.len()).any(|bytes| bytes == column));
        let figure = fs::read_to_string(run.run_dir.figures().join("learning-curve.svg")).unwrap();
        for words in ["signed match", "farthest neighbor", "copies"] {
            assert!(figure.contains(words), "{words}");
        }
    }
}

#[test]
fn interrupted_and_resumed_it_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let straight = into(&folder, "straight");
    train_and_draw_run(small(0, 200), &build, &straight, &mut MemoryRecorder::default()).unwrap();
    let broken = into(&folder, "broken");
    let stopped = train_and_draw_run(small(0, 200), &build, &broken, &mut StopAt(77)).unwrap();
    assert_eq!((stopped.manifest.outcome, stopped.manifest.steps), (RunOutcome::Stopped, 77));
    let threads = Options { threads: 2, ..broken };
    let whole = train_and_draw_run(small(0, 200), &build, &threads, &mut MemoryRecorder::default()).unwrap();
    for file in ["log.jsonl", "metrics.parquet", "checkpoints/step-00000200.safetensors"] {
        let read = |name: &str| fs::read(folder.path().join(name).join(file)).unwrap();
        assert_eq!(read("straight"), read("broken"), "{file}");
    }

    let again = verify_run(&whole.run_dir, &build, 1, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(again.difference, None);
    let error = verify(&whole.run_dir, 1, &mut MemoryRecorder::default()).unwrap_err().to_string();
    assert!(error.contains("opposites"), "{error}");
}

#[test]
fn a_stored_network_is_opened_where_it_stood_and_goes_on_from_there() {
    let folder = tempfile::tempdir().unwrap();
    let options = into(&folder, "run");
    let report = train_and_draw_run(small(0, 100), &build, &options, &mut MemoryRecorder::default()).unwrap();
    let run = StoredRun::open(report.run_dir.root()).unwrap();
    let mut later = run.run_at(64, &build).unwrap();
    assert_eq!((later.step(), later.rows().len()), (64, 1));
    let mut memory = MemoryRecorder::default();
    later.record(&precipice::workers::Sequential, &mut memory).unwrap();
    assert_eq!(later.state().params.digest(), report.manifest.digest);
    assert!(run.run_at(65, &build).unwrap_err().to_string().contains("64"));
}
