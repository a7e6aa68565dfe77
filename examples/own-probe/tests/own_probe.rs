//! The probe's columns reach every file, change no bits, and are held to what is declared.

use std::fs;

use own_probe::{QK_RANK, Sharpness, build};
use precipice::measure::{Better, Metric, Probe, Row, Unit};
use precipice::record::MemoryRecorder;
use precipice::run::Run;
use precipice::spec::RunSpec;
use precipice::train::Trainer;
use precipice::workers::{Sequential, Workers};
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options, StoredRun, verify_run};
use precipice_lab::whole_run::train_and_draw_run;
use precipice_num::Kernels;

fn small(steps: u64) -> RunSpec {
    let overrides = ["eval.every=50", "eval.sequences=200", "probes.sequences=32", "probes.ablations=[]"];
    let overrides = overrides.map(str::to_owned).to_vec();
    spec_file::load("copying-small", &Changes { overrides, seed: None, steps: Some(steps) }).unwrap()
}

#[test]
fn columns_reach_log_table_and_figure() {
    let folder = tempfile::tempdir().unwrap();
    let out = Some(folder.path().join("run"));
    let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    let report = train_and_draw_run(small(1200), &build, &options, &mut MemoryRecorder::default()).unwrap();
    let run = StoredRun::open(report.run_dir.root()).unwrap();
    let log = fs::read_to_string(run.run_dir.log_path()).unwrap();
    let table = fs::read(run.run_dir.parquet_path()).unwrap();
    let figure = fs::read_to_string(run.run_dir.figures().join("learning-curve.svg")).unwrap();
    let (first, last) = (&run.rows[0], run.rows.last().unwrap());
    for name in ["query_entropy_0", "query_entropy_1", "qk_rank_0", "qk_rank_1"] {
        assert_eq!(log.matches(&format!("\"{name}\":")).count(), run.rows.len());
        assert!(table.windows(name.len()).any(|bytes| bytes == name.as_bytes()) && figure.contains(name), "{name}");
    }
    assert!(figure.contains(&*QK_RANK.words), "the axis of its panel");
    // Nearly uniform at first; the jump sharpens the query of the last layer.
    let [before, after] = [first, last].map(|row| row.named("query_entropy_1").unwrap());
    assert!(before > 0.9 && after < 0.5, "{before} {after}");
    assert!(last.named("qk_rank_1").unwrap() >= 1.0);
    assert!(last.named("qk_rank_2").is_err());
    assert_eq!(run.own_metrics[1], QK_RANK);

    let again = verify_run(&run.run_dir, &build, 2, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(again.difference, None);
    let mut plain = Run::new(&small(1200), None, Kernels::detect()).unwrap();
    plain.record(&Sequential, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(plain.state().params.digest(), report.manifest.digest, "a probe changes no bits");
}

/// Items from a file reach the run that a program makes, wherever it is made again.
#[test]
fn it_looks_at_items_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let overrides = ["eval.sequences=64", "probes.sequences=16", "probes.ablations=[]"].map(str::to_owned).to_vec();
    let spec = spec_file::load("han-small", &Changes { overrides, seed: None, steps: Some(3) }).unwrap();
    let out = Some(folder.path().join("run"));
    let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::All, arithmetic: None };
    let report = train_and_draw_run(spec, &build, &options, &mut MemoryRecorder::default()).unwrap();
    let run = StoredRun::open(report.run_dir.root()).unwrap();
    assert_eq!(run.run_at(3, &build).unwrap().state().params.digest(), report.manifest.digest);
    let again = verify_run(&run.run_dir, &build, 2, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(again.difference, None);
}

/// Says one thing and does another.
#[derive(Debug)]
struct Careless;

impl Probe for Careless {
    fn metrics(&self) -> Vec<Metric> {
        vec![QK_RANK]
    }

    fn measure(&mut self, _: &Trainer, _: &dyn Workers, row: &mut Row) {
        row.push(own_probe::QUERY_ENTROPY.at([0]), 0.0);
    }
}

/// Has the name of a built-in column.
#[derive(Debug)]
struct Namesake;

const ACCURACY: Metric = Metric::new("accuracy", "another accuracy", Unit::Fraction, Better::High);

impl Probe for Namesake {
    fn metrics(&self) -> Vec<Metric> {
        vec![ACCURACY]
    }

    fn measure(&mut self, _: &Trainer, _: &dyn Workers, row: &mut Row) {
        row.push(ACCURACY.main(), 1.0);
    }
}

#[test]
#[should_panic(expected = "accuracy of Namesake is the name of another column")]
fn a_column_that_is_taken_is_refused() {
    let mut run = Run::new(&small(1), None, Kernels::detect()).unwrap();
    run.observe(Box::new(Namesake));
    run.advance(1, &Sequential);
}

#[test]
#[should_panic(expected = "does not declare query_entropy_0")]
fn a_column_that_is_not_declared_is_refused() {
    let mut run = Run::new(&small(1), None, Kernels::detect()).unwrap();
    run.observe(Box::new(Careless));
    run.advance(1, &Sequential);
}

#[test]
#[should_panic(expected = "two metrics are called query_entropy_{layer}")]
fn a_name_is_taken_once() {
    let spec = small(1);
    let mut run = build(&spec, None, Kernels::detect()).unwrap();
    run.observe(Box::new(Sharpness::new(run.trainer(), 4)));
}
