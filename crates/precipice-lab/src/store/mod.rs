//! The run directory: one folder a run, whole after any interruption, and checked by whoever reads it.
//!
//! ```text
//! runs/<name>-<hash8>/
//!   spec.toml        resolved spec, below its format, address and check    written first
//!   lock             held while the run is written
//!   log.jsonl        one row an evaluation, flushed as it comes, each with a check of the log up to there
//!   checkpoints/     step-00000000.safetensors ..., each with a checksum and the check of the log
//!   metrics.parquet  the log as a table                                    at the end
//!   figures/
//!   manifest.json    outcome, digest of every file, check of itself        written last
//! ```
//!
//! Reading order: [`seal`] and [`atomic`] (how anything is written), [`pack`] and [`files`] (where a file is), [`spec_text`], [`log`], [`tail`],
//! [`checkpoint`], [`manifest`] (the files), `run_dir` (how they are read), `standing` (who may write), [`names`] (which
//! run is meant), [`tables`], [`arrays`] and [`output`] (what others are given), [`archive`] (all of it without
//! a disk).

pub mod archive;
pub mod arrays;
pub mod atomic;
pub mod checkpoint;
pub mod files;
pub mod log;
pub mod manifest;
pub mod names;
pub mod output;
pub mod pack;
mod run_dir;
pub mod seal;
pub mod spec_text;
mod standing;
#[cfg(feature = "runs")]
pub mod tables;
pub mod tail;

pub use manifest::{Manifest, RunOutcome};
#[cfg(feature = "runs")]
pub(crate) use run_dir::move_items;
pub use run_dir::{FIGURES, RunDir};
pub use standing::{BeingWritten, Lock, Standing};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use precipice::spec::RunSpec;
    use precipice::train::Trainer;
    use precipice_num::Kernels;

    use super::*;
    use crate::error::{LabError, RunDirProblem};

    fn manifest() -> Manifest {
        Manifest {
            format: spec_text::FORMAT,
            name: "format".to_owned(),
            spec_hash: "0123".to_owned(),
            version: "0".to_owned(),
            arithmetic: "fused".to_owned(),
            simd: "avx2".to_owned(),
            machine: BTreeMap::new(),
            threads: 1,
            started: "1970-01-01T00:00:00Z".to_owned(),
            ended: "1970-01-01T00:00:01Z".to_owned(),
            seconds: 1.0,
            steps_per_s: 1.0 / 3.0,
            outcome: RunOutcome::None,
            steps: 1,
            digest: "4567".to_owned(),
            final_row: serde_json::Map::new(),
            transition: None,
            files: BTreeMap::from([("log.jsonl".to_owned(), manifest::digest_of(b"rows"))]),
            own_metrics: Vec::new(),
        }
    }

    #[test]
    fn another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        fs::write(&path, r#"{"format": 2, "spec_hash": "0123"}"#).unwrap();
        assert!(Manifest::read(&path, "0123").unwrap_err().to_string().contains("damaged manifest"));
        manifest().write(&path).unwrap();
        assert_eq!(Manifest::read(&path, "0123").unwrap(), manifest());
        Manifest { format: 9, ..manifest() }.write(&path).unwrap();
        let error = Manifest::read(&path, "0123").unwrap_err().to_string();
        assert!(error.contains("format 9; this version reads format 2"), "{error}");
        // As the version before wrote it, without a check.
        fs::write(&path, r#"{"format": 1}"#).unwrap();
        assert!(Manifest::read(&path, "0123").unwrap_err().to_string().contains("format 1"));
    }

    #[test]
    fn every_changed_byte_of_a_manifest_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        manifest().write(&path).unwrap();
        assert!(matches!(
            Manifest::read(&path, "4567").unwrap_err(),
            LabError::RunDir { problem: RunDirProblem::ManifestOfAnotherSpec, .. }
        ));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            assert!(Manifest::read(&path, "0123").is_err(), "byte {at}");
        }
        assert!(manifest().check_file(folder.path(), "log.jsonl", b"rows").is_ok());
        assert!(manifest().check_file(folder.path(), "log.jsonl", b"rowz").unwrap_err().is_damage());
        assert!(manifest().check_file(folder.path(), "other", b"rows").unwrap_err().is_damage());
    }

    #[test]
    fn a_checkpoint_of_another_run_or_step_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spec = RunSpec { name: "own".to_owned(), ..RunSpec::default() };
        let trainer = Trainer::new(&spec, spec.build_task(None).unwrap(), Kernels::detect()).unwrap();
        checkpoint::write(folder.path(), &trainer, &spec.hash(), "row").unwrap();
        let path = folder.path().join(checkpoint::file_name(0));
        let layout = trainer.model().layout();
        let saved = checkpoint::read(&path, layout, &spec.hash()).unwrap();
        assert_eq!((&saved.state, saved.log_check.as_str()), (trainer.state(), "row"));
        let bytes = fs::read(&path).unwrap();
        checkpoint::write(folder.path(), &trainer, &spec.hash(), "row").unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "same state, same bytes");
        let error = checkpoint::read(&path, layout, "0123").unwrap_err().to_string();
        assert!(error.contains("belongs to another spec"), "{error}");
        let other = folder.path().join(checkpoint::file_name(16));
        fs::copy(&path, &other).unwrap();
        let error = checkpoint::read(&other, layout, &spec.hash()).unwrap_err().to_string();
        assert!(error.contains("step-00000016") && error.contains("state of step 0"), "{error}");
    }
}
