//! Many runs from one command, and the timing of training.

use serde_json::Value;

use crate::common::{Scratch, names};

/// Four runs of a second or less: two learning rates, two seeds.
const GRID: [&str; 17] = [
    "sweep",
    "copying-small",
    "--steps",
    "60",
    "-s",
    "eval.every=10",
    "-s",
    "eval.sequences=64",
    "-s",
    "probes.enabled=false",
    "-s",
    "probes.ablations=[]",
    "--seeds",
    "0..1",
    "--out",
    "out",
    "-q",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&GRID[..], more].concat()
}

const RATES: [&str; 2] = ["-g", "train.optimizer.sgd.learning_rate=0.1,0.3"];

#[test]
fn a_sweep_makes_every_run_once_and_a_larger_one_begins_with_it() {
    let scratch = Scratch::new();
    let told = scratch.run(&with(&[&RATES[..], &["--json"]].concat())).ok().json();
    let runs = told["runs"].as_array().unwrap();
    let rate = |run: &Value| run["train.optimizer.sgd.learning_rate"].as_f64().unwrap();
    let order: Vec<_> = runs.iter().map(|run| (rate(run), run["seed"].as_u64().unwrap())).collect();
    assert_eq!(order, [(0.1, 0), (0.1, 1), (0.3, 0), (0.3, 1)]);
    assert!(runs.iter().all(|run| run["outcome"] == "none" && run["t50"].is_null() && run["loss"].is_number()));
    assert_eq!((&told["skipped"], told["failed"].as_array().unwrap().len()), (&Value::from(0), 0));
    let points = told["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert!(points.iter().all(|point| point["n_runs"] == 2 && point["n_jumped"] == 0 && point["t50_median"].is_null()));
    assert_eq!(
        names(&scratch.path("out")).len(),
        10,
        "four runs, their record, a lock, a table with a mark, two figures"
    );
    // Every run is the run that `run` makes, and the same bits.
    let hash = runs[3]["spec_hash"].as_str().unwrap();
    let spec = scratch.path(&format!("{}/spec.toml", runs[3]["run_dir"].as_str().unwrap()));
    let one = scratch.run(&["run", spec.to_str().unwrap(), "--out", "one", "--json", "-q"]).ok().json();
    assert_eq!((one["spec_hash"].as_str().unwrap(), &one["final"]["loss"]), (hash, &runs[3]["loss"]));
    // What is there is not computed again.
    let args = with(&[&RATES[..], &["--json", "--workers", "1"]].concat());
    let args: Vec<&str> = args.into_iter().map(|arg| if arg == "0..1" { "0..2" } else { arg }).collect();
    let again = scratch.run(&args).ok().json();
    assert_eq!((&again["skipped"], again["runs"].as_array().unwrap().len()), (&Value::from(4), 6));
    assert_eq!(again["runs"][1], told["runs"][1]);
}

#[test]
fn an_interrupted_sweep_goes_on_to_the_same_results() {
    let scratch = Scratch::new();
    let whole = scratch.run(&with(&["--json"])).ok().json();
    let (killed, run_dir) = (scratch.path("out"), whole["runs"][1]["run_dir"].as_str().unwrap());
    // As a kill leaves it: rows without an end, no table.
    std::fs::remove_file(scratch.path(run_dir).join("manifest.json")).unwrap();
    std::fs::remove_dir_all(scratch.path(run_dir).join("checkpoints")).unwrap();
    std::fs::remove_file(killed.join("runs.parquet")).unwrap();
    let again = scratch.run(&with(&["--json"])).ok().json();
    assert_eq!(again["skipped"], 1);
    assert_eq!(again["runs"], whole["runs"]);
    assert!(killed.join("runs.parquet").is_file());
}

#[test]
fn a_run_that_cannot_be_made_is_told_and_the_others_go_on() {
    let scratch = Scratch::new();
    let whole = scratch.run(&with(&["--json"])).ok().json();
    let run_dir = scratch.path(whole["runs"][0]["run_dir"].as_str().unwrap());
    std::fs::write(run_dir.join("spec.toml"), "name = 3").unwrap();
    let told = scratch.run(&with(&["--json"]));
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let told = told.json();
    assert_eq!((told["runs"].as_array().unwrap().len(), &told["failed"][0]["seed"]), (1, &Value::from(0)));
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_is_written() {
    let scratch = Scratch::new();
    for (args, reason) in [
        (&["sweep", "copying", "-g", "task.copying.n_labels"][..], "KEY=V1,V2"),
        (&["sweep", "copying", "-g", "task.copying.n_labels=4,8"], "n_labels"),
        (&["sweep", "copying", "-g", "task.copying.n_label=16"], "did you mean"),
        (&["sweep", "copying", "-g", "train.steps=10,10"], "the same run"),
        (&["sweep", "copying", "-g", "seeds.init=1,2"], "--seeds"),
        (&["sweep", "copying", "-g", "\"seeds\".init=1,2"], "--seeds"),
        (&["sweep", "copying", "-s", "\"seeds\".init=1"], "--seeds"),
        (&["sweep", "copying", "-g", "train.batch_size=1,2", "-g", "train.batch_size=3"], "swept twice"),
        (
            &["sweep", "copying", "-g", "train.steps=many"],
            "-g train.steps=many: train.steps = \"many\": expected a whole",
        ),
        (&["sweep", "copying", "-g", "train.steps=[1,2"], "not closed"),
        (&["sweep", "copying", "-g", "train.steps=1", "-s", "train.steps=2"], "the field is swept"),
        (&["sweep", "reddy-noise", "-s", "task.classification.within_class_noise=.1"], "the field is swept"),
        (&["sweep", "copying", "-g", "train.steps,train.batch_size=1,2"], "one each for"),
        (&["sweep", "copying", "--seeds", "5..2"], "rising range"),
        (&["sweep", "copying", "--seeds", "1,1"], "twice"),
        (&["sweep", "copying", "--seeds", "x"], "0..31"),
        (&["sweep", "copying", "--workers", "0"], "workers"),
        (&["sweep", "copyin"], "did you mean"),
        (&["bench", "copyin"], "did you mean"),
        (&["bench", "--seconds", "0"], "above 0"),
        (&["bench", "--rounds", "0"], "rounds"),
        (&["bench", "--growth", "wide-8"], "cannot be used with"),
    ] {
        let ran = scratch.run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{args:?}: {}", ran.stderr);
    }
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

/// Commas inside brackets are the value's, values keep their types, and fields can go together; in the table too.
#[test]
fn axes_of_lists_and_of_fields_that_go_together() {
    use parquet::basic::Type::{BOOLEAN, BYTE_ARRAY, DOUBLE, INT64};
    let scratch = Scratch::new();
    let clamps = r#"model.clamps=[],[{layer=0,head=0,pattern="previous-token"}]"#;
    let sizes = "task.copying.n_exemplars,task.copying.n_labels=[2,8],[4,16]";
    let args = with(&["-g", clamps, "-g", sizes, "-g", "model.layer_norm=true,false", "--json"]);
    let args: Vec<&str> = args.into_iter().map(|arg| if arg == "60" { "1" } else { arg }).collect();
    let told = scratch.run(&args).ok().json();
    let runs = told["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2 * 2 * 2 * 2, "clamps, sizes, norms, seeds");
    let pair = |run: &Value| (run["task.copying.n_exemplars"].as_i64(), run["task.copying.n_labels"].as_i64());
    assert!(runs.iter().all(|run| [(Some(2), Some(8)), (Some(4), Some(16))].contains(&pair(run))));
    assert_eq!(runs[15]["model.clamps"], r#"[{ head = 0, layer = 0, pattern = "previous-token" }]"#);
    let table = std::fs::File::open(scratch.path("out/runs.parquet")).unwrap();
    let table = parquet::file::serialized_reader::SerializedFileReader::new(table).unwrap();
    let schema = parquet::file::reader::FileReader::metadata(&table).file_metadata().schema_descr_ptr();
    let kind = |name: &str| schema.columns().iter().find(|column| column.name() == name).unwrap().physical_type();
    let names = ["task.copying.n_exemplars", "task.copying.n_labels", "model.layer_norm", "model.clamps", "t50"];
    assert_eq!(names.map(kind), [INT64, INT64, BOOLEAN, BYTE_ARRAY, DOUBLE]);
}

#[test]
fn training_is_timed() {
    let scratch = Scratch::new();
    let args = ["bench", "copying-small", "wide-8", "--rounds", "2", "--seconds", "0.02"];
    let told = scratch.run(&[&args[..], &["--threads", "1,2", "--json"]].concat()).ok().json();
    let rows = told.as_array().unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        for key in ["steps_per_s", "data_s_per_step", "flops_per_step", "gflops", "share_of_limit", "share_spread"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{key}: {row}");
        }
    }
    let planned = scratch.run(&[&args[..], &["--plan"]].concat()).ok();
    assert!(planned.stdout.contains("folded") && planned.stdout.contains("times less"), "{}", planned.stdout);
}

/// Two axes, one point of which is no task; seeds and steps of the fast form.
const FILE: &str = r#"
name = "tiny"
spec = "copying-small"
seeds = "0..5"
skips_invalid = true
set = ["probes.enabled=false", "probes.ablations=[]", "eval.sequences=16"]
[[grid]]
key = "task.copying.n_exemplars"
values = [2, 4]
[[grid]]
key = "task.copying.n_labels"
values = [2, 4]
[fast]
seeds = "0..1"
set = ["train.steps=4"]
"#;

#[test]
fn a_sweep_file_is_a_grid_with_a_phase_diagram() {
    let scratch = Scratch::new();
    scratch.write("tiny.toml", FILE);
    let told = scratch.run(&["sweep", "tiny.toml", "--fast", "-s", "train.batch_size=8", "--json", "-q"]).ok().json();
    assert_eq!(told["runs"].as_array().unwrap().len(), 6, "three of four points, two seeds");
    assert!(told["runs"].as_array().unwrap().iter().all(|run| run["steps"] == 4));
    let figures = told["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 2);
    assert!(scratch.path("runs/sweep-tiny/phase-diagram.svg").is_file());
    let told =
        scratch.run(&["sweep", "tiny.toml", "--fast", "--seeds", "3", "-g", "task.copying.n_labels=8", "--json", "-q"]);
    assert_eq!(told.ok().json()["runs"].as_array().unwrap().len(), 2, "the axis and the seeds are replaced");
}
