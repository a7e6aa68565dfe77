//! Folders of sweeps.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use precipice_lab::error::LabError;
use precipice_lab::sweep::{
    self, Axis, FailedRun, Plan, Record, SweepOptions, SweepReport, SweepRow, SweepWatcher, curves, table,
};

use super::harm::{Random, bounded, copy, files, harm};

struct Quiet;

impl SweepWatcher for Quiet {
    fn ended(&mut self, _: usize, _: &Result<SweepRow, FailedRun>, _: bool) {}
}

fn sweep(folder: &Path) -> Result<SweepReport, LabError> {
    let mut plan = Plan::load("copying-small", false)?;
    let overrides = ["train.steps=8", "train.batch_size=8", "eval.every=4", "eval.sequences=16", "probes.sequences=8"];
    plan.changes.overrides = overrides.map(str::to_owned).to_vec();
    plan.set_axis(Axis::of("task.copying.d_item", [6, 8]));
    plan.seeds = vec![0, 1];
    sweep::sweep(plan.jobs()?, folder, &SweepOptions::of(1), &|| false, &mut Quiet)
}

/// `export` of the table and of the curves.
fn exported(folder: &Path) -> Result<(String, String), LabError> {
    let rows = Record::read(folder)?.ended(folder)?;
    Ok((table(&rows).csv(), curves(&rows)?.csv()))
}

/// Each run by its address, without the folder.
fn results(report: &SweepReport) -> BTreeMap<String, String> {
    let text = |row: &SweepRow| format!("{:?}", SweepRow { run_dir: String::new(), ..row.clone() });
    report.runs.iter().map(|row| (row.spec_hash.clone(), text(row))).collect()
}

#[test]
fn a_sweep_is_read_and_goes_on_as_it_was_or_says_what_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, copied) = (folder.path().join("sweep"), folder.path().join("copied"));
    let expected = results(&sweep(&root).unwrap());
    let whole = exported(&root).unwrap();
    assert_eq!((expected.len(), whole.0.lines().count(), whole.1.lines().count()), (4, 5, 13));
    let exchange: Vec<PathBuf> = files(&root);
    let mut random = Random(4);
    for path in files(&root) {
        let bytes = fs::read(&path).unwrap();
        for _ in 0..12 {
            let Some(how) = harm(&path, &exchange, &mut random) else { continue };
            // A run without a manifest is one that has not ended, and is told of as such.
            let is_unfinished = path.ends_with("manifest.json") && !path.exists();
            if let Ok(found) = bounded(&how, || exported(&root)) {
                assert!(found == whole || is_unfinished, "{how}");
            }
            copy(&root, &copied);
            if let Ok(report) = bounded(&how, || sweep(&copied)) {
                let found = results(&report);
                assert!(found.len() + report.failed.len() == 4, "{how}");
                assert!(found.iter().all(|(hash, row)| expected[hash] == *row), "{how}");
            }
            fs::remove_dir_all(&copied).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
    }
}
