//! What is said of runs and sweeps.

use std::fs;
use std::path::Path;

use precipice_lab::store::RunDir;
use precipice_lab::sweep::{self, Axis, FailedRun, Plan, SweepOptions, SweepRow, SweepWatcher};
use precipice_page::Options;
use serde_json::Value;

use crate::common::{Served, Writing, damage, finished, limits, spec};

struct Quiet;

impl SweepWatcher for Quiet {
    fn ended(&mut self, _: usize, _: &Result<SweepRow, FailedRun>, _: bool) {}
}

/// Four runs over a field and two seeds.
fn swept(folder: &Path) {
    let mut plan = Plan::load("copying-small", false).unwrap();
    let overrides = ["train.steps=8", "train.batch_size=8", "eval.every=4", "eval.sequences=16", "probes.sequences=8"];
    plan.changes.overrides = overrides.map(str::to_owned).to_vec();
    plan.set_axis(Axis::of("task.copying.d_item", [6, 8]));
    plan.seeds = vec![0, 1];
    sweep::sweep(plan.jobs().unwrap(), folder, &SweepOptions::of(1), &|| false, &mut Quiet).unwrap();
}

fn entry<'a>(listed: &'a Value, path: &str) -> &'a Value {
    let entries = listed["entries"].as_array().unwrap();
    entries.iter().find(|entry| entry["path"] == path).unwrap_or_else(|| panic!("{path} is not in {listed}"))
}

#[test]
fn all_runs_and_sweeps_are_listed_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let good = finished(&place("good"), 3);
    let mut writing = Writing::new(&place("deep/er/training"));
    writing.row(0);
    writing.row(4);
    drop(Writing::new(&place("stopped")));
    for (name, file) in [("bad-spec", "spec.toml"), ("bad-log", "log.jsonl"), ("bad-manifest", "manifest.json")] {
        damage(&finished(&place(name), 0).root().join(file));
    }
    swept(&place("sweep-mine"));
    fs::create_dir_all(place("empty")).unwrap();
    fs::create_dir_all(place("other")).unwrap();
    fs::write(place("other/spec.toml"), "a = 1\n").unwrap();
    fs::create_dir_all(place(".hidden")).unwrap();
    finished(&place(".hidden/run"), 0);
    let served = Served::new(folder.path(), limits());
    let listed = served.json("/api/runs");
    assert_eq!(listed["dir"], folder.path().display().to_string());
    assert_eq!((listed["entries"].as_array().unwrap().len(), &listed["cut"]), (7, &false.into()));
    let run = entry(&listed, "good");
    let accuracies: Vec<Value> = good.rows().unwrap().iter().map(|row| row.named("accuracy").unwrap().into()).collect();
    for (key, value) in [
        ("kind", Value::from("run")),
        ("name", "copying-small".into()),
        ("family", "copying".into()),
        ("outcome", "none".into()),
        ("steps", 8.into()),
        ("step", 8.into()),
        ("seed", 3.into()),
        ("t50", Value::Null),
        ("column", "accuracy".into()),
        ("sparkline", accuracies.into()),
        ("problem", Value::Null),
    ] {
        assert_eq!(run[key], value, "{key}");
    }
    let written = fs::metadata(good.manifest_path()).unwrap().modified().unwrap();
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(run["modified"], written);
    let run = entry(&listed, "deep/er/training");
    assert_eq!((&run["outcome"], &run["step"], &run["t50"]), (&"training".into(), &4.into(), &Value::Null));
    assert_eq!(run["sparkline"], serde_json::json!([0.0, 0.04]));
    let run = entry(&listed, "stopped");
    assert_eq!(
        (&run["outcome"], &run["step"], &run["sparkline"]),
        (&"stopped".into(), &Value::Null, &serde_json::json!([]))
    );
    for (name, words) in
        [("bad-spec", "spec.toml: damaged"), ("bad-log", "log.jsonl: is not"), ("bad-manifest", "manifest")]
    {
        let run = entry(&listed, name);
        let problem = run["problem"].as_str().unwrap();
        assert!(run["outcome"] == "damaged" && problem.contains(words), "{run}");
        assert!(!problem.contains(&folder.path().display().to_string()), "{problem}");
    }
    let sweep = entry(&listed, "sweep-mine");
    for (key, value) in [
        ("kind", Value::from("sweep")),
        ("name", "mine".into()),
        ("n_runs", 4.into()),
        ("n_done", 4.into()),
        ("n_jumped", 0.into()),
        ("problem", Value::Null),
    ] {
        assert_eq!(sweep[key], value, "{key}");
    }
    // What changes is seen, though the rest is known.
    writing.row(8);
    writing.lock = None;
    damage(&good.log_path());
    let listed = served.json("/api/runs");
    let run = entry(&listed, "deep/er/training");
    assert_eq!((&run["outcome"], &run["step"]), (&"stopped".into(), &8.into()));
    assert_eq!(listed["entries"].as_array().unwrap().len(), 7);
    fs::remove_dir_all(good.root()).unwrap();
    assert_eq!(served.json("/api/runs")["entries"].as_array().unwrap().len(), 6);
}

#[test]
fn a_run_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = finished(&folder.path().join("good"), 3);
    let served = Served::new(folder.path(), limits());
    let said = served.json("/api/run?path=good");
    let spec = spec(3);
    assert_eq!((&said["path"], &said["spec_hash"]), (&"good".into(), &spec.hash().into()));
    assert_eq!(said["spec"], serde_json::to_value(&spec).unwrap());
    assert_eq!(said["toml"], precipice_lab::input::spec_file::to_toml(&spec));
    let rows = run.rows().unwrap();
    let rows: Vec<Value> = rows.iter().map(|row| precipice_lab::store::log::to_object(row).into()).collect();
    assert_eq!(said["rows"], Value::from(rows));
    assert_eq!(said["checkpoints"], serde_json::json!([0, 1, 2, 4, 8]));
    assert_eq!(
        (&said["outcome"], &said["transition"], &said["is_training"]),
        (&"none".into(), &Value::Null, &false.into())
    );
    let columns = said["columns"].as_array().unwrap();
    let accuracy = serde_json::json!({
        "name": "accuracy", "words": "accuracy", "unit": "fraction", "better": "high", "group": "evaluation"
    });
    assert!(columns.contains(&accuracy), "{columns:?}");
    let names: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
    let last = said["rows"].as_array().unwrap().last().unwrap().as_object().unwrap();
    assert_eq!(names.len(), last.len() - 2, "all but step and sequences");
    let saved = served.get("/api/checkpoint?path=good&step=4");
    assert_eq!(saved.headers["content-type"], "application/octet-stream");
    assert_eq!(saved.body, fs::read(run.checkpoint_path(4)).unwrap());
    damage(&run.checkpoint_path(4));
    let (status, text) = served.refused("/api/checkpoint?path=good&step=4");
    assert!(status == 422 && text.contains("good/checkpoints/step-00000004.safetensors"), "{status} {text}");
    damage(&run.log_path());
    assert_eq!(served.refused("/api/run?path=good").0, 422);
}

#[test]
fn a_sweep_is_told_run_by_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sweep-mine");
    swept(&root);
    let served = Served::new(folder.path(), limits());
    let said = served.json("/api/sweep?path=sweep-mine");
    assert_eq!((&said["path"], &said["name"]), (&"sweep-mine".into(), &"mine".into()));
    assert_eq!(said["axes"], serde_json::json!([{ "field": "task.copying.d_item", "values": [6, 8], "together": [] }]));
    let runs = said["runs"].as_array().unwrap();
    let seeds: Vec<(u64, u64)> = runs
        .iter()
        .map(|run| (run["values"]["task.copying.d_item"].as_u64().unwrap(), run["seed"].as_u64().unwrap()))
        .collect();
    assert_eq!(seeds, [(6, 0), (6, 1), (8, 0), (8, 1)]);
    for run in runs {
        let stored = RunDir::new(root.join(run["id"].as_str().unwrap()));
        let rows = stored.rows().unwrap();
        let accuracies: Vec<Value> = rows.iter().map(|row| row.named("accuracy").unwrap().into()).collect();
        assert_eq!((&run["outcome"], &run["t50"], &run["curve"]), (&"none".into(), &Value::Null, &accuracies.into()));
        assert_eq!(run["final"]["accuracy"], rows.last().unwrap().named("accuracy").unwrap());
        assert_eq!(
            served.json(&format!("/api/run?path=sweep-mine/{}", run["id"].as_str().unwrap()))["outcome"],
            "none"
        );
    }
    // One is damaged, one was interrupted, one is gone.
    let of = |i: usize| RunDir::new(root.join(runs[i]["id"].as_str().unwrap()));
    damage(&of(0).manifest_path());
    fs::remove_file(of(1).manifest_path()).unwrap();
    fs::remove_dir_all(of(2).root()).unwrap();
    let again = served.json("/api/sweep?path=sweep-mine");
    let outcome = |i: usize| {
        let found = again["runs"].as_array().unwrap().iter().find(|run| run["id"] == runs[i]["id"]).unwrap();
        (found["outcome"].as_str().unwrap(), found["problem"].is_string())
    };
    assert_eq!([0, 1, 2, 3].map(outcome), [("damaged", true), ("stopped", false), ("planned", false), ("none", false)]);
    let listed = served.json("/api/runs");
    let sweep = entry(&listed, "sweep-mine");
    assert_eq!((&sweep["n_runs"], &sweep["n_done"]), (&4.into(), &1.into()));
    assert!(sweep["problem"].as_str().unwrap().contains("damaged manifest"));
    damage(&root.join("sweep.json"));
    assert_eq!(served.refused("/api/sweep?path=sweep-mine").0, 422);
    assert!(entry(&served.json("/api/runs"), "sweep-mine")["problem"].as_str().unwrap().contains("damaged"));
}

/// A folder that comes later is seen then; a run or a sweep may be the folder itself.
#[test]
fn the_folder_may_be_missing_or_a_run_itself() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("runs");
    let host = "127.0.0.1".to_owned();
    let served = Served::of(Options { dir: dir.clone(), may_be_missing: true, host, port: 0, limits: limits() });
    assert_eq!(served.json("/api/runs")["entries"], serde_json::json!([]));
    assert_eq!(served.refused("/api/run?path=good").0, 404);
    finished(&dir.join("good"), 0);
    assert_eq!(served.json("/api/runs")["entries"][0]["path"], "good");
    let served = Served::new(&dir.join("good"), limits());
    assert_eq!(served.json("/api/runs")["entries"][0]["path"], ".");
    assert_eq!(served.json("/api/run?path=.")["path"], ".");
}
