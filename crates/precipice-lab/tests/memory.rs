//! The memory that a run is said to need, beside the most that it takes, in a process of its own.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use precipice::memory::Memory;
use precipice::record::{Next, RecordError, Recorder, Row};
use precipice::train::Trainer;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::runs::{Keep, Options, memory};
use precipice_lab::whole_run::train_and_draw;

/// Says that a process is to make a run, and which.
const SPEC: &str = "PRECIPICE_MEASURED_SPEC";

fn spec(of: &str) -> precipice::spec::RunSpec {
    let mut parts = of.split_whitespace();
    let name = parts.next().unwrap();
    let overrides = parts.map(str::to_owned).collect();
    spec_file::load(name, &Changes { overrides, ..Changes::default() }).unwrap()
}

const THREADS: usize = 2;

/// Keeps nothing.
struct Nobody;

impl Recorder for Nobody {
    fn row(&mut self, _: &Row) -> Result<(), RecordError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, _: u64, _: f64) -> Next {
        Next::Continue
    }
}

/// In a process of its own: one run, and the most that it took.
#[test]
fn one_measured_run() {
    let Ok(of) = std::env::var(SPEC) else { return };
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep::All;
    let options = Options {
        out: Some(folder.path().join("run")),
        threads: THREADS,
        resume: false,
        force: false,
        keep,
        arithmetic: None,
    };
    train_and_draw(spec(&of), &options, &mut Nobody).unwrap();
    println!("\nmeasured {}", peak());
}

/// VmHWM of this process, in bytes.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0
}

fn measured(of: &str) -> f64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", "one_measured_run", "--nocapture"]).env(SPEC, of).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(line) = text.lines().find_map(|line| line.strip_prefix("measured ")) else {
        panic!("{of}: {text}{}", String::from_utf8_lossy(&output.stderr));
    };
    line.parse().unwrap()
}

/// What is measured in every test: each part of the memory is the largest in one of them.
const TABLE: [&str; 10] = [
    "copying-small train.steps=3",
    "copying train.steps=2 train.batch_size=4096 eval.sequences=64 probes.sequences=16",
    "copying train.steps=2 train.optimizer.adam.learning_rate=0.001 task.copying.d_item=300 eval.sequences=32 \
     probes.sequences=16",
    "copying train.steps=2 task.copying.n_labels=16384 eval.sequences=32 probes.sequences=16",
    "classification train.steps=2 task.classification.n_classes=262144 eval.sequences=32 probes.sequences=16",
    "classification train.steps=2 task.classification.n_classes=1048576 task.classification.zipf_exponent=1 \
     task.classification.d_item=8 eval.sequences=32 probes.sequences=16",
    "han-small train.steps=2 eval.sequences=32 probes.sequences=16",
    "regression train.steps=2 task.regression.n_tasks=500000 eval.sequences=8 probes.enabled=false",
    "regression-stream train.steps=2 task.regression.n_exemplars=50 eval.sequences=32 probes.sequences=64",
    "copying-small train.steps=20000 eval.every=1 eval.sequences=2 probes.enabled=false probes.ablations=[] \
     train.batch_size=1 train.optimizer.sgd.learning_rate=0.001 task.copying.d_item=4 model.d_buffer=0 checkpoint.every=100000",
];

/// Takes minutes.
const MORE: [&str; 12] = [
    "copying train.steps=3",
    "copying train.steps=2 task.copying.d_item=512",
    "copying train.steps=2 task.copying.n_exemplars=128 task.copying.n_labels=256 eval.sequences=100",
    "copying train.steps=2 train.optimizer.adam.learning_rate=0.001 task.copying.d_item=400 model.d_buffer=400",
    "copying train.steps=2 model.n_layers=4 model.n_heads=4 model.d_head=64 model.output_projection=true \
     model.layer_norm=true model.d_mlp=512",
    "copying train.steps=2 model.n_heads=8 model.d_head=32 model.output_projection=true task.copying.n_exemplars=100 \
     task.copying.n_labels=128 eval.sequences=100",
    "minimal-head train.steps=3",
    "minimal-head train.steps=2 task.copying.d_item=2000 task.copying.n_labels=2000",
    "classification train.steps=2 eval.sequences=100 task.classification.n_novel_classes=65536",
    "han train.steps=2",
    "regression-stream train.steps=2 task.regression.n_exemplars=100 eval.sequences=100",
    "regression train.steps=2 task.regression.d_item=256 eval.sequences=100",
];

/// Within a factor of 1.5, to either side.
fn compare(table: &[&str]) {
    let mut wrong = Vec::new();
    for of in table {
        let (taken, said) = (measured(of), memory::need(&spec(of), true, THREADS).unwrap() + memory::PROGRAM);
        let parts = Memory::of(&spec(of), THREADS);
        let line =
            format!("{:.2}: said {:.0} MB, took {:.0} MB: {of}: {parts:?}", said / taken, said / 1e6, taken / 1e6);
        eprintln!("{line}");
        if !(1.0 / 1.5..=1.5).contains(&(said / taken)) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_run_is_said_to_need_is_what_it_takes() {
    compare(&TABLE);
}

#[test]
#[ignore = "takes minutes; `cargo test -p precipice-lab --test memory -- --ignored`"]
fn the_same_of_larger_runs() {
    compare(&MORE);
}
