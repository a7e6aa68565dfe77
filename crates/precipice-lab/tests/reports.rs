//! Reports as JSON: what is undefined is null, keys keep their order, and every key is documented.

use precipice::record::MemoryRecorder;
use precipice::theory::{Context, Descent, Over, Parameter, Start, Third, flow};
use precipice::workers::Sequential;
use precipice_lab::input::spec_file::{self, Changes};
use precipice_lab::meter::Meter;
use precipice_lab::reports::closed_forms::ClosedForms;
use precipice_lab::reports::diff::DiffReport;
use precipice_lab::reports::formula::{DescentReport, FlowReport, PointReport};
use precipice_lab::reports::landscape::{Landscape, Request};
use precipice_lab::reports::network::NetworkReport;
use precipice_lab::reports::regression::RegressionReport;
use precipice_lab::reports::run::{ExportReport, FiguresReport, RunReport, VerifyReport};
use precipice_lab::reports::scaling::ScalingReport;
use precipice_lab::reports::surface::SurfaceReport;
use precipice_lab::runs::{Keep, Options, StoredRun, diff, train, verify};
use serde::Serialize;
use serde_json::Value;

fn json(report: &impl Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(report).unwrap()).unwrap()
}

/// Keys of objects at any depth, columns of the log excepted.
fn keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                found.push(key.clone());
                if key != "final" && key != "columns" {
                    keys(inner, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

#[track_caller]
fn is_documented(report: &impl Serialize) -> Value {
    let page = include_str!("../../../docs/reference/json.md");
    let (value, mut found) = (json(report), Vec::new());
    keys(&value, &mut found);
    for key in found {
        assert!(page.contains(&format!("`{key}`")), "{key} is not documented");
    }
    value
}

/// A short run of a spec and its report.
fn short_run(name: &str) -> (tempfile::TempDir, StoredRun, RunReport) {
    let folder = tempfile::tempdir().unwrap();
    let overrides = vec!["eval.sequences=32".to_owned(), "probes.sequences=16".to_owned()];
    let spec = spec_file::load(name, &Changes { overrides, seed: None, steps: Some(1) }).unwrap();
    let out = Some(folder.path().join("run"));
    let options = Options { out, threads: 1, resume: false, force: false, keep: Keep::Results, arithmetic: None };
    let report = train(spec, &options, &mut MemoryRecorder::default()).unwrap().seal().unwrap();
    (folder, StoredRun::open(report.run_dir.root()).unwrap(), RunReport::from(&report))
}

#[test]
fn of_a_run_that_answers_with_labels() {
    let (_folder, run, report) = short_run("copying-small");
    let value = is_documented(&report);
    let first: Vec<&String> = value.as_object().unwrap().keys().take(4).collect();
    assert_eq!(first, ["run_dir", "spec_hash", "outcome", "steps"]);
    assert!(value["transition"].is_null());
    let trainer = run.at_step(1).unwrap();
    let value = is_documented(&NetworkReport::new(&run.spec, &trainer, &Sequential).unwrap());
    assert!(value["interactions"][1][0][2]["variance_share"].is_number());
    let row = &value["attention"]["layers"][0][0][2];
    let sum: f64 = row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{row}");
    let again = verify(&run.run_dir, 1, &mut MemoryRecorder::default()).unwrap();
    assert_eq!(is_documented(&VerifyReport::new(&run.run_dir, again))["same"], true);
    let path = std::path::PathBuf::from("a.csv");
    assert_eq!(is_documented(&ExportReport::new(&path, b"step\n"))["bytes"], 5);
    assert_eq!(is_documented(&FiguresReport::new(&[path]))["figures"][0], "a.csv");
}

#[test]
fn of_two_runs() {
    let ((_one, a, _), (_other, b, _)) = (short_run("copying-small"), short_run("minimal-head"));
    let mut found = diff([&a, &b], &precipice::run::Run::new, 1, &Meter::default()).unwrap();
    // Tables have the keys of specs.
    found.specs.retain(|one| ![&one.a, &one.b].into_iter().flatten().any(Value::is_object));
    let report = DiffReport::new([&a, &b], found).unwrap();
    let value = is_documented(&report);
    let first: Vec<&String> = value.as_object().unwrap().keys().take(4).collect();
    assert_eq!(first, ["same", "verdict", "a", "b"]);
    assert!(value["same"] == false && value["figure"].is_null());
    assert!(!value["specs"].as_array().unwrap().is_empty() && value["states"]["only_a"][0]["shape"].is_array());
}

#[test]
fn of_a_regression_run() {
    let (_folder, run, _) = short_run("regression");
    let report = RegressionReport::new(&run.spec, &run.at_step(1).unwrap(), &Sequential);
    assert!(report.column(&precipice::measure::metric::ILA1.main()).is_nan());
    let value = is_documented(&report);
    assert!(value["columns"]["gd_loss"].is_number() && value["columns"].get("train_loss").is_none());
    let roll_out: Vec<&String> = value["roll_outs"][0].as_object().unwrap().keys().collect();
    assert_eq!(roll_out, ["mean", "median", "damping"]);
}

#[test]
fn of_the_theory() {
    let context = Context::new(8, 32).unwrap();
    is_documented(&PointReport::from(context.evaluate([1.0, 2.0, 3.0])));
    is_documented(&FlowReport::from(&flow(context, Start::at([0.0; 3], 10.0)).unwrap()));
    let descent = Descent { start: [0.0; 3], learning_rates: [0.1; 3], noise: 0.0, seed: 0, steps: 2500 };
    let report = DescentReport::new(context, &descent, &Meter::default()).unwrap();
    assert_eq!((report.rows.len(), report.rows.last().unwrap().t), (835, 2500.0), "every third step, and the last");
    is_documented(&report);
    is_documented(&ScalingReport::new(Over::Exemplars { labels_per_exemplar: 4.0 }, &[4.0, 8.0]).unwrap());
    let request = Request {
        context,
        x: (Parameter::Alpha, None),
        y: (Parameter::Xi, None),
        third: Third::OnFlow([0.0; 3]),
        start: [0.0; 3],
        grid: 3,
    };
    let value = is_documented(&SurfaceReport::from(&Landscape::new(request, &Meter::default()).unwrap()));
    let axes: Vec<&String> = value["velocity"].as_object().unwrap().keys().collect();
    assert_eq!(axes, ["alpha", "xi"]);
    let spec = spec_file::load("regression", &Changes::default()).unwrap();
    let value = is_documented(&ClosedForms::new(&spec, &[1, 2], 50, &Meter::default()).unwrap());
    assert_eq!((&value["steps"][0]["predictor"], &value["steps"][0]["shrinkage"]), (&"descent".into(), &Value::Null));
    let copying = spec_file::load("copying", &Changes::default()).unwrap();
    assert!(ClosedForms::new(&copying, &[1], 50, &Meter::default()).is_none());
}

/// What is announced is what is done: otherwise time left would be wrong, and a bar would end early or never.
#[test]
fn all_work_that_is_announced_is_done() {
    use precipice::train::Trainer;
    use precipice::workers::Sequential;
    use precipice_lab::input::spec_file::{self, Changes};
    use precipice_lab::meter::Metered;
    use precipice_lab::reports::regression::RegressionReport;

    for name in ["regression", "regression-two-layers", "regression-sine", "regression-stream"] {
        let overrides = ["eval.sequences=16", "probes.sequences=8"].map(str::to_owned).to_vec();
        let spec = spec_file::load(name, &Changes { overrides, ..Changes::default() }).unwrap();
        let task = spec.build_task(None).unwrap();
        let trainer = Trainer::new(&spec, task, precipice_num::Kernels::detect()).unwrap();
        let meter = Meter::default();
        RegressionReport::new(&spec, &trainer, &Metered { workers: &Sequential, meter: &meter });
        let (done, total) = meter.read();
        assert!(total > 0 && done == total, "{name}: {done} of {total}");
    }
    let spec = spec_file::load("regression", &Changes::default()).unwrap();
    let meter = Meter::default();
    ClosedForms::new(&spec, &[1, 2, 3], 50, &meter).unwrap();
    let (done, total) = meter.read();
    assert!(done as f64 > 0.98 * total as f64, "{done} of {total}");
}
