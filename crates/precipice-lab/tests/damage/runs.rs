//! Finished and unfinished runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use precipice::record::{MemoryRecorder, Next, RecordError, Recorder, Row};
use precipice::train::Trainer;
use precipice_lab::runs::{Options, StoredRun, Training, train, verify};
use precipice_lab::store::{Manifest, RunDir};
use precipice_lab::whole_run::train_and_draw;

use super::commands::{READINGS, options, rows, spec, stored};
use super::harm::{Random, bounded, copy, files, harm};

/// A finished run, with its figures.
fn finished(root: &Path, seed: u64) {
    train_and_draw(spec(seed), &options(root), &mut MemoryRecorder::default()).unwrap();
}

/// Ends a run at a step: stopped, so that its state is saved, or as a kill does.
struct Until {
    step: u64,
    is_killed: bool,
}

impl Recorder for Until {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        if self.is_killed && row.step >= self.step { Err("killed".into()) } else { Ok(()) }
    }

    fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
        Ok(())
    }

    fn step(&mut self, step: u64, _: f64) -> Next {
        if !self.is_killed && step >= self.step { Next::Stop } else { Next::Continue }
    }
}

fn unfinished(root: &Path, until: Until) {
    let mut until = until;
    let ended = train(spec(0), &options(root), &mut until);
    assert!(ended.is_err() == until.is_killed && !root.join("manifest.json").exists());
}

/// What every reading command says of the undamaged run.
fn baseline(root: &Path) -> Vec<String> {
    READINGS.iter().map(|(what, read)| read(root).unwrap_or_else(|e| panic!("{what}: {e}"))).collect()
}

/// Three of the commands, so that all of them see many kinds of damage in little time.
fn some(random: &mut Random) -> impl Iterator<Item = usize> {
    let first = random.below(READINGS.len());
    (0..3).map(move |i| (first + i * READINGS.len() / 3) % READINGS.len())
}

/// Damages `n` times each file of a run that is put back afterwards; a third as often what only `verify` reads.
fn each_damage(root: &Path, others: &Path, n: usize, seed: u64, look: impl Fn(&str, &mut Random)) {
    let exchange: Vec<PathBuf> = files(root).into_iter().chain(files(others)).collect();
    let mut random = Random(seed);
    for path in files(root) {
        let whole = fs::read(&path).unwrap();
        let is_shown = path.extension().is_some_and(|extension| extension == "svg" || extension == "parquet");
        for _ in 0..if is_shown { n / 3 } else { n } {
            if let Some(how) = harm(&path, &exchange, &mut random) {
                look(&how, &mut random);
            }
            fs::write(&path, &whole).unwrap();
        }
    }
}

/// What the manifest says of a run, without its times.
fn result(manifest: &Manifest) -> String {
    let timeless = Manifest {
        machine: BTreeMap::new(),
        started: String::new(),
        ended: String::new(),
        seconds: 0.0,
        steps_per_s: 0.0,
        files: BTreeMap::new(),
        ..manifest.clone()
    };
    format!("{timeless:?}")
}

#[test]
fn a_finished_run_is_read_as_it_was_written_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (root, other) = (folder.path().join("run"), folder.path().join("other"));
    finished(&root, 0);
    finished(&other, 1);
    let (expected, manifest) = (baseline(&root), stored(&root, &spec(0)).unwrap());
    let verified = |root: &Path| verify(&RunDir::new(root), 1, &mut MemoryRecorder::default());
    assert_eq!(verified(&root).unwrap().difference, None);
    each_damage(&root, &other, 24, 1, |how, random| {
        for i in some(random) {
            let (what, read) = READINGS[i];
            // An error is named; a result is that of the undamaged run.
            if let Ok(found) = bounded(&format!("{what}, {how}"), || read(&root)) {
                assert!(found == expected[i], "{what} silently says something else: {how}");
            }
        }
        if let Ok(found) = bounded(how, || stored(&root, &spec(0))) {
            assert_eq!(found, manifest, "{how}");
        }
        let found = bounded(how, || verified(&root));
        assert!(found.is_err() || found.is_ok_and(|found| found.difference.is_some()), "verify is content: {how}");
    });
    assert_eq!(baseline(&root), expected);
}

#[test]
fn an_unfinished_run_goes_on_to_the_same_bits_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    finished(&at("whole"), 0);
    finished(&at("other"), 1);
    let whole = result(&stored(&at("whole"), &spec(0)).unwrap());
    let log = fs::read(at("whole").join("log.jsonl")).unwrap();
    // Saved at a step that is no other checkpoint's, and killed with rows that no checkpoint vouches for.
    unfinished(&at("stopped"), Until { step: 19, is_killed: false });
    unfinished(&at("killed"), Until { step: 20, is_killed: true });
    for (name, seed) in [("stopped", 2), ("killed", 3)] {
        let (root, copied) = (at(name), at("copied"));
        let (expected, all_rows) = (baseline(&root), rows(&root).unwrap());
        each_damage(&root, &at("other"), 16, seed, |how, random| {
            let found = bounded(how, || rows(&root));
            // As a kill at an earlier moment leaves it: without the last rows, or before it was stopped.
            let was_not_stopped = !root.join("checkpoints/step-00000019.safetensors").exists();
            let is_earlier = found.as_ref().is_ok_and(|found| found.len() < all_rows.len())
                || (name == "stopped" && was_not_stopped);
            assert!(found.is_err() || all_rows.starts_with_rows(&found.unwrap()), "rows that were not measured: {how}");
            for i in some(random) {
                let (what, read) = READINGS[i];
                if let Ok(found) = bounded(&format!("{what}, {how}"), || read(&root)) {
                    assert!(found == expected[i] || is_earlier, "{what} silently says something else: {how}");
                }
            }
            copy(&root, &copied);
            let options = Options { resume: true, ..options(&copied) };
            let ended =
                bounded(how, || train(spec(0), &options, &mut MemoryRecorder::default()).and_then(Training::seal));
            if let Ok(report) = ended {
                assert_eq!(result(&report.manifest), whole, "{how}");
                assert!(fs::read(copied.join("log.jsonl")).unwrap() == log, "{how}");
                // Whatever the damage was, it is mended; a full repetition shows it for some.
                if random.below(4) == 0 {
                    let verified = verify(&report.run_dir, 1, &mut MemoryRecorder::default()).unwrap();
                    assert_eq!(verified.difference, None, "{how}");
                }
            }
            fs::remove_dir_all(&copied).unwrap();
        });
    }
}

/// The beginning of a log, where undefined values are the same.
trait StartsWithRows {
    fn starts_with_rows(&self, rows: &[Row]) -> bool;
}

impl StartsWithRows for Vec<Row> {
    fn starts_with_rows(&self, rows: &[Row]) -> bool {
        rows.len() <= self.len() && super::commands::text(&self[..rows.len()]) == super::commands::text(rows)
    }
}

#[test]
fn what_is_taken_away_during_a_run_is_noticed() {
    struct Thief(PathBuf);
    impl Recorder for Thief {
        fn row(&mut self, row: &Row) -> Result<(), RecordError> {
            if row.step == 12 {
                fs::remove_file(&self.0)?;
            }
            Ok(())
        }
        fn checkpoint(&mut self, _: &Trainer) -> Result<(), RecordError> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["spec.toml", "log.jsonl", "lock", "checkpoints/step-00000004.safetensors"] {
        let root = folder.path().join(name.replace('/', "-"));
        let ended = train(spec(0), &options(&root), &mut Thief(root.join(name))).and_then(Training::seal);
        let told = ended.map(drop).unwrap_err().to_string();
        assert!(told.contains(name) && told.contains("while the run was written"), "{name}: {told}");
        assert!(!root.join("manifest.json").exists(), "{name}");
        if name != "spec.toml" {
            let options = Options { resume: true, ..options(&root) };
            train(spec(0), &options, &mut MemoryRecorder::default()).and_then(Training::seal).unwrap();
            assert!(StoredRun::open(&root).is_ok());
        }
    }
}
